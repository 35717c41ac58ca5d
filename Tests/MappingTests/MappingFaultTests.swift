import Diagnostics
import Mapping
import Testing
import Views

/// A mapping in which every place that is wrong is marked with `«` before it.
private func check(_ marked: String, files: [String: String] = [:]) -> (
  found: [Diagnostic], expected: [SourcePosition]
) {
  var expected: [SourcePosition] = []
  var text = ""
  for (number, line) in marked.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
  {
    var clean = ""
    for character in line {
      if character == "«" {
        expected.append(SourcePosition(file: "m.yaml", line: number + 1, column: clean.count + 1))
      } else {
        clean.append(character)
      }
    }
    text += clean + "\n"
  }
  var findings = Findings()
  let mapping = MappingReader.read(
    "m.yaml", catalogue: ["jira-software", "confluence", "bitbucket"],
    load: { $0 == "m.yaml" ? text : files[$0] }, into: &findings)
  if mapping == nil { #expect(findings.hasErrors) }
  return (findings.all, expected)
}

private let head = """
  usher: 1
  extends: openldap
  search:
    users: { base: "dc=x" }
    groups: { base: "ou=groups,dc=x" }
  rules:

  """

@Suite struct MappingFaultTests {
  @Test(arguments: [
    (
      head + "  - name: a\n    when: everyone\n    licences: [confluence]",
      "unknown key `licences`", 9
    )
  ])
  func unknownKeysAreNamedWithTheNearestKnownOne(text: String, message: String, line: Int) {
    let found = check(text).found
    #expect(
      found.contains {
        $0.message.contains(message) && $0.position.line == line
          && $0.hint?.contains("licenses") == true
      })
  }

  @Test(arguments: [
    ("  - name: a\n    when: «(employeeType=staff\n    licenses: [confluence]", "ends too early"),
    ("  - name: a\n    when: (&(a=1)«b=2)\n    licenses: [confluence]", "`)` is missing"),
    ("  - name: a\n    when: everyone\n    licenses: [«conflunce]", "unknown license `conflunce`"),
    ("  - «name: a\n    licenses: [confluence]", "has no condition"),
    (
      "  - name: a\n    member-of: «[]\n    licenses: [confluence]",
      "`member-of` of the rule `a` is empty"
    ),
    ("  - name: a\n    under: «[]\n    licenses: [confluence]", "`under` of the rule `a` is empty"),
    ("  - «name: a\n    when: everyone", "has no effect"),
    ("  - name: a\n    member-of: [\"cn=a,dc=x\"]\n    groups: [«{cn}]", "must be text"),
    ("  - name: a\n    member-of: [cn=a, «ou=b, dc=c]\n    groups: [x]", "cut at its commas"),
    ("  - name: a\n    each-group: { cn: «\"(\" }\n    groups: [x]", "not a regular expression"),
    ("  - name: a\n    each-group: { cn: \"^a$\" }\n    groups: [«\"{1}\"]", "catches 0"),
    ("  - name: a\n    when: everyone\n    groups: [«\"{person.cn}\"]", "each-group"),
    ("  - name: a\n    under: «people\n    portal-only: true", "not a distinguished name"),
    ("  - name: a\n    when: everyone\n    portal-only: «maybe", "true or false"),
    (
      "  - name: a\n    when: everyone\n    portal-only: «true\n    licenses: [confluence]",
      "portal-only and licenses"
    ),
    (
      "  - name: a\n    when: «(x<={now+14m})\n    deny: [bitbucket]", "`{now+14m}` is not a moment"
    ),
    ("  - name: a\n    when: «(x={now})\n    deny: [bitbucket]", "whole value of >= or <="),
    ("  - name: a\n    when: «(x=a{list.b})\n    deny: [bitbucket]", "whole value of an equality"),
    ("  - name: a\n    when: «(x={list.b})\n    deny: [bitbucket]", "there is no list `b`"),
    ("  - name: a\n    each-group: «(x<={now})\n    groups: [g]", "not of directory groups"),
    (
      "  - name: a\n    when: everyone\n    groups: [x]\n  - «name: a\n    when: everyone\n    groups: [y]",
      "second rule"
    ),
    ("  - name: a\n    when: «(cn:dn:=x)\n    groups: [x]", ":dn"),
  ])
  func faultsOfRulesPointAtTheirPlace(text: String, message: String) throws {
    let (found, expected) = check(head + text)
    let errors = found.filter { $0.severity == .error }
    #expect(errors.count == 1, "\(errors.map(\.message))")
    let fault = try #require(errors.first)
    #expect(fault.message.contains(message), "\(fault.message)")
    if text.contains(":dn") || text.contains("staff") || text.contains("b=2") {
      #expect(fault.position.line == expected[0].line)
    } else {
      #expect(fault.position == expected[0])
    }
  }

  @Test func allFaultsAreToldAtOnceWithLineCaretAndHint() {
    let (found, _) = check(
      """
      usher: 2
      search:
        users: { base: dc=x, filter: (a=1 }
      account: { id: entryUUID, email: mail, match: employeeNumber }
      otherwise: nothng
      leavers: { after: soon }
      lists: { a: b.txt }
      """)
    #expect(found.filter { $0.severity == .error }.count == 5)
    let all = found.map { DiagnosticText.text(of: $0, style: .plain) }.joined(separator: "\n")
    #expect(all.contains("m.yaml:5:12: error: `otherwise` must be one of"))
    #expect(all.contains("  otherwise: nothng\n             ^\n  hint: did you mean `nothing`?"))
    #expect(all.contains("m.yaml:7:13: error: the list b.txt cannot be read"))
  }

  @Test func listsAreReadBesideTheMappingAndDoubtfulOnesAreNamed() {
    let (found, _) = check(
      head + "  - name: a\n    when: (d={list.one})\n    licenses: [confluence]\n"
        + "lists: { one: one.txt, two: two.txt, three: three.txt }\n",
      files: ["one.txt": "a\n\n # no value\nb\n", "two.txt": "x", "three.txt": "# nothing\n"])
    #expect(found.allSatisfy { $0.severity == .warning })
    #expect(
      found.map(\.message).sorted() == [
        "no filter uses the list `three`", "no filter uses the list `two`",
        "the list `three` (three.txt) is empty",
      ])
  }

  @Test func severalSearchesShareOrReplaceAccountFields() throws {
    let text = """
      usher: 1
      search:
        users:
          - { base: "ou=a,dc=x", filter: (a=1) }
          - base: "ou=b,dc=x"
            filter: (b=1)
            account: { id: employeeNumber, email: [other] }
      account: { id: entryUUID, email: mail, name: cn, match: uid }
      otherwise: unlicensed
      """
    var findings = Findings()
    let mapping = try #require(
      MappingReader.read("m.yaml", catalogue: [], load: { _ in text }, into: &findings))
    #expect(mapping.searches.map(\.account.id) == ["entryUUID", "employeeNumber"])
    #expect(
      mapping.searches.map { $0.account.emails.flatMap(\.attributes) } == [["mail"], ["other"]])
    #expect(mapping.searches.allSatisfy { $0.account.match == "uid" })
    #expect(mapping.personSearches.map(\.filter.text) == ["(a=1)", "(b=1)"])
    #expect(Set(mapping.personSearches.map(\.slots)).count == 1)
  }

  @Test func aFaultThatSeveralSearchesShareIsToldOnce() {
    let (found, _) = check(
      """
      usher: 1
      search: { users: [{ base: "ou=a,dc=x", filter: (a=1) }, { base: "ou=b,dc=x", filter: (b=1) }] }
      account: { id: "not an attribute", email: mail }
      otherwise: unlicensed
      """)
    #expect(found.map(\.message) == ["`id`: `not an attribute` is not an attribute name"])
  }

  @Test func aFilterCutByACommentGetsAHint() throws {
    let fault = try #require(
      check(head + "  - name: a\n    when: (description=a #b)\n    licenses: [confluence]").found
        .first)
    #expect(fault.hint?.contains("comment") == true)
  }

  @Test func brokenYAMLIsPointedAt() throws {
    let fault = try #require(check("usher: 1\nsearch: {users: [\n").found.first)
    #expect(fault.message.hasPrefix("not YAML"))
    #expect(fault.position.line >= 2)
  }

  @Test func extendsFindsFilesBesideAndPresetsAndRefusesCircles() {
    #expect(
      check("usher: 1\nextends: nowhere\n").found.contains {
        $0.message.contains("no preset `nowhere`")
      })
    let circle = check("usher: 1\nextends: b\n", files: ["b.yaml": "usher: 1\nextends: m\n"])
    #expect(circle.found.contains { $0.message.contains("circle") })
    let base = check(
      "usher: 1\nextends: base\notherwise: unlicensed\n",
      files: ["base.yaml": "usher: 1\nextends: openldap\nsearch: { users: { base: dc=x } }\n"])
    #expect(!base.found.contains { $0.severity == .error })
  }

  @Test func memberOfWithoutASearchForGroupsIsAFault() {
    let found = check(
      """
      usher: 1
      extends: openldap
      search: { users: { base: dc=x } }
      rules:
        - { name: a, when: (!(memberOf=*external*)), licenses: [confluence] }
      """
    ).found
    #expect(
      found.map(\.message) == [
        "a filter names memberOf, and the mapping does not search for directory groups"
      ])
  }

  @Test func rulesThatAddNothingOrNeverMatchAreWarnedAbout() {
    let found = check(
      head
        + """
          - name: wide
            when: (a=1)
            licenses: [confluence, bitbucket]
          - name: narrow
            when: (A=1)
            licenses: [confluence]
          - name: elsewhere
            under: dc=other
            groups: [g]
        """
    ).found
    #expect(found.count == 2)
    #expect(
      found.contains {
        $0.severity == .warning && $0.message.contains("`narrow` adds nothing beyond `wide`")
      })
    #expect(
      found.contains {
        $0.severity == .warning && $0.message.contains("`elsewhere` can never match")
      })
  }

  @Test func secretsNeverShowInDiagnostics() {
    var findings = Findings()
    _ = findings.line(at: SourcePosition(file: "a", line: 1, column: 1))
    findings.register(file: "a", text: "bind: { password: hunter2 }")
    findings.error("wrong", at: SourcePosition(file: "a", line: 1, column: 9))
    #expect(!DiagnosticText.text(of: findings, style: .plain).contains("hunter2"))
  }
}
