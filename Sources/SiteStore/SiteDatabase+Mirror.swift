import DirectoryModel
import Foundation
import GRDB
import Ports

extension SiteDatabase {
  package func mirrorDescription(of directory: String) throws -> MirrorDescription? {
    try read { db in
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
  }

  package func mirrorFingerprints(
    of directory: String, kind: MirrorKind, _ body: (String, UInt64) -> Void
  ) throws {
    try read { db in
      let rows = try Row.fetchCursor(
        db, sql: "SELECT key, fingerprint FROM mirror_key WHERE directory = ? AND kind = ?",
        arguments: [directory, kind.rawValue])
      while let row = try rows.next() {
        let fingerprint: Int64 = row[1]
        body(row[0], UInt64(bitPattern: fingerprint))
      }
    }
  }

  package func readEvidence(of directory: String) throws -> ReadEvidence? {
    try read { db in
      try String.fetchOne(
        db, sql: "SELECT details FROM evidence WHERE directory = ?", arguments: [directory]
      ).map { try JSONDecoder().decode(ReadEvidence.self, from: Data($0.utf8)) }
    }
  }

  package func mirroredName(of directory: String, key: String) throws -> String? {
    try read { try Self.mirroredName($0, directory, .person, key) }
  }

  fileprivate static func mirroredName(
    _ db: Database, _ directory: String, _ kind: MirrorKind, _ key: String
  ) throws -> String? {
    let row = try Row.fetchOne(
      db,
      sql: """
        SELECT data FROM mirror_key JOIN mirror_entry ON mirror_entry.id = entry
        WHERE directory = ? AND kind = ? AND key = ?
        """, arguments: [directory, kind.rawValue, key])
    return (row?[0] as Data?).flatMap { data in
      data.withUnsafeBytes { EntryBatch.storedName($0) }
    }
  }

  package func updateMirror(
    of directory: String, description: MirrorDescription,
    _ body: (any MirrorWriter) throws -> Void
  ) throws {
    let known = try mirrorDescription(of: directory)
    try write { db in
      if let known, !known.asksTheSame(as: description) {
        try db.execute(
          sql:
            "DELETE FROM mirror_entry WHERE id IN (SELECT entry FROM mirror_key WHERE directory = ?)",
          arguments: [directory])
        try db.execute(sql: "DELETE FROM mirror_key WHERE directory = ?", arguments: [directory])
      }
      // Filling an empty mirror is faster without the index.
      let isEmpty =
        try Bool.fetchOne(db, sql: "SELECT NOT EXISTS (SELECT 1 FROM mirror_key)") == true
      if isEmpty { try db.execute(sql: "DROP INDEX mirror_by_key") }
      try body(try DatabaseMirrorWriter(db, directory: directory))
      if isEmpty { try db.execute(sql: Schema.mirrorIndex) }
      try db.execute(
        sql: "INSERT OR REPLACE INTO mirror VALUES (?, ?, ?, ?, ?, ?)",
        arguments: [
          directory, description.personSearch, description.groupSearch,
          description.personAttributes.joined(separator: " "),
          description.groupAttributes.joined(separator: " "), description.readAt,
        ])
    }
  }

  package func readMirror(
    of directory: String, kind: MirrorKind, search: Int, slots: AttributeSlots, keys: [String]?,
    deliver: (borrowing EntryBatch) throws -> Void
  ) throws {
    guard let description = try mirrorDescription(of: directory) else { return }
    let stored = kind == .person ? description.personAttributes : description.groupAttributes
    let places = stored.map { slots.slot(of: $0) }
    try read { db in
      var arguments: StatementArguments = [directory, kind.rawValue, search]
      var only = ""
      if let keys {
        only = "AND key IN (SELECT value FROM json_each(?))"
        arguments += [String(decoding: try JSONEncoder().encode(keys), as: UTF8.self)]
      }
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT data FROM mirror_key JOIN mirror_entry ON mirror_entry.id = entry
          WHERE directory = ? AND kind = ? AND search = ? \(only) ORDER BY key
          """, arguments: arguments)
      var batch = EntryBatch(slots: slots)
      while let row = try rows.next() {
        let isWhole = try row.withUnsafeData(atIndex: 0) { data in
          data.map { $0.withUnsafeBytes { batch.appendEntry(stored: $0, places: places) } } ?? false
        }
        guard isWhole else {
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

private final class DatabaseMirrorWriter: MirrorWriter {
  private let directory: String
  private let db: Database
  private let find: Statement
  private let insertEntry, insertKey, updateEntry, updateKey, removeEntry, removeKey: RapidStatement

  init(_ db: Database, directory: String) throws {
    self.db = db
    self.directory = directory
    func make(_ sql: String) throws -> RapidStatement { try RapidStatement(db, sql) }
    find = try db.makeStatement(
      sql: "SELECT entry FROM mirror_key WHERE directory = ? AND kind = ? AND key = ?")
    insertEntry = try make("INSERT INTO mirror_entry (data) VALUES (?)")
    insertKey = try make(
      """
      INSERT INTO mirror_key (directory, kind, key, search, fingerprint, entry)
      VALUES (?, ?, ?, ?, ?, ?)
      """)
    updateEntry = try make("UPDATE mirror_entry SET data = ? WHERE id = ?")
    updateKey = try make(
      "UPDATE mirror_key SET fingerprint = ?, search = ? WHERE directory = ? AND kind = ? AND key = ?"
    )
    removeEntry = try make("DELETE FROM mirror_entry WHERE id = ?")
    removeKey = try make("DELETE FROM mirror_key WHERE directory = ? AND kind = ? AND key = ?")
  }

  func write(
    _ kind: MirrorKind, key: String, search: Int, isNew: Bool, fingerprint: UInt64, entry: [UInt8]
  ) throws {
    let stored = RapidStatement.Value.int(Int64(bitPattern: fingerprint))
    if !isNew, let known = try place(kind, key) {
      try updateEntry.run(.bytes(entry), .int(known))
      try updateKey.run(
        stored, .int(Int64(search)), .text(directory), .int(Int64(kind.rawValue)), .text(key))
    } else {
      try insertEntry.run(.bytes(entry))
      try insertKey.run(
        .text(directory), .int(Int64(kind.rawValue)), .text(key), .int(Int64(search)),
        stored, .int(db.lastInsertedRowID))
    }
  }

  func remove(_ kind: MirrorKind, key: String) throws {
    guard let known = try place(kind, key) else { return }
    try removeEntry.run(.int(known))
    try removeKey.run(.text(directory), .int(Int64(kind.rawValue)), .text(key))
  }

  func name(_ kind: MirrorKind, key: String) throws -> String? {
    try SiteDatabase.mirroredName(db, directory, kind, key)
  }

  func keep(_ evidence: ReadEvidence) throws {
    try db.execute(
      sql: "INSERT OR REPLACE INTO evidence VALUES (?, ?)",
      arguments: [
        directory, String(decoding: try JSONEncoder().encode(evidence), as: UTF8.self),
      ])
  }

  private func place(_ kind: MirrorKind, _ key: String) throws -> Int64? {
    find.setUncheckedArguments([directory, kind.rawValue, key])
    return try Int64.fetchOne(find)
  }
}
