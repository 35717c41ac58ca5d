import Foundation
import GRDB
import SiteModel

/// Comparing accounts with what the journal says was done to them.
extension SiteDatabase {
  /// How many accounts are named; more would bury the rest of the report.
  private static let mostNamed = 20

  /// Adds a fault for each account that is not what the journal's changes made it, and for counts that are not those of the
  /// accounts.
  func compareAccounts(
    in db: Database, erased: Set<Int64>, _ report: inout AuditReport
  ) throws {
    let united = try unitedRights(in: db)
    let said = try lastSaid(in: db, without: united)
    var faults: [String] = []
    var seen: Set<Int64> = []
    var held: [Right: Int] = [:]
    var active = 0
    try Self.fetchAll(db) { account in
      seen.insert(account.id)
      if account.isActive { active += 1 }
      for holding in account.holdings where !holding.isSuspended {
        held[holding.right, default: 0] += 1
      }
      guard let said = said[account.id], !erased.contains(account.id) else { return }
      faults += said.differences(from: account, without: united)
    }
    for id in said.keys.sorted() where !seen.contains(id) {
      faults.append("account \(id) is in the journal, and is gone")
    }
    report.faults += faults.prefix(Self.mostNamed)
    if faults.count > Self.mostNamed {
      report.faults.append("\(faults.count - Self.mostNamed) more differences from the journal")
    }
    report.faults += try wrongCounts(held, active: active, in: db)
  }

  /// What limits and seats count on.
  private func wrongCounts(
    _ held: [Right: Int], active: Int, in db: Database
  ) throws -> [String] {
    var faults: [String] = []
    var known: [Right: Int] = [:]
    for row in try Row.fetchAll(db, sql: "SELECT kind, name, taken FROM rights") {
      let right = try Right(row)
      known[right, default: 0] += try row.value(2) as Int
    }
    for (right, count) in known.sorted(by: { $0.key < $1.key })
    where count != held[right, default: 0] {
      faults.append(
        "\(right.kind.rawValue) \(right.name) is counted \(count) times, and \(held[right, default: 0]) accounts hold it"
      )
    }
    if let count = try Int.fetchOne(db, sql: "SELECT active_accounts FROM site"), count != active {
      faults.append("\(count) active accounts are counted, and there are \(active)")
    }
    return faults
  }

  /// Rights of which version 10 of the schema made one: what the journal says of each of them does not tell what an account
  /// has of both.
  private func unitedRights(in db: Database) throws -> Set<Right> {
    var united: Set<Right> = []
    for row in try Row.fetchAll(db, sql: "SELECT kind, name, key FROM rights") {
      let right = try Right(row)
      if try right.key != row.value(2) { united.insert(right) }
    }
    return united
  }

  private func lastSaid(
    in db: Database, without united: Set<Right>
  ) throws -> [Int64: LastSaid] {
    var said: [Int64: LastSaid] = [:]
    let runs = try Row.fetchCursor(db, sql: "SELECT * FROM run ORDER BY id")
    while let run = try runs.next() {
      let header = try Journal.Header(run)
      // Blocks that cannot be read are a fault of the chain already.
      guard let tables = try? header.tables() else { continue }
      let blocks = try Row.fetchCursor(
        db, sql: "SELECT changes, personal FROM run_block WHERE run = ? ORDER BY number",
        arguments: [header.id])
      while let block = try blocks.next() {
        do {
          try JournalBlock.read(
            block.value(0), personal: block.value(1), tables: tables
          ) { entry in
            said[entry.account, default: LastSaid()].note(entry, without: united)
          }
        } catch is JournalBlock.Damage {}
      }
    }
    return said
  }
}
