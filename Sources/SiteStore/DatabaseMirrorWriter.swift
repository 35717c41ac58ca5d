import DirectoryModel
import Foundation
import GRDB
import Ports
import SiteModel

/// Writes the mirror's entries and their hashes in an open transaction.
final class DatabaseMirrorWriter: MirrorWriter {
  /// How many members go into blocks together.
  private static let together = 25_000

  private let directory: String
  private let db: Database
  private let hash: ByteHash
  private let findEntry: Statement
  private(set) var changes = 0
  private let people, groups: Blocks
  /// The entry that was asked for last, which is mostly the one that is written next.
  private var found: (kind: MirrorKind, key: String, row: Row)?
  private var newEntries, newKeys: RapidInsert
  /// The entries of the first groups, and who is in them; nil: nobody has told yet.
  private var firstGroups: [Int64] = []
  private var firstMembers: [DirectoryGroups.Membership]?
  /// The number of the next new entry.
  private var nextEntry: Int64
  /// Whether SQLite would give new rows these numbers by itself, the next ones after the last. Then it does: it need not look
  /// for their places.
  private var areNext: Bool
  private let updateEntry, updateKey, keepMembers, removeEntry, removeKey,
    removeMembers: RapidStatement

  /// Entries of one kind, by the hashes of their names or members, and of their keys.
  private struct Blocks {
    let names, keys: MirrorBlocks

    init(_ db: Database, _ directory: String, _ kind: MirrorKind) {
      names = MirrorBlocks(db, directory: directory, kind: kind)
      keys = MirrorBlocks(db, directory: directory, keysOf: kind)
    }
  }

  init(_ db: Database, directory: String) throws {
    self.db = db
    self.directory = directory
    func make(_ sql: String) throws -> RapidStatement { try RapidStatement(db, sql) }
    hash = try SiteDatabase.hash(db)
    people = Blocks(db, directory, .person)
    groups = Blocks(db, directory, .group)
    findEntry = try db.makeStatement(
      sql: "SELECT entry, fingerprint, hashes, data FROM \(SiteDatabase.mirrored) WHERE entry = ?")
    let last = try Self.last(in: db)
    nextEntry = max(last.entry, last.key) + 1
    areNext = last.entry == last.key
    (newEntries, newKeys) = try Self.inserts(db, numbered: !areNext)
    updateEntry = try make("UPDATE mirror_entry SET data = ?, hashes = ? WHERE id = ?")
    updateKey = try make(
      "UPDATE mirror_key SET fingerprint = ?, search = ? WHERE entry = ?"
    )
    keepMembers = try make("INSERT OR REPLACE INTO mirror_members VALUES (?, ?)")
    removeMembers = try make("DELETE FROM mirror_members WHERE id = ?")
    removeEntry = try make("DELETE FROM mirror_entry WHERE id = ?")
    removeKey = try make("DELETE FROM mirror_key WHERE entry = ?")
  }

  func write(
    _ kind: MirrorKind, key: String, search: Int, as place: MirrorPlace, entry: MirroredEntry
  ) throws {
    changes += 1
    let fingerprint = Int64(bitPattern: entry.fingerprint)
    let own = kind == .group ? [] : entry.hashes
    let row: Int64
    let known = place == .known ? try self.row(kind, key) : nil
    found = nil
    if let known {
      row = try known.value(0)
      let before = try WideHash.all(in: known.value(2))
      if before != entry.hashes {
        try blocks(of: kind).names.note(removed: before, added: entry.hashes, row)
      }
      try updateEntry.run(.bytes(entry.entry), .bytes(WideHash.bytes(of: own)), .int(row))
      try updateKey.run(.int(fingerprint), .int(Int64(search)), .int(row))
    } else {
      row = nextEntry
      if !areNext { newEntries.waiting.add(row) }
      newEntries.waiting.add(entry.entry)
      newEntries.waiting.addBlob { WideHash.append(own, to: &$0) }
      try newEntries.endRow()
      if place == .first {
        firstGroups.append(row)
      } else {
        try blocks(of: kind).names.note(added: entry.hashes, row)
      }
      try blocks(of: kind).keys.note(added: [hash.wide(key)], row)
      if !areNext { newKeys.waiting.add(row) }
      newKeys.waiting.add(directory)
      newKeys.waiting.add(Int64(kind.rawValue))
      newKeys.waiting.add(key)
      newKeys.waiting.add(Int64(search))
      newKeys.waiting.add(fingerprint)
      try newKeys.endRow()
      nextEntry += 1
    }
    if kind == .group {
      try keepMembers.run(.int(row), .bytes(WideHash.bytes(of: entry.hashes)))
    }
  }

  func write(membersOfFirst members: [DirectoryGroups.Membership]) throws {
    firstMembers = members
  }

  func remove(_ kind: MirrorKind, key: String) throws {
    guard let known = try row(kind, key) else { return }
    found = nil
    changes += 1
    try blocks(of: kind).names.note(removed: WideHash.all(in: known.value(2)), known.value(0))
    try blocks(of: kind).keys.note(removed: [hash.wide(key)], known.value(0))
    try removeEntry.run(.int(known.value(0)))
    if kind == .group { try removeMembers.run(.int(known.value(0))) }
    try removeKey.run(.int(known.value(0)))
    if try known.value(0) == nextEntry - 1, areNext {
      areNext = false
      (newEntries, newKeys) = try Self.inserts(db, numbered: true)
    }
  }

  /// The last numbers that are taken; 0 where there is none.
  private static func last(in db: Database) throws -> (entry: Int64, key: Int64) {
    (
      try Int64.fetchOne(db, sql: "SELECT max(id) FROM mirror_entry") ?? 0,
      try Int64.fetchOne(db, sql: "SELECT max(entry) FROM mirror_key") ?? 0
    )
  }

  private static func inserts(
    _ db: Database, numbered: Bool
  ) throws -> (entries: RapidInsert, keys: RapidInsert) {
    (
      try RapidInsert(
        db, into: "mirror_entry (\(numbered ? "id, " : "")data, hashes)",
        columns: numbered ? 3 : 2),
      try RapidInsert(
        db,
        into:
          "mirror_key (\(numbered ? "entry, " : "")directory, kind, key, search, fingerprint)",
        columns: numbered ? 6 : 5)
    )
  }

  func find(_ kind: MirrorKind, key: String) throws -> MirroredEntry? {
    try row(kind, key).map(Self.entry)
  }

  /// - Parameter row: fingerprint, hashes and data, from its second column on.
  private static func entry(_ row: Row) throws -> MirroredEntry {
    try MirroredEntry(
      fingerprint: UInt64(bitPattern: row.value(1) as Int64), entry: Array(row.value(3) as Data),
      hashes: WideHash.all(in: row.value(2)))
  }

  func keys(_ kind: MirrorKind) throws -> Set<String> {
    try flush()
    return try String.fetchSet(
      db,
      sql: "SELECT key FROM mirror_key WHERE directory = ? AND kind = \(kind.rawValue)",
      arguments: [directory])
  }

  func entries(
    _ kind: MirrorKind, most: Int,
    where isWanted: @escaping @Sendable (String, MirroredEntry) -> Bool
  ) throws -> [(key: String, entry: MirroredEntry)] {
    try flush()
    var found: [(key: String, entry: MirroredEntry)] = []
    let rows = try Row.fetchCursor(
      db,
      sql: """
        SELECT key, fingerprint, hashes, data FROM \(SiteDatabase.mirrored)
        WHERE directory = ? AND kind = \(kind.rawValue)
        """, arguments: [directory])
    while found.count < most, let row = try rows.next() {
      let entry = try Self.entry(row)
      let key: String = try row.value(0)
      if isWanted(key, entry) { found.append((key, entry)) }
    }
    return found
  }

  func counts(
    _ kind: MirrorKind,
    by label: @escaping @Sendable (String, UnsafeRawBufferPointer) -> String?
  ) throws -> [String: Int] {
    try flush()
    var counts: [String: Int] = [:]
    let rows = try Row.fetchCursor(
      db,
      sql: """
        SELECT key, data FROM mirror_key JOIN mirror_entry ON mirror_entry.id = entry
        WHERE directory = ? AND kind = \(kind.rawValue)
        """, arguments: [directory])
    while let row = try rows.next() {
      let (key, data): (String, Data) = try (row.value(0), row.value(1))
      let name = data.withUnsafeBytes { bytes -> String? in
        var cursor = ByteCursor(bytes)
        return cursor.field().flatMap { label(key, $0) }
      }
      if let name { counts[name, default: 0] += 1 }
    }
    return counts
  }

  func keys(_ kind: MirrorKind, foundUnder hashes: [WideHash]) throws -> Set<String> {
    try flush()
    let entries = try blocks(of: kind).names.find(hashes)
    return try SiteDatabase.keys(of: entries.map(\.entry), in: db)
  }

  func touch(people: Set<String>, members: Set<WideHash>, version: Int64) throws {
    let insert = try RapidStatement(db, "INSERT OR REPLACE INTO touched VALUES (?, ?, ?)")
    for person in people { try insert.run(.text(directory), .text(person), .int(version)) }
    for member in members {
      try insert.run(.text(directory), .bytes(WideHash.bytes(of: [member])), .int(version))
    }
  }

  func keep(_ evidence: ReadEvidence) throws {
    try db.execute(
      sql: "INSERT OR REPLACE INTO evidence VALUES (?, ?)",
      arguments: [directory, SiteDatabase.json(evidence)])
  }

  /// Brings the blocks up to date with what was written.
  func finish() throws {
    try flush()
    if areNext {
      guard try Self.last(in: db) == (nextEntry - 1, nextEntry - 1) else {
        throw DatabaseError(
          resultCode: .SQLITE_CORRUPT, message: "the mirror's entries and keys do not fit together")
      }
    }
    try writeFirstMembers()
    try people.names.make()
    try groups.names.make()
    try people.keys.make()
    try groups.keys.make()
  }

  private func writeFirstMembers() throws {
    guard !firstGroups.isEmpty else { return }
    guard let members = firstMembers,
      members.allSatisfy({ firstGroups.indices.contains(Int($0.group)) })
    else {
      throw DatabaseError(
        resultCode: .SQLITE_MISUSE, message: "nobody told who is in the first groups")
    }
    // They take as much memory as a plan.
    firstMembers = nil
    var next = members[...]
    while !next.isEmpty {
      try groups.names.write(
        next.prefix(Self.together).map {
          HashedEntry(hash: $0.key, entry: firstGroups[Int($0.group)])
        })
      next = next.dropFirst(Self.together)
    }
  }

  private func blocks(of kind: MirrorKind) -> Blocks { kind == .person ? people : groups }

  private func flush() throws {
    try newEntries.flush()
    try newKeys.flush()
  }

  private func row(_ kind: MirrorKind, _ key: String) throws -> Row? {
    if let found, found.kind == kind, isSameBytes(found.key, key) { return found.row }
    try flush()
    guard let known = try blocks(of: kind).keys.entry(under: hash.wide(key)) else { return nil }
    findEntry.setUncheckedArguments([known])
    let row = try Row.fetchOne(findEntry)
    found = row.map { (kind, key, $0) }
    return row
  }
}
