import DirectoryModel
import Foundation
import GRDB
import Ports
import SiteModel

extension SiteDatabase {
  package func apply(_ approved: ApprovedPlan, run: RunRecord) throws -> [ChangeKind: Int] {
    let plan = approved.plan
    return try write { db in
      let (lineage, generation) = try Self.state(db)
      guard lineage == plan.basis.lineage else {
        throw StorePlanIsStale(reason: "the plan was made for another store, or for a copy of this one")
      }
      guard generation == plan.basis.generation else {
        throw StorePlanIsStale(
          reason: "the site has changed since the plan was made (generation \(generation), the plan saw \(plan.basis.generation))")
      }
      var writer = try PlanWriter(db, plan: plan)
      try writer.write()
      try remember(plan, in: db)
      if !plan.isEmpty {
        try db.execute(sql: "UPDATE site SET generation = generation + 1")
        try Journal.write(plan, accounts: writer.accounts, run: run, generation: generation + 1, in: db)
      }
      return writer.written
    }
  }

  package func link(account: Int64, person: String, run: RunRecord) throws {
    try write { db in
      try db.execute(sql: "UPDATE person SET account = NULL, settled = NULL WHERE account = ?", arguments: [account])
      try db.execute(
        sql: """
          INSERT INTO person (id, account) VALUES (?, ?)
          ON CONFLICT (id) DO UPDATE SET account = excluded.account, settled = NULL, absent_since = NULL
          """, arguments: [person, account])
      try db.execute(sql: "DELETE FROM person WHERE account IS NULL AND settled IS NULL")
      try db.execute(sql: "UPDATE site SET generation = generation + 1")
      try Journal.writeLink(account: account, person: person, run: run, in: db)
    }
  }

  private static func state(_ db: Database) throws -> (lineage: String, generation: Int64) {
    guard let row = try Row.fetchOne(db, sql: "SELECT lineage, generation FROM site") else {
      throw StorePlanIsStale(reason: "the store is empty")
    }
    return (row[0], row[1])
  }

  /// Commits the plan's bookkeeping: settled people, absences, and what is left open.
  private func remember(_ plan: Plan, in db: Database) throws {
    let settle = try db.makeStatement(
      sql: """
        INSERT INTO person (id, settled) VALUES (?, ?)
        ON CONFLICT (id) DO UPDATE SET settled = excluded.settled
        """)
    for settled in plan.memory.settled {
      try settle.run(settled.person, Int64(bitPattern: settled.fingerprint))
    }
    let unsettle = try db.makeStatement(sql: "UPDATE person SET settled = NULL WHERE id = ?")
    for person in plan.memory.unsettled { try unsettle.run(person) }
    let absence = try db.makeStatement(
      sql: "UPDATE person SET absent_since = ?2, settled = iif(?2 IS NULL, settled, NULL) WHERE id = ?1")
    for absent in plan.memory.absences { try absence.run(absent.person, absent.since) }
    let forget = try db.makeStatement(sql: "DELETE FROM person WHERE id = ? AND account IS NULL")
    for person in plan.memory.forgotten { try forget.run(person) }
    guard plan.basis.only == nil else { return }
    try db.execute(sql: "DELETE FROM hold; DELETE FROM waiting; DELETE FROM leaving")
    let encoder = JSONEncoder()
    for hold in plan.holds {
      try db.execute(
        sql: "INSERT OR REPLACE INTO hold VALUES (?, ?)",
        arguments: [hold.person, String(decoding: try encoder.encode(hold), as: UTF8.self)])
    }
    for leaving in plan.leaving {
      try db.execute(
        sql: "INSERT OR REPLACE INTO leaving VALUES (?, ?)",
        arguments: [leaving.account, String(decoding: try encoder.encode(leaving), as: UTF8.self)])
    }
    for (product, seats) in plan.seats {
      for person in seats.waiting {
        try db.execute(sql: "INSERT OR REPLACE INTO waiting VALUES (?, ?)", arguments: [product, person])
      }
    }
  }
}

extension Statement {
  /// Executes with these values, without checking their number again.
  func run(_ values: (any DatabaseValueConvertible)?...) throws {
    setUncheckedArguments(StatementArguments(values))
    try execute()
  }
}
