import DirectoryModel
import Foundation
import GRDB
import Ports
import SiteModel

extension SiteDatabase {
  package func apply(_ approved: ApprovedPlan, run: RunRecord) throws -> AppliedRun {
    let plan = approved.plan
    // All that needs no transaction begins at once: the mirror may still be written by another thread.
    let planHash = Meanwhile(isPatient: true) { run.planHash }
    let coming = try read { try ComingAccounts(plan, in: $0) }
    let journal = PackedJournal(plan, coming)
    defer { journal.stop() }
    let people = PeopleToWrite(plan, coming)
    defer { people.stop() }
    return try write { db in
      let (lineage, generation) = try Self.state(db)
      try StorePlanIsStale.check(plan.basis, generation: generation, lineage: lineage)
      try Self.checkDeparted(plan, in: db)
      var writer = try PlanWriter(db, plan: plan, coming)
      defer { writer.stop() }
      var blocks = try RunBlocks(journal, in: db)
      try writer.write { try blocks.writeReady() }
      try people.write(in: db)
      try writer.finish()
      try remember(plan, now: run.startedAt, in: db)
      if !plan.isEmpty { try Self.moveGeneration(db) }
      let head = try Journal(audit: audit).write(
        approved, blocks: &blocks, run: run, planHash: planHash.value(),
        generation: generation + (plan.isEmpty ? 0 : 1), in: db)
      try accept(plan, run: head.run, undoing: run.undoes, in: db)
      if let clock = run.clock { try Self.keep(clock, in: db) }
      if let token = run.token { try Self.keep(token, of: head.run, in: db) }
      return AppliedRun(head: head, written: writer.written)
    }
  }

  /// Accepts the mappings that the plan was made with; a run that is taken back takes its mappings with it.
  private func accept(_ plan: Plan, run: Int64, undoing undone: Int64?, in db: Database) throws {
    if let undone {
      try db.execute(sql: "DELETE FROM mapping WHERE run = ?", arguments: [undone])
    }
    for accepted in plan.memory.accepted { try accept(accepted, run: run, in: db) }
  }

  private func accept(_ accepted: Memory.Acceptance, run: Int64, in db: Database) throws {
    let mapping = accepted.mapping
    let encoder = JSONEncoder()
    let groups = String(decoding: try encoder.encode(accepted.ruleGroups), as: UTF8.self)
    let last = try Row.fetchOne(
      db, sql: "SELECT id, digest FROM mapping WHERE directory = ? ORDER BY id DESC LIMIT 1",
      arguments: [mapping.directory])
    if let last, try last.value(1) == mapping.digest {
      let id: Int64 = try last.value(0)
      try db.execute(sql: "UPDATE mapping SET groups = ? WHERE id = ?", arguments: [groups, id])
      return
    }
    try db.execute(
      sql: "INSERT INTO mapping (directory, digest, details, groups, run) VALUES (?, ?, ?, ?, ?)",
      arguments: [
        mapping.directory, mapping.digest,
        String(decoding: try encoder.encode(mapping), as: UTF8.self), groups, run,
      ])
    // Enough of them to take runs back by.
    try db.execute(sql: "DELETE FROM mapping WHERE id <= (SELECT max(id) FROM mapping) - 100")
  }

  private static func keep(_ clock: SyncClock, in db: Database) throws {
    try db.execute(
      sql: "INSERT OR REPLACE INTO sync_clock VALUES (1, ?, ?, ?, ?)",
      arguments: [clock.boot, clock.bootSeconds, clock.wallSeconds, clock.isTimePutOff])
  }

  private static func keep(_ token: String, of run: Int64, in db: Database) throws {
    try db.execute(sql: "INSERT INTO run_token VALUES (?, ?)", arguments: [token, run])
    try db.execute(sql: "DELETE FROM run_token WHERE run <= ?", arguments: [run - 100])
  }

  static func moveGeneration(_ db: Database) throws {
    try db.execute(
      sql: "UPDATE site SET generation = generation + 1, lineage = lower(hex(randomblob(16)))")
  }

  static func state(_ db: Database) throws -> (lineage: String, generation: Int64) {
    guard let row = try Row.fetchOne(db, sql: "SELECT lineage, generation FROM site") else {
      throw StorePlanIsStale(reason: "the store is empty")
    }
    return try (row.value(0), row.value(1))
  }

  /// Whoever the plan treats as gone must not have been seen since.
  private static func checkDeparted(_ plan: Plan, in db: Database) throws {
    let find = try db.makeStatement(sql: "SELECT absent_since FROM person WHERE id = ?")
    for departed in plan.memory.departed {
      find.setUncheckedArguments([departed.person])
      let since = try Row.fetchOne(find).flatMap { try $0.value(0) as Int64? }
      guard since == departed.since else {
        throw StorePlanIsStale(
          reason:
            "\(departed.person), whom the plan treats as gone, was seen or missed anew since it was made"
        )
      }
    }
  }

  /// Notes that everybody was looked at. After a plan that saw less than the last one that was applied, everybody is looked
  /// at again.
  private static func note(_ read: LookedAt, in db: Database) throws {
    let known = try Int64.fetchOne(
      db, sql: "SELECT version FROM looked_at WHERE directory = ?", arguments: [read.directory])
    if let known, known > read.version {
      try db.execute(sql: "DELETE FROM looked_at WHERE directory = ?", arguments: [read.directory])
      return
    }
    try db.execute(
      sql: "INSERT OR REPLACE INTO looked_at VALUES (?, ?, ?)",
      arguments: [read.directory, read.version, Int64(bitPattern: read.salt)])
    try db.execute(
      sql: "DELETE FROM touched WHERE directory = ? AND version <= ?",
      arguments: [read.directory, read.version])
  }

  /// Commits the plan's bookkeeping: absences, and what is left open.
  private func remember(_ plan: Plan, now: Int64, in db: Database) throws {
    let unsettle = try RapidStatement(
      db, "INSERT INTO person (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET settled = NULL")
    for person in plan.memory.unsettled { try unsettle.run(.text(person)) }
    let absence = try RapidStatement(
      db,
      "UPDATE person SET absent_since = ?2, settled = iif(?2 IS NULL, settled, NULL) WHERE id = ?1")
    for absent in plan.memory.absences { try absence.run(.text(absent.person), .int(absent.since)) }
    let place = try RapidStatement(
      db,
      "UPDATE person SET directory = ?2, match_key = ?3, joined = iif(?5, joined, ?4) WHERE id = ?1"
    )
    for one in plan.memory.places {
      try place.run(
        .text(one.person), .text(one.directory), .text(one.match), .text(one.joined),
        .int(one.isFrozen ? 1 : 0))
    }
    let forget = try RapidStatement(db, "DELETE FROM person WHERE id = ? AND account IS NULL")
    for person in plan.memory.forgotten { try forget.run(.text(person)) }
    for expired in plan.expiredPins {
      try db.execute(sql: "DELETE FROM pin WHERE id = ?", arguments: [expired.pin.id])
    }
    guard plan.basis.isWhole else { return }
    for read in plan.memory.lookedAt { try Self.note(read, in: db) }
    for directory in plan.memory.firstGiving {
      try db.execute(
        sql: "INSERT OR IGNORE INTO giving_directory VALUES (?, ?)", arguments: [directory, now])
    }
    let waited = try Self.waitingSince(db)
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
        try db.execute(
          sql: "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?)",
          arguments: [product, person, waited[product]?[person] ?? now])
      }
    }
  }
}

extension SiteDatabase {
  package func waitingSince() throws -> [String: [String: Int64]] {
    try read { try Self.waitingSince($0) }
  }

  private static func waitingSince(_ db: Database) throws -> [String: [String: Int64]] {
    var found: [String: [String: Int64]] = [:]
    for row in try Row.fetchAll(db, sql: "SELECT product, person, since FROM waiting") {
      try found[row.value(0), default: [:]][row.value(1)] = row.value(2)
    }
    return found
  }
}
