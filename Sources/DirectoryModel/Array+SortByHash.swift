extension Array where Element: Comparable {
  /// Sorts what is known by hashes, many at a time. They are spread evenly, so that each goes at once to where its first bits
  /// say, and only neighbours are left to be compared.
  /// - Parameter leading: the first word of an element's hash, which its order begins with.
  /// - Returns: where each place begins, about two elements to one, and the end. The place of an element is its first word
  ///   without its last `shift` bits.
  @discardableResult
  @inlinable package mutating func sortByHash(
    leading: (Element) -> UInt64
  ) -> (starts: [Int32], shift: UInt64) {
    let shift = UInt64(Swift.min(64, count.leadingZeroBitCount + 1))
    var starts = [Int32](repeating: 0, count: (1 << (64 - shift)) + 1)
    for element in self { starts[Int(leading(element) >> shift) + 1] += 1 }
    for place in 1..<starts.count { starts[place] += starts[place - 1] }
    var next = starts
    for place in 0..<starts.count - 1 {
      while next[place] < starts[place + 1] {
        // What lies here changes places until something comes that belongs here.
        let own = Int(leading(self[Int(next[place])]) >> shift)
        if own != place { swapAt(Int(next[place]), Int(next[own])) }
        next[own] += 1
      }
    }
    withUnsafeMutableBufferPointer { elements in
      for place in 0..<starts.count - 1 where starts[place + 1] - starts[place] > 1 {
        elements[Int(starts[place])..<Int(starts[place + 1])].sort()
      }
    }
    return (starts, shift)
  }
}
