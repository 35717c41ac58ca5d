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
    #expect(pace.secondsAfter(entries: 1000, at: 0) == 0)
    #expect(pace.secondsAfter(entries: 1500, at: 0) == 0.5)
    // The next search counts from nothing, but what came before it still counts.
    #expect(pace.secondsBeforeSearch(at: 0.5) == 0)
    #expect(pace.secondsAfter(entries: 500, at: 0.5) == 0.5)
    #expect(pace.secondsAfter(entries: 500, at: 60) == 0)
  }

  @Test func withoutALimitNothingWaits() {
    var pace = Pace(searches: nil, entries: nil)
    #expect(pace.secondsBeforeSearch(at: 0) == 0)
    #expect(pace.secondsAfter(entries: 1_000_000, at: 0) == 0)
  }
}
