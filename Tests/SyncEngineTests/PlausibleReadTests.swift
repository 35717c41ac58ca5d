import Ports
import SiteModel
import SyncEngine
import TestSupport
import Testing

private let mapping = """
  usher: 1
  search: { users: { base: "dc=x", filter: (objectClass=person) } }
  account: { id: entryUUID, email: mail, name: cn }
  otherwise: unlicensed
  leavers: { after: 0h }
  rules:
    - { name: staff, when: (kind=staff), licenses: [confluence] }
  """

private func people(
  _ numbers: Range<Int>, under unit: String = "ou=all", id: String = "p"
) -> String {
  numbers.map {
    "\ndn: uid=\(id)\($0),\(unit),dc=x\nobjectClass: person\nentryUUID: \(id)\($0)\nmail: \(id)\($0)@x\ncn: P\nkind: staff\n"
  }.joined()
}

private let root = "dn: dc=x\ndc: x\n"

/// Complete reads of other people than before.
@Suite struct PlausibleReadTests {
  private func refusal(_ site: TestSite, _ ldif: String, now: Int64 = 2000) throws -> String? {
    do {
      _ = try site.sync(ldif, mapping, now: now)
      return nil
    } catch let failure as ReadFailure { return failure.message }
  }

  @Test func anotherDirectoryWithAsManyPeopleIsNotBelieved() throws {
    let site = try TestSite()
    try site.sync(root + people(0..<200), mapping)
    let before = try site.export()
    #expect(
      try refusal(site, root + people(0..<200, id: "q"))
        == "the directory corporate shows 200 of the 200 known people no more")
    #expect(try site.export() == before)
  }

  /// A fifth of the people, whoever came instead.
  @Test(arguments: [(9, false), (10, false), (19, false), (20, true)])
  func aFifthOfThePeopleDoesNotVanish(gone: Int, isRefused: Bool) throws {
    let site = try TestSite()
    try site.sync(root + people(0..<100), mapping)
    let refusal = try refusal(site, root + people(gone..<100) + people(0..<gone, id: "q"))
    #expect((refusal != nil) == isRefused, "\(refusal ?? "")")
  }

  @Test func aFifthOfOneUnitDoesNotVanishAmongMany() throws {
    let site = try TestSite()
    let staff = people(0..<270)
    try site.sync(root + staff + people(0..<30, under: "ou=Vendors", id: "v"), mapping)
    #expect(
      try refusal(site, root + staff + people(6..<30, under: "ou=Vendors", id: "v"))
        == "the directory corporate shows 6 of the 30 known people under ou=vendors,dc=x no more")
    // Five of thirty are fewer than a fifth.
    #expect(
      try refusal(site, root + staff + people(5..<30, under: "ou=Vendors", id: "v")) == nil)
  }

  @Test func whoMovesFromOneUnitToAnotherHasNotVanished() throws {
    let site = try TestSite()
    let staff = people(0..<270)
    try site.sync(root + staff + people(0..<30, under: "ou=vendors", id: "v"), mapping)
    #expect(try refusal(site, root + staff + people(0..<30, under: "ou=partners", id: "v")) == nil)
  }

  @Test func lossesOfOneDayAreSeenAsOne() throws {
    let site = try TestSite()
    try site.sync(root + people(0..<100), mapping, now: 0)
    #expect(try refusal(site, root + people(0..<81), now: 3600) == nil)
    #expect(
      try refusal(site, root + people(0..<66), now: 7200)
        == "the directory corporate shows 66 people where there were 100 before")
    // A day later the hundred are forgotten; 66 of 81 are more than four fifths.
    #expect(try refusal(site, root + people(0..<66), now: 3600 + 86_401) == nil)
  }

  @Test func anApprovedReadIsWhatLaterReadsAreHeldAgainst() throws {
    let site = try TestSite()
    try site.sync(root + people(0..<100), mapping, now: 0)
    #expect(try refusal(site, root + people(0..<50), now: 1000) != nil)
    let held = try #require(site.store.heldSets().first)
    try site.approve(held.set.hash, now: 1100)
    #expect(try refusal(site, root + people(0..<50), now: 1200) == nil)
    #expect(try refusal(site, root + people(0..<49), now: 1300) == nil)
    #expect(try refusal(site, root + people(0..<30), now: 1400) != nil)
  }
}

@Suite struct TwinTests {
  private func person(_ name: String, id: String, mail: String, locked: Bool = false) -> String {
    "\ndn: uid=\(name),dc=x\nobjectClass: person\nentryUUID: \(id)\nmail: \(mail)\ncn: \(name)\nkind: \(locked ? "locked" : "staff")\n"
  }

  private let twins = mapping.replacing(
    "name: cn }", with: "name: cn, active: (!(kind=locked)) }")

  @Test func r16AMistypedIdDeactivatesNobody() throws {
    let site = try TestSite()
    let three = person("p3", id: "3", mail: "p3@x")
    try site.sync(root + three + person("p7", id: "7", mail: "p7@x"), twins)
    let before = try site.export()
    // p7 has got the id of p3.
    for now in [2000, 2000 + 90_000] as [Int64] {
      let plan = try site.sync(root + three + person("p7", id: "3", mail: "p7@x"), twins, now: now)
      #expect(plan.isEmpty && plan.leaving.isEmpty)
      #expect(plan.held == ["3"])
    }
    #expect(try site.export() == before)
    // Mended, all is as it was.
    let plan = try site.sync(
      root + three + person("p7", id: "7", mail: "p7@x"), twins, now: 200_000)
    #expect(plan.isEmpty && plan.holds.isEmpty)
  }

  @Test func r20ATwinDoesNotKeepADisabledPersonsAccountAlive() throws {
    let site = try TestSite()
    try site.sync(root + person("p3", id: "3", mail: "p3@x"), twins)
    let plan = try site.sync(
      root + person("p3", id: "3", mail: "p3@x", locked: true)
        + person("q", id: "3", mail: "q@x"), twins, now: 2000)
    #expect(plan.summary == [.deactivateAccount: 1, .revokeLicense: 1])
    #expect(plan.held == ["3"])
  }

  @Test func r15WhoHasTheEmailKeepsItAndWhatElseIsTheirs() throws {
    let site = try TestSite()
    try site.sync(root + person("a", id: "1", mail: "a@x"), twins)
    // The newcomer waits; the holder goes on changing.
    let plan = try site.sync(
      root + person("a", id: "1", mail: "a@x").replacing("kind: staff", with: "kind: other")
        + person("b", id: "2", mail: "A@x"), twins, now: 2000)
    #expect(plan.summary == [.revokeLicense: 1])
    #expect(plan.held == ["1", "2"])
    // The holder's own entry asks for a deactivation, and no twin stops that.
    let locked = try site.sync(
      root + person("a", id: "1", mail: "a@x", locked: true) + person("b", id: "2", mail: "A@x"),
      twins, now: 3000)
    #expect(locked.summary == [.deactivateAccount: 1])
  }
}

@Suite struct EmptiedGroupTests {
  private let mapping = """
    usher: 1
    search:
      users: { base: "dc=x", filter: (objectClass=person) }
      groups: { base: "dc=x", filter: (objectClass=group), id: entryUUID }
    account: { id: entryUUID, email: mail, name: cn }
    otherwise: unlicensed
    leavers: { after: 0h }
    rules:
      - { name: team, member-of: team, licenses: [confluence] }
      - { name: staff, when: (kind=staff), licenses: [jira] }
    """

  private func group(_ members: Range<Int>, id: String = "g", name: String = "team") -> String {
    "\ndn: cn=\(name),dc=x\nobjectClass: group\nentryUUID: \(id)\ncn: \(name)\n"
      + members.map { "member: uid=p\($0),ou=all,dc=x\n" }.joined()
  }

  /// Groups that keep their members, so that the attribute does not look hidden.
  private var others: String {
    group(0..<1, id: "h", name: "one") + group(0..<1, id: "i", name: "two")
  }

  @Test func anEmptiedGroupTakesNothingAwayUntilSomebodySaysSo() throws {
    let site = try TestSite()
    try site.sync(root + people(0..<12) + group(0..<10) + others, mapping)
    let plan = try site.sync(root + people(0..<12) + group(0..<0) + others, mapping, now: 2000)
    #expect(plan.isEmpty && plan.holds.count == 10)
    #expect(plan.holds[0].doubts[0].reason.contains("directory group team has no members any more"))
    let held = try #require(site.desk.heldGroups(plan))
    try site.store.note(held, at: 2000)
    // What is not disputed goes on: p0 is no staff any more.
    let other = people(0..<1).replacing("kind: staff", with: "kind: other") + people(1..<12)
    let on = try site.sync(root + other + group(0..<0) + others, mapping, now: 3000)
    #expect(on.summary == [.revokeLicense: 1] && on.holds.count == 10)
    try site.approve(held.hash, now: 4000)
    let passed = try site.sync(root + other + group(0..<0) + others, mapping, now: 5000)
    #expect(passed.summary == [.revokeLicense: 10] && passed.holds.isEmpty)
  }

  @Test func aGroupOfAFewMayBeEmptied() throws {
    let site = try TestSite()
    try site.sync(root + people(0..<12) + group(0..<9) + others, mapping)
    let plan = try site.sync(root + people(0..<12) + group(0..<0) + others, mapping, now: 2000)
    #expect(plan.summary == [.revokeLicense: 9] && plan.holds.isEmpty)
  }

  @Test func leaversDoNotCountAsMembersOfAnEmptiedGroup() throws {
    let site = try TestSite()
    try site.sync(root + people(0..<100) + group(0..<10) + others, mapping)
    // Two of ten have left, and eight are there.
    let plan = try site.sync(root + people(2..<100) + group(0..<0) + others, mapping, now: 2000)
    #expect(plan.holds.isEmpty && plan.summary[.deactivateAccount] == 2)
  }

  @Test func groupsThatShareAnIdAreDoubted() throws {
    let site = try TestSite()
    try site.sync(root + people(0..<4) + group(0..<3), mapping)
    let twins = root + people(0..<4) + group(0..<2) + group(2..<4, name: "zwilling")
    for now in [2000, 3000] as [Int64] {
      let plan = try site.sync(twins, mapping, now: now)
      #expect(plan.isEmpty && plan.held == ["p0", "p1", "p2"])
      #expect(plan.warnings.contains { $0.contains("two directory groups bear the id g") })
    }
    // Nobody new gets anything through either of them.
    let more = try site.sync(twins + people(4..<5), mapping, now: 4000)
    #expect(more.summary == [.createAccount: 1, .grantLicense: 1])
  }
}
