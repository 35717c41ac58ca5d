import SiteModel
import Testing

@testable import Reconciliation

/// Where an account is likely to be says nothing about what is decided.
@Suite struct AccountLinkTests {
  @Test(arguments: [
    [], [7, 2, 0], [0, 0, 0], [2, 7, 7], [900_000, -1, 3], [7, 2, 7], [Int32.max, Int32.min, 1],
  ])
  func whateverIsThoughtLikelyThePlanIsTheSame(likely: [Int32]) {
    let accounts = [
      account(2, "ben@x", person: "2", licenses: ["jira"]),
      account(7, "ada@x", person: "1", licenses: ["confluence"]), account(8, "eve@x"),
    ]
    let people = [
      person("1", "ada@x", licenses: ["jira"]), person("2", "ben@y"),
      person("3", "eve@x", licenses: ["confluence"]),
    ]
    let expected = plan(world(accounts, people)).words
    #expect(expected.contains("ben@y change-email ben@x > ben@y"))
    #expect(plan(world(accounts, people, likelyAccounts: likely)).words == expected)
  }

  @Test func bothEntriesWithOneIdHaveItsAccount() {
    let accounts = [account(1, "ada@x", person: "1", licenses: ["jira"])]
    let people = [person("1", "ada@x"), person("1", "ada@y")]
    for likely: [Int32] in [[], [1, 0], [0, 1], [1, 1]] {
      let held = plan(world(accounts, people, doubled: ["1"], likelyAccounts: likely))
      #expect(held.holds.map(\.account) == [1])
      #expect(held.rows.isEmpty)
    }
  }
}
