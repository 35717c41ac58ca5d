import CLDAP
import DirectoryModel
import Ports

/// What Active Directory replicates (MS-ADTS 3.1.1.3.4.1.3): the objects of a naming context that changed since a
/// cookie. Asked without a flag, which takes the right *Replicating Directory Changes*: only so are all deleted
/// objects told.
struct DirSync {
  struct Outcome {
    /// Ids of objects that are new, changed or deleted.
    var changed: Set<String> = []
    var cookie: [UInt8]
  }

  private static let control = "1.2.840.113556.1.4.841"
  private static let mostBytes: Int32 = 1 << 20

  let connection: LDAPConnection
  /// A naming context.
  let base: String
  let filter: Filter
  let attributes: [String]

  /// - Parameter cookie: empty at first.
  /// - Returns: nil where the server does not let us, or not from this cookie on.
  func changes(since cookie: [UInt8]) throws -> Outcome? {
    var outcome = Outcome(cookie: cookie)
    do {
      var emptyParts = 0
      while true {
        let before = outcome.changed.count
        guard let isWhole = try ask(&outcome) else { return nil }
        if isWhole { return outcome }
        emptyParts = outcome.changed.count > before ? 0 : emptyParts + 1
        // A part may be without news; so many one after another lead nowhere.
        if emptyParts == 100 { throw strange("\(emptyParts) parts without an entry") }
      }
    } catch let failure as ConnectFailure {
      throw failure.failure
    }
  }

  /// - Returns: whether that was the last part; nil where the server refuses.
  private func ask(_ outcome: inout Outcome) throws -> Bool? {
    let search = DirectorySearch(
      bases: [base], scope: .subtree, filter: filter, slots: AttributeSlots(attributes))
    // DirSyncRequestValue ::= SEQUENCE { Flags INTEGER, MaxBytes INTEGER, Cookie OCTET STRING }
    let bytes = withUnsafeBytes(of: Self.mostBytes.bigEndian) { Array($0) }
    let value = BER.element(
      0x30, [0x02, 1, 0] + BER.element(0x02, bytes) + BER.element(0x04, outcome.cookie))
    let message = try connection.send(search, base: base, control: Self.control, value)
    while true {
      let received = try connection.result(of: message, while: "asking for changes under \(base)")
      defer { ldap_msgfree(received) }
      switch Int(ldap_msgtype(received)) {
      case usher_res_search_entry:
        var id: String?
        try connection.readEntry(received, begin: { _ in }) { name, values in
          if name.lowercased() == "objectguid", let value = values.first {
            id = DirectoryID.text(of: value[...])
          }
        }
        guard let id else { throw strange("an object without an id") }
        outcome.changed.insert(id)
        if outcome.changed.count > connection.deadline.mostEntries {
          connection.abandon(message)
          connection.say(
            "\(connection.url) told more than \(connection.deadline.mostEntries) changes under \(base)"
          )
          return nil
        }
      case usher_res_search_result:
        return try finish(received, &outcome)
      default: break
      }
    }
  }

  private func finish(_ message: OpaquePointer, _ outcome: inout Outcome) throws -> Bool? {
    let result = try SearchResult(message, of: connection)
    guard result.code == LDAP_SUCCESS else {
      connection.say("no DirSync from \(connection.url) under \(base): \(resultWords(result.code))")
      return nil
    }
    // The same as the request; the flag says whether there is more.
    guard var reader = result.value(of: Self.control), var inside = reader.inside(0x30),
      let more = inside.contents(0x02), inside.contents(0x02) != nil,
      let cookie = inside.contents(0x04), !cookie.isEmpty
    else { throw strange("an end that cannot be read") }
    outcome.cookie = Array(cookie)
    return more.allSatisfy { $0 == 0 }
  }

  private func strange(_ what: String) -> ReadFailure {
    ReadFailure("\(connection.url) sent \(what) while changes were read", isOfServer: true)
  }
}
