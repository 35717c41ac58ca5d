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
        let people: String = try row.value("person_attributes")
        let groups: String = try row.value("group_attributes")
        return try MirrorDescription(
          personSearch: row.value("person_search"), groupSearch: row.value("group_search"),
          personAttributes: people.split(separator: " ").map(String.init),
          groupAttributes: groups.split(separator: " ").map(String.init),
          readAt: row.value("read_at"))
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
      guard let entry = try Self.entries(of: directory, kind: .person, keys: [key], in: db).first
      else { return nil }
      return try Data.fetchOne(
        db, sql: "SELECT data FROM mirror_entry WHERE id = ?", arguments: [entry]
      ).flatMap { data in data.withUnsafeBytes { EntryBatch.storedName($0) } }
    }
  }

  package func updateMirror(
    of directory: String, description: MirrorDescription,
    _ body: (any MirrorWriter) throws -> Void
  ) throws {
    try write { try Self.updateMirror(of: directory, description: description, in: $0, body) }
  }

  static func updateMirror(
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
    let writer = try DatabaseMirrorWriter(db, directory: directory)
    try body(writer)
    try writer.finish()
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
      let found = try MirrorBlocks(db, directory: directory, kind: kind).find(hashes)
      let named = try Self.entries(of: directory, kind: kind, keys: keys, in: db)
      return try Self.keys(of: found.map(\.entry) + named, in: db)
    }
  }

  package func mirrorHashes(
    of directory: String, kind: MirrorKind, keys: [String]
  ) throws -> [WideHash] {
    try readMirror { db in
      try Data.fetchAll(
        db,
        sql: "SELECT hashes FROM \(Self.mirrored) WHERE entry IN (SELECT value FROM json_each(?))",
        arguments: [Self.json(Self.entries(of: directory, kind: kind, keys: keys, in: db))]
      ).flatMap(WideHash.all)
    }
  }

  package func mirrorMembers(of directory: String) throws -> [DirectoryGroups.Membership] {
    try readMirror { db in
      let numbers = try Self.groupNumbers(of: directory, in: db)
      var members: [DirectoryGroups.Membership] = []
      try MirrorBlocks(db, directory: directory, kind: .group).all { pair in
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
      let blocks = MirrorBlocks(db, directory: directory, kind: .group)
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
    // As the index of groups has them.
    try RapidRows(
      db, "SELECT entry FROM mirror_key WHERE directory = ? AND kind = 1 ORDER BY entry",
      [directory]
    ).forEach { row in if let entry = row.int(0) { numbers.entries.append(entry) } }
    return numbers
  }

  static func keys(of entries: [Int64], in db: Database) throws -> Set<String> {
    try String.fetchSet(
      db, sql: "SELECT key FROM mirror_key WHERE entry IN (SELECT value FROM json_each(?))",
      arguments: [json(entries)])
  }

  /// The entries with these keys.
  private static func entries(
    of directory: String, kind: MirrorKind, keys: [String], in db: Database
  ) throws -> [Int64] {
    if keys.isEmpty { return [] }
    let hash = try hash(db)
    return try MirrorBlocks(db, directory: directory, keysOf: kind)
      .find(keys.map { hash.wide($0) }).map(\.entry)
  }

  package func touched(of directory: String) throws -> Touched {
    try readMirror { db in
      var touched = Touched()
      for row in try Row.fetchAll(
        db, sql: "SELECT typeof(what) = 'text', what FROM touched WHERE directory = ?",
        arguments: [directory])
      {
        if try row.value(0) {
          touched.people.insert(try row.value(1))
        } else {
          touched.members.formUnion(try WideHash.all(in: row.value(1)))
        }
      }
      touched.lookedAt = try Row.fetchOne(
        db, sql: "SELECT version, salt FROM looked_at WHERE directory = ?", arguments: [directory]
      ).map { row in
        try LookedAt(
          directory: directory, version: row.value(0),
          salt: UInt64(bitPattern: row.value(1) as Int64))
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
    // Others may write meanwhile.
    returnToLog()
    try readMirror { db in
      var arguments: StatementArguments = [directory]
      // Everybody is read as the entries lie, which by keys would be here and there all over the file.
      var way = kind == .person ? "NOT INDEXED" : ""
      // Groups have one search, and an index that says where they lie.
      var only = kind == .person ? "AND search = \(search)" : "ORDER BY entry"
      if let keys {
        way = "NOT INDEXED"
        only = "AND search = \(search) AND entry IN (SELECT value FROM json_each(?)) ORDER BY entry"
        arguments += [try Self.json(Self.entries(of: directory, kind: kind, keys: keys, in: db))]
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
          throw StoreFailure.damaged(path: path, reason: "an entry of the mirror cannot be read")
        }
        // Groups stay: all in one are taken over as they are.
        if batch.count >= 1000, kind == .person {
          try deliver(batch)
          batch.removeAll()
        }
      }
      if !batch.isEmpty { try deliver(batch) }
    }
  }
}

extension SiteDatabase {
  /// As SQL: entries with their hashes, wherever these lie.
  static let mirrored = """
    (SELECT mirror_key.*, data, coalesce(mirror_members.hashes, mirror_entry.hashes) AS hashes FROM mirror_key
      JOIN mirror_entry ON mirror_entry.id = entry LEFT JOIN mirror_members ON mirror_members.id = entry)
    """
}
