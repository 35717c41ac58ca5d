/// The order in which texts are compared that have no order, and SQLite's: by their bytes.
package func bytewise(_ left: String, _ right: String) -> Bool {
  left.utf8.lexicographicallyPrecedes(right.utf8)
}

/// Numbers in the order of the bytes of their texts; where these are the same, of others, and at last by number.
///
/// Most texts differ in their first sixteen bytes, which are compared as numbers.
package func sortedByBytes(
  _ numbers: some Sequence<Int>, _ text: (Int) -> String, then next: (Int) -> String = { _ in "" }
) -> [Int32] {
  var keyed: [(high: UInt64, low: UInt64, number: Int32)] = []
  keyed.reserveCapacity(numbers.underestimatedCount)
  for number in numbers {
    var (high, low) = (UInt64(0), UInt64(0))
    var rest: UInt64 = 128
    for byte in text(number).utf8.prefix(16) {
      rest -= 8
      if rest >= 64 { high |= UInt64(byte) << (rest - 64) } else { low |= UInt64(byte) << rest }
    }
    keyed.append((high, low, Int32(number)))
  }
  keyed.sort { left, right in
    if left.high != right.high { return left.high < right.high }
    if left.low != right.low { return left.low < right.low }
    let (own, other) = (Int(left.number), Int(right.number))
    for pair in [(text(own), text(other)), (next(own), next(other))] where pair.0 != pair.1 {
      return bytewise(pair.0, pair.1)
    }
    return own < other
  }
  return keyed.map(\.number)
}
