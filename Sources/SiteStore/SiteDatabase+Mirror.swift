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
    of directory: String, kind: MirrorKind
  ) throws -> [String: UInt64] {
    try read { db in
      var found: [String: UInt64] = [:]
      let rows = try Row.fetchCursor(
        db, sql: "SELECT key, fingerprint FROM mirror_key WHERE directory = ? AND kind = ?",
        arguments: [directory, kind.rawValue])
      while let row = try rows.next() {
        let fingerprint: Int64 = row[1]
        found[row[0]] = UInt64(bitPattern: fingerprint)
      }
      return found
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
          sql: "DELETE FROM mirror_entry WHERE id IN (SELECT entry FROM mirror_key WHERE directory = ?)",
          arguments: [directory])
        try db.execute(sql: "DELETE FROM mirror_key WHERE directory = ?", arguments: [directory])
      }
      try body(try DatabaseMirrorWriter(db, directory: directory))
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
    of directory: String, kind: MirrorKind, slots: AttributeSlots, keys: [String]?,
    deliver: (borrowing EntryBatch) throws -> Void
  ) throws {
    guard let description = try mirrorDescription(of: directory) else { return }
    let stored = kind == .person ? description.personAttributes : description.groupAttributes
    let places = stored.map { slots.slot(of: $0) }
    try read { db in
      var arguments: StatementArguments = [directory, kind.rawValue]
      var only = ""
      if let keys {
        only = "AND key IN (SELECT value FROM json_each(?))"
        arguments += [String(decoding: try JSONEncoder().encode(keys), as: UTF8.self)]
      }
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT data FROM mirror_key JOIN mirror_entry ON mirror_entry.id = entry
          WHERE directory = ? AND kind = ? \(only) ORDER BY key
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
  private let find, insertEntry, insertKey, updateEntry, updateKey, removeEntry, removeKey: Statement

  init(_ db: Database, directory: String) throws {
    self.db = db
    self.directory = directory
    func make(_ sql: String) throws -> Statement { try db.makeStatement(sql: sql) }
    find = try make("SELECT entry FROM mirror_key WHERE directory = ? AND kind = ? AND key = ?")
    insertEntry = try make("INSERT INTO mirror_entry (data) VALUES (?)")
    insertKey = try make("INSERT INTO mirror_key VALUES (?, ?, ?, ?, ?)")
    updateEntry = try make("UPDATE mirror_entry SET data = ? WHERE id = ?")
    updateKey = try make(
      "UPDATE mirror_key SET fingerprint = ? WHERE directory = ? AND kind = ? AND key = ?")
    removeEntry = try make("DELETE FROM mirror_entry WHERE id = ?")
    removeKey = try make("DELETE FROM mirror_key WHERE directory = ? AND kind = ? AND key = ?")
  }

  func write(_ kind: MirrorKind, key: String, fingerprint: UInt64, entry: [UInt8]) throws {
    let stored = Int64(bitPattern: fingerprint)
    if let known = try place(kind, key) {
      try updateEntry.run(Data(entry), known)
      try updateKey.run(stored, directory, kind.rawValue, key)
    } else {
      try insertEntry.run(Data(entry))
      try insertKey.run(directory, kind.rawValue, key, stored, db.lastInsertedRowID)
    }
  }

  func remove(_ kind: MirrorKind, key: String) throws {
    guard let known = try place(kind, key) else { return }
    try removeEntry.run(known)
    try removeKey.run(directory, kind.rawValue, key)
  }

  private func place(_ kind: MirrorKind, _ key: String) throws -> Int64? {
    find.setUncheckedArguments([directory, kind.rawValue, key])
    return try Int64.fetchOne(find)
  }
}
