import DirectoryModel
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
    var changes = DirectoryChanges(searches: searches.count, bookmark: [])
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

  private static let modified = "modifyTimestamp"

  /// The latest time of any entry that is asked for; what is modified afterwards bears this time or a later one.
  mutating func markTime(
    _ bookmark: inout Bookmark, _ parts: [Part], _ connection: LDAPConnection
  ) throws -> Bool {
    var latest = ""
    var isTold = true
    for part in parts {
      try sweep(part, connection, attributes: [Self.modified]) { _, time in
        guard let time else { return isTold = false }
        latest = max(latest, String(decoding: time, as: UTF8.self))
      }
    }
    bookmark.time = latest
    return isTold && latest.hasSuffix("Z")
  }

  /// One sweep brings the ids of all that are there, with the times: what bears the latest time of before or a later one
  /// is read again. The times of one server have one form, and compare as texts.
  mutating func timed(
    _ searches: [DirectorySearch], from mark: Bookmark, _ connection: LDAPConnection,
    _ deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges? {
    guard let time = mark.time else { return nil }
    var next = mark
    var there = [Set<String>](repeating: [], count: searches.count)
    var changed = there
    var containers: Set<String> = []
    var isOfContainers = false, isTold = true
    for part in try parts(searches).reversed() {
      try sweep(part, connection, attributes: [Self.modified]) { id, stamp in
        guard let stamp else { return isTold = false }
        let modified = String(decoding: stamp, as: UTF8.self)
        next.time = max(next.time ?? "", modified)
        guard let number = part.number else {
          containers.insert(id)
          // One that was modified in the second of the bookmark may have been modified once more.
          isOfContainers = isOfContainers || modified >= time
          return
        }
        there[number].insert(id)
        if modified >= time { changed[number].insert(id) }
      }
    }
    guard isTold, !isOfContainers, containers == mark.containers else { return nil }
    var changes = DirectoryChanges(searches: searches.count, bookmark: try next.bytes)
    for (number, search) in searches.enumerated() {
      _ = try readAgain(changed[number], search) { try deliver(number, $0) }
      changes.present[number] = there[number]
    }
    return changes
  }
}
