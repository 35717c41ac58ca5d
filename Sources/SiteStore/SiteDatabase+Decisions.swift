import Foundation
import GRDB
import Ports
import SiteModel

/// What administrators decided: pins, approvals, the transition; and the mappings that were accepted.
extension SiteDatabase {
  package func performTransition(run: RunRecord) throws -> AuditHead {
    try write { db in
      try db.execute(sql: "UPDATE site SET transition = 'after'")
      try db.execute(sql: "UPDATE person SET settled = NULL")
      return try journal(run, in: db)
    }
  }

  /// Moves the generation and writes a run that changed no account.
  private func journal(_ run: RunRecord, in db: Database) throws -> AuditHead {
    try Self.moveGeneration(db)
    return try Journal(audit: audit).write(run, generation: Self.state(db).generation, in: db)
  }

  // MARK: Pins

  package func pins() throws -> [NamedPin] {
    try read { db in
      try Row.fetchAll(
        db,
        sql:
          "SELECT pin.*, email FROM pin JOIN account ON account.id = pin.account ORDER BY email_key, pin.id"
      ).compactMap { row in
        guard let kind = try Pin.Kind(text: row.value("kind")) else { return nil }
        return try NamedPin(
          pin: Pin(
            id: row.value("id"), account: row.value("account"), kind: kind,
            until: row.value("until"),
            reason: row.value("reason"), by: row.value("by"), since: row.value("since")),
          email: row.value("email"))
      }
    }
  }

  package func set(_ pin: Pin, run: RunRecord) throws -> AuditHead {
    try write { db in
      try db.execute(
        sql: """
          INSERT OR REPLACE INTO pin (account, kind, until, reason, by, since)
          VALUES (?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          pin.account, pin.text, pin.until, pin.reason, pin.by, pin.since,
        ])
      return try journal(run, in: db)
    }
  }

  package func removePins(_ ids: [Int64], run: RunRecord) throws -> AuditHead {
    try write { db in
      for id in ids {
        try db.execute(
          sql:
            "UPDATE person SET settled = NULL WHERE account = (SELECT account FROM pin WHERE id = ?)",
          arguments: [id])
        try db.execute(sql: "DELETE FROM pin WHERE id = ?", arguments: [id])
      }
      return try journal(run, in: db)
    }
  }

  package func syncClock() throws -> SyncClock? {
    try read { db in
      try Row.fetchOne(db, sql: "SELECT * FROM sync_clock").map { row in
        var clock = try SyncClock(
          boot: row.value("boot"), bootSeconds: row.value("boot_seconds"),
          wallSeconds: row.value("wall_seconds"))
        clock.isTimePutOff = try row.value("time_put_off")
        return clock
      }
    }
  }

  // MARK: Approvals

  package func note(_ held: HeldSet, at now: Int64) throws {
    try write { db in
      try db.execute(sql: "DELETE FROM held WHERE held_at < ?", arguments: [now - 30 * 86_400])
      try db.execute(
        sql: """
          INSERT INTO held (hash, details, held_at) VALUES (?, ?, ?)
          ON CONFLICT (hash) DO UPDATE SET held_at = excluded.held_at
          """,
        arguments: [
          held.hash, String(decoding: try JSONEncoder().encode(held), as: UTF8.self), now,
        ])
    }
  }

  package func releaseHeld(before now: Int64) throws {
    let isAny = try read {
      try Bool.fetchOne(
        $0,
        sql: """
          SELECT EXISTS (SELECT 1 FROM held WHERE held_at < ?
            AND held_at >= coalesce((SELECT before FROM held_release), 0))
          """, arguments: [now])
    }
    guard isAny == true else { return }
    try write {
      try $0.execute(sql: "INSERT OR REPLACE INTO held_release VALUES (1, ?)", arguments: [now])
    }
  }

  package func heldSets() throws -> [HeldRecord] {
    try read { db in
      let released = try Int64.fetchOne(db, sql: "SELECT before FROM held_release") ?? 0
      return try Row.fetchAll(db, sql: "SELECT * FROM held ORDER BY held_at DESC, hash").map {
        row in
        let details: String = try row.value("details")
        return try HeldRecord(
          set: JSONDecoder().decode(HeldSet.self, from: Data(details.utf8)),
          heldAt: row.value("held_at"), approvedAt: row.value("approved_at"),
          approvedBy: row.value("approved_by"),
          isReleased: row.value("held_at") < released)
      }
    }
  }

  package func approve(_ hash: String, run: RunRecord) throws -> AuditHead {
    try write { db in
      try db.execute(
        sql: "UPDATE held SET approved_at = ?, approved_by = ? WHERE hash = ?",
        arguments: [run.startedAt, run.user, hash])
      return try Journal(audit: audit).write(run, generation: Self.state(db).generation, in: db)
    }
  }

  package func budgets() throws -> [Budget] {
    try read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM budget ORDER BY kind").map { row in
        try Budget(
          kind: row.value("kind"), upTo: row.value("up_to"), since: row.value("since"),
          until: row.value("until"),
          reason: row.value("reason"), by: row.value("by"))
      }
    }
  }

  package func open(_ budget: Budget, run: RunRecord) throws -> AuditHead {
    try write { db in
      try db.execute(
        sql: """
          INSERT OR REPLACE INTO budget (kind, up_to, since, until, reason, by)
          VALUES (?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          budget.kind, budget.upTo, budget.since, budget.until, budget.reason, budget.by,
        ])
      return try Journal(audit: audit).write(run, generation: Self.state(db).generation, in: db)
    }
  }

  package func endBudget(for kind: String, run: RunRecord) throws -> AuditHead {
    try write { db in
      try db.execute(
        sql: "UPDATE budget SET until = min(until, ?) WHERE kind = ?",
        arguments: [run.startedAt, kind])
      return try Journal(audit: audit).write(run, generation: Self.state(db).generation, in: db)
    }
  }

  package func hasGiven(_ directory: String) throws -> Bool {
    try read { db in
      try Bool.fetchOne(
        db, sql: "SELECT EXISTS (SELECT 1 FROM giving_directory WHERE directory = ?)",
        arguments: [directory]) ?? false
    }
  }

  // MARK: Mappings

  package func acceptedMapping(of directory: String) throws -> AcceptedMapping? {
    try read { db in
      try String.fetchOne(
        db, sql: "SELECT details FROM mapping WHERE directory = ? ORDER BY id DESC LIMIT 1",
        arguments: [directory]
      ).map { try JSONDecoder().decode(AcceptedMapping.self, from: Data($0.utf8)) }
    }
  }

  package func ruleGroups(of directory: String) throws -> [String: String] {
    try read { db in
      try String.fetchOne(
        db, sql: "SELECT groups FROM mapping WHERE directory = ? ORDER BY id DESC LIMIT 1",
        arguments: [directory]
      ).map { try JSONDecoder().decode([String: String].self, from: Data($0.utf8)) } ?? [:]
    }
  }
}
