import Testing

@testable import Console

@Suite struct SessionTests {
  private let ada = DirectoryVisitor(
    name: "ada", account: "ada", identity: "uid=ada", role: .viewer)

  @Test func aSessionEndsWhenItIsIdleOldOrSignedOut() throws {
    let sessions = Sessions()
    let id = sessions.begin(ada, .viewer, now: 0)
    #expect(id.count == 64)
    #expect(sessions.visitor(id, now: Sessions.idleSeconds - 1)?.name == "ada")
    #expect(sessions.visitor("other", now: 1) == nil)
    #expect(sessions.visitor(id, now: 2 * Sessions.idleSeconds) == nil)
    let busy = sessions.begin(ada, .viewer, now: 0)
    for now in stride(from: 0, to: Sessions.longestSeconds, by: 60) {
      #expect(sessions.visitor(busy, now: now) != nil)
    }
    #expect(sessions.visitor(busy, now: Sessions.longestSeconds) == nil)
    let out = sessions.begin(ada, .viewer, now: 0)
    sessions.end(out)
    #expect(sessions.visitor(out, now: 1) == nil)
  }

  @Test func aRoleLastsNoLongerThanTheGroupsThatGiveIt() {
    let sessions = Sessions()
    let id = sessions.begin(ada, .approver, under: [.approver: ["it"]], now: 0)
    #expect(sessions.visitor(id, under: [.approver: ["it"]], now: 1)?.role == .approver)
    #expect(sessions.visitor(id, under: [.approver: ["owners"]], now: 1) == nil)
    #expect(sessions.visitor(id, under: [.approver: ["it"]], now: 1) == nil)
  }

  @Test func aNoticeIsSaidOnce() {
    let sessions = Sessions()
    let id = sessions.begin(ada, .viewer, now: 0)
    sessions.leave("done", for: id)
    #expect(sessions.takeNotice(for: id) == "done")
    #expect(sessions.takeNotice(for: id) == nil)
  }

  @Test func guessingGetsSlowAndSuccessForgivesIt() {
    let throttle = Throttle()
    for _ in 0..<5 { #expect(throttle.begin(name: "Ada", address: "a", now: 0) == nil) }
    #expect(throttle.begin(name: "ADA", address: "c", now: 0) == 2)
    #expect(throttle.begin(name: "bob", address: "a", now: 0) == nil)
    #expect(throttle.begin(name: "ADA", address: "c", now: 2) == nil)
    #expect(throttle.begin(name: "ada", address: "c", now: 2) == 4)
    // An outage is nobody's failure, and success forgives what was before.
    #expect(throttle.begin(name: "ada", address: "c", now: 6) == nil)
    throttle.takeBack(name: "ada", address: "c")
    #expect(throttle.begin(name: "ada", address: "c", now: 10) == nil)
    throttle.takeBack(name: "ada", address: "c", forgets: true)
    for _ in 0..<5 { #expect(throttle.begin(name: "ada", address: "c", now: 10) == nil) }
    for number in 0..<50 { _ = throttle.begin(name: "n\(number)", address: "b", now: 20) }
    #expect(throttle.begin(name: "new", address: "b", now: 20) != nil)
    #expect(throttle.begin(name: "new", address: nil, now: 20) == nil)
  }

  @Test func fieldsAreReadAsBrowsersSendThem() {
    let fields = Fields("a=1&a=2&name=J%C3%BCrgen+B%2B&empty=&blank=+")
    #expect(fields.all("a") == ["1", "2"])
    #expect(fields["name"] == "Jürgen B+")
    #expect(fields["empty"] == nil && fields["blank"] == nil && fields["none"] == nil)
    // Whatever somebody sends, it is read or left as it is.
    for text in ["%", "%zz=%", "%ff", "[=]", "ü=é", "&&=&=a", "a=b=c"] { _ = Fields(text) }
    #expect(
      Fields("q=%")["q"] == "%" && Fields("q=[x]")["q"] == "[x]" && Fields("a=b=c")["a"] == "b=c")
    #expect("a b&c=ü".percentEncoded == "a%20b%26c%3D%C3%BC")
  }

  @Test func twoApproversAreTwoPeople() {
    let pending = PendingPlans()
    func visitor(_ name: String, _ identity: String) -> Visitor {
      Visitor(name: name, account: name, identity: identity, role: .approver, formToken: "")
    }
    #expect(!pending.approve(held: "h", by: visitor("Ada", "uid=ada"), now: 0))
    // Another name makes nobody another person.
    #expect(!pending.approve(held: "h", by: visitor("Bob", "uid=ada"), now: 0))
    #expect(pending.approve(held: "h", by: visitor("Ada", "uid=bob"), now: 9))
  }
}
