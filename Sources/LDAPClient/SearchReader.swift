import CLDAP
import DirectoryModel
import Foundation
import Ports

/// Reads one search under one base to its end, page by page. The next page is asked for before the
/// last one is handed on, so that the server works while we do.
struct SearchReader {
  private let connection: LDAPConnection
  private let search: DirectorySearch
  private let base: String
  /// Entries a page; nil: the server knows no pages.
  private var pageSize: Int?
  private var batch: EntryBatch
  private var summary = ReadSummary()

  init(connection: LDAPConnection, search: DirectorySearch, base: String, pageSize: Int?) {
    self.connection = connection
    self.search = search
    self.base = base
    self.pageSize = pageSize
    batch = EntryBatch(slots: search.slots)
  }

  /// - Throws: `ReadFailure` for any answer but a complete one.
  mutating func read(_ deliver: (borrowing EntryBatch) throws -> Void) throws -> ReadSummary {
    do {
      var message = try send(cookie: [])
      while true {
        let answer = try receivePage(message, deliver)
        if answer.code != LDAP_SUCCESS {
          guard try adaptPages(to: answer) else { throw failure(answer) }
          message = try send(cookie: [])
          continue
        }
        guard pageSize != nil else { break }
        guard let cookie = answer.cookie else {
          throw ReadFailure(
            "\(connection.url) ended its answer under \(shownBase) without saying whether that was the last page"
          )
        }
        if cookie.isEmpty { break }
        message = try send(cookie: cookie)
        try flush(deliver)
      }
      try flush(deliver)
      return summary
    } catch let failure as ConnectFailure {
      throw failure.failure
    }
  }

  /// Asks in smaller pages, or in none, where the server says so before it has sent any entry.
  private mutating func adaptPages(to answer: Answer) throws -> Bool {
    guard summary.entries == 0, let size = pageSize else { return false }
    switch answer.code {
    case LDAP_UNAVAILABLE_CRITICAL_EXTENSION:
      pageSize = nil
      return true
    case LDAP_ADMINLIMIT_EXCEEDED where size > 50:
      pageSize = size / 2
      return true
    default: return false
    }
  }

  private func send(cookie: [UInt8]) throws -> Int32 {
    var control: UnsafeMutablePointer<LDAPControl>?
    if let pageSize {
      var cookie = cookie
      let made = cookie.withUnsafeMutableBytes { bytes in
        var value = berval(
          bv_len: ber_len_t(bytes.count),
          bv_val: bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
        let pages = ber_int_t(pageSize)
        return bytes.isEmpty
          ? ldap_create_page_control(connection.handle, pages, nil, 1, &control)
          : ldap_create_page_control(connection.handle, pages, &value, 1, &control)
      }
      guard made == LDAP_SUCCESS else { throw ReadFailure("no page control: \(words(made))") }
    }
    defer { ldap_control_free(control) }
    let names = search.slots.names.isEmpty ? ["1.1"] : search.slots.names
    var attributes: [UnsafeMutablePointer<CChar>?] = names.map { strdup($0) } + [nil]
    defer { attributes.forEach { free($0) } }
    var controls = [control, nil]
    var message: Int32 = 0
    let sent = controls.withUnsafeMutableBufferPointer { controls in
      ldap_search_ext(
        connection.handle, base, scope, search.filter.text, &attributes, 0,
        control == nil ? nil : controls.baseAddress, nil, nil, 0, &message)
    }
    guard sent == LDAP_SUCCESS else {
      throw ReadFailure("the search under \(shownBase) could not be sent: \(words(sent))")
    }
    return message
  }

  private var scope: Int32 {
    switch search.scope {
    case .base: 0
    case .one: 1
    case .subtree: 2
    }
  }

  private mutating func receivePage(
    _ message: Int32, _ deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> Answer {
    while true {
      let received = try connection.result(of: message, while: "reading under \(shownBase)")
      defer { ldap_msgfree(received) }
      switch Int(ldap_msgtype(received)) {
      case usher_res_search_entry: try take(received)
      case usher_res_search_reference: summary.referrals += 1
      case usher_res_search_result: return try Answer(connection.handle, received)
      default: break
      }
      if batch.isFull, batch.count < pageSize ?? .max { try flush(deliver) }
    }
  }

  private mutating func take(_ message: OpaquePointer) throws {
    var element: OpaquePointer?
    var name = berval()
    guard ldap_get_dn_ber(connection.handle, message, &element, &name) == LDAP_SUCCESS else {
      throw ReadFailure("\(connection.url) sent an entry that cannot be read")
    }
    defer { ber_free(element, 0) }
    batch.beginEntry(dn: name.bytes)
    while true {
      var description = berval()
      var values: UnsafeMutablePointer<berval>?
      let result = ldap_get_attribute_ber(
        connection.handle, message, element, &description, &values)
      guard result == LDAP_SUCCESS else {
        throw ReadFailure("\(connection.url) sent an entry that cannot be read")
      }
      guard description.bv_val != nil else { break }
      defer { ber_memfree(values) }
      try add(description.bytes, values)
    }
    summary.entries += 1
  }

  private mutating func add(
    _ description: UnsafeRawBufferPointer, _ values: UnsafeMutablePointer<berval>?
  ) throws {
    if let slot = search.slots.plainSlot(of: description) {
      batch.beginAttribute(slot: slot, hasOptions: false)
      append(values)
      return
    }
    let text = String(decoding: description, as: UTF8.self)
    if let range = text.range(of: ";range=") {
      guard text[range.upperBound...] == "0-*" else {
        throw ReadFailure(
          "\(connection.url) sends \(text[..<range.lowerBound]) in parts (\(text)), which this version of usher does not put together",
          remedy: "raise MaxValRange on the server")
      }
      try add(
        UnsafeRawBufferPointer(
          rebasing: description.prefix(range.lowerBound.utf16Offset(in: text))), values)
      return
    }
    for place in search.slots.places(of: description) {
      batch.beginAttribute(slot: place.slot, hasOptions: place.hasOptions)
      append(values)
    }
  }

  private mutating func append(_ values: UnsafeMutablePointer<berval>?) {
    guard var value = values else { return }
    while value.pointee.bv_val != nil {
      batch.appendValue(value.pointee.bytes)
      value += 1
    }
  }

  private mutating func flush(_ deliver: (borrowing EntryBatch) throws -> Void) throws {
    if batch.isEmpty { return }
    try deliver(batch)
    batch.removeAll()
  }

  private var shownBase: String { base.isEmpty ? "the root" : base }

  private func failure(_ answer: Answer) -> ReadFailure {
    let place = "\(connection.url), under \(shownBase)"
    switch answer.code {
    case LDAP_NO_SUCH_OBJECT:
      let seen = answer.matchedDN.isEmpty ? "" : "; the nearest that exists is \(answer.matchedDN)"
      return ReadFailure(
        "the base \(shownBase) does not exist on \(connection.url), or may not be seen\(seen)",
        remedy: "check `base` in the mapping and the rights of the bind account")
    case LDAP_SIZELIMIT_EXCEEDED, LDAP_ADMINLIMIT_EXCEEDED, LDAP_TIMELIMIT_EXCEEDED:
      return ReadFailure(
        "the answer was cut short after \(summary.entries) entries (\(answer.text)): \(place)",
        remedy: "raise the server's limits for the bind account")
    case LDAP_REFERRAL:
      return ReadFailure(
        "the server refers to another one: \(place)",
        remedy: "name that server under `url`; referrals are not followed")
    default:
      return ReadFailure("the search failed (\(answer.text)): \(place)")
    }
  }
}

extension berval {
  /// The bytes, for as long as the message lives.
  fileprivate var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: bv_val, count: Int(bv_len))
  }
}
