import Ports
import SiteModel
import SyncEngine
import TestSupport
import Testing

@Suite struct ClockTests {
  private let last = SyncClock(boot: "b", bootSeconds: 1000, wallSeconds: 1_000_000)

  /// Seconds since the boot, seconds since 1970, the boot, and what that is taken for.
  @Test(
    arguments: [
      (1900, 1_000_900, "b", .right),
      (1900, 999_401, "b", .right),
      (1900, 999_399, "b", .behind(seconds: 601)),
      (1900, 1_000_900 + 3600, "b", .right),
      (1900, 1_000_900 + 3601, "b", .ahead(seconds: 3601)),
      // After another boot nobody can tell how long the machine has run.
      (10, 1_000_900 + 3601, "c", .right),
      (10, 1_172_800, "c", .right),
      (10, 1_172_801, "c", .afterPause(seconds: 172_801)),
      (10, 999_399, "c", .behind(seconds: 601)),
      (173_801, 1_172_801, "b", .afterPause(seconds: 172_801)),
    ] as [(Int64, Int64, String, ClockCheck)])
  func theClockIsHeldAgainstTheLastSync(
    boot: Int64, wall: Int64, name: String, check: ClockCheck
  ) {
    let now = SyncClock(boot: name, bootSeconds: boot, wallSeconds: wall)
    #expect(ClockCheck(now, since: last) == check)
    #expect(ClockCheck(now, since: nil) == .right)
  }

  @Test func whatTimeCausesIsPutOffForOneSyncOnly() {
    var before = last
    before.isTimePutOff = true
    let now = SyncClock(boot: "c", bootSeconds: 10, wallSeconds: 2_000_000)
    #expect(ClockCheck(now, since: before) == .right)
  }

  @Test func anApprovedClockPassesForADay() throws {
    let site = try TestSite()
    let check = ClockCheck.behind(seconds: 7200)
    let held = try #require(try site.desk.held(check, since: last, now: 5000))
    #expect(held.causes == ["the clock stands 2 hours before the last sync"])
    // However far it stands behind, the hash stays the same.
    #expect(
      try site.desk.held(.behind(seconds: 7100), since: last, now: 5100)?.hash == held.hash)
    try site.store.note(held, at: 5000)
    try site.approve(held.hash, now: 5000)
    #expect(try site.desk.held(check, since: last, now: 6000) == nil)
    #expect(try site.desk.held(check, since: last, now: 5000 + 86_401) != nil)
  }
}

@Suite struct PutOffTimeTests {
  private let mapping = """
    usher: 1
    search: { users: { base: "dc=x", filter: (objectClass=person) } }
    account: { id: entryUUID, email: mail, name: cn }
    otherwise: unlicensed
    leavers: { after: 24h }
    """

  private func person(_ name: String) -> String {
    "\ndn: uid=\(name),dc=x\nobjectClass: person\nentryUUID: \(name)\nmail: \(name)@x\ncn: \(name)\n"
  }

  private func plan(_ site: TestSite, _ ldif: String, now: Int64, aging: Int64?) throws -> Plan {
    var findings = site.noFindings
    let planner = try site.planner(mapping, agingNow: aging)
    let verdict = try planner.plan(site.origin(ldif), now: now, into: &findings)
    try site.apply(verdict, now: now)
    return verdict.plan
  }

  @Test func noGraceEndsInTheFirstSyncAfterAPause() throws {
    let site = try TestSite()
    let root = "dn: dc=x\ndc: x\n"
    try site.sync(root + person("a") + person("b"), mapping, now: 0)
    try site.sync(root + person("a"), mapping, now: 1000)
    let weekend: Int64 = 250_000
    let first = try plan(site, root + person("a"), now: weekend, aging: 1000)
    #expect(first.isEmpty && first.leaving.map(\.due) == [1000 + 86_400])
    let second = try plan(site, root + person("a"), now: weekend + 900, aging: nil)
    #expect(second.summary == [.deactivateAccount: 1])
  }

  @Test func anAbsenceThatLiesAheadCountsFromNow() throws {
    let site = try TestSite()
    let root = "dn: dc=x\ndc: x\n"
    try site.sync(root + person("a") + person("b"), mapping, now: 0)
    // A clock that was wrong once.
    try site.sync(root + person("a"), mapping, now: 1_900_000_000)
    let plan = try site.sync(root + person("a"), mapping, now: 2000)
    #expect(plan.leaving.map(\.due) == [2000 + 86_400])
    #expect(
      try site.sync(root + person("a"), mapping, now: 2000 + 86_400).summary == [
        .deactivateAccount: 1
      ])
  }
}
