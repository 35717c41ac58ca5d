import Foundation
import GRDB
import Ports
import Reconciliation
import SiteModel
import SiteStore
import SyncEngine
import TestSupport
import Testing

private let mapping = """
  usher: 1
  search: { users: { base: "dc=x", filter: (objectClass=person) } }
  account: { id: entryUUID, email: mail, name: cn, username: uid, active: (!(locked=TRUE)) }
  otherwise: unlicensed
  leavers: { after: 0h }
  rules:
    - { name: staff, when: (type=staff), licenses: [confluence], groups: [developers] }
    - { name: vendors, when: (type=vendor), portal-only: true }
  """

/// People as "id type", for example "1 staff"; "1 staff locked".
private func directory(_ people: [String]) -> String {
  "dn: dc=x\ndc: x\n\n"
    + people.map { text in
      let words = text.split(separator: " ")
      return
        "dn: uid=p\(words[0]),dc=x\nobjectClass: person\nentryUUID: \(words[0])\nuid: p\(words[0])\nmail: p\(words[0])@x\ncn: P\(words[0])\ntype: \(words[1])\n"
        + (words.count > 2 ? "locked: TRUE\n" : "")
    }.joined(separator: "\n")
}

extension TestSite {
  fileprivate func undo(
    _ run: Int64, occupied: Set<String> = [], now: Int64 = 5000
  ) throws -> Handwork.Result {
    var entries: [JournalEntry] = []
    try store.entries(of: run) { entries.append($0) }
    let world = try desk.world(
      of: store.accounts(ids: Array(Set(entries.map(\.account)))), command: "undo", now: now)
    let result = Undoing.plan(entries, in: world, occupied: occupied, by: "root")
    if !result.plan.isEmpty { try apply(result, "undo", now, undoes: run) }
    return result
  }

  /// Every account with its givers, as text.
  fileprivate func whole() throws -> String {
    var lines: [String] = []
    try store.allAccounts { account in
      lines.append(
        "\(account.email) \(account.name) mark=\(account.mark.text) off=\(account.deactivatedBy?.rawValue ?? "-") \(account.holdings.map { "\($0.right.name)=\($0.givers.text)\($0.isSuspended ? " suspended" : "")" })"
      )
    }
    return lines.joined(separator: "\n")
  }

  fileprivate func entries(_ run: Int64) throws -> [String] {
    var words: [String] = []
    try store.entries(of: run) { entry in
      words.append(
        "\(entry.account) \(entry.kind.rawValue) \(entry.before ?? "-") \(entry.after ?? "-") \(entry.rule?.name ?? "-")"
      )
    }
    return words
  }
}

@Suite struct JournalTests {
  @Test func everyRunIsJournalledWithItsChangesBeforeAfterAndRule() throws {
    let site = try TestSite()
    let first = try site.sync(directory(["1 staff", "2 vendor"]), mapping, now: 10)
    try site.sync(directory(["1 other", "2 vendor"]), mapping, now: 20)
    try site.sync(directory(["1 other", "2 vendor"]), mapping, now: 30)
    let runs = try site.store.runs(last: 9)
    #expect(runs.map(\.id) == [3, 2, 1] && runs.map(\.changes) == [0, 2, 4])
    #expect(runs.map(\.startedAt) == [30, 20, 10] && runs.map(\.generation) == [2, 2, 1])
    #expect(runs[2].planHash == first.digest && runs[2].peopleRead == 2)
    #expect(
      try site.entries(1) == [
        "1 create-account - p1@x\nP1\np1\n\n1 staff",
        "2 create-account - p2@x\nP2\np2\nportal-only\n2 vendors",
        "1 join-group - developers staff", "1 grant-license - confluence staff",
      ])
    #expect(
      try site.entries(2) == [
        "1 revoke-license confluence - staff", "1 leave-group developers - staff",
      ])
    var history: [String] = []
    let id = try #require(try site.store.account("p1@x")).id
    try site.store.history(ofAccount: id) { history.append("\($0.id) \($1.kind.rawValue)") }
    #expect(history.first == "2 revoke-license" && history.count == 5)
  }

  @Test func runsOlderThanTheJournalKeepsGoAndTheChainStillHolds() throws {
    let site = try TestSite()
    for step in 1...5 {
      try site.sync(
        directory(["1 \(step.isMultiple(of: 2) ? "staff" : "vendor")"]), mapping,
        now: Int64(step * 100))
    }
    try site.store.pruneJournal(keepingSeconds: 100)
    #expect(try site.store.runs(last: 9).map(\.id) == [5, 4, 3])
    #expect(try site.store.verifyAudit(expecting: nil).faults.isEmpty)
    try site.sync(directory(["1 staff"]), mapping, now: 600)
    #expect(try site.store.verifyAudit(expecting: nil).faults.isEmpty)
    try site.store.pruneJournal(keepingSeconds: -99_999)
    #expect(try site.store.runs(last: 9).isEmpty)
    try site.sync(directory(["1 vendor"]), mapping, now: 700)
    #expect(try site.store.verifyAudit(expecting: nil).faults.isEmpty)
    try site.edit("UPDATE audit_anchor SET run = 4")
    #expect(try !site.store.verifyAudit(expecting: nil).faults.isEmpty)
  }
}

@Suite struct JournalLengthTests {
  private func site(_ moments: [Int64]) throws -> TestSite {
    let site = try TestSite()
    for moment in moments { try site.sync(directory(["1 staff"]), mapping, now: moment) }
    return site
  }

  @Test func oneSyncByAWrongClockLetsNoRunGo() throws {
    let year: Int64 = 31_536_000
    let site = try site([1000, 2000, 3000, 60 * year])
    try site.store.pruneJournal(keepingSeconds: 2 * year)
    #expect(try site.store.runs(last: 9).map(\.id) == [4, 3, 2, 1])
  }

  @Test func fewRunsGoAtATime() throws {
    let site = try site((1...230).map { Int64($0) })
    try site.store.pruneJournal(keepingSeconds: 0)
    #expect(try site.store.runs(last: 300).map(\.id).min() == 201)
    try site.store.pruneJournal(keepingSeconds: 0)
    #expect(try site.store.runs(last: 300).map(\.id).min() == 229)
  }

  @Test func aHeadThatCannotBeCheckedIsReported() throws {
    let site = try site([100, 200, 300, 400, 500])
    let heads = try site.store.runs(last: 9).map { AuditHead(run: $0.id, link: $0.link) }
    try site.store.pruneJournal(keepingSeconds: 100)
    // Runs 1 and 2 are gone; the journal begins after the second.
    #expect(try site.store.verifyAudit(expecting: heads[0]).faults.isEmpty)
    #expect(try site.store.verifyAudit(expecting: heads[3]).faults.isEmpty)
    #expect(
      try site.store.verifyAudit(expecting: heads[4]).faults == [
        "run 1 was let go, so that its head cannot be checked; the journal begins after run 2"
      ])
    let forged = AuditHead(run: 2, link: String(repeating: "0", count: 64))
    #expect(
      try site.store.verifyAudit(expecting: forged).faults == [
        "run 2 has another link than the one that was written elsewhere"
      ])
  }
}

@Suite struct UndoTests {
  @Test func aRunTakenBackLeavesTheSiteAsItWasGiversIncluded() throws {
    let before = directory(["1 staff", "2 staff", "3 other", "4 vendor", "5 staff"])
    // Releases, marks, a deactivation, a suspension, a profile and an email.
    let after = directory(["1 vendor", "2 staff locked", "3 staff", "4 other"])
      .replacing("cn: P3", with: "cn: New").replacing("mail: p4@x", with: "mail: new@x")
    let site = try TestSite()
    try site.sync(before, mapping)
    try site.carryOut(.grant([Right(.license, "jira")]), on: "p2@x", "p5@x")
    let whole = try site.whole()
    let run = try site.sync(after, mapping)
    #expect(run.summary.count >= 7, "\(run.summary)")
    #expect(try site.whole() != whole)
    let undone = try site.undo(3)
    #expect(undone.refusals.isEmpty)
    #expect(try site.whole() == whole)
    #expect(try site.store.run(3)?.undoneBy == 4)
    // With the directory as it was before, nothing is left to do.
    #expect(try site.plan(before, mapping).isEmpty)
    // An undo is taken back like any other run, and then the first may be again.
    #expect(try site.undo(4).refusals.isEmpty)
    #expect(try site.store.run(3)?.undoneBy == nil)
    #expect(try site.plan(after, mapping).isEmpty)
  }

  @Test func accountsThatARunCreatedAreDeactivatedNeverDeleted() throws {
    let site = try TestSite()
    try site.sync(directory(["1 staff", "2 vendor"]), mapping)
    let undone = try site.undo(1)
    #expect(undone.plan.summary == [.revokeLicense: 1, .leaveGroup: 1, .deactivateAccount: 2])
    #expect(try site.store.account("p1@x")?.deactivatedBy == .hand)
  }

  @Test func whatHasChangedSinceIsRefusedAccountByAccount() throws {
    let site = try TestSite()
    try site.sync(directory(["1 staff", "2 staff", "3 staff"]), mapping)
    try site.sync(directory(["1 other", "2 other", "3 other"]), mapping)
    try site.carryOut(.grant([Right(.license, "confluence")]), on: "p1@x")
    try site.carryOut(.deactivate, on: "p3@x")
    let undone = try site.undo(2)
    #expect(undone.refusals.map(\.email) == ["p1@x", "p3@x"])
    #expect(undone.refusals[0].reason.contains("license confluence has been given since"))
    #expect(try site.store.account("p1@x")?.holdings.map(\.givers) == [Givers(hand: "root")])
    #expect(try site.store.account("p2@x")?.holdings.count == 2)
  }

  @Test func aSeatThatTheRunMovedIsMovedBack() throws {
    let site = try TestSite()
    site.ceilings["confluence"] = 1
    try site.sync(directory(["1 staff", "2 other"]), mapping)
    let before = try site.whole()
    try site.sync(directory(["1 other", "2 staff"]), mapping)
    #expect(try site.undo(2).refusals.isEmpty)
    #expect(try site.whole() == before)
  }

  @Test func emailsTakenSinceAndMarksAgainstRightsAreRefused() throws {
    let site = try TestSite()
    try site.sync(directory(["1 staff", "2 vendor", "3 other"]), mapping)
    let moved = directory(["1 staff", "2 other", "3 other"])
      .replacing("mail: p1@x", with: "mail: new@x")
    try site.sync(moved, mapping)
    try site.sync(moved.replacing("mail: p3@x", with: "mail: p1@x"), mapping)
    try site.carryOut(.grant([Right(.group, "g")]), on: "p2@x")
    let undone = try site.undo(2, occupied: ["p1@x"])
    #expect(undone.plan.isEmpty && undone.refusals.count == 2)
    #expect(undone.refusals.map(\.reason).contains("another account has its email of then"))
    #expect(undone.refusals.map(\.reason).contains { $0.contains("would be portal-only") })
    // A swap is taken back whole.
    let other = try TestSite()
    try other.sync(directory(["1 staff", "2 staff"]), mapping)
    let swapped = directory(["1 staff", "2 staff"]).replacing("mail: p1@x", with: "mail: p@x")
      .replacing("mail: p2@x", with: "mail: p1@x").replacing("mail: p@x", with: "mail: p2@x")
    let before = try other.whole()
    try other.sync(swapped, mapping)
    #expect(try other.undo(2).refusals.isEmpty)
    #expect(try other.whole() == before)
    // Nobody who was deactivated since is given anything back.
    try other.sync(directory(["1 other", "2 staff"]), mapping)
    try other.carryOut(.deactivate, on: "p1@x")
    #expect(try other.undo(4).refusals.map(\.reason) == ["has been deactivated since"])
  }

  @Test func conversionsAndMissingSeatsAreRefused() throws {
    let site = try TestSite()
    site.ceilings["confluence"] = 1
    try site.sync(directory(["1 staff", "2 vendor"]), mapping)
    try site.sync(directory(["1 other", "2 vendor"]), mapping)
    try site.carryOut(.grant([Right(.license, "confluence")]), on: "p1@x")
    let run = RunRecord(command: "transition", user: "root", startedAt: 1, planHash: "")
    _ = try site.store.performTransition(run: run)
    try site.carryOut(.convert, on: "p2@x")
    #expect(try site.undo(5).refusals[0].reason.contains("R13"))
    let other = try TestSite()
    other.ceilings["confluence"] = 1
    try other.sync(directory(["1 staff", "2 other"]), mapping)
    try other.sync(directory(["1 other", "2 staff"]), mapping)
    try other.carryOut(.deactivate, on: "p1@x")
    let undone = try other.undo(2)
    #expect(undone.refusals.map(\.reason) == ["has been deactivated since"])
    let full = try TestSite()
    full.ceilings["confluence"] = 2
    try full.sync(directory(["1 staff", "2 other", "3 other"]), mapping)
    try full.sync(directory(["1 other", "2 other", "3 other"]), mapping)
    try full.carryOut(.grant([Right(.license, "confluence")]), on: "p2@x", "p3@x")
    #expect(
      try full.undo(2).refusals.map(\.reason) == ["there is no free seat for confluence"])
  }
}

extension TestSite {
  /// Changes the store behind usher's back.
  fileprivate func edit(_ sql: String) throws {
    try DatabaseQueue(path: folder.path + "/usher.db").write { try $0.execute(sql: sql) }
  }

  /// What the check of the journal finds, also of accounts that are not as it says.
  func faults(_ head: AuditHead? = nil) throws -> [String] {
    try store.verifyAudit(expecting: head).faults
  }
}

@Suite struct AuditTests {
  /// Four runs with a key.
  private func place(secret: String = "secret") throws -> TestSite {
    let site = try TestSite(audit: AuditKey(secret: secret))
    for kind in ["staff", "vendor", "other", "staff"] {
      try site.sync(directory(["1 \(kind)", "2 staff"]), mapping)
    }
    return site
  }

  @Test func anIntactChainVerifiesAgainstTheHeadWrittenElsewhere() throws {
    let site = try place()
    let report = try site.store.verifyAudit(expecting: nil)
    #expect(report.faults.isEmpty && report.runs == 4 && report.unkeyed == 0)
    #expect(report.changes == 6 + 3 + 1 + 2)
    #expect(try site.faults(report.head).isEmpty)
    let other = AuditHead(run: 4, link: String(repeating: "0", count: 64))
    #expect(try site.faults(other).count == 1)
  }

  @Test(arguments: [
    ("UPDATE run SET user = 'nobody' WHERE id = 2", "run 2 was edited"),
    ("UPDATE run SET changes = 7 WHERE id = 1", "run 1 was edited"),
    ("UPDATE run_block SET changes = x'00' WHERE run = 2", "run 2: a block cannot be read"),
    // The number of an account that is beyond all.
    (
      "UPDATE run_block SET changes = x'0000FFFFFFFFFFFFFFFFFF010000' WHERE run = 2",
      "run 2: a block cannot be read"
    ),
    ("UPDATE run SET id = 9223372036854775807 WHERE id = 4", "were removed"),
    (
      "UPDATE run_block SET changes = (SELECT changes FROM run_block WHERE run = 3) WHERE run = 2",
      "run 2 was edited"
    ),
    ("DELETE FROM run_block WHERE run = 3", "run 3 was edited"),
    ("DELETE FROM run WHERE id = 2", "run 2 was removed"),
    ("DELETE FROM run WHERE id = 4", "run 4, the last, was removed"),
    ("UPDATE run SET link = x'00' WHERE id = 2", "run 2 was edited"),
    (
      "UPDATE run SET id = 9 WHERE id = 2; UPDATE run SET id = 2 WHERE id = 3; UPDATE run SET id = 3 WHERE id = 9",
      "run 2"
    ),
    (
      "UPDATE run_block SET personal = x'0000' WHERE run = 1",
      "data were blanked, and no erase says so"
    ),
    (
      "UPDATE run_block SET personal = CAST(substr(personal, 1, 12) || x'41' || substr(personal, 14) AS BLOB) WHERE run = 1",
      "a person's data were edited"
    ),
  ])
  func anEditedRemovedOrReorderedEntryIsFound(sql: String, fault: String) throws {
    let site = try place()
    try site.edit(sql)
    let faults = try site.faults()
    #expect(faults.contains { $0.contains(fault) }, "\(faults)")
  }

  @Test func aTruncatedJournalIsFoundByTheHeadWrittenElsewhere() throws {
    let site = try place()
    let head = try #require(try site.store.verifyAudit(expecting: nil).head)
    try site.edit(
      "DELETE FROM run WHERE id = 4; UPDATE sqlite_sequence SET seq = 3 WHERE name = 'run'")
    // Without the head it is as if the account had been changed by somebody else.
    let changed = "account 1 does not hold what the journal says"
    #expect(try site.faults() == [changed])
    #expect(try site.faults(head) == [changed, "run 4, the last, was removed"])
  }

  @Test func anotherKeyAndALostKeyAreSaid() throws {
    let site = try place()
    let path = site.folder.path + "/usher.db"
    let other = try SiteDatabase(path: path, audit: AuditKey(secret: "another"))
    #expect(
      try other.verifyAudit(expecting: nil).faults.first
        == "run 1 was written with another audit key")
    let without = try SiteDatabase(path: path)
    #expect(try !without.verifyAudit(expecting: nil).faults.isEmpty)
    // A run without the key after runs with it is suspicious; the other way round is how a key begins.
    let run = RunRecord(command: "pin", user: "x", startedAt: 1, planHash: "")
    _ = try without.removePins([], run: run)
    #expect(try site.faults() == ["run 5 was written without the audit key"])
    let late = try TestSite()
    try late.sync(directory(["1 staff"]), mapping)
    let keyed = try SiteDatabase(path: late.folder.path + "/usher.db", audit: AuditKey(secret: "s"))
    _ = try keyed.removePins([], run: run)
    let report = try keyed.verifyAudit(expecting: nil)
    #expect(report.faults.isEmpty && report.unkeyed == 1)
  }

  @Test func anErasedPersonIsBlankedAndTheChainStillVerifies() throws {
    let site = try place()
    try site.sync(directory(["1 staff"]), mapping)
    let gone = try #require(try site.store.account("p2@x"))
    #expect(gone.deactivatedBy == .sync)
    _ = try site.store.erase(
      account: gone.id, run: RunRecord(command: "erase", user: "root", startedAt: 9, planHash: ""))
    #expect(try site.faults().isEmpty)
    var texts: [String] = []
    try site.store.entries(of: 1) { texts.append("\($0.account) \($0.after ?? "erased")") }
    #expect(texts.contains("2 erased") && !texts.contains { $0.contains("p2@x") })
    #expect(texts.contains { $0.contains("p1@x") })
    #expect(try site.store.account("p2@x") == nil)
    #expect(try site.store.account(id: gone.id)?.name == "erased")
    #expect(try !site.dump().contains("p2@x"))
    // The person may come back as somebody new.
    #expect(try site.sync(directory(["1 staff", "2 staff"]), mapping).summary[.createAccount] == 1)
  }
}

extension TestSite {
  /// All that the tables of the site and the journal hold, the mirror aside.
  fileprivate func dump() throws -> String {
    try DatabaseQueue(path: folder.path + "/usher.db").read { db in
      let tables = try String.fetchAll(
        db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'mirror%'")
      var text = ""
      for table in tables {
        for row in try Row.fetchAll(db, sql: "SELECT * FROM \(table)") {
          for value in row.databaseValues {
            if let data = Data.fromDatabaseValue(value) {
              text += String(decoding: data, as: UTF8.self)
            } else {
              text += "\(value)"
            }
          }
        }
      }
      return text
    }
  }
}
