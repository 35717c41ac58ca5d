import DirectoryModel
import Foundation
import GRDB
import Ports

/// Writes the mirror's entries and their hashes in an open transaction.
final class DatabaseMirrorWriter: MirrorWriter {
  private let directory: String
  private let db: Database
  private let findPerson, findGroup: Statement
  private(set) var changes = 0
  /// What becomes of the blocks.
  private var people = BlockChanges()
  private var groups = BlockChanges()
  private var newEntries, newKeys: RapidInsert
  /// The number that the next new entry gets.
  private var nextEntry: Int64
  private let updateEntry, updateKey, keepMembers, removeEntry, removeKey,
    removeMembers: RapidStatement

  init(_ db: Database, directory: String) throws {
    self.db = db
    self.directory = directory
    func make(_ sql: String) throws -> RapidStatement { try RapidStatement(db, sql) }
    func find(_ kind: MirrorKind) throws -> Statement {
      // The kind in the text: beside an index of groups alone, SQLite plans anew for each value that stands for it.
      try db.makeStatement(
        sql: """
          SELECT entry, fingerprint, hashes, data FROM \(SiteDatabase.mirrored)
          WHERE directory = ? AND kind = \(kind.rawValue) AND key = ?
          """)
    }
    findPerson = try find(.person)
    findGroup = try find(.group)
    newEntries = try RapidInsert(db, into: "mirror_entry (id, data, hashes)", columns: 3)
    newKeys = try RapidInsert(
      db, into: "mirror_key (directory, kind, key, search, fingerprint, entry)", columns: 6)
    nextEntry = (try Int64.fetchOne(db, sql: "SELECT max(id) FROM mirror_entry") ?? 0) + 1
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
    _ kind: MirrorKind, key: String, search: Int, isNew: Bool, entry: MirroredEntry
  ) throws {
    changes += 1
    let fingerprint = Int64(bitPattern: entry.fingerprint)
    let own = kind == .group ? [] : entry.hashes
    let place: Int64
    if !isNew, let known = try row(kind, key) {
      place = known[0]
      let before = WideHash.all(in: known[2])
      if before != entry.hashes {
        note(kind, removed: before, place)
        note(kind, added: entry.hashes, place)
      }
      try updateEntry.run(.bytes(entry.entry), .bytes(WideHash.bytes(of: own)), .int(place))
      try updateKey.run(.int(fingerprint), .int(Int64(search)), .int(place))
    } else {
      place = nextEntry
      newEntries.waiting.add(place)
      newEntries.waiting.add(entry.entry)
      newEntries.waiting.addBlob { WideHash.append(own, to: &$0) }
      try newEntries.endRow()
      note(kind, added: entry.hashes, place)
      newKeys.waiting.add(directory)
      newKeys.waiting.add(Int64(kind.rawValue))
      newKeys.waiting.add(key)
      newKeys.waiting.add(Int64(search))
      newKeys.waiting.add(fingerprint)
      newKeys.waiting.add(place)
      try newKeys.endRow()
      nextEntry += 1
    }
    if kind == .group {
      try keepMembers.run(.int(place), .bytes(WideHash.bytes(of: entry.hashes)))
    }
  }

  func remove(_ kind: MirrorKind, key: String) throws {
    guard let known = try row(kind, key) else { return }
    changes += 1
    note(kind, removed: WideHash.all(in: known[2]), known[0])
    try removeEntry.run(.int(known[0]))
    if kind == .group { try removeMembers.run(.int(known[0])) }
    try removeKey.run(.int(known[0]))
  }

  func find(_ kind: MirrorKind, key: String) throws -> MirroredEntry? {
    try row(kind, key).map { row in
      MirroredEntry(
        fingerprint: UInt64(bitPattern: row[1] as Int64), entry: Array(row[3] as Data),
        hashes: WideHash.all(in: row[2]))
    }
  }

  func keys(_ kind: MirrorKind) throws -> Set<String> {
    try flush()
    return try String.fetchSet(
      db,
      sql: "SELECT key FROM mirror_key WHERE directory = ? AND kind = \(kind.rawValue)",
      arguments: [directory])
  }

  func keys(_ kind: MirrorKind, foundUnder hashes: [WideHash]) throws -> Set<String> {
    try flush()
    let entries = try MirrorBlocks(db, directory: directory, kind: kind.rawValue).find(hashes)
    return try String.fetchSet(
      db, sql: "SELECT key FROM mirror_key WHERE entry IN (SELECT value FROM json_each(?))",
      arguments: [
        String(decoding: try JSONEncoder().encode(entries.map(\.entry)), as: UTF8.self)
      ])
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
      arguments: [
        directory, String(decoding: try JSONEncoder().encode(evidence), as: UTF8.self),
      ])
  }

  /// Brings the blocks up to date with what was written.
  func finish() throws {
    try flush()
    func blocks(_ kind: MirrorKind) -> MirrorBlocks {
      MirrorBlocks(db, directory: directory, kind: kind.rawValue)
    }
    try blocks(.person).make(&people)
    try blocks(.group).make(&groups)
  }

  private func note(
    _ kind: MirrorKind, removed: [WideHash] = [], added: [WideHash] = [], _ entry: Int64
  ) {
    if kind == .person {
      people.note(removed: removed, added: added, entry)
    } else {
      groups.note(removed: removed, added: added, entry)
    }
  }

  private func flush() throws {
    try newEntries.flush()
    try newKeys.flush()
  }

  private func row(_ kind: MirrorKind, _ key: String) throws -> Row? {
    try flush()
    let statement = kind == .person ? findPerson : findGroup
    statement.setUncheckedArguments([directory, key])
    return try Row.fetchOne(statement)
  }
}
