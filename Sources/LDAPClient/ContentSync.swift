import CLDAP
import DirectoryModel
import Foundation
import Ports

/// One refresh by content synchronization (RFC 4533, refreshOnly). Always critical: a server that does not carry
/// it out says so; and believed only with a Sync Done control, for some ignore it all the same.
struct ContentSync {
  /// What came of one refresh.
  struct Outcome {
    /// To go on from next time; nil: nothing changed.
    var cookie: [UInt8]?
    /// Ids of entries that the server says are gone.
    var gone: Set<[UInt8]> = []
    /// Ids of entries that are there unchanged; counts where the server tells who stays, not who goes.
    var present: Set<[UInt8]> = []
    var tellsWhoStays = false
    /// Ids of entries that were sent, in that order.
    var sent: [[UInt8]] = []

    var count: Int { gone.count + present.count + sent.count }
  }

  /// The server names more entries than a search may bring.
  private struct TooMany: Error {}

  private static let syncRequest = "1.3.6.1.4.1.4203.1.9.1.1"
  private static let syncState = "1.3.6.1.4.1.4203.1.9.1.2"
  private static let syncDone = "1.3.6.1.4.1.4203.1.9.1.3"
  private static let syncInfo = "1.3.6.1.4.1.4203.1.9.1.4"

  private let connection: LDAPConnection
  private let search: DirectorySearch
  private let base: String
  private var place: BaseCheck
  private var outcome = Outcome()
  /// Nobody is expected.
  private var acceptsSilence = false
  private var isByChangelog = false

  init(connection: LDAPConnection, search: DirectorySearch, base: String) {
    self.connection = connection
    self.search = search
    self.base = base
    place = BaseCheck(base)
  }

  /// - Parameters:
  ///   - byChangelog: the server tells changes alone, and says nothing where there are none (389).
  ///   - deliver: takes each entry that was sent, one at a time.
  /// - Returns: nil when the server cannot, or cannot from this cookie on: a full read is needed.
  mutating func refresh(
    from cookie: [UInt8]?, byChangelog: Bool = false,
    deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> Outcome? {
    isByChangelog = byChangelog
    do {
      let message = try send(cookie)
      do { return try receive(message, deliver) } catch is TooMany {
        connection.abandon(message)
        connection.say(
          "\(connection.url) told more than \(connection.deadline.mostEntries) changes under \(base)"
        )
        return nil
      }
    } catch let failure as ConnectFailure {
      throw failure.failure
    }
  }

  private mutating func receive(
    _ message: Int32, _ deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> Outcome? {
    while true {
      let received = try connection.result(of: message, while: "asking for changes under \(base)")
      defer { ldap_msgfree(received) }
      switch Int(ldap_msgtype(received)) {
      case usher_res_search_entry: try take(received, deliver)
      case usher_res_intermediate: try takeInformation(received)
      case usher_res_search_result: return try finish(received)
      default: break
      }
      if outcome.count > connection.deadline.mostEntries { throw TooMany() }
    }
  }

  /// The cookie of a refresh from the beginning, where the search selects nothing.
  mutating func firstCookie() throws -> [UInt8]? {
    acceptsSilence = true
    return try refresh(from: nil) { _ in }?.cookie
  }

  private func send(_ cookie: [UInt8]?) throws -> Int32 {
    // syncRequestValue ::= SEQUENCE { mode ENUMERATED { refreshOnly (1) }, cookie OPTIONAL, … }
    let contents = [0x0A, 1, 1] + (cookie.map { BER.element(0x04, $0) } ?? [])
    return try connection.send(
      search, base: base, control: Self.syncRequest, BER.element(0x30, contents),
      shownAs: "!sync=ro")
  }

  private mutating func take(
    _ message: OpaquePointer, _ deliver: (borrowing EntryBatch) throws -> Void
  ) throws {
    var controls: UnsafeMutablePointer<UnsafeMutablePointer<LDAPControl>?>?
    guard ldap_get_entry_controls(connection.handle, message, &controls) == LDAP_SUCCESS,
      let control = ldap_control_find(Self.syncState, controls, nil)
    else { throw strange("an entry without a state") }
    defer { ldap_controls_free(controls) }
    // syncStateValue ::= SEQUENCE { state ENUMERATED, entryUUID, cookie OPTIONAL }
    var reader = BERReader(Array(control.pointee.ldctl_value.bytes))
    guard var inside = reader.inside(0x30), let state = inside.contents(0x0A)?.first,
      let id = inside.contents(0x04)
    else { throw strange("a state that cannot be read") }
    switch state {
    case 0: outcome.present.insert(Array(id))
    case 3: outcome.gone.insert(Array(id))
    default:
      outcome.sent.append(Array(id))
      var batch = EntryBatch(slots: search.slots)
      try connection.readEntry(
        message,
        begin: { entry in
          guard place.holds(entry.name) else { throw entry.outside(base) }
          batch.beginEntry(dn: entry.name)
        }
      ) {
        batch.appendAttribute($0, values: $1)
      }
      try deliver(batch)
    }
  }

  /// syncInfoValue ::= CHOICE { newcookie [0], refreshDelete [1], refreshPresent [2], syncIdSet [3] }
  private mutating func takeInformation(_ message: OpaquePointer) throws {
    var name: UnsafeMutablePointer<CChar>?
    var data: UnsafeMutablePointer<berval>?
    guard
      ldap_parse_intermediate(connection.handle, message, &name, &data, nil, 0) == LDAP_SUCCESS
    else { throw strange("a message that cannot be read") }
    defer {
      ldap_memfree(name)
      ber_bvfree(data)
    }
    guard let name, String(cString: name) == Self.syncInfo, let data else { return }
    var reader = BERReader(Array(data.pointee.bytes))
    switch reader.nextTag {
    case 0x80: outcome.cookie = reader.contents(0x80).map { Array($0) }
    case 0xA1, 0xA2:
      let isPresent = reader.nextTag == 0xA2
      guard var inside = reader.inside(isPresent ? 0xA2 : 0xA1) else {
        throw strange("a phase that cannot be read")
      }
      if isPresent { outcome.tellsWhoStays = true }
      if let cookie = inside.contents(0x04) { outcome.cookie = Array(cookie) }
    case 0xA3:
      guard var inside = reader.inside(0xA3) else { throw strange("a set that cannot be read") }
      if let cookie = inside.contents(0x04) { outcome.cookie = Array(cookie) }
      let deletes = inside.contents(0x01)?.first ?? 0
      guard var ids = inside.inside(0x31) else { throw strange("a set that cannot be read") }
      while let id = ids.contents(0x04) {
        if deletes != 0 {
          outcome.gone.insert(Array(id))
        } else {
          outcome.present.insert(Array(id))
        }
      }
      guard ids.isAtEnd else { throw strange("a set that cannot be read") }
    default: break
    }
  }

  private mutating func finish(_ message: OpaquePointer) throws -> Outcome? {
    let result = try SearchResult(message, of: connection)
    // Not supported or not allowed here, beyond a limit, a cookie of no use (RFC 4533 §3.6) or of a future that a
    // restore took away: whatever it is, a full read goes on from here, and says what stands against it.
    guard result.code == LDAP_SUCCESS else {
      connection.say(
        "no changes from \(connection.url) under \(base): \(resultWords(result.code))")
      return nil
    }
    // syncDoneValue ::= SEQUENCE { cookie OPTIONAL, refreshDeletes BOOLEAN DEFAULT FALSE }
    guard var reader = result.value(of: Self.syncDone) else {
      connection.say("\(connection.url) does not carry out content synchronization under \(base)")
      return nil
    }
    guard var inside = reader.inside(0x30) else { throw strange("an end that cannot be read") }
    if let cookie = inside.contents(0x04) { outcome.cookie = Array(cookie) }
    // A cookie that the server could not read begins anew, without a word about who is gone.
    if outcome.cookie?.isEmpty == true { return nil }
    let deletes = inside.contents(0x01)?.first ?? 0
    let isSilent = outcome.sent.isEmpty && outcome.present.isEmpty && outcome.gone.isEmpty
    if isByChangelog {
      outcome.tellsWhoStays = false
    } else if deletes != 0 || (isSilent && outcome.cookie == nil) {
      outcome.tellsWhoStays = false
    } else {
      // Who stays is told, and nobody does: hard to believe of a directory that was not empty.
      if isSilent && !acceptsSilence || !outcome.gone.isEmpty {
        connection.say("what \(connection.url) tells of changes under \(base) is not whole")
        return nil
      }
      outcome.tellsWhoStays = true
    }
    return outcome
  }

  private func strange(_ what: String) -> ReadFailure {
    ReadFailure("\(connection.url) sent \(what) while changes were read", isOfServer: true)
  }
}
