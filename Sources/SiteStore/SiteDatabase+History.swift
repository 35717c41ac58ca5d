import Foundation
import GRDB
import Ports
import SiteModel

/// Reading the journal back, checking its chain, letting old runs go, and blanking a person's data.
extension SiteDatabase {
  package func runs(last count: Int) throws -> [JournaledRun] {
    try read { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM run ORDER BY id DESC LIMIT ?", arguments: [count]
      ).map { try Self.journaled($0, in: db) }
    }
  }

  package func run(_ id: Int64) throws -> JournaledRun? {
    try read { db in
      try Row.fetchOne(db, sql: "SELECT * FROM run WHERE id = ?", arguments: [id]).map {
        try Self.journaled($0, in: db)
      }
    }
  }

  package func run(token: String) throws -> JournaledRun? {
    try read { db in
      try Row.fetchOne(
        db, sql: "SELECT * FROM run WHERE id = (SELECT run FROM run_token WHERE token = ?)",
        arguments: [token]
      ).map { try Self.journaled($0, in: db) }
    }
  }

  package func lastSync() throws -> Int64? {
    try read { db in
      try Int64.fetchOne(
        db, sql: "SELECT started_at FROM run WHERE command = 'sync' ORDER BY id DESC LIMIT 1")
    }
  }

  private static func journaled(_ row: Row, in db: Database) throws -> JournaledRun {
    let header = try Journal.Header(row)
    let link: Data = try row.value("link")
    return JournaledRun(
      id: header.id, command: header.command, user: header.user, startedAt: header.startedAt,
      planHash: header.planHash, generation: header.generation, peopleRead: header.people,
      groupsRead: header.groups, changes: header.changes, undoes: header.undoes,
      undoneBy: try undoer(of: header.id, in: db), link: link.hexadecimal)
  }

  /// The run that took this one back and was not taken back itself.
  private static func undoer(of run: Int64, in db: Database) throws -> Int64? {
    try Int64.fetchAll(
      db, sql: "SELECT id FROM run WHERE undoes = ? ORDER BY id", arguments: [run]
    ).first { try undoer(of: $0, in: db) == nil }
  }

  package func entries(of run: Int64, _ body: (JournalEntry) throws -> Void) throws {
    try read { db in
      try entries(
        of: run, in: db, "SELECT changes, personal FROM run_block WHERE run = ?1 ORDER BY number",
        [run], only: nil, body)
    }
  }

  package func history(
    ofAccount account: Int64, _ body: (JournaledRun, JournalEntry) throws -> Void
  ) throws {
    // Found in the index alone; the blocks are large.
    let places = try read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT run, number FROM run_block INDEXED BY run_block_accounts
          WHERE first_account <= ?1 AND last_account >= ?1
          UNION ALL SELECT run, number FROM run_block INDEXED BY run_block_accounts
          WHERE first_account IS NULL ORDER BY run DESC, number
          """, arguments: [account]
      ).map { (run: try $0.value(0) as Int64, number: try $0.value(1) as Int64) }
    }
    var known: JournaledRun?
    for place in places {
      if known?.id != place.run { known = try run(place.run) }
      guard let run = known else { continue }
      try read { db in
        try entries(
          of: place.run, in: db,
          "SELECT changes, personal FROM run_block WHERE run = ? AND number = ?",
          [place.run, place.number], only: account
        ) { try body(run, $0) }
      }
    }
  }

  private func entries(
    of run: Int64, in db: Database, _ blocks: String, _ arguments: StatementArguments,
    only account: Int64?, _ body: (JournalEntry) throws -> Void
  ) throws {
    guard let row = try Row.fetchOne(db, sql: "SELECT * FROM run WHERE id = ?", arguments: [run])
    else { return }
    do {
      let tables = try Journal.Header(row).tables()
      let blocks = try Row.fetchCursor(db, sql: blocks, arguments: arguments)
      while let block = try blocks.next() {
        try JournalBlock.read(
          block.value(0), personal: block.value(1), tables: tables, only: account, body)
      }
    } catch let damage as JournalBlock.Damage {
      throw StoreFailure.damaged(
        path: path, reason: "run \(run) in the journal: \(damage.message)")
    }
  }

  // MARK: The chain

  package func verifyAudit(expecting known: AuditHead?) throws -> AuditReport {
    try read { db in
      var report = AuditReport()
      // A quick check would not compare indexes with their tables, and accounts are found by indexes.
      let damage = try String.fetchAll(db, sql: "PRAGMA integrity_check(20)").filter { $0 != "ok" }
      report.faults = damage.map { "the store's file is damaged: \($0)" }
      var (link, next) = try checkAnchor(db, &report)
      if let known, known.run < next {
        report.faults += try uncheckable(known, anchored: (run: next - 1, link), in: db)
      }
      let erased = Set(
        try String.fetchAll(db, sql: "SELECT command FROM run WHERE command LIKE 'erase account %'")
          .compactMap { Int64($0.dropFirst("erase account ".count)) })
      let rows = try Row.fetchCursor(db, sql: "SELECT * FROM run ORDER BY id")
      while let row = try rows.next() {
        let header = try Journal.Header(row)
        if header.id != next {
          report.faults.append(
            header.id == next &+ 1
              ? "run \(next) was removed" : "runs \(next) to \(header.id &- 1) were removed")
        }
        try check(
          header, row, after: link, isNext: header.id == next, erased: erased, in: db, &report)
        link = try row.value("link")
        next = header.id &+ 1
        report.runs += 1
        report.changes &+= header.changes
        report.head = AuditHead(run: header.id, link: link.hexadecimal)
        if let known, known.run == header.id, known.link != report.head?.link {
          report.faults.append(
            "run \(known.run) has another link than the one that was written elsewhere")
        }
      }
      try compareAccounts(in: db, erased: erased, &report)
      let written =
        try Int64.fetchOne(
          db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'run'") ?? 0
      let last = max(written, known?.run ?? 0)
      if last >= next {
        report.faults.append(
          last == next
            ? "run \(next), the last, was removed"
            : "runs \(next) to \(last), the last, were removed")
      }
      return report
    }
  }

  /// Where the chain begins: at the first run, or after those that were let go.
  private func checkAnchor(
    _ db: Database, _ report: inout AuditReport
  ) throws -> (link: Data, next: Int64) {
    guard let anchor = try Row.fetchOne(db, sql: "SELECT * FROM audit_anchor") else {
      return (Data(), 1)
    }
    let run: Int64 = try anchor.value("run"), link: Data = try anchor.value("link")
    let seal: Data = try anchor.value("seal")
    let keyID: String = try anchor.value("key_id")
    if keyID != audit.id {
      report.faults.append("the beginning of the journal was sealed with another audit key")
    } else if seal != self.seal(run: run, link: link) {
      report.faults.append("the beginning of the journal, after run \(run), was edited")
    }
    return (link, run + 1)
  }

  /// A head of a run that was let go cannot be compared with it any more, but for that of the last such run.
  private func uncheckable(
    _ known: AuditHead, anchored: (run: Int64, link: Data), in db: Database
  ) throws -> [String] {
    if known.run < 1 { return ["there is no run \(known.run)"] }
    guard known.run == anchored.run else {
      return [
        "run \(known.run) was let go, so that its head cannot be checked; the journal begins after run \(anchored.run)"
      ]
    }
    return known.link == anchored.link.hexadecimal
      ? [] : ["run \(known.run) has another link than the one that was written elsewhere"]
  }

  private func seal(run: Int64, link: Data) -> Data {
    audit.link(after: link, Array("anchor \(run)".utf8))
  }

  private func check(
    _ header: Journal.Header, _ row: Row, after link: Data, isNext: Bool,
    erased: Set<Int64>, in db: Database, _ report: inout AuditReport
  ) throws {
    guard header.keyID == audit.id || header.keyID.isEmpty else {
      report.faults.append("run \(header.id) was written with another audit key")
      return
    }
    if header.keyID.isEmpty { report.unkeyed += 1 }
    if !audit.id.isEmpty, header.keyID.isEmpty,
      try Bool.fetchOne(
        db, sql: "SELECT EXISTS (SELECT 1 FROM run WHERE id < ? AND key_id <> '')",
        arguments: [header.id]) == true
    {
      report.faults.append("run \(header.id) was written without the audit key")
    }
    let key = header.keyID.isEmpty ? AuditKey.none : audit
    var digests: [UInt8] = []
    var changes = 0
    do {
      let tables = try header.tables()
      let blocks = try Row.fetchCursor(
        db, sql: "SELECT changes, personal FROM run_block WHERE run = ? ORDER BY number",
        arguments: [header.id])
      while let block = try blocks.next() {
        let bytes: Data = try block.value(0)
        digests.append(contentsOf: AuditKey.digest(bytes))
        try JournalBlock.read(bytes, personal: block.value(1), tables: tables) { entry in
          changes += 1
          if entry.isErased, !erased.contains(entry.account) {
            throw JournalBlock.Damage(message: "a person's data were blanked, and no erase says so")
          }
        }
      }
    } catch let damage as JournalBlock.Damage {
      report.faults.append("run \(header.id): \(damage.message)")
      return
    } catch is DecodingError {
      report.faults.append("run \(header.id) was edited")
      return
    }
    let expected = key.link(after: link, header.bytes + digests)
    if isNext, try expected != row.value("link") || changes != header.changes {
      report.faults.append("run \(header.id) was edited, or is not in its place")
    }
  }

  // MARK: Letting go

  /// So many runs are let go at a time.
  private static let prunedTogether = 200

  /// The chain then begins after the runs that were let go.
  package func pruneJournal(keepingSeconds: Int64) throws {
    try write { db in
      let last = try Int64.fetchAll(db, sql: "SELECT started_at FROM run ORDER BY id DESC LIMIT 2")
      guard last.count == 2, let earlier = last.min() else { return }
      guard
        let row = try Row.fetchOne(
          db,
          sql: """
            SELECT id, link FROM run WHERE id = (SELECT max(id) FROM run WHERE started_at < ?1
              AND id < (SELECT min(id) FROM run) + ?2)
            AND NOT EXISTS (SELECT 1 FROM run AS kept WHERE kept.id < run.id AND kept.started_at >= ?1)
            """, arguments: [earlier - keepingSeconds, Self.prunedTogether])
      else { return }
      let run: Int64 = try row.value(0), link: Data = try row.value(1)
      for (table, column) in [("run_count", "run"), ("run_block", "run"), ("run", "id")] {
        try db.execute(sql: "DELETE FROM \(table) WHERE \(column) <= ?", arguments: [run])
      }
      try db.execute(
        sql: "INSERT OR REPLACE INTO audit_anchor VALUES (1, ?, ?, ?, ?)",
        arguments: [run, link, audit.id, seal(run: run, link: link)])
    }
  }

  package func erase(account: Int64, run: RunRecord) throws -> AuditHead {
    try write { db in
      try db.execute(
        sql: """
          UPDATE rights SET taken = taken - 1 WHERE id IN (SELECT right_id FROM holding
            WHERE account = ?1 AND suspended = 0)
          """, arguments: [account])
      try db.execute(
        sql: """
          UPDATE account SET email = 'erased-' || id || '@erased.invalid',
            email_key = 'erased-' || id || '@erased.invalid', name = 'erased', username = NULL,
            email_verified = 0, rights = NULL, suspended = NULL WHERE id = ?1
          """, arguments: [account])
      for statement in [
        "DELETE FROM pin WHERE account = ?",
        "DELETE FROM hold WHERE person IN (SELECT id FROM person WHERE account = ?)",
        "DELETE FROM waiting WHERE person IN (SELECT id FROM person WHERE account = ?)",
        "DELETE FROM leaving WHERE account = ?", "DELETE FROM person WHERE account = ?",
      ] { try db.execute(sql: statement, arguments: [account]) }
      try db.execute(sql: "DELETE FROM held")
      try blankJournal(account, in: db)
      try Self.moveGeneration(db)
      // The chain's check looks for this entry where data are blank.
      let record = RunRecord(
        command: "erase account \(account)", user: run.user, startedAt: run.startedAt,
        planHash: "")
      return try Journal(audit: audit).write(
        record, generation: Self.state(db).generation, in: db)
    }
  }

  private func blankJournal(_ account: Int64, in db: Database) throws {
    let rows = try Row.fetchAll(
      db,
      sql:
        "SELECT run.*, number, run_block.changes AS block, personal FROM run_block JOIN run ON run.id = run"
    )
    for row in rows {
      let blanked = try JournalBlock.blanked(
        row.value("block"), personal: row.value("personal"), tables: Journal.Header(row).tables(),
        account: account)
      guard let blanked else { continue }
      let run: Int64 = try row.value("id"), number: Int = try row.value("number")
      try db.execute(
        sql: "UPDATE run_block SET personal = ? WHERE run = ? AND number = ?",
        arguments: [Data(blanked), run, number])
    }
  }
}
