import Foundation
import GRDB
import Ports
import SiteModel
import SiteStore
import Synchronization
import TestSupport
import Testing

@_spi(Guard) import SiteModel

/// A store in a folder of its own, and plans written by hand.
private final class Bench {
  let folder: TemporaryFolder
  let store: SiteDatabase

  init() throws {
    folder = try TemporaryFolder()
    store = try SiteDatabase(path: folder.path + "/usher.db")
  }

  func builder(generation: Int64? = nil) throws -> PlanBuilder {
    let site = try store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
    return PlanBuilder(
      basis: Plan.Basis(
        site: "acme", lineage: site.lineage, generation: generation ?? site.generation,
        mappingDigest: "", createdAt: 1, peopleRead: 0, groupsRead: 0),
      rules: [RuleReference(name: "staff", file: "m.yaml", line: 3)])
  }

  @discardableResult
  func apply(_ plan: Plan, at time: Int64 = 100) throws -> [ChangeKind: Int] {
    try store.apply(
      ApprovedPlan(plan, counts: [CountedChange(kind: .createAccount): 2], seal: GuardSeal()),
      run: RunRecord(command: "sync", user: "root", startedAt: time, planHash: "h")
    ).written
  }

  /// Creates accounts a@x, b@x … for people 1, 2 …, each with a license.
  func create(_ emails: String...) throws {
    var builder = try builder()
    for (index, email) in emails.enumerated() {
      let subject = builder.addSubject(
        account: nil, person: "\(index + 1)", email: email, name: "N", username: nil)
      builder.add(.createAccount, subject: subject, rule: 0)
      builder.add(.grantLicense, subject: subject, after: "confluence", rule: 0)
      builder.settle("\(index + 1)", fingerprint: .max)
    }
    try apply(builder.finish())
  }

  func people() throws -> [KnownPerson] {
    var all: [KnownPerson] = []
    try store.people(exceptOf: []) { all.append($0) }
    return all
  }

  func accounts() throws -> [Account] {
    var all: [Account] = []
    try store.allAccounts { all.append($0) }
    return all
  }
}

@Suite struct SiteDatabaseTests {
  /// Entries that share an id, and are to have nothing, are settled as one person.
  @Test func whoIsSettledTwiceIsOnePerson() throws {
    let bench = try Bench()
    var builder = try bench.builder()
    for fingerprint in [3, 4] as [UInt64] { builder.settle("twin", fingerprint: fingerprint) }
    builder.settle("a", fingerprint: 1)
    try bench.apply(builder.finish())
    #expect(try bench.people().map(\.person) == ["a", "twin"])
    #expect(try bench.people().map(\.settled) == [1, 4])
  }

  /// What is fetched ahead is used as long as it is what there is.
  @Test(arguments: [false, true]) func accountsFetchedAheadAreAsTheyAreNow(changes: Bool) throws {
    let bench = try Bench()
    var builder = try bench.builder()
    for number in 1...1500 {
      let subject = builder.addSubject(
        account: nil, person: "\(number)", email: "u\(number)@x", name: "N", username: nil)
      builder.add(.createAccount, subject: subject, rule: 0)
      builder.add(
        .joinGroup, subject: subject, after: number % 2 == 0 ? "Devs" : "admins", rule: 0)
      builder.add(.grantLicense, subject: subject, after: "jira", rule: 0)
    }
    for name in ["alone", "gone"] {
      let subject = builder.addSubject(
        account: nil, person: name == "gone" ? name : nil, email: "\(name)@x", name: "N",
        username: nil)
      builder.add(.createAccount, subject: subject, rule: 0)
    }
    builder.absence(of: "gone", since: 77)
    try bench.apply(builder.finish())
    try bench.store.expectAllAccounts()
    if changes {
      var builder = try bench.builder()
      let subject = builder.addSubject(
        account: 7, person: "7", email: "u7@x", name: "New", username: nil)
      builder.add(.updateProfile, subject: subject, before: "name=N", after: "name=New")
      try bench.apply(builder.finish())
    }
    let people = (1...1400).map(String.init)
    let found = try bench.store.accounts(
      ofPeople: people, emails: ["u1450@x", "alone@x", "gone@x"])
    #expect(found.count == 1403 && found.map(\.id) == found.map(\.id).sorted())
    #expect(found[..<1400].map(\.person) == people && found[1400].person == "1450")
    #expect(found[1401].person == nil && found[1402].person == "gone")
    #expect(found.map(\.absentSince).compactMap(\.self) == [77] && found[1402].absentSince == 77)
    #expect(found[6].name == (changes ? "New" : "N"))
    let rights = [Right(.license, "jira"), Right(.group, "Devs")]
    #expect(found[7].holdings.map(\.right) == rights)
    // Asked again, nothing is left that was fetched ahead.
    #expect(try bench.store.accounts(ofPeople: people, emails: []).count == 1400)
  }

  @Test func aPlanIsCarriedOutWithItsBookkeeping() throws {
    let bench = try Bench()
    try bench.create("Ada@x", "b@x")
    let accounts = try bench.accounts()
    #expect(accounts.map(\.email) == ["Ada@x", "b@x"])
    #expect(accounts[0].holdings == [Holding(Right(.license, "confluence"), Givers(rule: "staff"))])
    #expect(accounts[0].person == "1" && !accounts[0].isEmailVerified)
    let site = try bench.store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
    #expect(site.generation == 1 && site.seatsTaken == ["confluence": 2])
    #expect(try bench.people().map(\.settled) == [.max, .max])
    #expect(
      try bench.store.recentChanges(since: 99, until: 100) == [
        CountedChange(kind: .createAccount): 2
      ])
    #expect(try bench.store.recentChanges(since: 100, until: 200).isEmpty)
    #expect(try bench.store.recentChanges(since: 50, until: 99).isEmpty)
  }

  @Test func swappedEmailsAndSuspendedRightsAreWritten() throws {
    let bench = try Bench()
    try bench.create("a@x", "b@x")
    var builder = try bench.builder()
    let first = builder.addSubject(account: 1, person: "1", email: "b@x", name: "N", username: nil)
    let second = builder.addSubject(account: 2, person: "2", email: "a@x", name: "N", username: nil)
    builder.add(.changeEmail, subject: first, before: "a@x", after: "b@x")
    builder.add(.changeEmail, subject: second, before: "b@x", after: "a@x")
    builder.add(.joinGroup, subject: first, after: "Dev", rule: 0)
    builder.add(.updateProfile, subject: second, before: "username=", after: "username=bob")
    builder.add(.deactivateAccount, subject: second)
    #expect(
      try bench.apply(builder.finish()) == [
        .changeEmail: 2, .joinGroup: 1, .updateProfile: 1, .deactivateAccount: 1,
      ])
    let accounts = try bench.accounts()
    #expect(accounts.map(\.id) == [2, 1])
    #expect(accounts[0].deactivatedBy == .sync && accounts[0].username == "bob")
    builder = try bench.builder()
    let again = builder.addSubject(account: 1, person: "1", email: "b@x", name: "N", username: nil)
    builder.add(
      .leaveGroup, subject: again, before: "dev", givers: GiversChange(from: Givers(rule: "staff")))
    try bench.apply(builder.finish())
    #expect(try bench.accounts()[1].holdings.count == 1)
  }

  @Test func aPlanThatSawAnotherSiteIsStaleAndChangesNothing() throws {
    let bench = try Bench()
    var builder = try bench.builder()
    let old = builder.finish()
    try bench.create("a@x")
    #expect(throws: StorePlanIsStale.self) { try bench.apply(old) }
    var wrong = try bench.builder()
    let subject = wrong.addSubject(account: 1, person: "1", email: "a@x", name: "N", username: nil)
    wrong.add(.grantLicense, subject: subject, after: "jira", rule: 0)
    wrong.add(.leaveGroup, subject: subject, before: "never joined")
    #expect(throws: (any Error).self) { try bench.apply(wrong.finish()) }
    #expect(try bench.accounts()[0].holdings.count == 1)
    #expect(try bench.store.site(name: "acme", policy: SitePolicy(ceilings: [:])).generation == 1)
  }

  @Test func aCopyThatWentAnotherWayRefusesThePlansOfThisOne() throws {
    let bench = try Bench()
    try bench.create("a@x")
    // The write-ahead log goes into the file before it is copied.
    try DatabaseQueue(path: bench.folder.path + "/usher.db").writeWithoutTransaction {
      try $0.execute(sql: "PRAGMA wal_checkpoint(TRUNCATE)")
    }
    let copy = bench.folder.path + "/copy.db"
    try FileManager.default.copyItem(atPath: bench.folder.path + "/usher.db", toPath: copy)
    func change(_ store: SiteDatabase) throws -> Plan {
      let site = try store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
      var builder = PlanBuilder(
        basis: Plan.Basis(
          site: "acme", lineage: site.lineage, generation: site.generation, mappingDigest: "",
          createdAt: 1, peopleRead: 0, groupsRead: 0), rules: [])
      let subject = builder.addSubject(
        account: 1, person: "1", email: "a@x", name: "N", username: nil)
      builder.add(
        .joinGroup, subject: subject, after: "g\(site.generation)",
        givers: GiversChange(to: Givers(hand: "root")))
      return builder.finish()
    }
    let run = RunRecord(command: "t", user: "t", startedAt: 1, planHash: "")
    let other = try SiteDatabase(path: copy)
    _ = try other.apply(ApprovedPlan(try change(other), seal: GuardSeal()), run: run)
    try bench.apply(try change(bench.store))
    let foreign = try change(other)
    #expect(foreign.basis.generation == 2)
    #expect(throws: StorePlanIsStale.self) { try bench.apply(foreign) }
  }

  @Test func bookkeepingAloneDoesNotMoveTheGeneration() throws {
    let bench = try Bench()
    try bench.create("a@x")
    var builder = try bench.builder()
    builder.absence(of: "1", since: 77)
    builder.hold(
      Hold(person: "1", account: 1, email: "a@x", name: "N", doubts: [Doubt("why", remedy: "so")]))
    try bench.apply(builder.finish())
    #expect(try bench.store.site(name: "acme", policy: SitePolicy(ceilings: [:])).generation == 1)
    #expect(
      try bench.people() == [KnownPerson(person: "1", account: 1, settled: nil, absentSince: 77)])
    #expect(try bench.store.openQuestions().holds.map(\.person) == ["1"])
  }

  @Test func linkingMovesTheAccountAndTheGeneration() throws {
    let bench = try Bench()
    try bench.create("a@x")
    var builder = try bench.builder()
    let subject = builder.addSubject(
      account: 1, person: "new", email: "a@x", name: "N", username: nil)
    builder.add(.linkAccount, subject: subject, before: "1", after: "new")
    try bench.apply(builder.finish())
    #expect(try bench.accounts().map(\.person) == ["new"])
    #expect(try bench.store.site(name: "acme", policy: SitePolicy(ceilings: [:])).generation == 2)
  }

  @Test func accountsAreFoundByPersonAndByEmailInAnyLetterCase() throws {
    let bench = try Bench()
    try bench.create("a@x", "b@x", "c@x")
    let found = try bench.store.accounts(ofPeople: ["1"], emails: ["B@X", "a@x", "none@x"])
    #expect(found.map(\.email) == ["a@x", "b@x"])
  }

  @Test func filesThatAreNotOursOrNewerAreRefused() throws {
    let folder = try TemporaryFolder()
    let text = try folder.write(
      "not a database, but a long enough text to look at ".padding(
        toLength: 4096, withPad: "x", startingAt: 0), to: "a.db")
    #expect(throws: StoreFailure.notOurs(path: text)) { try SiteDatabase(path: text) }
    let foreign = folder.path + "/b.db"
    try DatabaseQueue(path: foreign).write { try $0.execute(sql: "CREATE TABLE t (a)") }
    #expect(throws: StoreFailure.notOurs(path: foreign)) { try SiteDatabase(path: foreign) }
    let newer = folder.path + "/c.db"
    _ = try SiteDatabase(path: newer)
    try DatabaseQueue(path: newer).write { try $0.execute(sql: "PRAGMA user_version = 99") }
    #expect(throws: StoreFailure.newerVersion(path: newer, found: 99, known: 11)) {
      try SiteDatabase(path: newer)
    }
    #expect(throws: StoreFailure.self) { try SiteDatabase(path: folder.path + "/none/d.db") }
  }

  @Test func theStoreIsForItsOwnerOnly() throws {
    let bench = try Bench()
    try bench.create("a@x")
    for name in try FileManager.default.contentsOfDirectory(atPath: bench.folder.path) {
      let mode =
        try FileManager.default.attributesOfItem(atPath: bench.folder.path + "/" + name)[
          .posixPermissions] as? NSNumber
      #expect(mode?.intValue == 0o600, "\(name)")
    }
  }

  @Test func oneRunAtATimeHoldsTheSite() throws {
    let bench = try Bench()
    let path = bench.folder.path + "/usher.db"
    let first = try SiteLease(storePath: path)
    #expect(throws: StoreFailure.busy(path: path, holder: "process \(getpid())")) {
      try SiteLease(storePath: path)
    }
    withExtendedLifetime(first) {}
  }

  @Test func aPreviewGivesTheSiteToARunThatWantsIt() throws {
    let bench = try Bench()
    let path = bench.folder.path + "/usher.db"
    let given = Mutex<SiteLease?>(nil)
    let preview = try SiteLease(storePath: path) { given.withLock { $0 }?.release() }
    given.withLock { $0 = preview }
    #expect(throws: StoreFailure.busy(path: path, holder: "preview by process \(getpid())")) {
      try SiteLease(storePath: path) {}
    }
    let run = try SiteLease(storePath: path)
    // A run gives it to nobody.
    #expect(throws: StoreFailure.busy(path: path, holder: "process \(getpid())")) {
      try SiteLease(storePath: path)
    }
    #expect(throws: StoreFailure.busy(path: path, holder: "process \(getpid())")) {
      try SiteLease(storePath: path) {}
    }
    run.release()
    try SiteLease(storePath: path).release()
  }

  @Test func aRunDoesNotWaitLongForAPreviewThatDoesNotGiveWay() throws {
    let bench = try Bench()
    let path = bench.folder.path + "/usher.db"
    let preview = try SiteLease(storePath: path) {}
    let start = ContinuousClock.now
    #expect(throws: StoreFailure.busy(path: path, holder: "wanted by process \(getpid())")) {
      try SiteLease(storePath: path)
    }
    #expect(ContinuousClock.now - start < .seconds(30))
    withExtendedLifetime(preview) {}
  }

  @Test func nothingOfTheSiteCanBeDeleted() throws {
    let bench = try Bench()
    try bench.create("a@x")
    let other = try DatabaseQueue(path: bench.folder.path + "/usher.db")
    #expect(throws: DatabaseError.self) {
      try other.write { try $0.execute(sql: "DELETE FROM account") }
    }
    #expect(throws: DatabaseError.self) {
      try other.write { try $0.execute(sql: "DELETE FROM rights") }
    }
  }

  @Test func seatsTakenAreWhatTheHoldingsSay() throws {
    let bench = try Bench()
    try bench.create("a@x", "b@x", "c@x")
    var builder = try bench.builder()
    let subject = builder.addSubject(
      account: 1, person: "1", email: "a@x", name: "N", username: nil)
    builder.add(
      .revokeLicense, subject: subject, before: "confluence",
      givers: GiversChange(from: Givers(rule: "staff")))
    builder.add(.joinGroup, subject: subject, after: "g", rule: 0)
    try bench.apply(builder.finish())
    let site = try bench.store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
    #expect(site.seatsTaken == ["confluence": 2] && site.totals.membersOfGroup == ["g": 1])
    let counted = try bench.accounts().flatMap(\.holdings).filter { !$0.isSuspended }.count
    #expect(counted == 3 && site.totals.activeAccounts == 3)
    builder = try bench.builder()
    let other = builder.addSubject(account: 2, person: "2", email: "b@x", name: "N", username: nil)
    builder.add(.deactivateAccount, subject: other)
    try bench.apply(builder.finish())
    let later = try bench.store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
    #expect(later.totals.activeAccounts == 2)
  }

  @Test(arguments: ["twice", "by nobody", "nowhere"])
  func aRightIsGivenOnceBySomebodyToAnAccount(fault: String) throws {
    let bench = try Bench()
    try bench.create("a@x")
    var builder = try bench.builder()
    let subject = builder.addSubject(
      account: fault == "nowhere" ? 99 : nil, person: nil, email: "b@x", name: "N", username: nil)
    if fault != "nowhere" { builder.add(.createAccount, subject: subject, reason: "import") }
    let givers = GiversChange(to: fault == "by nobody" ? Givers() : Givers(imported: "x.csv"))
    builder.add(.joinGroup, subject: subject, after: "g", givers: givers)
    if fault == "twice" { builder.add(.joinGroup, subject: subject, after: "G", givers: givers) }
    #expect(throws: StorePlanIsStale.self) { try bench.apply(builder.finish()) }
    let site = try bench.store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
    #expect(try bench.accounts().count == 1 && site.totals.membersOfGroup.isEmpty)
  }

  @Test func aPersonGetsOneAccount() throws {
    let bench = try Bench()
    var builder = try bench.builder()
    for email in ["a@x", "b@x"] {
      let subject = builder.addSubject(
        account: nil, person: "1", email: email, name: "N", username: nil)
      builder.add(.createAccount, subject: subject)
    }
    #expect(throws: StorePlanIsStale.self) { try bench.apply(builder.finish()) }
    #expect(try bench.accounts().isEmpty)
  }

  @Test func theSchemaItselfKeepsOneEmailOneAccount() throws {
    let bench = try Bench()
    try bench.create("a@x")
    var builder = try bench.builder()
    let subject = builder.addSubject(
      account: nil, person: "2", email: "A@X", name: "N", username: nil)
    builder.add(.createAccount, subject: subject, rule: 0)
    #expect(throws: (any Error).self) { try bench.apply(builder.finish()) }
    #expect(try bench.accounts().count == 1)
  }
}
