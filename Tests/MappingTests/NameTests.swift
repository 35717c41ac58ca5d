import Diagnostics
import Mapping
import SiteModel
import Testing

/// Names that hold what nobody sees, or differ in what does not count.
@Suite struct NameTests {
  @Test(arguments: [
    ("Site-Admins", nil), ("Müller-Lüdenscheidt", nil), ("北京 部門", nil), ("a b", nil),
    ("me\u{301}dia", nil), ("❤\u{FE0F}\u{200D}🔥 team", nil), ("می\u{200C}خواهم", nil),
    ("葛\u{E0100}城", nil), ("Site\u{200B}Admins", "U+200B"), ("a\u{7}", "U+0007"),
    ("a\tb", "U+0009"), ("a\u{85}b", "U+0085"), ("\u{FEFF}a", "U+FEFF"), ("a\u{AD}b", "U+00AD"),
    ("a\u{202E}b", "U+202E"), ("a\u{2066}b", "U+2066"), ("a\u{2028}b", "U+2028"),
    ("a\u{200D}b", "U+200D"), ("a\u{FE0F}", "U+FE0F"), ("می\u{200C}", "U+200C"),
    ("a\u{E0041}", "U+E0041"), ("\u{3164}", "U+3164"), ("a\u{7F}", "U+007F"),
  ])
  func aHiddenCharacterIsFound(name: String, codePoint: String?) {
    #expect(name.hiddenCharacter?.codePoint == codePoint)
  }

  @Test func bothRoomsSeeTheSameCharacters() {
    var differing: [UInt32] = []
    // Where Unicode has such characters, and their neighbours.
    let ranges: [Range<UInt32>] = [
      0..<0x3200, 0xFE00..<0x10000, 0x1BC90..<0x1BCB0, 0x1D160..<0x1D180, 0xE0000..<0xE1010,
    ]
    for scalar in ranges.joined().compactMap(Unicode.Scalar.init) {
      for (before, after) in [("", ""), ("a", "b"), ("ع", "ع"), ("ع", "")] {
        let text = before + String(scalar) + after
        if text.hiddenCharacter != text.hiddenInName { differing.append(scalar.value) }
      }
    }
    #expect(differing.isEmpty)
  }

  @Test(arguments: [
    ("Ada Lovelace", "Ada Lovelace"), ("Ada\tLovelace", "Ada Lovelace"),
    ("Ada\r\nLovelace\n", "Ada Lovelace"), ("A\u{200B}da\u{7} L\u{202E}", "Ada L"),
    ("\u{7}\u{200B}", ""), ("می\u{200C}خواهم", "می\u{200C}خواهم"),
  ])
  func aPersonsNameIsCleaned(name: String, clean: String) {
    #expect(name.withoutHiddenCharacters == clean)
  }

  @Test(arguments: [
    (["displayName": ["Ada\u{9}Lovelace"], "cn": ["ada"]], "Ada Lovelace"),
    (["displayName": ["\u{200B}\u{7}"], "cn": ["ada"]], "ada"),
    (["displayName": ["B\u{7}", "B", "A\u{0}"]], "A"),
  ])
  func theSiteGetsTheCleanName(attributes: [String: [String]], name: String) throws {
    var bench = try Bench("rules: [{ name: a, when: everyone, licenses: [confluence] }]")
    let person = try bench.evaluate(attributes.merging(["uid": ["a\u{7}da"]]) { $1 })
    #expect(person.names.first == name)
    #expect(person.username == "ada")
    #expect(person.doubts.isEmpty)
  }

  @Test func anEmailWithAHiddenCharacterIsNotUsable() throws {
    var bench = try Bench("rules: [{ name: a, when: everyone, licenses: [confluence] }]")
    let person = try bench.evaluate(["mail": ["ada@a\u{200B}cme.example", "ada@acme.example"]])
    #expect(Array(person.emails) == ["ada@acme.example"])
    #expect(Array(try bench.evaluate(["mail": ["a\u{202E}da@x.example"]]).emails).isEmpty)
  }

  @Test func aTemplateThatMakesAHiddenCharacterHoldsThePerson() throws {
    var bench = try Bench(
      """
      rules:
        - { name: all, when: everyone, groups: [staff] }
        - { name: departments, when: everyone, groups: ["dep-{department}"] }
      """)
    let person = try bench.evaluate(["department": ["fi\u{200B}nance"]])
    #expect(person.words == "group staff")
    #expect(
      person.doubts.map(\.reason) == [
        "the rule `departments` (m.yaml:13) gives the group dep-fi\u{200B}nance, whose name holds the character U+200B, which nobody sees"
      ])
    #expect(
      try bench.evaluate(["department": ["finance "]]).words == "group staff, group dep-finance")
    #expect(try bench.evaluate(["department": ["finance"]]).doubts.isEmpty)
  }

  @Test func whiteSpaceAtTheEndsMakesNoOtherRight() {
    let admins = Right(.group, "Site-Admins")
    #expect(
      Right(.group, "Site-Admins ") == admins && Right(.group, "\u{A0}site-admins\n") == admins)
    #expect(Right(.group, " Site-Admins").name == "Site-Admins")
    #expect(Right(.group, "Site Admins") != admins && Right(.group, "Site  Admins") != admins)
    #expect(Right(.license, " jira ") == Right(.license, "jira"))
    #expect(Right.key(.group, "Site-Admins ") == "site-admins")
    #expect(Right(text: "group=Site-Admins ") == admins && Right(text: "group= ") == nil)
    #expect(Pin.Kind(text: "keep group=Site-Admins ")?.text == "keep group=Site-Admins")
  }

  private func faults(_ rules: String) -> [String] {
    var findings = Findings()
    let text = """
      usher: 1
      extends: openldap
      search: { users: { base: "dc=x" } }
      \(rules)
      """
    _ = MappingReader.read(
      "m.yaml", catalogue: ["confluence"], load: { $0 == "m.yaml" ? text : nil }, into: &findings)
    return findings.all.map { "\($0.position.line):\($0.position.column) \($0.message)" }
  }

  @Test func namesInRulesAreRefusedWithTheirPlace() {
    let found = faults(
      #"""
      rules:
        - { name: "a\u200Bb", when: everyone, licenses: ["confluence\u202E"] }
        - { name: c, when: everyone, groups: ["dev\a", "ops "], deny: ["x\uFEFF"] }
        - { name: d, when: everyone, groups: ["{cn}\u2066"] }
      """#)
    #expect(
      found.filter { $0.contains("nobody sees") } == [
        "5:13 `name` holds the character U+200B, which nobody sees in a name",
        "5:52 `licenses` holds the character U+202E, which nobody sees in a name",
        "6:41 `groups` holds the character U+0007, which nobody sees in a name",
        "6:66 `deny` holds the character U+FEFF, which nobody sees in a name",
        "7:41 `groups` holds the character U+2066, which nobody sees in a name",
      ])
    #expect(
      faults("rules: [{ name: a, when: everyone, licenses: [' confluence '] }]").isEmpty)
    let twice = faults(
      "rules:\n  - { name: a, when: everyone, groups: [x] }\n  - { name: 'a ', when: everyone, groups: [y] }"
    )
    #expect(twice == ["6:5 a second rule with the name `a ` (the first is in line 5)"])
  }
}
