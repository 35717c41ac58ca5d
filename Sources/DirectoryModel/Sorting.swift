extension Array where Element: Comparable & BitwiseCopyable {
  /// Sorts what is known by hashes, many at a time. They are spread evenly, so that each goes at once to where its first bits
  /// say, and only neighbours are left to be compared. Each goes to its neighbourhood first, in another buffer: places all
  /// over the memory would be waited for one by one.
  /// - Parameter leading: the first word of an element's hash, which its order begins with.
  /// - Returns: where each place begins, about two elements to one, and the end. The place of an element is its first word
  ///   without its last `shift` bits.
  @discardableResult
  @inlinable package mutating func sortByHash(
    leading: (Element) -> UInt64
  ) -> (starts: [Int32], shift: UInt64) {
    let count = count
    let shift = UInt64(Swift.min(64, count.leadingZeroBitCount + 1))
    let places = 1 << (64 - shift)
    let neighbourhood = Swift.min(places, 1024)
    var starts = [Int32](repeating: Int32(count), count: places + 1)
    withUnsafeMutableBufferPointer { elements in
      withUnsafeTemporaryAllocation(of: Element.self, capacity: count) { near in
        func place(_ element: Element) -> Int { Int(leading(element) >> shift) }
        // Where each neighbourhood begins, and while it is filled, where its next element goes.
        var next = [Int32](repeating: 0, count: places / neighbourhood + 1)
        next.withUnsafeMutableBufferPointer { next in
          for element in elements { next[place(element) / neighbourhood + 1] += 1 }
          for number in 1..<next.count { next[number] += next[number - 1] }
          for element in elements {
            let own = place(element) / neighbourhood
            near.initializeElement(at: Int(next[own]), to: element)
            next[own] += 1
          }
          // From there to their places, back in the first buffer.
          var ends = [Int32](repeating: 0, count: neighbourhood)
          ends.withUnsafeMutableBufferPointer { ends in
            for first in stride(from: 0, to: places, by: neighbourhood) {
              let own = first / neighbourhood
              let (start, end) = (own == 0 ? 0 : next[own - 1], next[own])
              ends.update(repeating: 0)
              for index in start..<end { ends[place(near[Int(index)]) - first] += 1 }
              var sum = start
              for place in 0..<neighbourhood {
                starts[first + place] = sum
                (sum, ends[place]) = (sum + ends[place], sum)
              }
              for index in start..<end {
                let element = near[Int(index)]
                let own = place(element) - first
                elements[Int(ends[own])] = element
                ends[own] += 1
              }
              for place in 0..<neighbourhood where ends[place] - starts[first + place] > 1 {
                Self.sortFew(elements, Int(starts[first + place]), Int(ends[place]))
              }
            }
          }
        }
      }
    }
    return (starts, shift)
  }

  /// Sorts the elements of one place. There mostly are two or three: a call of `sort` costs more than to put each in its place.
  @inlinable static func sortFew(
    _ elements: UnsafeMutableBufferPointer<Element>, _ start: Int, _ end: Int
  ) {
    if end - start > 32 { return elements[start..<end].sort() }
    for next in start + 1..<end {
      let own = elements[next]
      var place = next
      while place > start, own < elements[place - 1] {
        elements[place] = elements[place - 1]
        place -= 1
      }
      elements[place] = own
    }
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
