import LDAPClient
import Testing

@Suite struct PaceTests {
  @Test func searchesAreSpreadOverTheSecond() {
    var pace = Pace(searches: 4, entries: nil)
    #expect(pace.secondsBeforeSearch(at: 10) == 0)
    #expect(pace.secondsBeforeSearch(at: 10) == 0.25)
    #expect(pace.secondsBeforeSearch(at: 10.25) == 0.25)
    #expect(pace.secondsBeforeSearch(at: 100) == 0)
  }

  @Test func entriesMayComeAtOnceWithinASecond() {
    var pace = Pace(searches: nil, entries: 1000)
    #expect(pace.secondsBeforeSearch(at: 0) == 0)
    #expect(pace.secondsAfter(newEntries: 1000, at: 0) == 0)
    #expect(pace.secondsAfter(newEntries: 500, at: 0) == 0.5)
    // Another search, or another page of this one, changes nothing in what came.
    #expect(pace.secondsBeforeSearch(at: 0.5) == 0)
    #expect(pace.secondsAfter(newEntries: 500, at: 0.5) == 0.5)
    #expect(pace.secondsAfter(newEntries: 500, at: 60) == 0)
  }

  @Test func withoutALimitNothingWaits() {
    var pace = Pace(searches: nil, entries: nil)
    #expect(pace.secondsBeforeSearch(at: 0) == 0)
    #expect(pace.secondsAfter(newEntries: 1_000_000, at: 0) == 0)
  }
}
