import GRDB
import SiteModel

/// What version 10 of the schema changed: names of rights are compared without white space at their ends.
extension Schema {
  private struct Known {
    let id: Int64
    let kind: Right.Kind
    let name, key: String

    /// The key by which the right is found from version 10 on.
    var wanted: String { Right.key(kind, name) }
  }

  /// Makes one right of those that have become equal. What an account holds of them is united, with the givers of all. The rights
  /// whose place another takes stay under their old keys, which nobody asks for, and are held by nobody.
  static func uniteRights(_ db: Database) throws {
    let rows = try Row.fetchAll(db, sql: "SELECT id, kind, name, key FROM rights ORDER BY id")
    let all = try rows.map { row in
      Known(
        id: try row.value(0), kind: try row.value(1) == "license" ? .license : .group,
        name: try row.value(2), key: try row.value(3))
    }
    let changing = all.filter { $0.key != $0.wanted && !$0.wanted.isEmpty }
    if changing.isEmpty { return }
    var places: [Right.Kind: [String: Int64]] = [:]
    for right in all where right.key == right.wanted {
      places[right.kind, default: [:]][right.key] = right.id
    }
    var replaced: [Int64: Int64] = [:]
    for right in changing {
      if let place = places[right.kind]?[right.wanted] {
        replaced[right.id] = place
      } else {
        places[right.kind, default: [:]][right.wanted] = right.id
        try db.execute(
          sql: "UPDATE rights SET name = ?, key = ? WHERE id = ?",
          arguments: [right.name.trimmed, right.wanted, right.id])
      }
    }
    try renameCounts(changing, in: db)
    try renamePins(db)
    if !replaced.isEmpty { try uniteHoldings(replaced, in: db) }
  }

  private static func uniteHoldings(_ replaced: [Int64: Int64], in db: Database) throws {
    let givers = GiverTable(db)
    var changed: [(account: Int64, rights: String?, suspended: String?)] = []
    var taken: [Int64: Int64] = [:]
    for (old, new) in replaced { (taken[old], taken[new]) = (0, 0) }
    let rows = try RapidRows(
      db,
      "SELECT id, rights, suspended FROM account WHERE rights IS NOT NULL OR suspended IS NOT NULL",
      [])
    try rows.forEach { row in
      var held = PackedRights(row.bytes(1)), suspended = PackedRights(row.bytes(2))
      let isChanged =
        try [held.unite(replaced, givers), suspended.unite(replaced, givers)].contains(true)
      if isChanged {
        // What is held as well as suspended is held.
        for one in suspended.held {
          guard let giver = held[one.right] else { continue }
          held[one.right] = try givers.united(giver, one.giver)
          suspended[one.right] = nil
        }
        changed.append((row.int(0) ?? 0, held.text, suspended.text))
      }
      for one in held.held where taken[one.right] != nil { taken[one.right, default: 0] += 1 }
    }
    for one in changed {
      try db.execute(
        sql: "UPDATE account SET rights = ?, suspended = ? WHERE id = ?",
        arguments: [one.rights, one.suspended, one.account])
      try db.execute(
        sql: "UPDATE person SET settled = NULL WHERE account = ?", arguments: [one.account])
    }
    for (right, count) in taken {
      try db.execute(sql: "UPDATE rights SET taken = ? WHERE id = ?", arguments: [count, right])
    }
    if changed.isEmpty { return }
    try db.execute(
      sql: "UPDATE site SET generation = generation + 1, lineage = lower(hex(randomblob(16)))")
  }

  /// Limits count the groups that are left, and the products that are granted, by their keys.
  private static func renameCounts(_ rights: [Known], in db: Database) throws {
    for right in rights {
      try db.execute(
        sql: """
          INSERT INTO run_count (run, kind, group_key, count)
            SELECT run, kind, ?2, count FROM run_count WHERE group_key = ?1 AND \(isCountOfRight)
            ON CONFLICT (run, kind, group_key) DO UPDATE SET count = count + excluded.count;
          """, arguments: [right.key, right.wanted])
      try db.execute(
        sql: "DELETE FROM run_count WHERE group_key = ? AND \(isCountOfRight)",
        arguments: [right.key])
    }
  }

  private static let isCountOfRight = "kind IN ('leave-group', 'join-group', 'grant-license')"

  private static func renamePins(_ db: Database) throws {
    for row in try Row.fetchAll(db, sql: "SELECT id, kind FROM pin WHERE kind LIKE 'keep %'") {
      let text: String = try row.value(1)
      guard let kind = Pin.Kind(text: text), kind.text != text else { continue }
      try db.execute(
        sql: "UPDATE OR IGNORE pin SET kind = ? WHERE id = ?",
        arguments: [kind.text, try row.value(0) as Int64])
    }
  }
}

extension PackedRights {
  /// Puts other rights in the place of some; a right that is then there twice has the givers of both.
  /// - Returns: whether there were any.
  fileprivate mutating func unite(
    _ replaced: [Int64: Int64], _ givers: GiverTable
  ) throws -> Bool {
    let old = held.filter { replaced[$0.right] != nil }
    for one in old {
      guard let new = replaced[one.right] else { continue }
      self[one.right] = nil
      self[new] = try self[new].map { try givers.united($0, one.giver) } ?? one.giver
    }
    return !old.isEmpty
  }
}

extension GiverTable {
  /// The number for all who are behind two numbers; of two rules the first.
  fileprivate func united(_ first: Int64, _ second: Int64) throws -> Int64 {
    guard first != second, var all = try givers(first), let others = try givers(second) else {
      return first
    }
    all.rule = all.rule ?? others.rule
    all.hand = all.hand ?? others.hand
    all.imported = all.imported ?? others.imported
    return try number(of: all)
  }
}
