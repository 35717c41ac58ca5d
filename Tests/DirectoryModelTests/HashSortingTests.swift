import DirectoryModel
import TestSupport
import Testing

@Suite struct HashSortingTests {
  /// A hash and whose it is.
  private struct Pair: Comparable {
    let hash: WideHash
    let number: Int

    static func < (left: Pair, right: Pair) -> Bool {
      left.hash == right.hash ? left.number < right.number : left.hash < right.hash
    }
  }

  @Test(arguments: [0, 1, 2, 3, 1000, 5000])
  func pairsAreInTheirOrder(count: Int) {
    var random = SeededRandom(11)
    var pairs: [Pair] = []
    for number in 0..<count {
      // Some share the first word, or all of the hash.
      let high =
        number % 3 == 0
        ? 0x9E37_79B9_7F4A_7C15 : UInt64.random(in: UInt64.min...UInt64.max, using: &random)
      let low = UInt64.random(in: 0...50, using: &random)
      pairs.append(Pair(hash: WideHash(high: high, low: low), number: number))
    }
    pairs.shuffle(using: &random)
    let expected = pairs.sorted()
    let (starts, shift) = pairs.sortByHash { $0.hash.high }
    #expect(pairs == expected)
    #expect(starts.last.map(Int.init) == count)
    for (number, pair) in pairs.enumerated() {
      let place = Int(pair.hash.high >> shift)
      #expect(starts[place] <= number && number < starts[place + 1])
    }
  }
}
