import Ports
import Reconciliation
import SiteModel
import SyncEngine
import Testing

private func mapping(_ rules: String, match: Bool = true, more: String = "") -> String {
  """
  usher: 1
  search:
    users: { base: "dc=x", filter: (objectClass=person) }
  account: { id: entryUUID, email: mail, name: cn, active: (!(locked=TRUE))\(match ? ", match: number" : "") }
  \(more)
  rules:
    \(rules)
  """
}

private struct Person {
  var id: String
  var email: String
  var number: String?
  var more = ""
}

private func ldif(_ people: [Person]) -> String {
  "dn: dc=x\nobjectClass: domain\n\n"
    + people.map { person in
      let number = person.number.map { "number: \($0)\n" } ?? ""
      return
        "dn: cn=\(person.id),dc=x\nobjectClass: person\nentryUUID: \(person.id)\ncn: \(person.id)\nmail: \(person.email)\n\(number)\(person.more)"
    }.joined(separator: "\n")
}

/// A corporate directory that gives confluence, and one of partners that gives jira.
private func site(
  _ corporate: [Person]?, _ partners: [Person]?, match: Bool = true, more: String = ""
) -> [TestSite.Share] {
  [
    (
      "corporate", corporate.map(ldif),
      mapping("- { name: all, when: everyone, licenses: [confluence] }", match: match, more: more)
    ),
    (
      "partners", partners.map(ldif),
      mapping("- { name: both, when: everyone, licenses: [jira] }", match: match, more: more)
    ),
  ]
}

private let ada = Person(id: "a", email: "ada@x", number: "7")
private let adaThere = Person(id: "b", email: "ada@partner", number: "7")
private let eve = Person(id: "e", email: "eve@x", number: "8")
private let max = Person(id: "m", email: "max@partner", number: "9")

@Suite struct SeveralDirectoriesTests {
  @Test func onePersonInTwoDirectoriesIsOneAccountWithWhatBothGive() throws {
    let test = try TestSite()
    let plan = try test.sync(site([ada, eve], [adaThere, max]))
    #expect(plan.summary == [.createAccount: 3, .grantLicense: 4])
    let account = try #require(try test.store.account("ada@x"))
    #expect(account.holdings.map(\.right.name) == ["confluence", "jira"])
    #expect(account.person == "a")
    #expect(try test.sync(site([ada, eve], [adaThere, max])).isEmpty)
  }

  @Test func twoEntriesThatNothingJoinsAreHeldWhereTheyShareAnEmail() throws {
    let test = try TestSite()
    var there = adaThere
    there.email = "ADA@x"
    let plan = try test.sync(site([ada, eve], [there], match: false))
    #expect(plan.held == ["a", "b"] && plan.summary[.createAccount] == 1)
  }

  @Test func twoEntriesOfOneDirectoryWithOneValueAreHeld() throws {
    let test = try TestSite()
    let twin = Person(id: "t", email: "t@x", number: "7")
    let plan = try test.sync(site([ada, twin, eve], [adaThere]))
    #expect(plan.held == ["a", "b", "t"])
    let doubt = try #require(plan.holds.first { $0.person == "a" }?.doubts.first)
    #expect(
      doubt.reason == "shares the value 7 of `account.match` in the directory corporate with t")
    // Of an entry that is disabled and its successor, the successor counts.
    var old = twin
    old.more = "locked: TRUE\n"
    #expect(try test.sync(site([ada, old, eve], [adaThere])).holds.isEmpty)
    #expect(try test.store.account("ada@x")?.holdings.count == 2)
  }

  @Test func aDirectoryThatIsDownStopsItsOwnPeopleOnly() throws {
    let test = try TestSite()
    try test.sync(site([ada, eve], [adaThere, max]))
    var renamed = eve
    renamed.email = "eva@x"
    var moved = ada
    moved.email = "ada@new"
    let outcome = try test.plan(site([moved, renamed], nil), now: 500_000)
    #expect(outcome.failures.map(\.directory) == ["partners"])
    let plan = outcome.verdict.plan
    // Ada, of whom the partners may say more, and Max stay as they are; Eve does not.
    #expect(plan.summary == [.changeEmail: 1] && plan.leaving.isEmpty && plan.holds.isEmpty)
    #expect(plan.subjects.map(\.email) == ["eva@x"])
    #expect(plan.warnings.first?.hasPrefix("the directory partners could not be read") == true)
    try test.sync(site([moved, renamed], nil), now: 500_000)
    // Back again, what waited is done, although nothing has changed since.
    let after = try test.sync(site([moved, renamed], [adaThere, max]), now: 500_100)
    #expect(after.summary == [.changeEmail: 1] && after.subjects.map(\.email) == ["ada@new"])
  }

  @Test func whoeverIsNewWhileADirectoryIsDownIsJoinedLater() throws {
    let test = try TestSite()
    try test.sync(site([eve], [max]))
    #expect(try test.sync(site([eve, ada], nil)).summary == [.createAccount: 1, .grantLicense: 1])
    let joined = try test.sync(site([eve, ada], [max, adaThere]))
    #expect(joined.summary == [.grantLicense: 1])
    #expect(try test.store.account("ada@x")?.holdings.map(\.right.name) == ["confluence", "jira"])
  }

  @Test func allDirectoriesDownChangeNothing() throws {
    let test = try TestSite()
    try test.sync(site([ada], [max]))
    #expect(throws: ReadFailure.self) { try test.plan(site(nil, nil)) }
  }

  @Test func whoLeavesOneDirectoryKeepsWhatItGaveDuringTheGrace() throws {
    let test = try TestSite()
    try test.sync(site([ada, eve], [adaThere, max]))
    let first = try test.sync(site([ada, eve], [max]), now: 2000)
    #expect(first.isEmpty)
    #expect(
      first.leaving.map { "\($0.person) \($0.due) \($0.directory ?? "")" } == ["b 88400 partners"])
    #expect(try test.sync(site([ada, eve], [max]), now: 50_000).isEmpty)
    let last = try test.sync(site([ada, eve], [max]), now: 90_000)
    #expect(last.summary == [.revokeLicense: 1] && last.leaving.isEmpty)
    #expect(try test.sync(site([ada, eve], [max]), now: 90_001).isEmpty)
    // Coming back is joining again.
    #expect(
      try test.sync(site([ada, eve], [max, adaThere]), now: 90_002).summary == [.grantLicense: 1])
  }

  @Test func whoComesBackInTheGraceLosesNothing() throws {
    let test = try TestSite()
    try test.sync(site([ada, eve], [adaThere, max]))
    try test.sync(site([ada, eve], [max]), now: 2000)
    #expect(try test.sync(site([ada, eve], [max, adaThere]), now: 3000).isEmpty)
    // The clock has stopped.
    #expect(try test.sync(site([ada, eve], [max]), now: 90_000).leaving.map(\.due) == [176_400])
  }

  @Test func anAccountWhoseFirstEntryIsGoneIsLinkedByTheOther() throws {
    let test = try TestSite()
    try test.sync(site([ada, eve], [adaThere, max]))
    #expect(try test.sync(site([eve], [adaThere, max]), now: 2000).isEmpty)
    let last = try test.sync(site([eve], [adaThere, max]), now: 90_000)
    #expect(
      last.summary == [.linkAccount: 1, .changeEmail: 1, .updateProfile: 1, .revokeLicense: 1])
    #expect(try test.store.account("ada@partner")?.person == "b")
    #expect(try test.sync(site([eve], [adaThere, max]), now: 90_001).isEmpty)
  }

  @Test func whoIsGoneEverywhereIsALeaver() throws {
    let test = try TestSite()
    try test.sync(site([ada, eve], [adaThere, max]))
    #expect(try test.sync(site([eve], [max]), now: 2000).leaving.map(\.person) == ["a"])
    #expect(
      try test.sync(site([eve], [max]), now: 90_000).summary == [
        .revokeLicense: 2, .deactivateAccount: 1,
      ])
  }

  @Test func disabledInOneDirectoryIsNotDisabled() throws {
    let test = try TestSite()
    try test.sync(site([ada], [adaThere]))
    var disabled = adaThere
    disabled.more = "locked: TRUE\n"
    #expect(try test.sync(site([ada], [disabled])).summary == [.revokeLicense: 1])
    var both = ada
    both.more = "locked: TRUE\n"
    #expect(
      try test.sync(site([both], [disabled])).summary == [
        .revokeLicense: 1, .deactivateAccount: 1,
      ])
  }

  @Test func whatOneDirectoryTakesAwayNoOtherGives() throws {
    let test = try TestSite()
    var shares = site([ada], [adaThere])
    shares[1].mapping = mapping("- { name: no, when: everyone, deny: [confluence], groups: [p] }")
    #expect(try test.sync(shares).summary == [.createAccount: 1, .joinGroup: 1])
  }

  @Test func portalOnlyInOneAndALicenseInTheOtherIsAConflict() throws {
    let test = try TestSite()
    var shares = site([ada], [adaThere])
    shares[1].mapping = mapping("- { name: clients, when: everyone, portal-only: true }")
    #expect(try test.plan(shares).verdict.plan.held == ["a"])
    for index in shares.indices { shares[index].mapping += "\nconflicts: licensed" }
    #expect(try test.sync(shares).summary == [.createAccount: 1, .grantLicense: 1])
  }

  @Test func whoMatchesNoRuleInOneDirectoryIsDecidedByTheOther() throws {
    let test = try TestSite()
    var shares = site([ada], [adaThere], more: "otherwise: portal-only")
    shares[1].mapping = mapping(
      "- { name: none, when: (cn=nobody), licenses: [jira] }", more: "otherwise: portal-only")
    #expect(try test.sync(shares).summary == [.createAccount: 1, .grantLicense: 1])
  }

  @Test func entriesWithAnAccountEachAreHeldWithTheWayOut() throws {
    let test = try TestSite()
    try test.sync(site([ada], [adaThere], match: false))
    let held = try test.sync(site([ada], [adaThere]))
    #expect(held.isEmpty && held.held == ["a", "b"])
    #expect(
      held.holds.first { $0.person == "a" }?.doubts.map(\.remedy) == [
        "leave one account: usher deactivate b && usher link a b, or the other way round"
      ])
    try test.carryOut(.deactivate, on: "b")
    let account = try #require(try test.store.account("a"))
    try test.carryOut(.link([account.id: "b"]), on: "a")
    #expect(try test.sync(site([ada], [adaThere])).summary == [.grantLicense: 1])
    #expect(try test.store.account("ada@x")?.person == "b")
  }

  @Test func entriesWithAnAccountEachAreReleasedWhereTheyAreDisabled() throws {
    let test = try TestSite()
    try test.sync(site([ada, eve], [adaThere, max], match: false))
    var (own, there) = (ada, adaThere)
    own.more = "locked: TRUE\n"
    there.more = "locked: TRUE\n"
    let plan = try test.sync(site([own, eve], [there, max]))
    #expect(plan.summary == [.revokeLicense: 2, .deactivateAccount: 2] && plan.holds.isEmpty)
  }

  @Test func whoLeftOneDirectoryIsNoLeaverWhileTheOtherIsDown() throws {
    let test = try TestSite()
    try test.sync(site([ada, eve], [adaThere, max]))
    try test.sync(site([eve], [adaThere, max]), now: 2000)
    for now: Int64 in [90_000, 900_000] {
      let plan = try test.sync(site([eve], nil), now: now)
      #expect(plan.isEmpty && plan.leaving.isEmpty)
    }
    // Gone from the other, too, the grace begins then.
    let gone = try test.sync(site([eve], [max]), now: 900_100)
    #expect(gone.isEmpty && gone.leaving.map(\.due) == [900_100 + 86_400])
    #expect(try test.sync(site([eve], [max]), now: 950_000).isEmpty)
    #expect(try test.sync(site([eve], [max]), now: 990_000).summary[.deactivateAccount] == 1)
  }

  @Test func oneIdInTwoDirectoriesStaysHeldWhileOneIsDown() throws {
    let test = try TestSite()
    var twin = adaThere
    twin.id = "a"
    try test.sync(site([ada, eve], [max]))
    #expect(try test.sync(site([ada, eve], [twin, max])).held == ["a"])
    #expect(try test.sync(site(nil, [twin, max])).isEmpty)
  }

  @Test func whoIsDisabledDoesNotWaitForTheGraceOfAnotherDirectory() throws {
    let test = try TestSite()
    try test.sync(site([ada, eve], [adaThere, max]))
    var disabled = ada
    disabled.more = "locked: TRUE\n"
    let plan = try test.sync(site([disabled, eve], [max]), now: 2000)
    #expect(plan.summary == [.revokeLicense: 2, .deactivateAccount: 1])
    #expect(try test.sync(site([disabled, eve], [max]), now: 2001).isEmpty)
  }

  @Test func aRelinkedLeaverAgesFromThenOn() throws {
    let test = try TestSite()
    var shares = site([ada, eve], [adaThere, max], more: "otherwise: leaver")
    try test.sync(shares)
    shares[1].mapping = mapping(
      "- { name: none, when: (cn=m), licenses: [jira] }", more: "otherwise: leaver")
    shares[0].ldif = ldif([eve])
    try test.sync(shares, now: 2000)
    let relinked = try test.sync(shares, now: 90_000)
    #expect(relinked.summary == [.linkAccount: 1] && relinked.leaving.map(\.due) == [176_400])
    #expect(try test.sync(shares, now: 180_000).summary[.deactivateAccount] == 1)
  }

  @Test func aRenamedDirectoryOfASiteThatHadSeveralKeepsItsPeople() throws {
    let test = try TestSite()
    let shares = site([ada, eve], [max])
    try test.sync(shares)
    let planner = try test.planner(shares[0].mapping, "renamed", of: ["renamed"])
    func sync(_ people: [Person], now: Int64) throws -> Plan {
      var findings = test.noFindings
      let verdict = try planner.plan(test.origin(ldif(people)), now: now, into: &findings)
      let approved = try #require(verdict.approved)
      _ = try test.store.apply(
        approved, run: RunRecord(command: "sync", user: "t", startedAt: now, planHash: ""))
      return verdict.plan
    }
    #expect(try sync([ada, eve], now: 2000).isEmpty)
    #expect(try sync([eve], now: 3000).leaving.map(\.person) == ["a"])
    #expect(try sync([eve], now: 90_000).summary[.deactivateAccount] == 1)
  }

  @Test func oneIdInTwoDirectoriesIsHeld() throws {
    let test = try TestSite()
    var twin = adaThere
    twin.id = "a"
    #expect(try test.sync(site([ada, eve], [twin])).held == ["a"])
    #expect(try test.sync(site([ada, eve], [twin])).held == ["a"])
  }

  @Test func aSecondDirectoryComesToASiteThatHadOne() throws {
    let test = try TestSite()
    let alone = site([ada, eve], [])
    _ = try test.sync(alone[0].ldif ?? "", alone[0].mapping)
    let down = try test.sync(site(nil, [adaThere, max]), now: 500_000)
    // Whose the people so far are cannot be told while the first is down.
    #expect(down.leaving.isEmpty && down.summary[.deactivateAccount] == nil)
    let both = try test.sync(site([ada, eve], [adaThere, max]), now: 500_001)
    #expect(both.summary[.deactivateAccount] == nil && both.leaving.isEmpty)
  }

  @Test func peopleOfADirectoryThatIsNoLongerConfiguredStay() throws {
    let test = try TestSite()
    let shares = site([ada, eve], [adaThere, max])
    try test.sync(shares)
    for now: Int64 in [500_000, 900_000] {
      let plan = try test.sync(shares[0].ldif ?? "", shares[0].mapping, now: now)
      // What the partners' rules gave Ada is given by no rule any more.
      #expect(plan.summary == (now == 500_000 ? [.revokeLicense: 1] : [:]))
      #expect(plan.leaving.isEmpty)
      #expect(
        plan.warnings == [
          "1 people of the directory partners, which the configuration does not name any more, stay as they are"
        ])
    }
  }

  @Test func aMemberOfBothIsExplainedByBoth() throws {
    let test = try TestSite()
    let shares = site([ada, eve], [adaThere, max])
    try test.sync(shares)
    let names = shares.map(\.name)
    let planners = try shares.map { try test.planner($0.mapping, $0.name, of: names) }
    for who in ["ada@x", "b", "ada@partner"] {
      var findings = test.noFindings
      let explanation = try SitePlanner(planners).explain(who, now: 1000, into: &findings)
      #expect(explanation.entries.map(\.person) == ["a", "b"], "\(who)")
      #expect(explanation.account?.email == (who == "ada@partner" ? nil : "ada@x"))
    }
  }
}
