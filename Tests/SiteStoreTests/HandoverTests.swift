import Ports
import Testing

/// What one thread hands to another comes whole and in order, or says why not.
@Suite struct HandoverTests {
  private struct Broken: Error {}

  @Test func itemsComeInOrderHoweverFewMayWait() throws {
    for most in [1, 3, 5000] {
      let numbers = Handover<Int>(most: most)
      let thread = Meanwhile {
        for number in 0..<2000 { try numbers.put(number, size: number % 3) }
        numbers.end()
      }
      var found: [Int] = []
      while let number = try numbers.next() { found.append(number) }
      try thread.value()
      #expect(found == Array(0..<2000), "\(most)")
      // The end stays the end.
      #expect(try numbers.next() == nil && numbers.nextIfReady() == nil)
    }
  }

  @Test func aFailureComesAfterWhatWaits() throws {
    let numbers = Handover<Int>(most: 9)
    #expect(try numbers.nextIfReady() == nil)
    try numbers.put(1)
    numbers.end(.failure(Broken()))
    #expect(try numbers.next() == 1)
    for _ in 0..<2 { #expect(throws: Broken.self) { try numbers.next() } }
  }

  @Test func whoeverWaitsIsToldThatTheOtherSideStopped() throws {
    let numbers = Handover<Int>(most: 1)
    // Several wait for room, since one item fills it.
    let threads = (0..<4).map { _ in Meanwhile { for _ in 0..<9 { try numbers.put(7) } } }
    #expect(try numbers.next() == 7)
    numbers.stop()
    for thread in threads {
      #expect(throws: Handover<Int>.Stopped.self) { try thread.value() }
    }
    #expect(throws: Handover<Int>.Stopped.self) { try numbers.next() }
    #expect(throws: Handover<Int>.Stopped.self) { try numbers.put(7) }
  }
}
