/// The order in which texts are compared that have no order, and SQLite's: by their bytes.
@inlinable package func bytewise(_ left: String, _ right: String) -> Bool {
  left.utf8.lexicographicallyPrecedes(right.utf8)
}

/// Numbers in the order of the bytes of their texts; where these are the same, of others, and at last by number.
///
/// Most texts differ in their first sixteen bytes, which are compared as numbers.
@inlinable package func sortedByBytes(
  _ numbers: some Sequence<Int>, _ text: (Int) -> String, then next: (Int) -> String = { _ in "" }
) -> [Int32] {
  var keyed: [(high: UInt64, low: UInt64, number: Int32)] = []
  keyed.reserveCapacity(numbers.underestimatedCount)
  for number in numbers {
    let (high, low) = firstBytes(of: text(number))
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

/// The first sixteen bytes of a text as two numbers that compare as the bytes do; zeros follow a shorter text.
@usableFromInline package func firstBytes(of text: String) -> (high: UInt64, low: UInt64) {
  var text = text
  return text.withUTF8 { bytes in
    var words = (UInt64(0), UInt64(0))
    withUnsafeMutableBytes(of: &words) {
      $0.copyMemory(from: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes.prefix(16))))
    }
    return (UInt64(bigEndian: words.0), UInt64(bigEndian: words.1))
  }
}
