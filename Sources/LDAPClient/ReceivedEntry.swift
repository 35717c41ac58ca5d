import CLDAP
import DirectoryModel
import Ports

/// An entry as a server sent it, read where it lies: libldap would make a list of the values of each attribute. What is too large
/// is a failure that names entry and attribute.
struct ReceivedEntry {
  private let url: String
  /// As the server wrote it; lives as long as the message.
  let name: UnsafeRawBufferPointer

  /// The values of one attribute, not read yet.
  typealias Values = BERReader<UnsafeRawBufferPointer>

  /// Takes an entry apart.
  /// - Parameters:
  ///   - begin: takes the entry before its attributes.
  ///   - attribute: takes each with its place among them, from 0, and its description.
  static func read(
    _ message: OpaquePointer, of connection: LDAPConnection, begin: (ReceivedEntry) throws -> Void,
    attribute: (ReceivedEntry, Int, UnsafeRawBufferPointer, Values) throws -> Void
  ) throws {
    var element: OpaquePointer?
    var name = berval()
    guard ldap_get_dn_ber(connection.handle, message, &element, &name) == LDAP_SUCCESS,
      let element
    else { throw ReceivedEntry(url: connection.url, name: name.bytes).unreadable }
    defer { ber_free(element, 0) }
    let entry = ReceivedEntry(url: connection.url, name: name.bytes)
    try entry.read(element, begin, attribute)
  }

  private func read(
    _ element: OpaquePointer, _ begin: (ReceivedEntry) throws -> Void,
    _ body: (ReceivedEntry, Int, UnsafeRawBufferPointer, Values) throws -> Void
  ) throws {
    guard name.count <= EntryLimits.nameBytes else {
      throw tooLarge(
        "a name of \(name.count) bytes, and usher takes \(EntryLimits.nameBytes) at most")
    }
    try begin(self)
    var place = 0
    var first = berval()
    if ber_remaining(element) > 0, ber_skip_element(element, &first) != 0x30 { throw unreadable }
    var attribute = first.bv_val.map { _ in BERReader(first.bytes) }
    var others = BERReader(
      UnsafeRawBufferPointer(
        start: first.bv_val?.advanced(by: Int(first.bv_len)), count: Int(ber_remaining(element))))
    while var own = attribute {
      guard let description = own.contents(0x04), let values = own.inside(0x31) else {
        throw unreadable
      }
      if place == EntryLimits.attributes {
        throw tooLarge("more than \(EntryLimits.attributes) attributes")
      }
      try body(self, place, UnsafeRawBufferPointer(rebasing: description), values)
      place += 1
      attribute = others.inside(0x30)
    }
    guard others.isAtEnd else { throw unreadable }
  }

  /// Tells the values of an attribute.
  func forEachValue(
    _ values: Values, of description: UnsafeRawBufferPointer,
    _ body: (UnsafeRawBufferPointer) -> Void
  ) throws {
    var values = values
    var count = 0
    while !values.isAtEnd {
      guard let value = values.contents(0x04) else { throw unreadable }
      count += 1
      if value.count > EntryLimits.valueBytes || count > EntryLimits.values {
        throw excess(of: description, value.count)
      }
      body(UnsafeRawBufferPointer(rebasing: value))
    }
  }

  /// The entry is not under the base of its search.
  func outside(_ base: String) -> ReadFailure {
    ReadFailure(
      "\(url) sent \(EntryLimits.shown(name)), which is outside of the base \(base)",
      remedy:
        "write the base as the entries' names have it, or check the server and what stands before it",
      isOfServer: true)
  }

  private func excess(of description: UnsafeRawBufferPointer, _ bytes: Int) -> ReadFailure {
    let attribute = EntryLimits.shown(description)
    return tooLarge(
      "\(EntryLimits.excess(valueOf: bytes) ?? "more than \(EntryLimits.values) values"): \(attribute)",
      remedy: "mend the entry, or leave \(attribute) out of the mapping")
  }

  private func tooLarge(_ what: String, remedy: String? = nil) -> ReadFailure {
    ReadFailure(
      "\(EntryLimits.shown(name)) on \(url) has \(what)", remedy: remedy ?? "mend the entry")
  }

  private var unreadable: ReadFailure {
    ReadFailure(
      "\(url) sent an entry that cannot be read", remedy: "check the server", isOfServer: true)
  }
}
