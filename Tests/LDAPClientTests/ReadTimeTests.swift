import LDAPClient
import Testing

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
}
