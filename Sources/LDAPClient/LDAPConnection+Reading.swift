import CLDAP
import DirectoryModel
import Foundation
import Ports

extension LDAPConnection {
  /// One entry with these attributes, by its name.
  /// - Throws: `ReadFailure` for anything but exactly one entry.
  func readEntry(
    _ dn: String, attributes: [String]
  ) throws -> [(description: String, values: [[UInt8]])] {
    try receiveEntry(dn, message: askForEntry(dn, attributes: attributes))
  }

  /// Sends the search for one entry; several may be under way at once.
  func askForEntry(_ dn: String, attributes: [String]) throws -> Int32 {
    tell(
      DirectorySearch(
        bases: [dn], scope: .base, filter: .present("objectClass"),
        slots: AttributeSlots(attributes)),
      base: dn)
    var names: [UnsafeMutablePointer<CChar>?] = attributes.map { strdup($0) } + [nil]
    defer { names.forEach { free($0) } }
    var message: Int32 = 0
    let sent = ldap_search_ext(
      handle, dn, 0, "(objectClass=*)", &names, 0, nil, nil, nil, 0, &message)
    guard sent == LDAP_SUCCESS else {
      throw ReadFailure(
        "the search for \(dn) could not be sent to \(url): \(resultWords(sent))",
        isOfServer: true)
    }
    expect(message)
    return message
  }

  /// The answer to `askForEntry`.
  /// - Throws: `ReadFailure` for anything but exactly one entry.
  func receiveEntry(
    _ dn: String, message: Int32
  ) throws -> [(description: String, values: [[UInt8]])] {
    guard let found = try receiveEntryIfThere(dn, message: message) else {
      throw ReadFailure("\(dn) is gone from \(url)")
    }
    return found
  }

  /// The answer to `askForEntry`; nil where the server says neither the entry nor why not.
  private func receiveEntryIfThere(
    _ dn: String, message: Int32
  ) throws -> [(description: String, values: [[UInt8]])]? {
    var found: [(description: String, values: [[UInt8]])]?
    do {
      while true {
        let received = try result(of: message, while: "reading \(dn.isEmpty ? "its rootDSE" : dn)")
        defer { ldap_msgfree(received) }
        switch Int(ldap_msgtype(received)) {
        case usher_res_search_entry:
          guard found == nil else {
            throw ReadFailure(
              "\(url) sent several entries where \(dn.isEmpty ? "its rootDSE" : dn) was asked for",
              remedy: "check the server", isOfServer: true)
          }
          found = try self.attributes(of: received)
        case usher_res_search_result:
          let answer = try Answer(received, of: self)
          guard answer.code == LDAP_SUCCESS else {
            throw ReadFailure(
              "\(dn.isEmpty ? "the rootDSE" : dn) cannot be read (\(answer.text)): \(url)",
              // A server that cannot even say what it is may be starting or stopping.
              isOfServer: dn.isEmpty && answer.code != LDAP_INSUFFICIENT_ACCESS)
          }
          return found
        default: break
        }
      }
    } catch let failure as ConnectFailure {
      throw failure.failure
    }
  }

  /// Sends a search with one critical control.
  /// - Parameter shown: the control as `ldapsearch -E` takes it; nil: by its number.
  func send(
    _ search: DirectorySearch, base: String, control type: String, _ value: [UInt8],
    shownAs shown: String? = nil
  ) throws -> Int32 {
    expectEntries()
    let encoded = "!\(type)=::\(Data(value).base64EncodedString())"
    tell(search, base: base, extra: " -E '\(shown ?? encoded)'")
    var value = value
    let names = search.slots.names.isEmpty ? ["1.1"] : search.slots.names
    var attributes: [UnsafeMutablePointer<CChar>?] = names.map { strdup($0) } + [nil]
    defer { attributes.forEach { free($0) } }
    var message: Int32 = 0
    let sent = value.withUnsafeMutableBytes { bytes in
      var data = berval(
        bv_len: ber_len_t(bytes.count),
        bv_val: bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
      var control: UnsafeMutablePointer<LDAPControl>?
      guard ldap_control_create(type, 1, &data, 1, &control) == LDAP_SUCCESS else {
        return Int32(LDAP_NO_MEMORY)
      }
      defer { ldap_control_free(control) }
      var controls = [control, nil]
      return controls.withUnsafeMutableBufferPointer { controls in
        ldap_search_ext(
          handle, base, search.scope == .subtree ? 2 : search.scope == .one ? 1 : 0,
          search.filter.text, &attributes, 0, controls.baseAddress, nil, nil, 0, &message)
      }
    }
    guard sent == LDAP_SUCCESS else {
      throw ReadFailure(
        "the search under \(base) could not be sent to \(url): \(resultWords(sent))",
        isOfServer: true)
    }
    return message
  }

  private func attributes(
    of message: OpaquePointer
  ) throws -> [(description: String, values: [[UInt8]])] {
    var found: [(description: String, values: [[UInt8]])] = []
    try readEntry(message, begin: { _ in }) { found.append(($0, $1)) }
    return found
  }

  /// Takes an entry apart.
  func readEntry(
    _ message: OpaquePointer, begin: (ReceivedEntry) throws -> Void,
    attribute: (String, [[UInt8]]) -> Void
  ) throws {
    try ReceivedEntry.read(message, of: self) {
      try begin($0)
    } attribute: { entry, _, description, values in
      var bytes: [[UInt8]] = []
      let name = String(decoding: description, as: UTF8.self)
      try entry.forEachValue(values, of: description) { bytes.append(Array($0)) }
      attribute(name, bytes)
    }
  }

  /// Asks what the server says of itself (RFC 4512 §5.1).
  func askForProfile() throws -> Int32 {
    try askForEntry("", attributes: ServerProfile.attributes.names)
  }

  /// Asks who the server takes us for (RFC 4532); nil where it cannot be asked.
  func askWhoAmI() -> Int32? {
    var message: Int32 = 0
    guard ldap_whoami(handle, nil, nil, &message) == LDAP_SUCCESS else { return nil }
    expect(message)
    return message
  }

  func receiveProfile(_ message: Int32) throws -> ServerProfile {
    guard let entry = try receiveEntryIfThere("", message: message) else {
      throw ReadFailure(
        "\(url) does not say what it is (its rootDSE may not be read)",
        remedy: "let the bind account read the rootDSE")
    }
    var batch = EntryBatch(slots: ServerProfile.attributes)
    batch.beginEntry(dn: "")
    for (description, values) in entry { batch.appendAttribute(description, values: values) }
    return ServerProfile(batch, entry: 0)
  }

  /// Who the server takes us for; nil where it does not say.
  func receiveWhoAmI(_ message: Int32) throws -> String? {
    do {
      let received = try result(of: message, while: "asking who we are")
      defer { ldap_msgfree(received) }
      guard try Answer(received, of: self).code == LDAP_SUCCESS else { return nil }
      var value: UnsafeMutablePointer<berval>?
      guard ldap_parse_whoami(handle, received, &value) == LDAP_SUCCESS, let value else {
        return nil
      }
      defer { ber_bvfree(value) }
      return String(decoding: value.pointee.bytes, as: UTF8.self)
    } catch let failure as ConnectFailure {
      throw failure.failure
    }
  }
}

/// The end of a search, with its controls.
struct SearchResult {
  let code: Int32
  private let values: [String: [UInt8]]

  init(_ message: OpaquePointer, of connection: LDAPConnection) throws {
    var code: Int32 = 0
    var controls: UnsafeMutablePointer<UnsafeMutablePointer<LDAPControl>?>?
    guard
      ldap_parse_result(connection.handle, message, &code, nil, nil, nil, &controls, 0)
        == LDAP_SUCCESS
    else {
      throw ReadFailure("\(connection.url) sent a result that cannot be read", isOfServer: true)
    }
    defer { ldap_controls_free(controls) }
    var values: [String: [UInt8]] = [:]
    var next = controls
    while let control = next?.pointee {
      values[String(cString: control.pointee.ldctl_oid)] = Array(control.pointee.ldctl_value.bytes)
      next = next?.advanced(by: 1)
    }
    self.code = code
    self.values = values
  }

  /// A reader of a control's value; nil where the control is not there.
  func value(of control: String) -> BERReader<[UInt8]>? {
    values[control].map { BERReader($0) }
  }
}
