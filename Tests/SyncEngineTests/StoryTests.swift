import Diagnostics
import Foundation
import Ports
import SiteModel
import SiteStore
import SyncEngine
import TestSupport
import Testing

private let mapping = """
  usher: 1
  search:
    users: { base: "ou=people,dc=x", filter: (objectClass=person) }
    groups: { base: "ou=groups,dc=x", filter: (objectClass=group), id: entryUUID }
  account: { id: entryUUID, email: mail, name: cn, username: uid }
  rules:
    - { name: staff, member-of: staff, licenses: [confluence], groups: [developers] }
  """

/// People as `name: id, uid, email, unit`; all are staff.
private func directory(_ people: [(id: String, uid: String, mail: String, place: String)]) -> String
{
  let units = "dn: ou=people,dc=x\nou: people\n\ndn: ou=groups,dc=x\nou: groups\n\n"
  let entries = people.map { person in
    "dn: uid=\(person.uid),\(person.place)ou=people,dc=x\nobjectClass: person\nentryUUID: \(person.id)\nuid: \(person.uid)\nmail: \(person.mail)\ncn: \(person.uid.capitalized)\n"
  }
  let members = people.map { "member: uid=\($0.uid),\($0.place)ou=people,dc=x" }.joined(
    separator: "\n")
  return units + entries.joined(separator: "\n")
    + "\ndn: cn=staff,ou=groups,dc=x\nobjectClass: group\nentryUUID: g1\ncn: staff\n\(members)\n"
}

@Suite struct StoryTests {
  /// Another mapping on the mirror has everybody evaluated, on two threads.
  @Test func twoThreadsEvaluateAsOneDoes() throws {
    let site = try TestSite()
    let people = (1...3700).map { (id: "\($0)", uid: "p\($0)", mail: "p\($0)@x", place: "") }
    let ldif = directory(people)
    try site.sync(ldif, mapping)
    // Of every batch somebody is refused.
    site.policy.protectedGroups = ["own-p500", "own-p1500", "own-p2500", "own-p3600"]
    let other = mapping.replacing("[developers]", with: "[developers, \"own-{uid}\"]")
    let offline = try site.offline(other)
    var findings = Findings()
    let trial = try site.planner(other).plan(
      .trial(site.source(ldif)), now: 1000, into: &findings
    ).plan
    #expect(offline.digest == trial.digest && offline.warnings == trial.warnings)
    #expect(offline.summary == [.joinGroup: 3696] && offline.warnings.count == 4)
  }

  /// Its groups, their members and its people are read one after the other.
  @Test(arguments: ["groups", "people"])
  func aMirrorThatAnotherRunChangesMeanwhileIsNotBelieved(read: String) throws {
    let site = try TestSite()
    let ldif = directory([(id: "1", uid: "ada", mail: "ada@x", place: "")])
    try site.sync(ldif, mapping)
    let other = mapping.replacing("[developers]", with: "[writers]")
    let planner = try site.planner(other) { progress in
      guard progress.hasSuffix(read) else { return }
      #expect(throws: Never.self) {
        let store = try SiteDatabase(path: site.folder.path + "/usher.db")
        let description = try #require(try store.mirrorDescription(of: "corporate"))
        var evidence = try #require(try store.readEvidence(of: "corporate"))
        evidence.version += 1
        try store.updateMirror(of: "corporate", description: description) {
          try $0.remove(.group, key: "g1")
          try $0.keep(evidence)
        }
      }
    }
    var findings = Findings()
    let failure = #expect(throws: ReadFailure.self) {
      try planner.plan(.mirror, now: 1000, into: &findings)
    }
    #expect(failure?.message.contains("another run changed the mirror") == true)
  }

  /// The mirror's members find no group that only `memberOf` of a person names, so that its own groups need all of them.
  @Test func groupsOfGroupsThatOnlyMemberOfTellsAreFoundInTheMirror() throws {
    let nested = """
      usher: 1
      search:
        users: { base: "ou=people,dc=x", filter: (objectClass=person) }
        groups: { base: "ou=groups,dc=x", filter: (objectClass=group), id: entryUUID, nested: true }
      account: { id: entryUUID, email: mail, name: cn }
      rules: [{ name: outer, member-of: outer, licenses: [jira] }]
      """
    let ldif =
      directory([("1", "ada", "ada@x", ""), ("2", "eve", "eve@x", "")]).replacing(
        "uid: ada\n", with: "uid: ada\nmemberOf: cn=inner,ou=groups,dc=x\n") + """

        dn: cn=inner,ou=groups,dc=x
        objectClass: group
        entryUUID: g2
        cn: inner

        dn: cn=outer,ou=groups,dc=x
        objectClass: group
        entryUUID: g3
        cn: outer
        member: cn=inner,ou=groups,dc=x

        """
    let site = try TestSite()
    site.ceilings["jira"] = 5
    let first = try site.sync(ldif, nested)
    #expect(first.summary == [.createAccount: 1, .grantLicense: 1])
    try site.carryOut(.grant([Right(.group, "by-hand")]), on: "ada@x")
    #expect(try site.offline(nested).isEmpty)
    var findings = site.noFindings
    let planner = try site.planner(nested)
    let explanation = try SitePlanner([planner]).explain("ada@x", now: 1000, into: &findings)
    #expect(explanation.plan.isEmpty && explanation.entries[0].rules[0].matches)
  }

  @Test func renamesAndMovesAreUpdatesNeverNewAccounts() throws {
    let site = try TestSite()
    try site.sync(directory([("1", "ada", "ada@x", ""), ("2", "eve", "eve@x", "")]), mapping)
    let moved = try site.sync(
      directory([("1", "ada", "ada@x", "ou=vienna,"), ("2", "eva", "eve@x", "")]), mapping)
    #expect(moved.summary == [.updateProfile: 2])
  }

  @Test func anEmptyAnswerWherePeopleWereChangesNothing() throws {
    let site = try TestSite()
    try site.sync(directory([("1", "ada", "ada@x", "")]), mapping)
    let before = try site.export()
    #expect(throws: ReadFailure.self) { try site.sync(directory([]), mapping) }
    #expect(try site.export() == before)
    #expect(try site.offline(mapping).isEmpty)
  }

  @Test func aBaseThatIsNotThereIsNoEmptyAnswer() throws {
    let site = try TestSite()
    let other = mapping.replacing("ou=people,dc=x", with: "ou=peple,dc=x")
    #expect(throws: ReadFailure.self) {
      try site.sync(directory([("1", "ada", "ada@x", "")]), other)
    }
  }

  @Test func aNewIdWithAnOldEmailWaitsForTheLink() throws {
    let site = try TestSite()
    try site.sync(directory([("1", "ada", "ada@x", ""), ("2", "eve", "eve@x", "")]), mapping)
    let recreated = directory([("9", "ada", "ada@x", ""), ("2", "eve", "eve@x", "")])
    for now: Int64 in [2000, 200_000, 400_000] {
      let held = try site.sync(recreated, mapping, now: now)
      #expect(held.isEmpty && held.holds.map(\.person) == ["9"])
      #expect(held.holds.first?.doubts.first?.remedy == "usher link ada@x 9")
    }
    let account = try #require(try site.store.account("ada@x"))
    try site.carryOut(.link([account.id: "9"]), on: account.email)
    let linked = try site.sync(recreated, mapping, now: 500_000)
    #expect(linked.isEmpty && linked.holds.isEmpty)
    #expect(try site.export().contains("\"directory_id\":\"9\""))
  }

  @Test func previewsSettleNothingAndStartNoClock() throws {
    let site = try TestSite()
    let both = directory([("1", "ada", "ada@x", ""), ("2", "eve", "eve@x", "")])
    let one = directory([("1", "ada", "ada@x", "")])
    try site.sync(both, mapping)
    for _ in 0..<3 { _ = try site.plan(one, mapping, now: 2000) }
    try site.store.people(exceptOf: []) { #expect($0.absentSince == nil) }
    #expect(try site.plan(one, mapping, now: 500_000).isEmpty)
  }

  @Test func aPlanMadeBeforeAnythingExistedIsStampedToo() throws {
    let site = try TestSite()
    let whole = directory([("1", "ada", "ada@x", "")])
    let verdict = try site.verdict(whole, mapping)
    let run = RunRecord(command: "apply", user: "t", startedAt: 1, planHash: "")
    _ = try site.store.apply(try #require(verdict.approved), run: run)
    #expect(throws: StorePlanIsStale.self) {
      try site.store.apply(try #require(verdict.approved), run: run)
    }
  }

  @Test func savedPlansComeBackWholeAndAlteredOnesAreRefused() throws {
    let site = try TestSite()
    let plan = try site.plan(directory([("1", "ada", "ada@x", "")]), mapping)
    let file = site.folder.path + "/p.usher"
    let key = try site.store.planKey()
    try PlanFile.save(plan, to: file, key: key)
    #expect(try PlanFile.load(file, key: key).digest == plan.digest)
    let text = try String(contentsOfFile: file, encoding: .utf8)
    func fault(_ text: String, _ key: Data) throws -> PlanFile.Fault? {
      try text.write(toFile: file, atomically: true, encoding: .utf8)
      do { _ = try PlanFile.load(file, key: key) } catch let fault as PlanFile.Fault {
        return fault
      }
      return nil
    }
    #expect(try fault(text, key) == nil)
    #expect(try fault(text.replacing("ada@x", with: "eve@x"), key) == .altered(path: file))
    #expect(try fault(text + "\n", key) == .altered(path: file))
    #expect(try fault(String(text.dropLast()), key) == .altered(path: file))
    // Another code is refused, too.
    let body = text.split(separator: "\n")[1]
    let code = Data(repeating: 0, count: 32).base64EncodedString()
    let own = try #require(text.firstMatch(of: #/"hmac":"([^"]+)"/#)).1
    #expect(try fault(text.replacing(own, with: code), key) == .altered(path: file))
    let other = try TestSite()
    #expect(try fault(text, other.store.planKey()) == .otherStore(path: file))
    let old = "{\"hash\":\"00\",\"plan\":\(body),\"usherPlanFile\":1}"
    #expect(try fault(old, key) == .oldVersion(path: file))
    #expect(try fault("{}", key) == .notAPlan(path: file))
    #expect(try fault("", key) == .notAPlan(path: file))
    #expect(
      try fault(text.replacing("\"usherPlanFile\":2", with: "\"usherPlanFile\":3"), key)
        == .notAPlan(path: file))
  }

  @Test func theKeyOfPlansIsTheStoresAndTheAuditKeys() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.db"
    let key = try SiteDatabase(path: path).planKey()
    #expect(key.count == 32)
    #expect(try SiteDatabase(path: path).planKey() == key)
    let audited = try SiteDatabase(path: path, audit: AuditKey(secret: "s")).planKey()
    #expect(audited.count == 32 && audited != key)
    // A backup is the same store; whether it went another way is the lineage's matter.
    try SiteDatabase(path: path).backUp(to: folder.path + "/b.db")
    #expect(try SiteDatabase(path: folder.path + "/b.db").planKey() == key)
    #expect(try SiteDatabase(path: folder.path + "/c.db").planKey() != key)
  }

  @Test func onlyOnePersonIsPlannedAndAppliedAndTheOthersStayOpen() throws {
    let site = try TestSite()
    let both = directory([("1", "ada", "ada@x", ""), ("2", "eve", "eve@x", "")])
    for who in ["ada@x", "ADA@X", "1"] {
      #expect(try site.plan(both, mapping, only: who).subjects.map(\.email) == ["ada@x"])
    }
    #expect(throws: NobodyFits.self) { try site.plan(both, mapping, only: "nobody@x") }
  }

  @Test func theMirrorRefusesAMappingThatNeedsMore() throws {
    let site = try TestSite()
    try site.sync(directory([("1", "ada", "ada@x", "")]), mapping)
    do {
      _ = try site.offline(mapping.replacing("name: cn", with: "name: [displayName, cn]"))
      Issue.record("planned with what the mirror lacks")
    } catch let failure as ReadFailure {
      #expect(failure.message.contains("displayName"))
    }
    do {
      _ = try site.offline(
        mapping.replacing("(objectClass=person)", with: "(objectClass=inetOrgPerson)"))
      Issue.record("planned with another search")
    } catch let failure as ReadFailure {
      #expect(failure.message.contains("another search"))
    }
  }

  /// A person who waited for a seat and then lost every rule keeps nothing, whatever was settled before.
  @Test func r21WhatCameWhileWaitingGoesWithItsRule() throws {
    let site = try TestSite()
    site.ceilings["jira"] = 0
    let seats = mapping.replacing("licenses: [confluence]", with: "licenses: [confluence, jira]")
    let outside = directory([("1", "ada", "ada@x", "")]).replacing(
      "member: ", with: "member: cn=no,")
    try site.sync(outside, seats)
    try site.sync(directory([("1", "ada", "ada@x", "")]), seats)
    #expect(try site.export().contains("confluence"))
    try site.sync(outside, seats)
    #expect(try !site.export().contains("confluence"))
  }

  /// A saved plan that deactivates a leaver is refused once they are back, though nothing else changed.
  @Test func aPlanAboutALeaverWhoCameBackIsStale() throws {
    let site = try TestSite()
    let both = directory([("1", "ada", "ada@x", ""), ("2", "eve", "eve@x", "")])
    let one = directory([("1", "ada", "ada@x", "")])
    try site.sync(both, mapping)
    try site.sync(one, mapping, now: 2000)
    let due = try site.verdict(one, mapping, now: 200_000)
    #expect(due.plan.summary[.deactivateAccount] == 1)
    #expect(try site.sync(both, mapping, now: 200_001).isEmpty)
    #expect(throws: StorePlanIsStale.self) {
      try site.store.apply(
        try #require(due.approved),
        run: RunRecord(command: "apply", user: "t", startedAt: 1, planHash: ""))
    }
  }

  @Test func twoEntriesWithOneIdAreHeldAndATwinThatIsExcludedHidesNobody() throws {
    let site = try TestSite()
    let twins = directory([
      ("1", "ada", "ada@x", ""), ("1", "bot", "bot@x", ""), ("2", "eve", "eve@x", ""),
    ])
    #expect(try site.sync(twins, mapping).holds.map(\.person) == ["1"])
    let other = try TestSite()
    let excluding = mapping.replacing(
      "(objectClass=person) }", with: "(objectClass=person), exclude: (uid=bot) }")
    #expect(try other.sync(twins, excluding).holds.isEmpty)
    for _ in 0..<2 { #expect(try other.sync(twins, excluding).isEmpty) }
    #expect(try other.offline(excluding).isEmpty)
    #expect(try other.export().contains("ada@x"))
  }

  @Test func noGroupsWhereThereWereSomeIsNoAnswerEvenForAnotherMapping() throws {
    let site = try TestSite()
    let each = mapping.replacing("member-of: staff", with: "each-group: (cn=*)")
    let whole = directory([("1", "ada", "ada@x", "")])
    try site.sync(whole, each)
    let without = String(
      whole.prefix(upTo: try #require(whole.firstRange(of: "dn: cn=staff")).lowerBound))
    #expect(throws: ReadFailure.self) { try site.sync(without, each) }
    #expect(throws: ReadFailure.self) {
      try site.sync(without, each.replacing("name: cn", with: "name: uid"))
    }
  }

  @Test func aPersonWhoseEmailSomebodyElseTakesIsHeldThoughSettled() throws {
    let site = try TestSite()
    try site.sync(directory([("1", "ada", "ada@x", "")]), mapping)
    let both = directory([("1", "ada", "ada@x", ""), ("2", "eve", "ADA@x", "")])
    #expect(try site.sync(both, mapping).holds.map(\.person).sorted() == ["1", "2"])
    #expect(try site.sync(directory([("1", "ada", "ada@x", "")]), mapping).isEmpty)
    #expect(try site.store.openQuestions().holds.isEmpty)
  }
}
