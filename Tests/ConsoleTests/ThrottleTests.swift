import Testing

@testable import Console

@Suite struct ThrottleTests {
  private let typed = Throttle.Key.name("ada"), place = Throttle.Key.address("192.0.2.1")

  @Test func guessingGetsSlowAndSuccessForgivesIt() {
    let throttle = Throttle()
    for _ in 0..<5 { #expect(throttle.begin([typed, place], now: 0) == nil) }
    #expect(throttle.begin([typed, .address("other")], now: 0) == 2)
    #expect(throttle.begin([.name("bob"), place], now: 0) == nil)
    #expect(throttle.begin([typed], now: 2) == nil)
    #expect(throttle.begin([typed], now: 2) == 4)
    // An outage is nobody's failure, and success forgives what was before.
    #expect(throttle.begin([typed], now: 6) == nil)
    throttle.takeBack([typed])
    #expect(throttle.begin([typed], now: 10) == nil)
    throttle.takeBack([typed], forgets: true)
    for _ in 0..<5 { #expect(throttle.begin([typed], now: 10) == nil) }
    #expect(throttle.begin([typed], now: 10) == 2)
  }

  @Test func whoeverIsMeantIsCountedHoweverTheirNameIsSpelled() {
    let throttle = Throttle()
    for spelling in ["ada", "ADA", "ada@acme.example", "a", "b"] {
      #expect(throttle.begin([.name(spelling)], now: 0) == nil)
      #expect(throttle.goOn(with: .person("uid=ada"), now: 0) == nil)
    }
    #expect(throttle.begin([.name("c")], now: 0) == nil)
    #expect(throttle.goOn(with: .person("uid=ada"), now: 0) == 2)
    #expect(throttle.goOn(with: .person("uid=bob"), now: 0) == nil)
  }

  @Test func anAddressFailsFiftyTimesWhateverNamesItTries() {
    let throttle = Throttle()
    for number in 0..<50 {
      #expect(throttle.begin([.name("n\(number)"), place], now: 20) == nil)
    }
    #expect(throttle.begin([.name("new"), place], now: 20) == 2)
    #expect(throttle.begin([.name("new")], now: 20) == nil)
    // A quarter of an hour later nothing is left of it.
    #expect(throttle.begin([.name("new"), place], now: 20 + 900) == nil)
  }

  @Test func manyAddressesTogetherAreSlowedToo() {
    let throttle = Throttle()
    var admitted = 0
    for number in 0..<1000 where throttle.begin([.address("\(number)")], now: 100) == nil {
      admitted += 1
    }
    #expect(admitted == 120)
    #expect(throttle.begin([.address("x")], now: 101) == 2)
    // One more try every two seconds.
    #expect(throttle.begin([.address("x")], now: 102) == nil)
    #expect(throttle.begin([.address("x")], now: 102) == 2)
    // Who succeeds uses up nothing.
    for now in stride(from: Int64(104), to: 400, by: 2) {
      #expect(throttle.begin([.address("x")], now: now) == nil)
      throttle.takeBack([.address("x")])
    }
  }

  @Test func theTableIsBounded() {
    let throttle = Throttle()
    for _ in 0..<5 { _ = throttle.begin([typed], now: 0) }
    for number in 0..<30_000 {
      _ = throttle.goOn(with: .person("\(number)"), now: 1)
      #expect(throttle.size <= 10_000)
    }
    // Who fails often is remembered before whoever failed once.
    #expect(throttle.begin([typed], now: 1) == 1)
  }
}
