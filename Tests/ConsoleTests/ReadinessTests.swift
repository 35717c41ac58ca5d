import Testing

@testable import Console

@Suite struct ReadinessTests {
  @Test func aStoreThatDoesNotAnswerIsNotReady() {
    let readiness = Readiness()
    #expect(readiness.problem(now: 0)?.status == 503)
    #expect(readiness.begins(now: 0) && !readiness.begins(now: 1))
    readiness.ends(nil, now: 1)
    #expect(readiness.problem(now: 1) == nil)
    // Once a second, and by one.
    #expect(!readiness.begins(now: 1) && readiness.begins(now: 2) && !readiness.begins(now: 3))
    #expect(readiness.problem(now: 16) == nil && readiness.problem(now: 17)?.status == 503)
    readiness.ends(nil, now: 18)
    #expect(readiness.problem(now: 18) == nil)
  }
}
