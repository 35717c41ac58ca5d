import Reconciliation
import SiteModel
import Testing

/// One test and more for each rule of the domain that planning carries out.
@Suite struct RuleTests {
  @Test func r2UnlicensedIsNotPortalOnly() {
    let plan = plan(world([], [person("1", "ada@x")]))
    #expect(plan.words == ["ada@x create-account"])
  }

  @Test func r3UnassignedAreActiveUnmarkedWithoutLicenseAndGroup() {
    #expect(account(1, "a@x").isUnassigned)
    #expect(!account(1, "a@x", licenses: ["confluence"]).isUnassigned)
    #expect(!account(1, "a@x", groups: ["g"]).isUnassigned)
    #expect(!account(1, "a@x", mark: Givers(hand: "root")).isUnassigned)
    #expect(!account(1, "a@x", deactivatedBy: .sync).isUnassigned)
  }

  @Test func r6APortalOnlyAccountHoldsNothing() {
    let made = plan(world([], [person("1", "ada@x", portalOnly: true)]))
    #expect(made.words == ["ada@x create-account marked"])
    let turned = plan(
      world(
        [account(1, "ada@x", person: "1", licenses: ["confluence"], groups: ["g"])],
        [person("1", "ada@x", portalOnly: true)]))
    #expect(
      turned.words == [
        "ada@x revoke-license confluence", "ada@x leave-group g", "ada@x mark-portal-only",
      ])
  }

  @Test func r6AMarkedAccountIsUnmarkedBeforeItIsLicensed() {
    let plan = plan(
      world(
        [account(1, "ada@x", person: "1", mark: Givers(rule: "portal"))],
        [person("1", "ada@x", licenses: ["confluence"], groups: ["g"])]))
    #expect(
      Set(plan.words) == [
        "ada@x unmark-portal-only", "ada@x grant-license confluence", "ada@x join-group g",
      ])
    #expect(plan.words.first == "ada@x unmark-portal-only")
  }

  @Test func r8CreatingAndGrantingAreSeparateChangesAndOnlyTheGrantTakesASeat() {
    let plan = plan(
      world([], [person("1", "ada@x", licenses: ["confluence"])], taken: ["confluence": 4]))
    #expect(plan.words == ["ada@x create-account", "ada@x grant-license confluence"])
    #expect(plan.seats["confluence"]?.now == 4 && plan.seats["confluence"]?.after == 5)
  }

  @Test func r10AUsernameIsShownAndUpdatedAndDecidesNothing() {
    let renamed = Entitlement(
      person: "1", emails: ["ada@x"], names: ["Somebody"], username: "ada2",
      outcome: .account(portalOnly: nil, grants: []))
    #expect(
      plan(world([account(1, "ada@x", person: "1")], [renamed])).words == [
        "ada@x update-profile username ada2"
      ])
  }

  @Test func r13AfterTheTransitionAnAtlassianAccountStaysOne() {
    let plan = plan(
      world(
        [account(1, "ada@x", person: "1", licenses: ["confluence"])],
        [person("1", "ada@x", portalOnly: true)], transition: .after))
    #expect(plan.words == ["ada@x revoke-license confluence"])
    #expect(plan.change(at: 0).reason?.contains("stays an Atlassian account") == true)
  }

  @Test func r14WhatNoRuleGaveHoldsThePersonInsteadOfAMark() {
    let plan = plan(
      world(
        [
          account(1, "ada@x", person: "1", licenses: ["confluence"], hand: [Right(.group, "board")])
        ],
        [person("1", "ada@x", portalOnly: true)]))
    #expect(plan.isEmpty)
    #expect(plan.held == ["1"])
    #expect(plan.holds[0].doubts[0].reason.contains("group board (root by hand)"))
    #expect(plan.holds[0].doubts[0].remedy == "usher revoke ada@x --group board")
    #expect(
      plan.holds[0].doubts[0].orders
        == [RemedyOrder("revoke", "ada@x", right: Right(.group, "board"))])
  }

  @Test func r14AHandMadeMarkHoldsWhoIsToBeLicensed() {
    let plan = plan(
      world(
        [account(1, "ada@x", person: "1", mark: Givers(hand: "root"))],
        [person("1", "ada@x", licenses: ["confluence"])]))
    #expect(plan.isEmpty && plan.held == ["1"])
  }

  @Test func r15TwoActivePeopleWithOneEmailAreBothHeldInAnyOrder() {
    let people = [
      person("1", "same@x"), person("2", "SAME@x"), person("3", "other@x"),
    ]
    for order in [people, people.reversed()] {
      let plan = plan(world([], order))
      #expect(plan.held == ["1", "2"])
      #expect(plan.words == ["other@x create-account"])
    }
  }

  @Test func r15WithoutAnEmailHeldAndNobodyElseAffected() {
    let plan = plan(world([], [person("1"), person("2", "eve@x")]))
    #expect(plan.held == ["1"])
    #expect(plan.words == ["eve@x create-account"])
  }

  @Test func r15WhoGetsNoAccountSharesNoEmailAndIsNeverHeld() {
    let plan = plan(
      world(
        [account(7, "old@x", person: "3", licenses: ["confluence"])],
        [
          person("1", "same@x"), person("2", "same@x", isActive: false),
          person("3", "same@x", outcome: .nothing), person("4", outcome: .nothing),
          person("5", "same@x", outcome: .leaver),
        ]))
    #expect(plan.held == [])
    #expect(plan.words == ["old@x revoke-license confluence", "same@x create-account"])
  }

  @Test func r15AnUnlinkedAccountIsLinkedToTheOnePersonWithItsEmail() {
    let one = plan(world([account(7, "Ada@x")], [person("1", "ada@X")]))
    #expect(one.words == ["Ada@x link-account 1"])
    let two = plan(world([account(7, "ada@x")], [person("1", "ada@x"), person("2", "ada@x")]))
    #expect(two.isEmpty && two.held == ["1", "2"])
  }

  @Test func r15AnAccountLinkedToAnotherIdIsNotTaken() {
    let plan = plan(
      world(
        [account(7, "ada@x", person: "1", deactivatedBy: .sync)],
        [person("1", "ada@x", isActive: false), person("2", "ada@x")]))
    #expect(plan.isEmpty && plan.held == ["2"])
  }

  @Test func r16SwappedEmailsAreApplied() {
    let plan = plan(
      world(
        [account(1, "a@x", person: "1"), account(2, "b@x", person: "2")],
        [person("1", "b@x"), person("2", "a@x")]))
    #expect(plan.words == ["a@x change-email b@x > a@x", "b@x change-email a@x > b@x"])
  }

  @Test func r16AnEmailThatItsHolderKeepsIsNotTaken() {
    // 2 wants what 1 gives up, and 3 what 2 gives up; but 1 is held, so nobody moves.
    let plan = plan(
      world(
        [
          account(1, "a@x", person: "1"), account(2, "b@x", person: "2"),
          account(3, "c@x", person: "3"),
        ],
        [
          person("1", "new@x", doubts: [Doubt("because", remedy: "so")]), person("2", "a@x"),
          person("3", "b@x"),
        ]))
    #expect(plan.isEmpty)
    #expect(plan.held == ["1", "2", "3"])
  }

  @Test func r16ANewIdWithAnOldEmailIsHeldAndTheOldAccountDoesNotAge() {
    let old = account(1, "ada@x", person: "old", licenses: ["confluence"], absentSince: 5)
    let plan = plan(world([old], [person("new", "ada@x")]))
    #expect(plan.isEmpty && plan.leaving.isEmpty)
    #expect(plan.holds.map { $0.doubts[0].remedy } == ["usher link ada@x new"])
    #expect(plan.absences == ["old back"])
  }

  @Test func r16ANewIdIsKnownByAnyOfItsEmails() {
    let old = account(1, "z@x", person: "old", absentSince: 5)
    let plan = plan(world([old], [person("new", "a@x", "z@x")]))
    #expect(plan.isEmpty && plan.leaving.isEmpty && plan.held == ["new"])
    #expect(plan.holds[0].doubts[0].remedy == "usher link z@x new")
  }

  @Test func r16WhoLosesTheirIdDoesNotAgeAsALeaver() {
    let lost = Entitlement(
      person: "uid=ada,dc=x", hasID: false, emails: ["ada@x"],
      outcome: .account(portalOnly: nil, grants: []), doubts: [Doubt("no id", remedy: "")])
    let plan = plan(world([account(1, "ada@x", person: "1", absentSince: 5)], [lost]))
    #expect(plan.isEmpty && plan.leaving.isEmpty && plan.held == ["uid=ada,dc=x"])
  }

  @Test func r16MarriagesAreUpdates() {
    let plan = plan(
      world(
        [account(1, "ada.byron@x", person: "1", name: "Ada Byron")],
        [person("1", "ada.king@x", name: "Ada King")]))
    #expect(
      plan.words == [
        "ada.king@x change-email ada.byron@x > ada.king@x",
        "ada.king@x update-profile name Ada King",
      ])
  }

  @Test func r17OnlyWhatRulesGaveIsWithdrawn() {
    let plan = plan(
      world(
        [
          account(
            1, "a@x", person: "1", licenses: ["jira"], groups: ["g"],
            hand: [Right(.license, "confluence"), Right(.group, "h")])
        ],
        [person("1", "a@x")]))
    #expect(plan.words == ["a@x revoke-license jira", "a@x leave-group g"])
  }

  @Test func r17ARuleDoesNotTakeOverWhatAHandGave() {
    let holder = account(1, "a@x", person: "1", hand: [Right(.license, "confluence")])
    #expect(plan(world([holder], [person("1", "a@x", licenses: ["confluence"])])).isEmpty)
  }

  @Test func r18LeaversAreDeactivatedAfterTheirGraceAndGiveBackTheirSeats() {
    let gone = account(
      1, "a@x", person: "1", licenses: ["jira"], groups: ["g"],
      hand: [Right(.license, "confluence")])
    let first = plan(world([gone], now: 1_000_000))
    #expect(first.isEmpty)
    #expect(first.leaving.map(\.due) == [1_086_400])
    #expect(first.absences == ["1 since 1000000"])
    let later = gone.with(absentSince: 1_000_000)
    #expect(plan(world([later], now: 1_086_399)).isEmpty)
    let due = plan(world([later], now: 1_086_400))
    #expect(
      due.words == [
        "a@x revoke-license confluence (kept)", "a@x revoke-license jira", "a@x leave-group g",
        "a@x deactivate-account",
      ])
    #expect(due.leaving.isEmpty)
  }

  @Test(arguments: [
    (LeaverPolicy.Action.keep, [String]()),
    (.unlicensed, ["a@x revoke-license jira"]),
    (.portalOnly, ["a@x revoke-license jira", "a@x mark-portal-only"]),
  ])
  func r18LeaversFareAsTheMappingSays(action: LeaverPolicy.Action, expected: [String]) {
    let gone = account(1, "a@x", person: "1", licenses: ["jira"], absentSince: 5)
    let plan = plan(world([gone], leavers: LeaverPolicy(afterSeconds: 10, action: action)))
    #expect(plan.words == expected)
    #expect(plan.leaving.isEmpty)
  }

  @Test func r18WhoComesBackInTimeStaysAsTheyWere() {
    let plan = plan(world([account(1, "a@x", person: "1", absentSince: 5)], [person("1", "a@x")]))
    #expect(plan.isEmpty)
    #expect(plan.absences == ["1 back"])
  }

  @Test func r20TheInactiveGetNoAccountAndLoseTheirSeatsAtOnceUntilTheyReturn() {
    #expect(plan(world([], [person("1", "a@x", licenses: ["jira"], isActive: false)])).isEmpty)
    let holder = account(
      1, "a@x", person: "1", licenses: ["jira"], groups: ["g", "old"],
      hand: [Right(.license, "confluence")])
    let out = plan(
      world(
        [holder], [person("1", "a@x", licenses: ["jira"], groups: ["g"], isActive: false)],
        taken: ["jira": 1, "confluence": 1]))
    #expect(
      out.words == [
        "a@x revoke-license confluence (kept)", "a@x revoke-license jira", "a@x leave-group old",
        "a@x deactivate-account",
      ])
    #expect(out.seats["confluence"]?.after == 0)
    let away = account(
      1, "a@x", person: "1", groups: ["g"], hand: [Right(.license, "confluence")],
      deactivatedBy: .sync
    ).with { $0[1].isSuspended = true }
    let back = plan(world([away], [person("1", "a@x", licenses: ["jira"], groups: ["g"])]))
    #expect(
      back.words == [
        "a@x reactivate-account", "a@x grant-license confluence (kept)", "a@x grant-license jira",
      ])
  }

  @Test func r20WhoReturnsWithoutARuleIsActiveAgain() {
    let away = account(
      1, "a@x", person: "1", hand: [Right(.license, "confluence")], deactivatedBy: .sync
    ).with { $0[0].isSuspended = true }
    let plan = plan(world([away], [person("1", "a@x", outcome: .nothing)]))
    #expect(plan.words == ["a@x reactivate-account", "a@x grant-license confluence (kept)"])
  }

  @Test func r17AnotherRuleThatGivesTheSameIsRememberedWithoutAChange() {
    let holder = Account(
      id: 1, email: "a@x", name: "Somebody",
      holdings: [Holding(Right(.license, "jira"), Givers(rule: "old rule"))], person: "1")
    let plan = plan(world([holder], [person("1", "a@x", licenses: ["jira"])]))
    #expect(plan.isEmpty)
    #expect(plan.memory.regiven.map(\.rule) == ["licenses"])
  }

  @Test func r21NobodyKeepsWhatNoRuleGivesAnyMore() {
    let holder = account(1, "a@x", person: "1", licenses: ["jira"], groups: ["g"])
    let marked = account(2, "b@x", person: "2", mark: Givers(rule: "portal"))
    let plan = plan(
      world(
        [holder, marked],
        [person("1", "a@x", outcome: .nothing), person("2", "b@x", outcome: .nothing)]))
    #expect(
      plan.words == ["a@x revoke-license jira", "a@x leave-group g", "b@x unmark-portal-only"])
  }

  @Test func oneIdOnSeveralEntriesHoldsThePersonOnce() {
    let plan = plan(world([], [person("1", "a@x")], doubled: ["1"]))
    #expect(plan.isEmpty && plan.holds.count == 1)
  }

  @Test func formsOfUnicodeAreOne() {
    let holder = account(1, "zo\u{EB}@x", person: "1", name: "Zo\u{EB}", groups: ["caf\u{E9}"])
    #expect(
      plan(
        world([holder], [person("1", "zoe\u{308}@x", name: "Zoe\u{308}", groups: ["cafe\u{301}"])])
      ).isEmpty)
  }

  @Test func groupsThatDifferInLetterCaseAreOne() {
    let holder = account(1, "a@x", person: "1", groups: ["Site-Users"])
    #expect(plan(world([holder], [person("1", "a@x", groups: ["site-users"])])).isEmpty)
  }

  @Test func emailsAndNamesStayWhileTheyAreStillUsable() {
    let holder = account(1, "B@x", person: "1", name: "Zed")
    var several = person("1", "a@x", "b@x")
    #expect(plan(world([holder], [several])).words == ["B@x update-profile name Somebody"])
    several = Entitlement(
      person: "1", emails: ["a@x", "b@x"], names: ["Abe", "Zed"],
      outcome: .account(portalOnly: nil, grants: []))
    #expect(plan(world([holder], [several])).isEmpty)
  }
}
