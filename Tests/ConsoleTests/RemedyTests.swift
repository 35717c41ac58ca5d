import Reconciliation
import SiteModel
import Testing

@testable import Console

@Suite struct RemedyTests {
  @Test(arguments: [
    ("usher reactivate a@x", ["reactivate a@x"]),
    ("usher unmark a@x", ["unmark a@x"]),
    ("usher convert a@x", ["convert a@x"]),
    ("usher link a@x 4540e214", ["link a@x 4540e214"]),
    ("usher revoke a@x --group jira users", ["revoke a@x group=jira users"]),
    (
      "usher revoke a@x --license jira && usher revoke a@x --group devs",
      ["revoke a@x license=jira", "revoke a@x group=devs"]
    ),
    (
      "leave one account: usher deactivate b@x && usher link a@x 12, or the other way round",
      ["deactivate b@x", "link a@x 12"]
    ),
    // Somebody has to think first.
    ("say whose it is: usher link a@x DIRECTORY-ID", []),
    ("bring the group back, or change the rule", []),
    ("usher approve 1234", []),
  ])
  func aHoldsCommandsAreButtons(_ remedy: String, _ expected: [String]) {
    let orders = RemedyOrder.all(in: remedy).map { order in
      ([order.order, order.who] + order.rights + [order.directoryID].compactMap(\.self))
        .joined(separator: " ")
    }
    #expect(orders == expected)
  }

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
