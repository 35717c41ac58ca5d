import DirectoryModel
import Foundation
import GRDB
import Ports
import SiteModel

/// The journal of runs: changes in packed blocks of a thousand, and their counts.
enum Journal {
  private static let blockSize = 1000

  static func write(
    _ plan: Plan, accounts: [Int64], run: RunRecord, generation: Int64, in db: Database
  ) throws {
    let rules = String(decoding: try JSONEncoder().encode(plan.rules), as: UTF8.self)
    try insert(run, generation: generation, rules: rules, in: db)
    let id = db.lastInsertedRowID
    var counts: [Count: Int] = [:]
    var block = JournalBlock()
    var number = 0
    for index in plan.rows.indices {
      let change = plan.change(at: index)
      block.append(
        change, account: accounts[change.subject], rule: Int(plan.ruleNumber(plan.rows[index])))
      counts[Count(change), default: 0] += 1
      if block.count == blockSize || index == plan.rows.count - 1 {
        try db.execute(
          sql: "INSERT INTO run_block VALUES (?, ?, ?)",
          arguments: [id, number, Data(block.bytes)])
        number += 1
        block = JournalBlock()
      }
    }
    for (count, total) in counts {
      try db.execute(
        sql: "INSERT INTO run_count VALUES (?, ?, ?, ?)",
        arguments: [id, count.kind.rawValue, count.group, total])
    }
  }

  static func writeLink(account: Int64, person: String, run: RunRecord, in db: Database) throws {
    let generation = try Int64.fetchOne(db, sql: "SELECT generation FROM site") ?? 0
    try insert(run, generation: generation, rules: "[]", in: db)
    let id = db.lastInsertedRowID
    var block = JournalBlock()
    block.append(.linkAccount, account: account, before: nil, after: person, rule: -1)
    try db.execute(
      sql: "INSERT INTO run_block VALUES (?, 0, ?)", arguments: [id, Data(block.bytes)])
    try db.execute(
      sql: "INSERT INTO run_count VALUES (?, ?, '', 1)",
      arguments: [id, ChangeKind.linkAccount.rawValue])
  }

  private static func insert(
    _ run: RunRecord, generation: Int64, rules: String, in db: Database
  ) throws {
    try db.execute(
      sql: """
        INSERT INTO run (command, user, started_at, plan_hash, generation, rules)
        VALUES (?, ?, ?, ?, ?, ?)
        """,
      arguments: [run.command, run.user, run.startedAt, run.planHash, generation, rules])
  }

  private struct Count: Hashable {
    let kind: ChangeKind
    let group: String

    init(_ change: Change) {
      kind = change.kind
      guard kind == .leaveGroup, case .text(let name) = change.before else {
        group = ""
        return
      }
      group = Right(.group, name).key
    }
  }
}

/// Changes as bytes: kind, account, before, after, rule (a number from 1, 0 for none).
struct JournalBlock {
  private(set) var bytes: [UInt8] = []
  private(set) var count = 0

  /// - Parameter rule: the rule's number in the run, -1 for none.
  mutating func append(_ change: Change, account: Int64, rule: Int) {
    append(
      change.kind, account: account, before: Self.text(change.before),
      after: Self.text(change.after), rule: rule)
  }

  mutating func append(
    _ kind: ChangeKind, account: Int64, before: String?, after: String?, rule: Int
  ) {
    bytes.append(kind.number)
    bytes.appendVarint(UInt64(account))
    bytes.appendField((before ?? "").utf8)
    bytes.appendField((after ?? "").utf8)
    bytes.appendVarint(UInt64(rule + 1))
    count += 1
  }

  private static func text(_ value: Change.Value?) -> String? {
    switch value {
    case .text(let text): text
    case .field(let name, let text): "\(name)=\(text ?? "")"
    case .profile(let name, _, let portalOnly): "\(portalOnly ? "portal-only " : "")\(name)"
    case .flag(let flag): flag ? "true" : "false"
    case nil: nil
    }
  }
}
