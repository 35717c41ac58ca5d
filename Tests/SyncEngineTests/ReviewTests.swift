import Diagnostics
import Ports
import Reconciliation
import SiteModel
import SyncEngine
import TestSupport
import Testing

private let mapping = """
  usher: 1
  search:
    users: { base: "dc=x", filter: (objectClass=person) }
    groups: { base: "dc=x", filter: (objectClass=group), id: entryUUID }
  account: { id: entryUUID, email: mail, name: cn }
  otherwise: nothing
  rules:
    - { name: staff, member-of: staff, licenses: [confluence] }
    - { name: outside, when: (!(memberOf=staff)), groups: [outsiders] }
    - { name: sites, each-group: (cn=site-*), groups: ["{cn}"] }
  """

/// Ada is staff, Bob is not; `group` is the record of the group.
private func directory(_ group: String, more: String = "") -> String {
  """
  dn: dc=x
  dc: x

  dn: uid=ada,dc=x
  objectClass: person
  entryUUID: 1
  mail: ada@x
  cn: Ada

  dn: uid=bob,dc=x
  objectClass: person
  entryUUID: 2
  mail: bob@x
  cn: Bob

  \(group)
  \(more)
  """
}

private func group(_ name: String, id: String, member: String = "ada") -> String {
  """
  dn: cn=\(name),dc=x
  objectClass: group
  entryUUID: \(id)
  cn: \(name)
  member: uid=\(member),dc=x

  """
}

@Suite struct DirectoryGroupTests {
  @Test func r22ARenamedGroupStillMatchesWithAWarning() throws {
    let site = try TestSite()
    #expect(try site.sync(directory(group("staff", id: "g1")), mapping).summary[.grantLicense] == 1)
    let renamed = try site.sync(directory(group("personnel", id: "g1")), mapping)
    #expect(renamed.isEmpty && renamed.holds.isEmpty)
    #expect(renamed.warnings.contains { $0.contains("`staff` was renamed to cn=personnel,dc=x") })
    // Another group takes the name: the rule still means the first.
    let both = directory(
      group("personnel", id: "g1"), more: group("staff", id: "g2", member: "bob"))
    let taken = try site.sync(both, mapping)
    #expect(taken.isEmpty && taken.holds.isEmpty)
    #expect(taken.warnings.contains { $0.contains("another group bears the old name now") })
  }

  @Test func r22WhoeverHasRightsThroughAVanishedGroupIsHeld() throws {
    let site = try TestSite()
    let other = group("other", id: "g9")
    try site.sync(directory(group("staff", id: "g1"), more: other), mapping)
    let before = try site.export()
    let gone = try site.sync(directory(other), mapping)
    #expect(gone.isEmpty && gone.holds.map(\.person) == ["1", "2"])
    #expect(gone.holds[0].doubts[0].reason.contains("directory group staff is gone"))
    #expect(try site.export() == before)
    // It comes back, and nobody is held any more.
    let back = try site.sync(directory(group("staff", id: "g1"), more: other), mapping)
    #expect(back.isEmpty && back.holds.isEmpty)
  }

  @Test func r22ARecreatedGroupWaitsForApproval() throws {
    let site = try TestSite()
    try site.sync(directory(group("staff", id: "g1")), mapping)
    let recreated = directory(group("staff", id: "g2"))
    let held = try site.plan(recreated, mapping)
    #expect(held.isEmpty && held.held == ["1", "2"])
    let set = try #require(site.desk.heldGroups(held))
    try site.store.note(set, at: 1000)
    try site.approve(set.hash, now: 2000)
    let passed = try site.sync(recreated, mapping, now: 3000)
    #expect(passed.isEmpty && passed.holds.isEmpty)
    // Remembered from now on, also when the approval has ended.
    #expect(try site.sync(recreated, mapping, now: 200_000).holds.isEmpty)
  }

  @Test func r22ANameThatTwoGroupsBearIsAFaultThatShowsBoth() throws {
    let site = try TestSite()
    let two = directory(
      group("staff", id: "g1"),
      more: "dn: cn=staff,ou=b,dc=x\nobjectClass: group\nentryUUID: g2\ncn: Staff\n")
    let faults = #expect(throws: MappingFaults.self) { try site.sync(two, mapping) }
    #expect(
      faults?.findings.all.first?.message.contains("cn=staff,dc=x and cn=staff,ou=b,dc=x") == true)
  }

  @Test func r22ATemplateNeverProducesAProtectedGroup() throws {
    let site = try TestSite()
    site.policy.protectedGroups = ["site-admins"]
    let plan = try site.sync(
      directory(
        group("staff", id: "g1"),
        more: group("site-admins", id: "g3") + "\n" + group("site-ops", id: "g4")), mapping)
    #expect(
      try site.store.account("ada@x")?.holdings.map(\.right.name) == ["confluence", "site-ops"])
    #expect(plan.warnings.contains { $0.contains("would produce the protected group site-admins") })
  }
}

@Suite struct MappingReviewTests {
  private let ldif = directory(group("staff", id: "g1"))

  private func difference(
    _ site: TestSite, _ new: String, offline: Bool = false
  ) throws -> MappingDifference {
    var findings = Findings()
    let old = try site.planner(mapping)
    return try site.planner(new).difference(
      from: old, source: offline ? nil : { try site.source(ldif) }, now: 1000, into: &findings)
  }

  @Test func whatAChangedMappingAltersIsToldPersonByPerson() throws {
    let site = try TestSite()
    try site.sync(ldif, mapping)
    for offline in [false, true] {
      let altered = try difference(
        site, mapping.replacing("[confluence]", with: "[jira]"), offline: offline)
      #expect(altered.people.map(\.email) == ["ada@x"], "offline: \(offline)")
      #expect(altered.people.first?.what == "- license confluence, + license jira")
    }
    let excluded = try difference(
      site, mapping.replacing("filter: (objectClass=person)", with: "filter: (cn=Ada)"))
    #expect(excluded.people.map(\.name) == ["Bob"])
    #expect(excluded.people.first?.what == "is no person of the mapping any more")
    #expect(try !difference(site, mapping + "\nleavers: { after: 0h }").isEmpty)
  }

  @Test func aChangeThatAltersNothingIsNone() throws {
    let site = try TestSite()
    try site.sync(ldif, mapping)
    for same in [
      mapping + "\n# a comment\n", mapping.replacing("name: staff,", with: "name: all staff,"),
    ] {
      #expect(try difference(site, same).isEmpty)
    }
  }

  @Test func applyingAPlanAcceptsItsMappingAndApprovingDoesForADay() throws {
    let site = try TestSite()
    try site.sync(ldif, mapping)
    let accepted = try site.store.acceptedMapping(of: "corporate")
    let new = try site.planner(mapping.replacing("[confluence]", with: "[jira]"))
    #expect(try site.planner(mapping).isAccepted(accepted, now: 1000))
    #expect(try !new.isAccepted(accepted, now: 1000))
    let held = new.held(try difference(site, mapping.replacing("[confluence]", with: "[jira]")))
    try site.store.note(held, at: 1000)
    try site.approve(held.hash, now: 2000)
    #expect(try new.isAccepted(accepted, now: 2000 + 86_399))
    #expect(try !new.isAccepted(accepted, now: 2000 + 86_400))
    try site.sync(ldif, mapping.replacing("[confluence]", with: "[jira]"), now: 3000)
    #expect(try new.isAccepted(site.store.acceptedMapping(of: "corporate"), now: 900_000))
    #expect(
      try !site.planner(mapping).isAccepted(
        site.store.acceptedMapping(of: "corporate"), now: 900_000))
  }
}

@Suite struct ApprovalTests {
  private let staff = mapping + "\nleavers: { after: 0h }"

  /// Twelve people; those from `first` on are gone.
  private func people(upTo first: Int) -> String {
    (0..<first).map {
      "dn: uid=p\($0),dc=x\nobjectClass: person\nentryUUID: p\($0)\nmail: p\($0)@x\ncn: P\($0)\n"
    }.joined(separator: "\n")
  }

  private func place() throws -> (site: TestSite, ldif: (Int) -> String) {
    let site = try TestSite()
    site.limits = Limits(
      limits: [.deactivations: .init(percent: 100, max: 2)], freeBelow: 0, onLimit: .holdPeople)
    return (site, { directory(group("staff", id: "g1"), more: people(upTo: $0)) })
  }

  @Test func whatALimitHoldsIsApprovedExactlyForADay() throws {
    let (site, ldif) = try place()
    try site.sync(ldif(12), staff)
    let verdict = try site.verdict(ldif(6), staff)
    let held = try #require(verdict.held)
    #expect(verdict.plan.holds.count == 6)
    #expect(verdict.plan.holds[0].doubts[0].remedy.contains("usher approve \(held.shortHash)"))
    #expect(held.changes.count { $0.what == "deactivate-account" } == 6)
    // The same changes have the same hash, whenever they are held.
    #expect(try site.verdict(ldif(6), staff, now: 5000).held?.hash == held.hash)
    try site.store.note(held, at: 1000)
    try site.approve(held.hash, now: 2000)
    // A part of it passes; somebody else does not.
    let part = try site.verdict(ldif(8), staff, now: 3000)
    #expect(part.excesses.isEmpty && part.plan.summary[.deactivateAccount] == 4)
    let more = try site.verdict(ldif(2), staff, now: 3000)
    #expect(more.plan.summary[.deactivateAccount] == 6)
    #expect(more.plan.holds.map(\.person) == ["p2", "p3", "p4", "p5"])
    // What was approved uses up no limit.
    try site.sync(ldif(6), staff, now: 4000)
    #expect(try site.verdict(ldif(4), staff, now: 5000).excesses.isEmpty)
    #expect(try site.verdict(ldif(3), staff, now: 5000).excesses.count == 1)
  }

  @Test func anUnknownOrExpiredOrSpentHashIsRefused() throws {
    let (site, ldif) = try place()
    try site.sync(ldif(12), staff)
    let held = try #require(site.verdict(ldif(6), staff).held)
    try site.store.note(held, at: 1000)
    #expect(throws: GuardDesk.ApprovalFault.unknown("0123456789")) {
      try site.desk.held("0123456789", now: 1000)
    }
    #expect(throws: GuardDesk.ApprovalFault.self) { try site.desk.held("", now: 1000) }
    #expect(throws: GuardDesk.ApprovalFault.expired(held.shortHash, heldAt: 1000)) {
      try site.desk.held(held.hash, now: 1000 + 86_400)
    }
    #expect(try site.desk.held(String(held.hash.prefix(8)), now: 2000) == held)
    try site.approve(held.hash, now: 2000)
    #expect(throws: GuardDesk.ApprovalFault.self) { try site.desk.held(held.hash, now: 3000) }
    // A day later nothing passes any more.
    #expect(try site.verdict(ldif(6), staff, now: 2000 + 86_400).held != nil)
  }

  @Test func holdPlanHoldsEverythingUntilItIsApproved() throws {
    let (site, ldif) = try place()
    site.limits.onLimit = .holdPlan
    try site.sync(ldif(12), staff)
    let held = try #require(site.verdict(ldif(6), staff).held)
    #expect(try site.verdict(ldif(6), staff).approved == nil)
    try site.store.note(held, at: 1000)
    try site.approve(held.hash, now: 2000)
    #expect(try site.sync(ldif(6), staff, now: 3000).summary[.deactivateAccount] == 6)
  }

  @Test func aRunEveryQuarterOfAnHourDoesNotCreepPastALimit() throws {
    let (site, ldif) = try place()
    try site.sync(ldif(12), staff, now: 0)
    var deactivated = 0
    for step in 1...8 {
      let plan = try site.sync(ldif(12 - step), staff, now: Int64(step * 900))
      deactivated += plan.summary[.deactivateAccount] ?? 0
    }
    #expect(deactivated == 2)
    // A day after the first two, two more may pass.
    let next = try site.sync(ldif(4), staff, now: 86_400 + 2000)
    #expect(next.summary[.deactivateAccount] == nil && next.holds.count == 6)
  }

  @Test func aHandsChangesUseUpNoLimit() throws {
    let (site, ldif) = try place()
    try site.sync(ldif(12), staff)
    for number in 0..<4 { try site.carryOut(.deactivate, on: "p\(number)@x") }
    #expect(try site.verdict(ldif(10), staff).excesses.isEmpty)
  }
}
