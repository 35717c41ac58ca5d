import Reconciliation
import SiteModel
import Testing

@Suite struct SeatTests {
  @Test func releasesComeBeforeGrantsAndFreeTheirSeats() {
    let plan = plan(
      world(
        [account(1, "a@x", person: "1", licenses: ["jira"])],
        [person("1", "a@x"), person("2", "b@x", licenses: ["jira"])], ceilings: ["jira": 1],
        taken: ["jira": 1]))
    #expect(
      plan.words == ["a@x revoke-license jira", "b@x create-account", "b@x grant-license jira"])
    let seats = plan.seats["jira"]
    #expect(seats?.now == 1 && seats?.after == 1 && seats?.takenByRule == [0: 1])
  }

  @Test func tooFewSeatsGoByDirectoryIdAndTheRestWait() {
    let people = ["3", "1", "2"].map { person($0, "p\($0)@x", licenses: ["jira"]) }
    for order in [people, people.reversed()] {
      let plan = plan(world([], order, ceilings: ["jira": 2]))
      #expect(
        plan.words.filter { $0.contains("grant") } == [
          "p1@x grant-license jira", "p2@x grant-license jira",
        ])
      #expect(plan.seats["jira"]?.waiting == ["3"])
      #expect(Set(plan.memory.settled.map(\.person)) == ["1", "2"])
    }
  }

  @Test func whoHasWaitedLongestComesFirst() {
    let people = ["1", "2"].map { person($0, "p\($0)@x", licenses: ["jira"]) }
    let plan = plan(world([], people, ceilings: ["jira": 1], waitingSince: ["jira": ["2": 5]]))
    #expect(plan.words.contains("p2@x grant-license jira"))
    #expect(plan.seats["jira"]?.waiting == ["1"])
  }

  @Test func whoHoldsASeatKeepsItEvenAboveTheCeiling() {
    let plan = plan(
      world(
        [account(1, "a@x", person: "1", licenses: ["jira"])],
        [person("1", "a@x", licenses: ["jira"]), person("0", "b@x", licenses: ["jira"])],
        ceilings: ["jira": 0], taken: ["jira": 1]))
    #expect(plan.words == ["b@x create-account"])
    #expect(plan.seats["jira"]?.waiting == ["0"])
  }
}

@Suite struct ScopeTests {
  @Test func whoIsOutOfScopeStaysAndKeepsTheirEmail() {
    let accounts = [account(1, "a@x", person: "1"), account(2, "b@x", person: "2")]
    let people = [person("1", "b@x"), person("2", "c@x", licenses: ["jira"])]
    let one = plan(world(accounts, people, scope: ["2"]))
    #expect(one.words == ["c@x change-email b@x > c@x", "c@x grant-license jira"])
    let other = plan(world(accounts, people, scope: ["1"]))
    #expect(other.isEmpty && other.held == ["1"])
    #expect(plan(world(accounts, people, scope: [])).holds.isEmpty)
  }
}

@Suite struct GuardTests {
  private static let totals = Site.Totals(
    activeAccounts: 100, licenses: 100, groupMemberships: 100, membersOfGroup: ["g": 10])

  private func limits(_ consequence: Consequence, max: Int, onLimit: Limits.OnLimit = .holdPeople)
    -> Limits
  {
    Limits(limits: [consequence: .init(percent: 100, max: max)], freeBelow: 0, onLimit: onLimit)
  }

  private func crowd(_ count: Int) -> World {
    world(
      (1...count).map { account(Int64($0), "p\($0)@x", person: "\($0)") } + [
        account(99, "z@x", person: "z")
      ],
      (1...count).map { person("\($0)", "p\($0)@x", isActive: false) } + [
        person("z", "z@x", groups: ["g"])
      ],
      totals: Self.totals)
  }

  @Test func peopleOverALimitAreHeldAndTheRestIsPlanned() {
    let verdict = Guard(limits: limits(.disabled, max: 3), recent: RecentChanges()).plan(
      crowd(4))
    #expect(verdict.plan.words == ["z@x join-group g"])
    #expect(verdict.plan.held == ["1", "2", "3", "4"])
    #expect(verdict.approved != nil)
    #expect(
      verdict.excesses.map(\.text) == [
        "4 deactivations of disabled people planned; 3 are allowed in 24 hours"
      ])
  }

  @Test func aPlanWithinTheLimitsPasses() {
    let verdict = Guard(limits: limits(.disabled, max: 4), recent: RecentChanges()).plan(
      crowd(4))
    #expect(verdict.excesses.isEmpty && verdict.plan.rows.count == 5)
  }

  @Test func holdPlanHoldsEverything() {
    let verdict = Guard(
      limits: limits(.disabled, max: 3, onLimit: .holdPlan), recent: RecentChanges()
    )
    .plan(crowd(4))
    #expect(verdict.approved == nil && !verdict.excesses.isEmpty)
  }

  @Test func theLast24HoursCount() {
    let recent = RecentChanges([CountedChange(kind: .deactivateAccount, part: .disabled): 2])
    let verdict = Guard(limits: limits(.disabled, max: 5), recent: recent).plan(crowd(4))
    #expect(verdict.excesses.count == 1)
    #expect(verdict.plan.words == ["z@x join-group g"])
  }

  @Test func aGroupLosesOnlySoManyByItself() {
    let accounts = (1...4).map { account(Int64($0), "p\($0)@x", person: "\($0)", groups: ["g"]) }
    let people = (1...4).map { person("\($0)", "p\($0)@x") }
    let verdict = Guard(
      limits: Limits(
        limits: [.removalsPerGroup: .init(percent: 30, max: 200)], freeBelow: 0,
        onLimit: .holdPeople),
      recent: RecentChanges()
    ).plan(world(accounts, people, totals: Self.totals))
    #expect(verdict.plan.isEmpty && verdict.plan.holds.count == 4)
  }

  @Test func aFewAlwaysPass() {
    let limits = Limits(
      limits: [.disabled: .init(percent: 0, max: 0)], freeBelow: 5, onLimit: .holdPeople)
    #expect(Guard(limits: limits, recent: RecentChanges()).plan(crowd(5)).excesses.isEmpty)
  }
}
