import Foundation
import GRDB
import SiteModel

/// Comparing accounts with what the journal says was done to them.
extension SiteDatabase {
  /// What the journal last said of one account; nil where it says nothing, as of what was let go.
  private struct LastSaid {
    var emailKey: String?
    var isActive: Bool?
  }

  /// How many accounts are named; more would bury the rest of the report.
  private static let mostNamed = 20

  /// Adds a fault for each account whose email or state is not what the journal's last change made it.
  func compareAccounts(
    in db: Database, erased: Set<Int64>, _ report: inout AuditReport
  ) throws {
    let said = try lastSaid(in: db)
    var faults: [String] = []
    let rows = try Row.fetchCursor(
      db, sql: "SELECT id, email, deactivated_by IS NULL FROM account ORDER BY id")
    var seen: Set<Int64> = []
    while let row = try rows.next() {
      let id: Int64 = try row.value(0)
      seen.insert(id)
      guard let said = said[id], !erased.contains(id) else { continue }
      if let key = said.emailKey, try key != emailKey(row.value(1)) {
        faults.append("account \(id) has another email than its last change in the journal gave it")
      }
      let isActive: Bool = try row.value(2)
      if let last = said.isActive, last != isActive {
        faults.append(
          isActive
            ? "account \(id) is active, and by the journal it was deactivated last"
            : "account \(id) is deactivated, and by the journal it was reactivated last")
      }
    }
    for id in said.keys.sorted() where !seen.contains(id) {
      faults.append("account \(id) is in the journal, and is gone")
    }
    report.faults += faults.prefix(Self.mostNamed)
    if faults.count > Self.mostNamed {
      report.faults.append("\(faults.count - Self.mostNamed) more accounts differ from the journal")
    }
  }

  private func lastSaid(in db: Database) throws -> [Int64: LastSaid] {
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
            Self.note(entry, in: &said[entry.account, default: LastSaid()])
          }
        } catch is JournalBlock.Damage {}
      }
    }
    return said
  }

  private static func note(_ entry: JournalEntry, in said: inout LastSaid) {
    switch entry.kind {
    case .createAccount:
      // The profile's first line.
      said.emailKey = entry.after.flatMap { $0.split(separator: "\n").first }
        .map { emailKey(String($0)) }
    case .changeEmail: said.emailKey = entry.after.map(emailKey)
    case .deactivateAccount: said.isActive = false
    case .reactivateAccount: said.isActive = true
    default: break
    }
  }
}
