import DirectoryModel
import Foundation
import GRDB
import Ports
import SiteModel

/// Writes the mirror's entries and their hashes in an open transaction.
final class DatabaseMirrorWriter: MirrorWriter {
  private let directory: String
  private let db: Database
  private let hash: ByteHash
  private let findEntry: Statement
  private(set) var changes = 0
  /// What becomes of the blocks.
  private var people = BlockChanges()
  private var groups = BlockChanges()
  private var keys: [MirrorKind: BlockChanges] = [.person: BlockChanges(), .group: BlockChanges()]
  private let keyBlocks: [MirrorKind: MirrorBlocks]
  /// The entry that was asked for last, which is mostly the one that is written next.
  private var found: (kind: MirrorKind, key: String, row: Row)?
  private var newEntries, newKeys: RapidInsert
  /// The number that the next new entry gets.
  private var nextEntry: Int64
  private let updateEntry, updateKey, keepMembers, removeEntry, removeKey,
    removeMembers: RapidStatement

  init(_ db: Database, directory: String) throws {
    self.db = db
    self.directory = directory
    func make(_ sql: String) throws -> RapidStatement { try RapidStatement(db, sql) }
    hash = try SiteDatabase.hash(db)
    var blocks: [MirrorKind: MirrorBlocks] = [:]
    for kind in [MirrorKind.person, .group] {
      blocks[kind] = MirrorBlocks(db, directory: directory, keysOf: kind)
    }
    keyBlocks = blocks
    findEntry = try db.makeStatement(
      sql: "SELECT entry, fingerprint, hashes, data FROM \(SiteDatabase.mirrored) WHERE entry = ?")
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
    let known = isNew ? nil : try row(kind, key)
    found = nil
    if let known {
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
      keys[kind]?.note(removed: [], added: [keyHash(key)], place)
      nextEntry += 1
    }
    if kind == .group {
      try keepMembers.run(.int(place), .bytes(WideHash.bytes(of: entry.hashes)))
    }
  }

  func remove(_ kind: MirrorKind, key: String) throws {
    guard let known = try row(kind, key) else { return }
    found = nil
    changes += 1
    note(kind, removed: WideHash.all(in: known[2]), known[0])
    try removeEntry.run(.int(known[0]))
    if kind == .group { try removeMembers.run(.int(known[0])) }
    try removeKey.run(.int(known[0]))
    keys[kind]?.note(removed: [keyHash(key)], added: [], known[0])
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
    let entries = try MirrorBlocks(db, directory: directory, kind: kind).find(hashes)
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
    try MirrorBlocks(db, directory: directory, kind: .person).make(&people)
    try MirrorBlocks(db, directory: directory, kind: .group).make(&groups)
    try makeKeys(.person)
    try makeKeys(.group)
  }

  private func makeKeys(_ kind: MirrorKind) throws {
    var own = BlockChanges()
    swap(&own, &keys[kind, default: BlockChanges()])
    try keyBlocks[kind]?.make(&own)
  }

  private func keyHash(_ key: String) -> WideHash { hash.wide(Array(key.utf8)) }

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
    if let found, found.kind == kind, isSameBytes(found.key, key) { return found.row }
    try flush()
    if keys[kind]?.areMany == true { try makeKeys(kind) }
    let hash = keyHash(key)
    let known = try keys[kind]?.entry(under: hash) ?? keyBlocks[kind]?.find([hash]).first?.entry
    guard let known else { return nil }
    findEntry.setUncheckedArguments([known])
    let row = try Row.fetchOne(findEntry)
    found = row.map { (kind, key, $0) }
    return row
  }
}
