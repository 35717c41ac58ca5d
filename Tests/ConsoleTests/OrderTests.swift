import Reconciliation
import SiteModel
import Testing

@testable import Console

@Suite struct OrderTests {
  @Test func aRightMayBeginWithAMarkThatCombines() {
    #expect(Right(text: "group=\u{1F3FB}x") == Right(.group, "\u{1F3FB}x"))
    #expect(Right(text: "group=") == nil && Right(text: "role=x") == nil)
  }

  @Test func anOrderIsCheckedBeforeItIsPlanned() throws {
    let catalogue: Set = ["jira"]
    #expect(
      try Handwork.Order("grant", rights: ["license=jira", "group=a b"], catalogue: catalogue)
        == .grant([Right(.license, "jira"), Right(.group, "a b")]))
    for (name, rights) in [
      ("grant", ["license=jria"]), ("grant", []), ("revoke", ["jira"]), ("grant", ["group= "]),
      ("link", []), ("erase", []),
    ] {
      #expect(throws: Problem.self) {
        try Handwork.Order(name, rights: rights, catalogue: catalogue)
      }
    }
  }
}
