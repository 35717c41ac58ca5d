import Foundation

/// The order in which texts are compared that have no order, and SQLite's: by their bytes.
package func bytewise(_ left: String, _ right: String) -> Bool { order(left, right) < 0 }

/// Whether texts are the same byte by byte; `==` takes also those for the same that are composed differently.
package func isSameBytes(_ left: String, _ right: String) -> Bool { order(left, right) == 0 }

/// Below zero where the left text comes first by its bytes, 0 where both are the same.
private func order(_ left: String, _ right: String) -> Int {
  var (left, right) = (left, right)
  return left.withUTF8 { left in
    right.withUTF8 { right in
      let count = min(left.count, right.count)
      if count > 0, let own = left.baseAddress, let other = right.baseAddress {
        let order = memcmp(own, other, count)
        if order != 0 { return Int(order) }
      }
      return left.count - right.count
    }
  }
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
    let (high, low) = firstBytes(of: text(number))
    keyed.append((high, low, Int32(number)))
  }
  keyed.sort { left, right in
    if left.high != right.high { return left.high < right.high }
    if left.low != right.low { return left.low < right.low }
    let (own, other) = (Int(left.number), Int(right.number))
    let first = order(text(own), text(other))
    if first != 0 { return first < 0 }
    let second = order(next(own), next(other))
    return second == 0 ? own < other : second < 0
  }
  return keyed.map(\.number)
}

/// The first sixteen bytes of a text as two numbers that compare as the bytes do; zeros follow a shorter text.
package func firstBytes(of text: String) -> (high: UInt64, low: UInt64) {
  var text = text
  return text.withUTF8 { bytes in
    var words = (UInt64(0), UInt64(0))
    withUnsafeMutableBytes(of: &words) {
      $0.copyMemory(from: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes.prefix(16))))
    }
    return (UInt64(bigEndian: words.0), UInt64(bigEndian: words.1))
  }
}
