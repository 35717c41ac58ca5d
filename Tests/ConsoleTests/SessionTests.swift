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

  @Test func aRoleIsAskedForAgain() {
    let sessions = Sessions()
    let login = DirectoryVisitor.Login(directory: "corporate", name: "ada")
    let who = DirectoryVisitor(
      name: "ada", account: "ada", identity: "uid=ada", role: .approver, login: login)
    let id = sessions.begin(who, .approver, now: 0)
    func asks(_ purpose: Purpose, _ now: Int64) -> Bool {
      sessions.uncertain(id, for: purpose, now: now) != nil
    }
    // Each approval is certain, all else for a quarter of an hour.
    #expect(asks(.approval, 1) && !asks(.change, 899) && !asks(.reading, 899))
    // Where the directory cannot be asked, changes ask each time, and readers once a minute.
    #expect(asks(.change, 900) && asks(.change, 901) && !asks(.reading, 901) && asks(.reading, 961))
    sessions.confirm(id, as: .viewer, now: 1000)
    #expect(sessions.visitor(id, now: 1000)?.role == .viewer)
    #expect(!asks(.change, 1899) && asks(.change, 1900))
    sessions.confirm(id, as: nil, now: 1900)
    #expect(sessions.visitor(id, now: 1900) == nil)
    // Whom no directory let in none can be asked for.
    let first = sessions.begin(ada, .approver, now: 0)
    #expect(sessions.uncertain(first, for: .approval, now: 1) == nil)
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
}
