import Mapping
import SiteModel
import TestSupport
import Testing

/// The patterns of mappings, and what happens where one cannot be matched.
@Suite struct PatternTests {
  private func caught(_ pattern: String, _ value: String) throws -> [String]? {
    switch try Pattern(pattern).match(value) {
    case .caught(let texts): return texts
    case .none: return nil
    case .undecided:
      Issue.record("\(pattern) gave up on \(value)")
      return nil
    }
  }

  private static let matches: [(String, String, [String]?)] = [
    (
      "^CN=([^,]+),.*$", "CN=Ada Lovelace,OU=people", ["CN=Ada Lovelace,OU=people", "Ada Lovelace"]
    ),
    ("^SMTP:(.+)$", "SMTP:ada@acme.example", ["SMTP:ada@acme.example", "ada@acme.example"]),
    ("^SMTP:(.+)$", "smtp:ada@acme.example", nil),
    ("^APP-JIRA-(.+)-RW$", "APP-JIRA-OPS-RW-RW", ["APP-JIRA-OPS-RW-RW", "OPS-RW"]),
    ("^APP-(.+)$", "APP-", nil),
    ("(?i)^smtp:(.+)$", "SMTP:Ä", ["SMTP:Ä", "Ä"]),
    ("(?i:ä)b", "Äb", ["Äb"]),
    ("(?i:ä)b", "ÄB", nil),
    ("a(?i)b|c", "C", ["C"]),
    ("(a(?i)b)c", "aBC", nil),
    // The preferred way wins, as where an engine tries one after the other.
    ("a|ab", "ab", ["a"]),
    ("(a+?)(a*)", "aaa", ["aaa", "a", "aa"]),
    ("(a*)(a+)", "aaa", ["aaa", "aa", "a"]),
    ("(a|b)*", "abc", ["ab", "b"]),
    ("(a*)*", "b", ["", ""]),
    ("x(a)?(b)?", "xb", ["xb", "", "b"]),
    (
      "^(\\w+)@(?:[\\w-]+\\.)+[a-z]{2,}$", "ada@mail.acme.example",
      ["ada@mail.acme.example", "ada"]
    ),
    ("\\d{2,3}", "12345", ["123"]),
    ("\\d{2,3}?", "12345", ["12"]),
    ("^\\d{4}$", "12345", nil),
    ("[^\\]\\-]+", "]a-b", ["a"]),
    ("[a\\-c]+", "-ca", ["-ca"]),
    ("[a-]+", "a-b", ["a-"]),
    ("[[:digit:]]+", "a12", ["12"]),
    ("\\p{Lu}\\p{Ll}+", "äÄöü", ["Äöü"]),
    ("\\bade\\b", "made ade", ["ade"]),
    ("\\x41\\u00E4\\x{1F4A1}", "Aä💡", ["Aä💡"]),
    ("\\Qa.b\\E+", "a.b", ["a.b"]),
    ("^(?!svc-)(.+)$", "svc-backup", nil),
    ("^(?!svc-)(.+)$", "ada", ["ada", "ada"]),
    ("(\\w+)(?= Inc)", "Acme Inc", ["Acme", "Acme"]),
    ("(?<name>.+)-", "a-b-", ["a-b-", "a-b"]),
    (".+", "a\nb", ["a"]),
    ("(?s).+", "a\nb", ["a\nb"]),
    ("^a$", "a\n", ["a"]),
    ("^a\\z", "a\n", nil),
    ("(?m)^b$", "a\nb", ["b"]),
    ("", "abc", [""]),
  ]

  @Test(arguments: matches) func patternsMatchAsTheyAlwaysDid(
    pattern: String, value: String, expected: [String]?
  ) throws {
    #expect(try caught(pattern, value) == expected)
  }

  @Test(arguments: [
    "(", ")", "[", "[]", "a{", "{2}", "*a", "a**", "a{3,2}", "a{1001}", "\\", "\\q", "[b-a]",
    "(?<n>a)(?<n>b)",
    "(a)\\1", "(?<=a)b", "(?<!a)b", "(?>a)", "a++", "[a&&b]", "(?=(a))", "((a{1000}){1000})",
    "\\p{Greek}",
  ]) func whatCannotBeMatchedIsAFault(pattern: String) {
    #expect(throws: PatternFault.self) { try Pattern(pattern) }
  }

  /// Such patterns took an engine that backtracks 9 s for 40 characters, and twice as long for each one more.
  @Test(arguments: ["(x+x+)+y", "(x*)*y", "(x|xx)+y", "^(([x])+.)+[A-Z]y$", "(x?){50}x{50}y"])
  func workGrowsWithTheLengthAlone(pattern: String) throws {
    let compiled = try Pattern(pattern)
    func work(_ length: Int) -> Int {
      var steps = 100_000_000
      #expect(compiled.match(String(repeating: "x", count: length), steps: &steps) == .none)
      return 100_000_000 - steps
    }
    let short = work(100), long = work(400)
    #expect(long < 6 * short, "\(pattern): \(short), \(long)")
    #expect(compiled.match(String(repeating: "x", count: 40)) == .none)
  }

  @Test func aValueThatTakesTooMuchWorkIsNoMatchAndNoMismatch() throws {
    let value = String(repeating: "x", count: 400_000)
    #expect(try Pattern("(x+x+)+y").match(value) == .undecided)
    #expect(try Pattern("^y").match(value) == .none)
  }

  /// A name of a directory group of 300,000 characters.
  private static let long = String(repeating: "x", count: 300_000)
  private static let rules = """
    rules:
      - { name: all, when: everyone, licenses: [confluence] }
      - { name: slow, each-group: { cn: "(x+x+)+y" }, when: (type=staff), groups: ["{1}"] }
    """

  @Test func whoeverIsInAGroupThatCannotBeMatchedIsHeldByRule() throws {
    var bench = try Bench(
      Self.rules,
      groups: [(Self.long, ["uid=ada,ou=people,dc=x"]), ("b", ["uid=bob,ou=people,dc=x"])])
    let ada = try bench.evaluate(["type": ["staff"]])
    #expect(ada.doubts.count == 1)
    #expect(ada.doubts.first?.reason.contains("the rule `slow` (m.yaml:") == true)
    #expect(ada.doubts.first?.reason.contains("`(x+x+)+y`") == true)
    // Neither those whom the rule does not concern, nor those in other groups.
    #expect(try bench.evaluate(["type": ["guest"]]).doubts.isEmpty)
    #expect(
      try bench.evaluate(["type": ["staff"]], dn: "uid=bob,ou=people,dc=x").doubts.isEmpty)
    #expect(try bench.evaluate(["type": ["staff"]]).doubts.count == 1)
  }

  @Test func whoeverHasAFieldThatCannotBeMatchedIsHeld() throws {
    var bench = try Bench("rules:\n  - { name: all, when: everyone, licenses: [confluence] }")
    let value = "SMTP:" + String(repeating: "x", count: 400_000)
    let held = try bench.evaluate(["proxy": [value], "uid": ["ada"]])
    #expect(held.doubts.map(\.reason).contains { $0.contains("`^SMTP:(.+)$`") })
    #expect(try bench.evaluate(["proxy": ["SMTP:a@b.c"]]).doubts.isEmpty)
  }

  // MARK: Many rules

  private func compared(_ rule: (Int) -> String) throws -> (found: Int, comparisons: Int) {
    let bench = try Bench("rules:\n" + (0..<2000).map { "  - " + rule($0) + "\n" }.joined())
    let redundant = RedundantRules(bench.mapping.rules)
    return (redundant.found.count, redundant.comparisons)
  }

  @Test func rulesAreNotComparedEachWithEachOther() throws {
    let apart = try compared { "{ name: r\($0), when: (type=\($0)), licenses: [confluence] }" }
    #expect(apart == (0, 0))
    let groups = try compared { "{ name: r\($0), when: everyone, groups: [g\($0)] }" }
    #expect(groups == (0, 0))
    let same = try compared { "{ name: r\($0), when: everyone, licenses: [confluence] }" }
    // The first is compared with 99 others, each other one with the first.
    #expect(same == (1999, 2098))
    // All share one effect and none gives all that another gives.
    let crossed = try compared {
      "{ name: r\($0), when: everyone, licenses: [confluence], groups: [g\($0)] }"
    }
    #expect(crossed == (0, 0))
  }
}
