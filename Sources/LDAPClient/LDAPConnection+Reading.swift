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
      throw ReadFailure("the search for \(dn) could not be sent: \(resultWords(sent))")
    }
    var found: [(description: String, values: [[UInt8]])]?
    do {
      while true {
        let received = try result(of: message, while: "reading \(dn)")
        defer { ldap_msgfree(received) }
        switch Int(ldap_msgtype(received)) {
        case usher_res_search_entry: found = try self.attributes(of: received)
        case usher_res_search_result:
          let answer = try Answer(handle, received)
          guard answer.code == LDAP_SUCCESS, let found else {
            throw ReadFailure(
              answer.code == LDAP_SUCCESS
                ? "\(dn) is gone from \(url)" : "\(dn) cannot be read (\(answer.text)): \(url)")
          }
          return found
        default: break
        }
      }
    } catch let failure as ConnectFailure {
      throw failure.failure
    }
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
    _ message: OpaquePointer, begin: (UnsafeRawBufferPointer) -> Void,
    attribute: (String, [[UInt8]]) -> Void
  ) throws {
    var element: OpaquePointer?
    var name = berval()
    guard ldap_get_dn_ber(handle, message, &element, &name) == LDAP_SUCCESS else {
      throw ReadFailure("\(url) sent an entry that cannot be read")
    }
    defer { ber_free(element, 0) }
    begin(name.bytes)
    while true {
      var description = berval()
      var values: UnsafeMutablePointer<berval>?
      guard
        ldap_get_attribute_ber(handle, message, element, &description, &values) == LDAP_SUCCESS
      else { throw ReadFailure("\(url) sent an entry that cannot be read") }
      guard description.bv_val != nil else { return }
      defer { ber_memfree(values) }
      var bytes: [[UInt8]] = []
      if var value = values {
        while value.pointee.bv_val != nil {
          bytes.append(Array(value.pointee.bytes))
          value += 1
        }
      }
      attribute(String(decoding: description.bytes, as: UTF8.self), bytes)
    }
  }

  /// What the server says of itself (RFC 4512 §5.1).
  func readProfile() throws -> ServerProfile {
    let search = DirectorySearch(
      bases: [""], scope: .base, filter: .present("objectClass"), slots: ServerProfile.attributes)
    var reader = SearchReader(connection: self, search: search, base: "", pageSize: nil)
    var profile: ServerProfile?
    _ = try reader.read { batch in
      if !batch.isEmpty { profile = ServerProfile(batch, entry: 0) }
    }
    guard let profile else {
      throw ReadFailure(
        "\(url) does not say what it is (its rootDSE may not be read)",
        remedy: "let the bind account read the rootDSE")
    }
    return profile
  }

  /// Who the server takes us for (RFC 4532); nil where it does not say.
  func whoAmI() throws -> String? {
    var message: Int32 = 0
    guard ldap_whoami(handle, nil, nil, &message) == LDAP_SUCCESS else { return nil }
    do {
      let received = try result(of: message, while: "asking who we are")
      defer { ldap_msgfree(received) }
      guard try Answer(handle, received).code == LDAP_SUCCESS else { return nil }
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
