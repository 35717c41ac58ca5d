import DirectoryModel
import Foundation
import GRDB
import Ports
import SiteModel

extension SiteDatabase {
  package func mirrorDescription(of directory: String) throws -> MirrorDescription? {
    try readMirror { try Self.description(of: directory, in: $0) }
  }

  private static func description(
    of directory: String, in db: Database
  ) throws -> MirrorDescription? {
    try Row.fetchOne(db, sql: "SELECT * FROM mirror WHERE directory = ?", arguments: [directory])
      .map { row in
        let people: String = row["person_attributes"]
        let groups: String = row["group_attributes"]
        return MirrorDescription(
          personSearch: row["person_search"], groupSearch: row["group_search"],
          personAttributes: people.split(separator: " ").map(String.init),
          groupAttributes: groups.split(separator: " ").map(String.init), readAt: row["read_at"])
      }
  }

  /// Reads once the mirror is written that another thread writes.
  private func readMirror<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try finishMirror()
    return try read(body)
  }

  package func mirrorFingerprints(
    of directory: String, kind: MirrorKind, _ body: (UnsafeRawBufferPointer, UInt64) -> Void
  ) throws {
    try readMirror { db in
      // Everybody is read as the rows lie; groups are few among them.
      let way = kind == .person ? "NOT INDEXED" : ""
      try RapidRows(
        db,
        "SELECT key, fingerprint FROM mirror_key \(way) WHERE directory = ? AND kind = \(kind.rawValue)",
        [directory]
      ).forEach { row in body(row.bytes(0), UInt64(bitPattern: row.int(1) ?? 0)) }
    }
  }

  package func readEvidence(of directory: String) throws -> ReadEvidence? {
    try readMirror { db in
      try String.fetchOne(
        db, sql: "SELECT details FROM evidence WHERE directory = ?", arguments: [directory]
      ).map { try JSONDecoder().decode(ReadEvidence.self, from: Data($0.utf8)) }
    }
  }

  package func mirroredName(of directory: String, key: String) throws -> String? {
    try readMirror { db in
      try Data.fetchOne(
        db,
        sql: """
          SELECT data FROM mirror_key JOIN mirror_entry ON mirror_entry.id = entry
          WHERE directory = ? AND kind = \(MirrorKind.person.rawValue) AND key = ?
          """, arguments: [directory, key]
      ).flatMap { data in data.withUnsafeBytes { EntryBatch.storedName($0) } }
    }
  }

  package func updateMirror(
    of directory: String, description: MirrorDescription,
    _ body: (any MirrorWriter) throws -> Void
  ) throws {
    try write { try Self.updateMirror(of: directory, description: description, in: $0, body) }
  }

  package func fillMirror(
    of directory: String, description: MirrorDescription,
    _ body: (any MirrorWriter) throws -> Void
  ) throws {
    try finishMirror()
    let path = path
    let thread = MirrorThread { body in
      try Self.reporting(path) {
        try Self.write(over: Self.connect(path)) {
          try Self.updateMirror(of: directory, description: description, in: $0, body)
        }
      }
    }
    do {
      try body(thread)
      try thread.finish()
    } catch {
      thread.cancel()
      throw error
    }
    mirrorThread = thread
  }

  package func finishMirror() throws {
    guard let thread = mirrorThread else { return }
    mirrorThread = nil
    try thread.wait()
  }

  private static func updateMirror(
    of directory: String, description: MirrorDescription, in db: Database,
    _ body: (any MirrorWriter) throws -> Void
  ) throws {
    if let known = try self.description(of: directory, in: db), !known.asksTheSame(as: description)
    {
      for table in ["mirror_entry", "mirror_members"] {
        try db.execute(
          sql:
            "DELETE FROM \(table) WHERE id IN (SELECT entry FROM mirror_key WHERE directory = ?)",
          arguments: [directory])
      }
      for table in ["mirror_key", "mirror_block", "touched", "looked_at"] {
        try db.execute(sql: "DELETE FROM \(table) WHERE directory = ?", arguments: [directory])
      }
    }
    // Filling an empty mirror is faster without the indexes.
    let isEmpty = try Bool.fetchOne(db, sql: "SELECT NOT EXISTS (SELECT 1 FROM mirror_key)") == true
    if isEmpty {
      try db.execute(sql: "DROP INDEX IF EXISTS mirror_by_key; DROP INDEX IF EXISTS mirror_groups")
    }
    let writer = try DatabaseMirrorWriter(db, directory: directory)
    try body(writer)
    try writer.finish()
    if isEmpty { try db.execute(sql: Schema.mirrorIndexes) }
    try db.execute(
      sql: "INSERT OR REPLACE INTO mirror VALUES (?, ?, ?, ?, ?, ?)",
      arguments: [
        directory, description.personSearch, description.groupSearch,
        description.personAttributes.joined(separator: " "),
        description.groupAttributes.joined(separator: " "), description.readAt,
      ])
  }

  package func mirrorKeys(
    of directory: String, kind: MirrorKind, among keys: [String], hashes: [WideHash]
  ) throws -> Set<String> {
    try readMirror { db in
      let entries = try MirrorBlocks(db, directory: directory, kind: kind.rawValue).find(hashes)
      let found = try String.fetchSet(
        db,
        sql: """
          SELECT key FROM mirror_key WHERE entry IN (SELECT value FROM json_each(?))
          UNION SELECT key FROM mirror_key WHERE directory = ? AND kind = \(kind.rawValue)
            AND key IN (SELECT value FROM json_each(?))
          """, arguments: [json(entries.map(\.entry)), directory, json(keys)])
      return found
    }
  }

  package func mirrorHashes(
    of directory: String, kind: MirrorKind, keys: [String]
  ) throws -> [WideHash] {
    try readMirror { db in
      try Data.fetchAll(
        db,
        sql: """
          SELECT hashes FROM \(mirrored)
          WHERE directory = ? AND kind = \(kind.rawValue) AND key IN (SELECT value FROM json_each(?))
          """, arguments: [directory, json(keys)]
      ).flatMap(WideHash.all)
    }
  }

  package func mirrorMembers(of directory: String) throws -> [DirectoryGroups.Membership] {
    try readMirror { db in
      let numbers = try Self.groupNumbers(of: directory, in: db)
      var members: [DirectoryGroups.Membership] = []
      try MirrorBlocks(db, directory: directory, kind: MirrorKind.group.rawValue).all { pair in
        if let number = numbers.number(of: pair.entry) {
          members.append(.init(key: pair.hash, group: number))
        }
      }
      return members
    }
  }

  package func mirrorMembers(
    of directory: String, hashes: [WideHash],
    next: ([DirectoryGroups.Membership]) -> [WideHash]
  ) throws -> [DirectoryGroups.Membership] {
    try readMirror { db in
      let numbers = try Self.groupNumbers(of: directory, in: db)
      let blocks = MirrorBlocks(db, directory: directory, kind: MirrorKind.group.rawValue)
      var members: [DirectoryGroups.Membership] = []
      var wanted = hashes
      while !wanted.isEmpty {
        let found = try blocks.find(wanted).compactMap { pair in
          numbers.number(of: pair.entry).map {
            DirectoryGroups.Membership(key: pair.hash, group: $0)
          }
        }
        members += found
        wanted = next(found)
      }
      return members
    }
  }

  /// The groups in the order in which the mirror tells them, by their entries.
  private struct GroupNumbers {
    /// Ascending.
    var entries: [Int64] = []

    func number(of entry: Int64) -> Int32? {
      let number = entries.indices.first(after: { entries[$0] < entry })
      return number < entries.count && entries[number] == entry ? Int32(number) : nil
    }
  }

  private static func groupNumbers(
    of directory: String, in db: Database
  ) throws -> GroupNumbers {
    var numbers = GroupNumbers()
    try RapidRows(
      db,
      "SELECT entry FROM mirror_key WHERE directory = ? AND kind = \(MirrorKind.group.rawValue) ORDER BY entry",
      [directory]
    ).forEach { numbers.entries.append($0.int(0) ?? 0) }
    return numbers
  }

  package func touched(of directory: String) throws -> Touched {
    try readMirror { db in
      var touched = Touched()
      for row in try Row.fetchAll(
        db, sql: "SELECT typeof(what) = 'text', what FROM touched WHERE directory = ?",
        arguments: [directory])
      {
        if row[0] {
          touched.people.insert(row[1])
        } else {
          touched.members.formUnion(WideHash.all(in: row[1]))
        }
      }
      touched.lookedAt = try Row.fetchOne(
        db, sql: "SELECT version, salt FROM looked_at WHERE directory = ?", arguments: [directory]
      ).map { row in
        LookedAt(
          directory: directory, version: row[0], salt: UInt64(bitPattern: row[1] as Int64))
      }
      return touched
    }
  }

  package func readMirror(
    of directory: String, kind: MirrorKind, search: Int, slots: AttributeSlots, keys: [String]?,
    deliver: (borrowing EntryBatch) throws -> Void
  ) throws {
    guard let description = try mirrorDescription(of: directory) else { return }
    let stored = kind == .person ? description.personAttributes : description.groupAttributes
    let places = stored.map { slots.slot(of: $0) }
    try readMirror { db in
      var arguments: StatementArguments = [directory]
      // Everybody is read as the entries lie, which by keys would be here and there all over the file.
      var way = kind == .person ? "NOT INDEXED" : ""
      // Groups have one search, and an index that says where they lie.
      var only = kind == .person ? "AND search = \(search)" : "ORDER BY entry"
      if let keys {
        way = ""
        only = "AND search = \(search) AND key IN (SELECT value FROM json_each(?)) ORDER BY entry"
        arguments += [try json(keys)]
      }
      let rows = try RapidRows(
        db,
        """
        SELECT data FROM mirror_key \(way) CROSS JOIN mirror_entry ON mirror_entry.id = entry
        WHERE directory = ? AND kind = \(kind.rawValue) \(only)
        """, arguments)
      var batch = EntryBatch(slots: slots)
      while try rows.next() {
        guard batch.appendEntry(stored: rows.row.bytes(0), places: places) else {
          throw StoreFailure.unusable(path: path, reason: "the mirror is damaged")
        }
        if batch.count >= 1000 {
          try deliver(batch)
          batch.removeAll()
        }
      }
      if !batch.isEmpty { try deliver(batch) }
    }
  }
}

/// Entries with their hashes, wherever these lie.
private let mirrored = """
  (SELECT mirror_key.*, data, coalesce(mirror_members.hashes, mirror_entry.hashes) AS hashes FROM mirror_key
    JOIN mirror_entry ON mirror_entry.id = entry LEFT JOIN mirror_members ON mirror_members.id = entry)
  """

private final class DatabaseMirrorWriter: MirrorWriter {
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
          SELECT entry, fingerprint, hashes, data FROM \(mirrored)
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
