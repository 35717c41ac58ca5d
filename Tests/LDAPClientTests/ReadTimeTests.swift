import Testing

@testable import LDAPClient

@Suite struct ReadTimeTests {
  @Test func aReadMayTakeHalfAnHourOrFourTimesTheLastOne() {
    var time = ReadTime(runSeconds: 3600, at: 100, rateNeeds: 0)
    #expect(time.secondsLeft(at: 200, rateNeeds: 0) == (3500, 1700))
    time.beginRead(lastSeconds: 60, at: 1000, rateNeeds: 0)
    #expect(time.secondsLeft(at: 1000, rateNeeds: 0).ofRead == 1800)
    time.beginRead(lastSeconds: 600, at: 1000, rateNeeds: 0)
    #expect(time.secondsLeft(at: 1000, rateNeeds: 0).ofRead == 2400)
    // The run's own end stays where it is.
    #expect(time.secondsLeft(at: 1000, rateNeeds: 0).ofRun == 2700)
  }

  @Test func whatTheRateNeedsIsNotCounted() {
    var time = ReadTime(runSeconds: 600, at: 0, rateNeeds: 0)
    time.beginRead(lastSeconds: nil, at: 0, rateNeeds: 50)
    #expect(time.secondsLeft(at: 1900, rateNeeds: 250).ofRead == 100)
  }

  /// The same mapping brings about as much each time; the first time nobody knows.
  @Test func aSearchMayBringAHundredThousandEntriesAndFourTimesTheLastRead() {
    let deadline = ReadDeadline(runSeconds: 60, mostEntries: nil, limiter: LoadLimiter())
    #expect(deadline.mostEntries == 5_000_000)
    deadline.beginRead(lastSeconds: nil, lastEntries: 53)
    #expect(deadline.mostEntries == 100_212)
    let said = ReadDeadline(runSeconds: 60, mostEntries: 20_000, limiter: LoadLimiter())
    said.beginRead(lastSeconds: nil, lastEntries: 53)
    #expect(said.mostEntries == 20_000)
  }
}
