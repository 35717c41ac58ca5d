import SiteModel
import TestSupport
import Testing

@Suite struct SortingTests {
  @Test func textsThatBeginAlikeAreInTheOrderOfTheirBytes() {
    var random = SeededRandom(7)
    let pieces = ["u0000000", "a", "", "é", "e\u{301}", "long beginning of ", "\u{FFFF}", "b"]
    let texts = (0..<3000).map { _ in
      (0..<4).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
    }
    let others = texts.indices.map { _ in String(Int.random(in: 0...9, using: &random)) }
    let expected = texts.indices.sorted { left, right in
      let (own, other) = (Array(texts[left].utf8), Array(texts[right].utf8))
      if own != other { return own.lexicographicallyPrecedes(other) }
      return (others[left], left) < (others[right], right)
    }
    let all = PackedTexts(texts + others)
    all.withBytes { all in
      let sorted = sortedByBytes(texts.count) {
        all.text($0)
      } then: {
        all.text(texts.count + $0)
      }
      #expect(sorted.map(Int.init) == expected)
    }
  }
}

@Suite struct RightTests {
  /// A store finds licenses by the bytes of their names.
  @Test(arguments: [false, true])
  func aSpellingKeepsItsBytes(decomposedFirst: Bool) {
    let number = decomposedFirst ? "1" : "2"
    let (composed, decomposed) = ("caf\u{E9}\(number)", "cafe\u{301}\(number)")
    let first = Right(.license, decomposedFirst ? decomposed : composed)
    let second = Right(.license, decomposedFirst ? composed : decomposed)
    #expect(first == second && first.number == second.number)
    for (right, name) in [
      (Right(.license, composed), composed), (Right(.license, decomposed), decomposed),
    ] {
      #expect(
        Array(right.name.utf8) == Array(name.utf8) && Array(right.key.utf8) == Array(name.utf8))
    }
  }
}
