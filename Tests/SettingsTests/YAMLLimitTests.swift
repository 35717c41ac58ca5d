import Diagnostics
import Testing

/// The limits of the one reader of YAML.
@Suite struct YAMLLimitTests {
  private func read(_ text: String) -> (root: YAMLNode?, faults: [Diagnostic]) {
    var findings = Findings()
    let root = YAMLDocument.read(text, file: "file.yaml", into: &findings)
    return (root, findings.all)
  }

  /// Nine lists of nine: 9⁹ values in 432 bytes.
  private static func bomb(as use: String) -> String {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1..<9 {
      let items = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
      text += "a\(level): &a\(level) [\(items)]\n"
    }
    return text + use
  }

  @Test(arguments: ["", "b: *a8\n", "? *a8\n: x\n", "{ [*a8, *a8]: x }\n"])
  func aliasesThatStandForTooMuchAreAFault(use: String) {
    let result = read(Self.bomb(as: use))
    #expect(result.root == nil)
    #expect(
      result.faults.map(\.message) == [
        "the file has more than 100,000 values, with what aliases repeat"
      ])
    // Level 5 would have 9⁶ values: seven of its items fit not any more.
    #expect(result.faults.first?.position.line == 6)
  }

  @Test func aliasesStayAllowed() throws {
    let result = read("one: &one [a, b]\ntwo: *one\nthree: [*one, *one]\n")
    #expect(result.faults.isEmpty)
    let root = try #require(result.root)
    #expect(root["two"]?.items.map(\.text) == ["a", "b"])
    #expect(root["three"]?.items.flatMap(\.items).map(\.text) == ["a", "b", "a", "b"])
  }

  @Test func aHundredThousandValuesAreAllowedAndNoMore() {
    // The list itself is a value.
    let most = Array(repeating: "x", count: 99_999).joined(separator: ",")
    #expect(read("[\(most)]").root?.items.count == 99_999)
    let result = read("[\(most),x]")
    #expect(result.root == nil && result.faults.count == 1)
  }

  @Test func sixtyFourLevelsAreAllowedAndNoMore() {
    func nested(_ levels: Int) -> String {
      String(repeating: "[", count: levels - 1) + "x" + String(repeating: "]", count: levels - 1)
    }
    #expect(read(nested(64)).faults.isEmpty)
    let deep = "values are nested more than 64 deep, with what aliases repeat"
    #expect(read(nested(65)).faults.map(\.message) == [deep])
    #expect(read(nested(900)).faults.map(\.message) == [deep])
    // The parser gives up by itself where it looks ahead.
    let endless = read(String(repeating: "[", count: 4_000_000))
    #expect(endless.root == nil && endless.faults.count == 1)
    #expect(read(String(repeating: "- ", count: 65) + "x").faults.map(\.message) == [deep])
    // What an alias repeats is as deep as what it stands for.
    let half = "a: &a \(nested(40))\nb: "
    #expect(read(half + String(repeating: "[", count: 30)).faults.map(\.message) != [deep])
    #expect(
      read(
        half + String(repeating: "[", count: 30) + "*a" + String(repeating: "]", count: 30) + "\n"
      ).faults.map(\.message) == [deep])
  }

  @Test func fourMegabytesAreAllowedAndNoMore() {
    let most = "a: " + String(repeating: "x", count: (4 << 20) - 3)
    #expect(read(most).root?["a"]?.text?.utf8.count == (4 << 20) - 3)
    #expect(read(most + "x").faults.map(\.message) == ["the file is larger than 4 MB"])
  }

  /// Brackets are looked for at their columns, which must not cost the length of the line each time.
  @Test func styleIsToldOnOneLongLine() throws {
    let items = Array(repeating: "[ä]", count: 40_000).joined(separator: ",")
    let root = try #require(read("a: [\(items)]").root?["a"])
    for item in root.items {
      guard case .list(_, flow: true) = item.value else {
        Issue.record("a list in brackets was not seen as one")
        return
      }
    }
    #expect(root.items.count == 40_000)
  }

  @Test func manyFaultsAreEachToldOnce() {
    var findings = Findings()
    for _ in 0..<2 {
      for line in 1...50_000 {
        findings.error("x", at: SourcePosition(file: "f", line: line, column: 1))
      }
    }
    #expect(findings.all.count == 50_000)
  }
}
