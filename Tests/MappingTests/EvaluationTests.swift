import Diagnostics
import DirectoryModel
import Mapping
import SiteModel
import TestSupport
import Testing

/// Evaluates one person against a mapping text.
struct Bench {
  let mapping: CompiledMapping
  var evaluator: PersonEvaluator

  static let slotsOfGroups = [
    "cn", "member", "description", "objectSid", "uniqueMember", "memberUid", "entryUUID",
  ]

  /// - Parameter remembered: ids of directory groups by the names that rules give them.
  init(
    _ rules: String, groups: [(cn: String, members: [String])] = [],
    remembered: [String: String] = [:]
  ) throws {
    var findings = Findings()
    let text = """
      usher: 1
      search:
        users: { base: "dc=x", filter: (objectClass=person), exclude: (type=robot), exclude-under: "ou=out,dc=x" }
        groups: { base: "dc=x", filter: (objectClass=group), nested: true }
      account:
        id: entryUUID
        email: [mail, { from: proxy, match: "^SMTP:(.+)$" }, "{uid}@acme.example"]
        name: [displayName, "{givenName} {sn}", cn]
        username: uid
        active: (!(locked=TRUE))

      """
    let read = MappingReader.read(
      "m.yaml", catalogue: ["jira-software", "confluence", "bitbucket"],
      load: { _ in text + rules }, into: &findings)
    mapping = try #require(read, "\(findings.all.map(\.message))")
    let search = try #require(mapping.groupSearch())
    var all = DirectoryGroups(slots: search.slots, id: nil, nested: true, hash: ByteHash(seed: 1))
    var batch = EntryBatch(slots: search.slots)
    for group in groups {
      batch.beginEntry(dn: "cn=\(group.cn),ou=groups,dc=x")
      batch.appendAttribute(
        "cn", values: [Array(group.cn.prefix { $0 != "," }.utf8)])
      batch.appendAttribute("member", values: group.members.map { Array($0.utf8) })
    }
    all.add(batch)
    all.close()
    let bound = PersonEvaluator(
      mapping: mapping, slots: mapping.personSlots, groups: all, remembered: remembered,
      into: &findings)
    guard let bound else { throw Faults(messages: findings.all.map(\.message)) }
    evaluator = bound
  }

  struct Faults: Error {
    let messages: [String]
  }

  mutating func evaluate(
    _ attributes: [String: [String]], raw: [String: [[UInt8]]] = [:],
    dn: String = "uid=ada,ou=people,dc=x"
  ) throws -> Entitlement {
    var batch = EntryBatch(slots: evaluator.slots)
    batch.beginEntry(dn: dn)
    for (name, values) in ["entryUUID": ["id-1"]].merging(attributes, uniquingKeysWith: { $1 }) {
      batch.appendAttribute(name, values: values.map { Array($0.utf8) })
    }
    for (name, values) in raw { batch.appendAttribute(name, values: values) }
    let groups = evaluator.groups(of: 0, in: batch)
    // What is explained is what is done.
    let traced = evaluator.trace(0, of: batch, groups: groups)
    let matched = evaluator.decisions(0, of: batch, groups: groups).matched
    #expect(traced.indices.filter { traced[$0].matches } == matched)
    let entitlement = evaluator.evaluate(
      0, of: batch, groups: groups, id: evaluator.id(of: 0, in: batch), fingerprint: 0)
    // Emails that lie in the entry as they are, are taken over without a look at each source.
    #expect(Array(entitlement.emails) == Array(evaluator.emails(of: 0, in: batch)))
    return entitlement
  }
}

extension Entitlement {
  /// "license confluence, group developers", "portal-only", "nothing".
  var words: String {
    switch outcome {
    case .account(let mark, let grants):
      ((mark == nil ? [] : ["portal-only"])
        + grants.map { "\($0.right.kind.rawValue) \($0.right.name)" }).joined(separator: ", ")
    case .nothing: "nothing"
    case .leaver: "leaver"
    }
  }
}

@Suite struct EvaluationTests {
  @Test func everyMatchingRuleAddsAndDenyTakesAway() throws {
    var bench = try Bench(
      """
      rules:
        - { name: a, when: everyone, licenses: [confluence], groups: [all] }
        - { name: b, member-of: [dev, ops], when: (type=staff), licenses: [jira-software, bitbucket] }
        - { name: c, when: (clean=no), deny: [bitbucket, all] }
      """, groups: [("dev", ["uid=ada,ou=people,dc=x"]), ("ops", [])])
    #expect(
      try bench.evaluate(["type": ["staff"]]).words
        == "license confluence, group all, license jira-software, license bitbucket")
    #expect(
      try bench.evaluate(["type": ["staff"], "clean": ["NO"]]).words
        == "license confluence, license jira-software")
    #expect(try bench.evaluate([:]).words == "license confluence, group all")
  }

  @Test(arguments: [
    ("displayName", "the account name has 256 characters; usher takes 255 at most"),
    ("uid", "the user name has 256 characters; usher takes 255 at most"),
    (
      "entryUUID",
      "the value of entryUUID, the immutable id, has 256 characters; usher takes 255 at most"
    ),
  ])
  func aNameOfMoreThan255CharactersHoldsThePerson(field: String, reason: String) throws {
    var bench = try Bench("rules: [{ name: a, when: everyone, licenses: [confluence] }]")
    let most = String(repeating: "x", count: 255)
    var values = ["displayName": ["Ada"], "uid": ["ada"]]
    values[field] = [most]
    #expect(try bench.evaluate(values).doubts == [])
    values[field] = [most + "x"]
    let held = try bench.evaluate(values)
    #expect(held.doubts.map(\.reason) == [reason])
    #expect(held.names.allSatisfy { $0.count <= 255 } && (held.username?.count ?? 0) <= 255)
    // One visible character, and thousands of marks above it.
    values[field] = ["e" + String(repeating: "\u{301}", count: 300)]
    #expect(try bench.evaluate(values).doubts.count == 1)
  }

  @Test func longGroupNamesOfTemplatesHoldThePerson() throws {
    var bench = try Bench("rules: [{ name: a, when: everyone, groups: [\"g-{room}-{floor}\"] }]")
    let longest = String(repeating: "x", count: 251)
    #expect(try bench.evaluate(["room": [longest], "floor": ["1"]]).doubts == [])
    let held = try bench.evaluate(["room": [longest + "x"], "floor": ["1"]])
    let reason =
      "the rule `a` (m.yaml:11) makes a group name of more than 255 characters, or more than 1000 names of one template"
    #expect(held.doubts.map(\.reason) == [reason])
    // A million names of a thousand rooms and a thousand floors.
    let many = (0..<1000).map(String.init)
    #expect(try bench.evaluate(["room": many, "floor": many]).doubts.map(\.reason) == [reason])
    #expect(try bench.evaluate(["room": many, "floor": ["1"]]).doubts == [])
  }

  @Test(.timeLimit(.minutes(1))) func manyValuesTakeLinearTime() throws {
    var bench = try Bench("rules: [{ name: a, when: everyone, licenses: [confluence] }]")
    let held = try bench.evaluate(["displayName": (0..<200_000).map { "n\($0)" }])
    #expect(
      held.doubts.map(\.reason)
        == ["the entry gives 200000 values for the account name; usher takes 1000 at most"])
  }

  /// A directory that shows no groups any more, as after a move of their base.
  @Test(arguments: [[], [(cn: "other", members: ["uid=ada,ou=people,dc=x"])]])
  func r22RulesThroughLostGroupsMatchNobody(groups: [(cn: String, members: [String])]) throws {
    var bench = try Bench(
      """
      rules:
        - { name: a, member-of: dev, licenses: [confluence], groups: [developers] }
        - { name: b, member-of: dev, portal-only: true }
        - { name: c, member-of: [dev, ops], deny: [bitbucket] }
        - { name: d, when: (memberOf=dev), licenses: [jira-software] }
        - { name: e, when: everyone, licenses: [bitbucket] }
      """, groups: groups,
      remembered: ["dev": "cn=dev,ou=groups,dc=x", "ops": "cn=ops,ou=groups,dc=x"])
    #expect(try bench.evaluate([:]).words == "license bitbucket")
  }

  @Test func eachGroupGivesOneSiteGroupForEachDirectoryGroup() throws {
    let ada = ["uid=ada,ou=people,dc=x"]
    var bench = try Bench(
      """
      rules:
        - { name: a, each-group: (cn=site-*), groups: ["{cn}"] }
        - { name: b, each-group: { cn: "^APP-(.+)-RW$" }, groups: ["{1|lower}-{person.l}"] }
      """,
      groups: [
        ("site-a", ada), ("site-b", ada), ("other", ada), ("APP-Wiki-RW", ada), ("site-c", []),
      ])
    #expect(
      try bench.evaluate(["l": ["Rome", "Paris"]]).words
        == "group site-a, group site-b, group wiki-Paris, group wiki-Rome")
    // An attribute without a value gives none.
    #expect(try bench.evaluate([:]).words == "group site-a, group site-b")
  }

  @Test(arguments: [
    ("nothing", "nothing"), ("unlicensed", ""), ("portal-only", "portal-only"),
    ("leaver", "leaver"),
  ])
  func otherwiseDecidesAboutWhomNoRuleMatches(word: String, expected: String) throws {
    var bench = try Bench(
      "otherwise: \(word)\nrules:\n  - { name: a, when: (a=1), groups: [g] }\n  - { name: d, when: everyone, deny: [bitbucket] }\n"
    )
    #expect(try bench.evaluate([:]).words == expected)
  }

  @Test(arguments: [
    ("hold", true, "portal-only, license confluence"), ("licensed", false, "license confluence"),
    ("portal-only", false, "portal-only"),
  ])
  func conflictsAreHeldOrDecidedAsTheMappingSays(word: String, isHeld: Bool, expected: String)
    throws
  {
    var bench = try Bench(
      "conflicts: \(word)\nrules:\n  - { name: a, under: \"ou=people,dc=x\", portal-only: true }\n  - { name: b, when: (a=1), licenses: [confluence] }\n"
    )
    let entitlement = try bench.evaluate(["a": ["1"]])
    #expect(entitlement.words == expected)
    #expect(entitlement.doubts.isEmpty != isHeld)
  }

  @Test func theFirstSourceWithAUsableValueDecides() throws {
    var bench = try Bench("rules:\n  - { name: a, when: everyone, groups: [g] }\n")
    #expect(
      try Array(bench.evaluate(["mail": [" B@x ", "a@x", "A@X"], "uid": ["ada"]]).emails) == [
        "A@X", "B@x",
      ])
    #expect(
      try Array(
        bench.evaluate(["mail": ["none", "a b@x", "a@@x"], "proxy": ["smtp:b@x", "SMTP:p@x"]])
          .emails) == ["p@x"])
    #expect(try Array(bench.evaluate(["uid": ["ada"]]).emails) == ["ada@acme.example"])
    #expect(try Array(bench.evaluate([:]).emails) == [])
    for (value, name, usable) in [
      (" a@x", "a@x", "a@x"), ("a@x\t", "a@x", "a@x"), ("a b@x", "a b@x", nil),
      ("a@@x", "a@@x", nil), ("@x", "@x", nil), ("a@", "a@", nil), ("\u{7F}@x", "@x", nil),
      (" ", nil, nil), ("B@x", "B@x", "B@x"), ("\u{E9}@x", "\u{E9}@x", "\u{E9}@x"),
    ] {
      let found = try bench.evaluate(["mail": [value], "uid": ["u"]])
      #expect(found.emails.first == usable ?? "u@acme.example")
      #expect(try bench.evaluate(["displayName": [value]]).names.first == name)
    }
    // What is not UTF-8 is no text; what stands for such bytes elsewhere is one.
    let noText: [[UInt8]] = [Array("Ad".utf8) + [0xE9], [0xED, 0xA0, 0x80], [0xF0, 0x9F, 0x98]]
    let texts = ["Zo\u{EB}", "\u{FFFD}"]
    let raw = ["displayName": noText + texts.map { Array($0.utf8) }]
    #expect(try Array(bench.evaluate([:], raw: raw).names) == texts)
    #expect(
      try Array(
        bench.evaluate(["givenName": ["Ada"], "sn": ["Byron", "King"], "cn": ["x"]]).names) == [
          "Ada Byron", "Ada King",
        ])
    #expect(
      try Array(bench.evaluate(["givenName": ["Ada"], "cn": ["Countess"]]).names) == ["Countess"])
    // Fields read the plain attribute, not its options.
    #expect(
      try Array(bench.evaluate(["displayName;lang-de": ["Gräfin"], "cn": ["Countess"]]).names) == [
        "Countess"
      ])
  }

  @Test func personsWithoutOneIDAreDoubted() throws {
    var bench = try Bench("rules:\n  - { name: a, when: everyone, groups: [g] }\n")
    #expect(try bench.evaluate(["entryUUID": ["1", "2"]]).hasID == false)
    let without = try bench.evaluate(["entryUUID": []])
    #expect(without.person == "uid=ada,ou=people,dc=x")
    #expect(without.doubts.count == 1)
  }

  @Test func whoIsExcludedIsNoPerson() throws {
    let bench = try Bench("rules:\n  - { name: a, when: everyone, groups: [g] }\n")
    var batch = EntryBatch(slots: bench.evaluator.slots)
    for (dn, type) in [
      ("uid=a,dc=x", "staff"), ("uid=b,dc=x", "Robot"), ("uid=c,OU=Out,dc=x", "staff"),
    ] {
      batch.beginEntry(dn: dn)
      batch.appendAttribute("type", values: [Array(type.utf8)])
    }
    let selected = (0..<3).map { bench.evaluator.selects($0, of: batch, groups: .none) }
    #expect(selected == [true, false, false])
  }

  @Test(arguments: [
    ("member-of: enginering", ["engineering"], "the directory has no group `enginering`"),
    (
      "when: (memberOf=dev)", ["dev", "Dev,ou=old"],
      "cn=Dev,ou=old,ou=groups,dc=x and cn=dev,ou=groups,dc=x"
    ),
  ])
  func groupsThatAreNotThereOrBearOneNameAreFaults(
    condition: String, groups: [String], words: String
  ) {
    do {
      _ = try Bench(
        "rules:\n  - { name: a, \(condition), groups: [g] }\n", groups: groups.map { ($0, []) })
      Issue.record("no fault")
    } catch {
      #expect((error as? Bench.Faults)?.messages.first?.contains(words) == true, "\(error)")
    }
  }

  @Test func theMappingsOwnTestsRun() throws {
    let bench = try Bench(
      """
      rules:
        - { name: a, member-of: engineering, when: (type=staff), licenses: [confluence], groups: [developers] }
      tests:
        - person: { uid: ada, type: staff, memberOf: [engineering] }
          expect: { licenses: [confluence], groups: [developers], portal-only: false }
        - person: { uid: eve, type: staff }
          expect: { licenses: [confluence] }
      """, groups: [("engineering", [])])
    let failures = bench.mapping.run(bench.mapping.tests, now: 0).failures
    #expect(failures.count == 1)
    #expect(failures.first?.message == "licenses are none, not confluence")
  }
}

@Suite struct SearchTests {
  @Test(arguments: [
    ("subtree", ["dc=x"]), ("one", ["dc=x", "ou=a,dc=x"]),
  ])
  func basesThatWouldBringEntriesTwiceAreSearchedOnce(scope: String, expected: [String]) throws {
    var findings = Findings()
    let text = """
      usher: 1
      extends: openldap
      search: { users: { base: ["dc=x", "ou=a,dc=x", "OU=A, dc=x"], scope: \(scope) } }
      otherwise: unlicensed
      """
    let mapping = MappingReader.read(
      "m.yaml", catalogue: [], load: { $0 == "m.yaml" ? text : nil }, into: &findings)
    #expect(mapping?.personSearches[0].bases == expected)
  }
}

@Suite struct PresetTests {
  @Test func theExampleReadsWithoutAFaultAndItsTestsPass() throws {
    var findings = Findings()
    let path = repositoryRoot + "/Mappings/example.yaml"
    let mapping = try #require(
      MappingReader.read(
        path, catalogue: ["jira-software", "confluence", "bitbucket", "jira-servicemanagement"],
        load: { try? String(contentsOfFile: $0, encoding: .utf8) }, into: &findings))
    #expect(findings.all.isEmpty)
    #expect(mapping.tests.count > 3)
    #expect(mapping.run(mapping.tests, now: 0).failures.map(\.message) == [])
  }

  @Test(arguments: Presets.names)
  func everyPresetReadsWithoutAFault(name: String) throws {
    var findings = Findings()
    let text = """
      usher: 1
      extends: \(name)
      search: { users: { base: "ou=people,dc=x" }, groups: { base: "ou=groups,dc=x" } }
      rules: [{ name: all, member-of: staff, groups: [staff] }]
      """
    let mapping = MappingReader.read(
      "m.yaml", catalogue: [], load: { $0 == "m.yaml" ? text : nil }, into: &findings)
    #expect(findings.all.isEmpty, "\(findings.all.map(\.message))")
    #expect(mapping?.searches[0].account.active != nil)
    #expect(mapping?.groups?.nested == true)
  }
}
