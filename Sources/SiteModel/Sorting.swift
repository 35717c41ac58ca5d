import Foundation

/// The order in which texts are compared that have no order, and SQLite's: by their bytes.
package func bytewise(_ left: String, _ right: String) -> Bool { order(left, right) < 0 }

/// Whether texts are the same byte by byte; `==` takes also those for the same that are composed differently.
package func isSameBytes(_ left: String, _ right: String) -> Bool { order(left, right) == 0 }

package func isSameBytes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
  order(left, right) == 0
}

/// Below zero where the left text comes first by its bytes, 0 where both are the same.
private func order(_ left: String, _ right: String) -> Int {
  var (left, right) = (left, right)
  return left.withUTF8 { left in
    right.withUTF8 { order(UnsafeRawBufferPointer(left), UnsafeRawBufferPointer($0)) }
  }
}

private func order(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
  let count = min(left.count, right.count)
  if count > 0, let own = left.baseAddress, let other = right.baseAddress {
    let order = memcmp(own, other, count)
    if order != 0 { return Int(order) }
  }
  return left.count - right.count
}

/// The numbers of so many texts in the order of their bytes; where these are the same, of others, and at last by number.
///
/// Most texts differ in their first sixteen bytes, which are compared as numbers.
package func sortedByBytes(
  _ count: Int, _ bytes: (Int) -> UnsafeRawBufferPointer,
  then next: (Int) -> UnsafeRawBufferPointer = { _ in UnsafeRawBufferPointer(start: nil, count: 0) }
) -> [Int32] {
  var keyed: [(high: UInt64, low: UInt64, number: Int32)] = []
  keyed.reserveCapacity(count)
  for number in 0..<count {
    let (high, low) = firstBytes(of: bytes(number))
    keyed.append((high, low, Int32(number)))
  }
  keyed.sort { left, right in
    if left.high != right.high { return left.high < right.high }
    if left.low != right.low { return left.low < right.low }
    let (own, other) = (Int(left.number), Int(right.number))
    let first = order(bytes(own), bytes(other))
    let order = first == 0 ? order(next(own), next(other)) : first
    return order == 0 ? left.number < right.number : order < 0
  }
  return keyed.map(\.number)
}

/// The first sixteen bytes of a text as two numbers that compare as the bytes do; zeros follow a shorter text.
package func firstBytes(of text: String) -> (high: UInt64, low: UInt64) {
  var text = text
  return text.withUTF8 { firstBytes(of: UnsafeRawBufferPointer($0)) }
}

private func firstBytes(of bytes: UnsafeRawBufferPointer) -> (high: UInt64, low: UInt64) {
  var words = (UInt64(0), UInt64(0))
  withUnsafeMutableBytes(of: &words) {
    $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(16)))
  }
  return (UInt64(bigEndian: words.0), UInt64(bigEndian: words.1))
}
