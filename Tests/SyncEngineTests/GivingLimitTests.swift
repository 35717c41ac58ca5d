import Ports
import Reconciliation
import SiteModel
import SyncEngine
import TestSupport
import Testing

private let mapping = """
  usher: 1
  search: { users: { base: "dc=x", filter: (objectClass=person) } }
  account: { id: entryUUID, email: mail, name: cn, active: (!(locked=TRUE)) }
  otherwise: unlicensed
  leavers: { after: 0h }
  rules:
    - { name: staff, when: (kind=staff), licenses: [confluence], groups: [users] }
    - { name: developers, when: (kind=developer), licenses: [jira] }
    - { name: vendors, when: (kind=vendor), portal-only: true }
  """

private func people(_ numbers: Range<Int>, kind: String = "staff", locked: Bool = false) -> String {
  numbers.map { number in
    """

    dn: uid=p\(number),dc=x
    objectClass: person
    entryUUID: p\(number)
    mail: p\(number)@x
    cn: P\(number)
    kind: \(kind)
    locked: \(locked ? "TRUE" : "FALSE")

    """
  }.joined()
}

private let root = "dn: dc=x\ndc: x\n"

/// The defaults of the configuration.
private func defaults(_ site: TestSite) -> TestSite {
  site.limits = Limits(
    limits: [
      .creations: .init(percent: 20, max: 1000), .licensesGranted: .init(percent: 20, max: 1000),
      .groupJoins: .init(percent: 20, max: 1000), .deactivations: .init(percent: 2, max: 50),
      .disabled: .init(percent: 5, max: 200), .portalOnlyUnmarks: .init(percent: 1, max: 50),
    ], freeBelow: 5, onLimit: .holdPeople)
  return site
}

@Suite struct GivingLimitTests {
  @Test func aFirstSyncIsNotLimitedInWhatItGives() throws {
    let site = defaults(try TestSite())
    let plan = try site.sync(root + people(0..<300), mapping)
    #expect(plan.summary == [.createAccount: 300, .grantLicense: 300, .joinGroup: 300])
    #expect(plan.holds.isEmpty)
  }

  @Test func aCrowdOfNewcomersIsHeldFromTheSecondSyncOn() throws {
    let site = defaults(try TestSite())
    try site.sync(root + people(0..<200), mapping)
    // 20 % of 200 are 40: as many may come in a day.
    #expect(try site.verdict(root + people(0..<240), mapping).excesses.isEmpty)
    let verdict = try site.verdict(root + people(0..<241), mapping)
    #expect(
      verdict.excesses.map(\.text) == [
        "41 new accounts planned; 40 are allowed in 24 hours",
        "41 group joins planned; 40 are allowed in 24 hours",
        "41 grants of the license confluence planned; 40 are allowed in 24 hours",
      ])
    #expect(verdict.plan.isEmpty && verdict.plan.holds.count == 41)
    // One hash lets all of them pass.
    let held = try #require(verdict.held)
    try site.store.note(held, at: 2000)
    try site.approve(held.hash, now: 2000)
    let plan = try site.sync(root + people(0..<241), mapping, now: 3000)
    #expect(plan.summary == [.createAccount: 41, .grantLicense: 41, .joinGroup: 41])
  }

  @Test func newcomersOfOneDayAreCountedTogether() throws {
    let site = defaults(try TestSite())
    try site.sync(root + people(0..<200), mapping, now: 0)
    #expect(try site.sync(root + people(0..<230), mapping, now: 900).holds.isEmpty)
    let plan = try site.sync(root + people(0..<245), mapping, now: 1800)
    #expect(plan.isEmpty && plan.holds.count == 15)
    // A day later the 30 count no more.
    #expect(try site.sync(root + people(0..<245), mapping, now: 87_400).holds.isEmpty)
  }

  @Test func aFewNewcomersAlwaysPass() throws {
    let site = defaults(try TestSite())
    try site.sync(root + people(0..<2), mapping)
    #expect(try site.sync(root + people(0..<27), mapping).summary[.createAccount] == 25)
    #expect(try site.sync(root + people(0..<28), mapping).holds.count == 1)
  }

  @Test func eachProductIsCountedByItself() throws {
    let site = defaults(try TestSite())
    try site.sync(root + people(0..<100, kind: "none") + people(100..<400), mapping)
    // Confluence has 300 seats taken and Jira none: 25 always pass.
    let many =
      root + people(0..<26, kind: "developer") + people(26..<100, kind: "none")
      + people(100..<400)
    #expect(try site.verdict(many, mapping).excesses.map(\.right) == ["jira"])
    let few = root + people(0..<25, kind: "developer") + people(25..<100) + people(100..<400)
    // 75 grants of 60 that confluence allows; the joins are 75 of 60, too.
    #expect(
      try site.verdict(few, mapping).excesses.map(\.text) == [
        "75 group joins planned; 60 are allowed in 24 hours",
        "75 grants of the license confluence planned; 60 are allowed in 24 hours",
      ])
  }

  @Test func anImportIsNoSyncThatGaveByRules() throws {
    let site = defaults(try TestSite())
    try site.bringIn([
      ImportedAccount(
        email: "p0@x", name: "P0", licenses: ["jira"], line: 2)
    ])
    #expect(try site.sync(root + people(0..<100), mapping).summary[.grantLicense] == 100)
  }

  @Test func aSecondDirectoryBeginsWithoutLimits() throws {
    let site = defaults(try TestSite())
    let first = TestSite.Share("a", root + people(0..<50), mapping)
    try site.sync([first, ("b", root, mapping)])
    let both = try site.sync([first, ("b", root + people(100..<200), mapping)])
    #expect(both.summary[.createAccount] == 100 && both.holds.isEmpty)
    let more = try site.sync([
      ("a", root + people(0..<90), mapping), ("b", root + people(100..<200), mapping),
    ])
    #expect(more.holds.count == 40)
  }

  @Test func aHiddenAttributeUnmarksNobodyBeyondTheLimit() throws {
    let site = defaults(try TestSite())
    try site.sync(root + people(0..<20, kind: "vendor") + people(20..<60), mapping)
    let plan = try site.sync(
      root + people(0..<20, kind: "hidden") + people(20..<60), mapping, now: 2000)
    #expect(plan.isEmpty && plan.holds.count == 20)
  }

  @Test func disabledPeopleAndMissingPeopleAreCountedApart() throws {
    let site = defaults(try TestSite())
    try site.sync(root + people(0..<200), mapping)
    // 10 of 200 may be disabled, 5 may be missing.
    let within = root + people(0..<10, locked: true) + people(10..<195)
    #expect(try site.verdict(within, mapping).excesses.isEmpty)
    let disabled = root + people(0..<11, locked: true) + people(11..<195)
    #expect(try site.verdict(disabled, mapping).excesses.map(\.consequence) == [.disabled])
    let missing = root + people(0..<10, locked: true) + people(10..<194)
    #expect(try site.verdict(missing, mapping).excesses.map(\.consequence) == [.deactivations])
    // What was counted is told apart in the store, too.
    try site.sync(within, mapping, now: 2000)
    #expect(
      try site.store.recentChanges(since: 1500, until: 2000).filter {
        $0.key.kind == .deactivateAccount
      } == [
        CountedChange(kind: .deactivateAccount): 5,
        CountedChange(kind: .deactivateAccount, part: .disabled): 10,
      ])
  }
}

@Suite struct MappingLimitTests {
  @Test func oneHashApprovesAMappingAndWhatItGivesBeyondTheLimits() throws {
    let site = defaults(try TestSite())
    let ldif = root + people(0..<100)
    try site.sync(ldif, mapping)
    let wider = mapping.replacing("licenses: [confluence]", with: "licenses: [confluence, jira]")
    let planner = try site.planner(wider)
    var findings = site.noFindings
    let difference = try planner.difference(
      from: site.planner(mapping), source: { try site.source(ldif) }, now: 2000, into: &findings)
    let waiting = planner.held(difference)
    let verdict = try site.verdict(ldif, wider, now: 2000)
    // An approved mapping meets the limits all the same.
    #expect(
      verdict.excesses.map(\.text) == [
        "100 grants of the license jira planned; 25 are allowed in 24 hours"
      ])
    let joined = site.desk.held(waiting, with: try #require(verdict.held))
    #expect(joined.kind == .mapping && joined.changes.count == 200)
    try site.store.note(joined, at: 2000)
    try site.approve(joined.hash, now: 2000)
    #expect(
      try planner.isAccepted(site.store.acceptedMapping(of: "corporate"), now: 3000))
    #expect(try site.sync(ldif, wider, now: 3000).summary == [.grantLicense: 100])
  }
}

@Suite struct BudgetTests {
  private func place() throws -> TestSite {
    let site = defaults(try TestSite())
    site.limits.limits = [.creations: .init(percent: 20, max: 1000)]
    try site.sync(root + people(0..<100), mapping, now: 0)
    return site
  }

  private func open(_ site: TestSite, upTo: Int, now: Int64) throws {
    let budget = try site.desk.budget(
      "creations", upTo: upTo, until: 10_000_000, reason: "merger", by: "root", now: now)
    _ = try site.store.open(
      budget, run: RunRecord(command: "approve", user: "root", startedAt: now, planHash: ""))
  }

  @Test func aBudgetLetsSoManyPassOverManySyncs() throws {
    let site = try place()
    try open(site, upTo: 150, now: 1000)
    #expect(try site.sync(root + people(0..<200), mapping, now: 1000).holds.isEmpty)
    #expect(try site.sync(root + people(0..<250), mapping, now: 2000).holds.isEmpty)
    // The budget has paid for those 150; now the limit counts: 20 % of the 100 of a day before, at least 25.
    #expect(try site.sync(root + people(0..<275), mapping, now: 3000).holds.isEmpty)
    #expect(try site.sync(root + people(0..<276), mapping, now: 4000).holds.count == 1)
  }

  @Test func anEndedBudgetPaysForWhatItLetPass() throws {
    let site = try place()
    try open(site, upTo: 150, now: 1000)
    #expect(try site.sync(root + people(0..<200), mapping, now: 2000).holds.isEmpty)
    _ = try site.store.endBudget(
      for: "creations",
      run: RunRecord(command: "approve", user: "root", startedAt: 3000, planHash: ""))
    #expect(try site.sync(root + people(0..<225), mapping, now: 4000).holds.isEmpty)
    #expect(try site.sync(root + people(0..<226), mapping, now: 5000).holds.count == 1)
    #expect(try site.store.budgets().map(\.until) == [3000])
  }

  @Test func aBudgetIsForItsOwnLimitAlone() throws {
    let site = try place()
    site.limits.limits[.licensesGranted] = .init(percent: 20, max: 1000)
    try open(site, upTo: 150, now: 1000)
    #expect(
      try site.verdict(root + people(0..<200), mapping, now: 2000).excesses.map(\.consequence)
        == [.licensesGranted])
    #expect(throws: GuardDesk.ApprovalFault.self) {
      try site.desk.budget("creation", upTo: 1, until: 2, reason: "r", by: "root", now: 0)
    }
  }
}
