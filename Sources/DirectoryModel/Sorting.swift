extension Array where Element: Comparable {
  /// Sorts what is known by hashes, many at a time. They are spread evenly, so that each goes at once to where its first bits
  /// say, and only neighbours are left to be compared. Each goes to its neighbourhood first: places all over the memory would
  /// be waited for one by one.
  /// - Parameter leading: the first word of an element's hash, which its order begins with.
  /// - Returns: where each place begins, about two elements to one, and the end. The place of an element is its first word
  ///   without its last `shift` bits.
  @discardableResult
  @inlinable package mutating func sortByHash(
    leading: (Element) -> UInt64
  ) -> (starts: [Int32], shift: UInt64) {
    let shift = UInt64(Swift.min(64, count.leadingZeroBitCount + 1))
    let places = 1 << (64 - shift)
    var starts = [Int32](repeating: 0, count: places + 1)
    let neighbourhood = Swift.min(places, 1024)
    withUnsafeMutableBufferPointer { elements in
      starts.withUnsafeMutableBufferPointer { starts in
        for element in elements { starts[Int(leading(element) >> shift) + 1] += 1 }
        for place in 1...places { starts[place] += starts[place - 1] }
        var next = [Int32](repeating: 0, count: Swift.max(neighbourhood, places / neighbourhood))
        // Puts elements into the groups of so many places that they belong to, of those from a place on.
        func spread(from first: Int, to end: Int, groupsOf width: Int) {
          let groups = (end - first) / width
          for group in 0..<groups { next[group] = starts[first + group * width] }
          for group in 0..<groups {
            let groupEnd = starts[first + (group + 1) * width]
            while next[group] < groupEnd {
              // What lies here changes places until something comes that belongs here.
              let own = (Int(leading(elements[Int(next[group])]) >> shift) - first) / width
              if own != group { elements.swapAt(Int(next[group]), Int(next[own])) }
              next[own] += 1
            }
          }
        }
        if neighbourhood < places { spread(from: 0, to: places, groupsOf: neighbourhood) }
        for first in stride(from: 0, to: places, by: neighbourhood) {
          spread(from: first, to: first + neighbourhood, groupsOf: 1)
          for place in first..<first + neighbourhood where starts[place + 1] - starts[place] > 1 {
            elements[Int(starts[place])..<Int(starts[place + 1])].sort()
          }
        }
      }
    }
    return (starts, shift)
  }
}

extension Range<Int> {
  /// The first number for which a test does not hold that holds up to some number and for none from there on; the end where
  /// it holds for all.
  @inlinable package func first(after isBefore: (Int) -> Bool) -> Int {
    var low = lowerBound
    var high = upperBound
    while low < high {
      let middle = (low + high) / 2
      if isBefore(middle) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
