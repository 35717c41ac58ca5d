import DirectoryModel
import Foundation
import Ports

/// Changes of Active Directory, by DirSync or by update sequence numbers; and of servers that tell none, by the times
/// at which entries were modified.
extension LDAPDirectory {
  // MARK: DirSync

  func markDirSync(
    _ bookmark: inout Bookmark, _ contexts: [String], _ connection: LDAPConnection
  ) throws -> Bool {
    for context in contexts {
      // Nothing is selected, and the cookie stands for now.
      let sync = DirSync(
        connection: connection, base: context, filter: .not(.present("objectClass")),
        attributes: ["objectGUID"])
      guard let cookie = try sync.changes(since: [])?.cookie else { return false }
      bookmark.cookies.append(cookie)
    }
    bookmark.number = try highestNumber(connection)
    return bookmark.number != nil
  }

  /// Tells which entries changed, whatever in them; they are read again by their ids.
  mutating func replicated(
    _ searches: [DirectorySearch], from mark: Bookmark, _ connection: LDAPConnection,
    _ deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges? {
    let contexts = try contexts(searches)
    guard mark.cookies.count == contexts.count, let number = mark.number,
      let highest = try highestNumber(connection), highest >= number
    else { return nil }
    var next = mark
    next.number = highest
    var changed: Set<String> = []
    // A change is told where it is of an attribute that was asked for; `name` tells renames and moves.
    let attributes =
      ["objectGUID", "objectClass", "name", "isDeleted"]
      + searches.flatMap { $0.slots.names + $0.filter.attributes }
    for (index, context) in contexts.enumerated() {
      limiter.beforeSearch()
      let sync = DirSync(
        connection: connection, base: context, filter: .present("objectClass"),
        attributes: AttributeSlots(attributes).names)
      guard let outcome = try sync.changes(since: mark.cookies[index]) else { return nil }
      changed.formUnion(outcome.changed)
      next.cookies[index] = outcome.cookie
    }
    let places = DirectorySearch(
      bases: contexts, scope: .subtree, filter: Self.containers,
      slots: AttributeSlots(["objectGUID"]))
    guard mark.containers.isDisjoint(with: changed),
      try readAgain(changed, places, { _ in }).isEmpty
    else {
      log("containers have changed")
      return nil
    }
    return try readAgain(changed, searches, next, deliver)
  }

  // MARK: Update sequence numbers

  func markNumber(_ bookmark: inout Bookmark) throws -> Bool {
    bookmark.number = try connection.flatMap { try highestNumber($0) }
    return bookmark.number != nil
  }

  private func highestNumber(_ connection: LDAPConnection) throws -> Int64? {
    let root = try connection.readEntry("", attributes: ["highestCommittedUSN"])
    return root.first?.values.first.flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
  }

  /// What has a higher number has changed; who is gone is told by who is there.
  mutating func numbered(
    _ searches: [DirectorySearch], from mark: Bookmark, _ connection: LDAPConnection,
    _ deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges? {
    guard let number = mark.number, let highest = try highestNumber(connection), highest >= number
    else { return nil }
    let newer = Filter.greaterOrEqual("uSNChanged", Array(String(number + 1).utf8))
    var changes = DirectoryChanges(searches: searches.count, bookmark: Data())
    var containers: Set<String> = []
    for part in try parts(searches).reversed() {
      let changed = DirectorySearch(
        bases: [part.base], scope: part.search.scope, filter: .and([part.search.filter, newer]),
        slots: part.search.slots, subject: part.search.subject)
      var reader = SearchReader(
        connection: connection, search: changed, base: part.base, pageSize: pageSize,
        limiter: limiter)
      let summary = try reader.read { batch in
        if let number = part.number { try deliver(number, batch) }
      }
      let there = try ids(part, connection)
      guard let number = part.number else {
        containers.formUnion(there)
        guard summary.entries == 0, there.isSubset(of: mark.containers) else {
          log("containers have changed under \(part.base)")
          return nil
        }
        continue
      }
      changes.present[number] = (changes.present[number] ?? []).union(there)
    }
    if containers != mark.containers { return nil }
    var next = mark
    next.number = highest
    changes.bookmark = try next.bytes
    return changes
  }

  // MARK: Times

  private static let hash = ByteHash(seed: 0)

  /// What a sweep of all that is read finds: the entries with the times at which they were modified.
  private struct Sweep {
    /// The latest of the times; what is modified afterwards may bear it, too.
    var latest = ""
    /// A hash of each id with its time.
    var stamps: Set<UInt64> = []
    /// Ids of each search, and those of them that may have changed since another sweep.
    var there: [Set<String>]
    var changed: [Set<String>]
    var containers: Set<String> = []
    var isOfContainers = false
    /// Whether every entry has a time.
    var isTold = true

    init(searches: Int) {
      there = Array(repeating: [], count: searches)
      changed = there
    }
  }

  private mutating func sweep(
    _ searches: [DirectorySearch], since known: (latest: String, stamps: Set<UInt64>)?,
    _ connection: LDAPConnection
  ) throws -> Sweep {
    var sweep = Sweep(searches: searches.count)
    // OpenLDAP knows the time to the microsecond.
    let attribute = try profile().product == .openLDAP ? "entryCSN" : "modifyTimestamp"
    for part in try parts(searches).reversed() {
      try self.sweep(part, connection, attributes: [attribute]) { id, time in
        guard let time else { return sweep.isTold = false }
        let text = String(decoding: time, as: UTF8.self)
        let stamp = Self.hash.value(of: Array("\(id) \(text)".utf8))
        sweep.latest = max(sweep.latest, text)
        sweep.stamps.insert(stamp)
        // Within the latest second there may have been one more change.
        let isChanged = known.map { !$0.stamps.contains(stamp) || text >= $0.latest } ?? true
        guard let number = part.number else {
          sweep.containers.insert(id)
          sweep.isOfContainers = sweep.isOfContainers || isChanged
          return
        }
        sweep.there[number].insert(id)
        if isChanged { sweep.changed[number].insert(id) }
      }
    }
    return sweep
  }

  mutating func markTimes(
    _ bookmark: inout Bookmark, _ searches: [DirectorySearch], _ connection: LDAPConnection
  ) throws -> Bool {
    let sweep = try sweep(searches, since: nil, connection)
    bookmark.note(sweep.latest, sweep.stamps)
    return sweep.isTold
  }

  /// One sweep brings the ids of all that are there, with the times: what has another time than before is read again, whether
  /// it was modified or a backup brought back what it was. The times of one server have one form, and compare as texts.
  mutating func timed(
    _ searches: [DirectorySearch], from mark: Bookmark, _ connection: LDAPConnection,
    _ deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges? {
    guard let known = mark.times else { return nil }
    let sweep = try sweep(searches, since: known, connection)
    guard sweep.isTold, !sweep.isOfContainers, sweep.containers == mark.containers else {
      return nil
    }
    var next = mark
    next.note(sweep.latest, sweep.stamps)
    var changes = DirectoryChanges(searches: searches.count, bookmark: try next.bytes)
    for (number, search) in searches.enumerated() {
      _ = try readAgain(sweep.changed[number], search) { try deliver(number, $0) }
      changes.present[number] = sweep.there[number]
    }
    return changes
  }
}

extension LDAPDirectory.Bookmark {
  fileprivate mutating func note(_ latest: String, _ stamps: Set<UInt64>) {
    time = latest
    self.stamps = stamps.sorted().withUnsafeBytes { Data($0) }
  }

  /// The latest time of a sweep, and the hashes of each id with its time.
  fileprivate var times: (latest: String, stamps: Set<UInt64>)? {
    guard let time, let stamps else { return nil }
    let all = stride(from: 0, to: stamps.count - 7, by: 8).map { place in
      stamps.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place, as: UInt64.self) }
    }
    return (time, Set(all))
  }
}
