import Reconciliation
import SiteModel
import Testing

/// What administrators ask for by name.
@Suite struct HandworkTests {
  private func work(_ order: Handwork.Order, _ world: World) -> Handwork.Result {
    Handwork.plan(order, in: world, by: "root")
  }

  private let confluence = Right(.license, "confluence")
  private let staff = Right(.group, "staff")

  @Test func r5MarksAreSetAndTakenOffBeforeTheTransitionOnly() {
    let plain = account(1, "a@x")
    #expect(work(.mark, world([plain])).plan.words == ["a@x mark-portal-only"])
    let marked = account(1, "a@x", mark: Givers(hand: "root"))
    #expect(work(.mark, world([marked])).plan.isEmpty)
    #expect(work(.unmark, world([marked])).plan.words == ["a@x unmark-portal-only"])
    #expect(work(.unmark, world([plain])).plan.isEmpty)
    #expect(work(.mark, world([plain], transition: .after)).refusals[0].reason.contains("R13"))
    #expect(work(.unmark, world([marked], transition: .after)).refusals.count == 1)
  }

  @Test func r14AMarkByHandTakesOnlyWhatRulesGaveAndIsRefusedOtherwise() {
    let ruled = account(1, "a@x", licenses: ["confluence"], groups: ["g"])
    #expect(
      work(.mark, world([ruled])).plan.words == [
        "a@x revoke-license confluence", "a@x leave-group g", "a@x mark-portal-only",
      ])
    let handed = account(2, "b@x", hand: [confluence])
    let refused = work(.mark, world([handed]))
    #expect(refused.refusals.map(\.remedy) == ["usher revoke b@x --license confluence"])
  }

  @Test func nobodyIsGivenANameThatNobodySees() {
    let plain = account(1, "a@x")
    let hidden = Right(.group, "st\u{200B}aff")
    #expect(
      work(.grant([hidden]), world([plain])).refusals.map(\.reason) == [
        "group st\u{200B}aff holds the character U+200B, which nobody sees in a name"
      ])
    // What an older version gave can be taken away.
    let handed = account(2, "b@x", hand: [hidden])
    #expect(
      work(.revoke([hidden]), world([handed])).plan.words == ["b@x leave-group st\u{200B}aff"])
    // And is not given back.
    let left = JournalEntry(
      kind: .leaveGroup, account: 1, before: "st\u{200B}aff", after: nil, rule: nil, reason: nil,
      givers: GiversChange(from: Givers(hand: "root")), keepsGivers: false)
    #expect(
      Undoing.plan([left], in: world([plain]), occupied: [], by: "root").refusals.map(\.reason) == [
        "group st\u{200B}aff holds the character U+200B, which nobody sees in a name"
      ])
  }

  @Test func whiteSpaceAtTheEndsOfANameGivesNothingElse() {
    let handed = account(1, "a@x", hand: [staff])
    #expect(work(.grant([Right(.group, "Staff ")]), world([handed])).plan.isEmpty)
    #expect(
      work(.revoke([Right(.group, " staff")]), world([handed])).plan.words == [
        "a@x leave-group staff"
      ])
  }

  @Test func r6APortalOnlyAccountIsGivenNothing() {
    let marked = account(1, "a@x", mark: Givers(rule: "portal"))
    let before = work(.grant([confluence]), world([marked])).refusals
    #expect(before.map(\.remedy) == ["usher unmark a@x"])
    let after = work(.grant([staff]), world([marked], transition: .after)).refusals
    #expect(after.map(\.remedy) == ["usher convert a@x"])
  }

  @Test func r7AndR8AConversionGrantsNothingAndComesAfterTheTransition() {
    let marked = account(1, "a@x", mark: Givers(rule: "portal"))
    let converted = work(.convert, world([marked], transition: .after))
    #expect(converted.plan.words == ["a@x convert-account"])
    #expect(converted.plan.seats.values.allSatisfy { $0.now == $0.after })
    #expect(work(.convert, world([marked])).refusals.count == 1)
    #expect(work(.convert, world([account(2, "b@x")], transition: .after)).plan.isEmpty)
    let inactive = account(3, "c@x", mark: Givers(rule: "portal"), deactivatedBy: .sync)
    #expect(work(.convert, world([inactive], transition: .after)).refusals.count == 1)
  }

  @Test func r9OnlyUnverifiedPeopleAreToldToVerifyTheirEmail() {
    let known = Account(
      id: 1, email: "a@x", name: "A", mark: Givers(rule: "portal"), isEmailVerified: true)
    let new = account(2, "b@x", mark: Givers(rule: "portal"))
    let notes = work(.convert, world([known, new], transition: .after)).notes
    #expect(notes.count == 2)
    #expect(notes[0].contains("a@x has a verified email"))
    #expect(notes[1].contains("b@x must verify the email if new to Atlassian Cloud"))
  }

  @Test func r17AHandGivesBesideARuleAndTakesOnlyItsOwn() {
    let ruled = account(1, "a@x", licenses: ["confluence"])
    let granted = work(
      .grant([confluence]),
      world(
        [ruled], ceilings: ["confluence": 1],
        taken: ["confluence": 1]))
    #expect(granted.plan.words == ["a@x grant-license confluence"])
    let change = granted.plan.change(at: 0)
    #expect(change.isGiverOnly)
    #expect(change.givers?.after == Givers(rule: "licenses", hand: "root"))
    // Only a rule gives it: the next sync would give it again.
    #expect(work(.revoke([confluence]), world([ruled])).refusals.count == 1)
    let both = ruled.with { $0[0].givers.hand = "root" }
    let revoked = work(.revoke([confluence]), world([both]))
    #expect(revoked.plan.change(at: 0).isGiverOnly)
    #expect(revoked.notes == ["a@x keeps license confluence: rule licenses"])
    #expect(work(.grant([confluence]), world([both])).plan.isEmpty)
    #expect(work(.revoke([staff]), world([both])).plan.isEmpty)
  }

  @Test func aHandIsRefusedASeatThatIsNotThere() {
    let full = world([account(1, "a@x")], ceilings: ["confluence": 3], taken: ["confluence": 3])
    #expect(work(.grant([confluence]), full).refusals[0].reason.contains("3 of 3 are taken"))
  }

  @Test func r20DeactivatingByHandGivesSeatsBackAndReactivatingReturnsThem() {
    let both = account(1, "a@x", licenses: ["jira"], hand: [confluence])
    #expect(
      work(.deactivate, world([both])).plan.words == [
        "a@x revoke-license confluence (kept)", "a@x revoke-license jira", "a@x deactivate-account",
      ])
    let gone = account(1, "a@x", hand: [confluence], deactivatedBy: .hand).with {
      $0[0].isSuspended = true
    }
    #expect(
      work(.reactivate, world([gone])).plan.words == [
        "a@x reactivate-account", "a@x grant-license confluence (kept)",
      ])
    #expect(work(.deactivate, world([gone])).plan.isEmpty)
    #expect(work(.reactivate, world([both])).plan.isEmpty)
  }

  @Test func whatIsProtectedIsRefused() {
    var site = world([account(1, "Root@x", hand: [Right(.group, "Admins")])])
    site = protecting(site, accounts: ["root@x"], groups: [:])
    for order: Handwork.Order in [.deactivate, .mark, .revoke([Right(.group, "admins")])] {
      #expect(work(order, site).refusals.count == 1, "\(order.command)")
    }
    let last = protecting(
      world([account(1, "a@x", hand: [Right(.group, "admins")])]), accounts: [],
      groups: ["admins": 1])
    #expect(work(.deactivate, last).refusals[0].reason.contains("last active member"))
    #expect(work(.revoke([Right(.group, "Admins")]), last).refusals.count == 1)
  }
}

/// The same world with something protected: emails, and groups with their active members.
func protecting(_ world: World, accounts: Set<String>, groups: [String: Int]) -> World {
  World(
    site: Site(
      name: "acme", lineage: "l", generation: 3, transition: world.site.transition,
      policy: SitePolicy(
        ceilings: world.site.policy.ceilings, protectedAccounts: accounts,
        protectedGroups: Set(groups.keys)), seatsTaken: world.site.seatsTaken,
      totals: Site.Totals(
        activeAccounts: 10, licenses: 10, groupMemberships: 10, membersOfGroup: groups,
        activeMembersOfProtected: groups)),
    accounts: world.accounts, entitlements: world.entitlements, rules: rules,
    leavers: LeaverPolicy(afterSeconds: 0, action: .deactivate), leaversRule: 4,
    isPresent: world.isPresent, basis: world.basis)
}

@Suite struct ProtectionTests {
  private let nobody = Guard(
    limits: Limits(limits: [:], freeBelow: 0, onLimit: .holdPeople), recent: RecentChanges())

  @Test func aProtectedAccountIsNeverDeactivatedMarkedOrEmptied() {
    let people = [
      person("1", "a@x", isActive: false), person("2", "b@x", portalOnly: true),
      person("3", "c@x"),
    ]
    let accounts = [
      account(1, "a@x", person: "1"), account(2, "b@x", person: "2"),
      account(3, "c@x", person: "3", licenses: ["jira"]), account(4, "d@x", person: "4"),
    ]
    let verdict = nobody.plan(
      protecting(
        world(accounts, people), accounts: ["a@x", "b@x", "c@x", "d@x"], groups: [:]))
    #expect(verdict.plan.isEmpty && verdict.approved != nil)
    #expect(verdict.plan.held == ["1", "2", "3", "4"])
    #expect(verdict.plan.holds.allSatisfy { $0.doubts[0].reason.contains("is protected") })
  }

  @Test func aProtectedGroupKeepsItsLastActiveMember() {
    let admins = Right(.group, "admins")
    let accounts = [
      account(1, "a@x", person: "1", hand: [admins]),
      account(2, "b@x", person: "2", groups: ["Admins"]),
    ]
    let leaving = [person("1", "a@x", isActive: false), person("2", "b@x")]
    let verdict = nobody.plan(
      protecting(world(accounts, leaving), accounts: [], groups: ["admins": 2]))
    #expect(verdict.plan.isEmpty && verdict.plan.held == ["1", "2"])
    // With a third member, or a new one, they may go.
    let three = nobody.plan(
      protecting(world(accounts, leaving), accounts: [], groups: ["admins": 3]))
    #expect(three.plan.words.count == 2 && three.plan.holds.isEmpty)
    let joined = nobody.plan(
      protecting(
        world(accounts, leaving + [person("3", "c@x", groups: ["admins"])]), accounts: [],
        groups: ["admins": 2]))
    #expect(joined.plan.holds.isEmpty)
  }
}

@Suite struct OwnershipTests {
  private func owned(_ accounts: [Account], _ people: [Entitlement]) -> Plan {
    var policy = SitePolicy(ceilings: ["confluence": nil, "jira": nil])
    policy.ownedByRules = ["jira"]
    let world = world(accounts, people)
    return plan(
      World(
        site: Site(
          name: "acme", lineage: "l", generation: 3, policy: policy, seatsTaken: [:],
          totals: world.site.totals),
        accounts: accounts, entitlements: Entitlements(people), rules: rules, leavers: .standard,
        leaversRule: 4,
        isPresent: { _ in true }, basis: world.basis))
  }

  @Test func r17OwnAllTakesAwayWhatHandsAndImportsGave() {
    let jira = Right(.license, "jira"), confluence = Right(.license, "confluence")
    let held = account(1, "a@x", person: "1", hand: [jira, confluence])
    #expect(owned([held], [person("1", "a@x")]).words == ["a@x revoke-license jira"])
    // A rule gives it: the hand's stays as it is, and is not taken over.
    #expect(owned([held], [person("1", "a@x", licenses: ["jira"])]).isEmpty)
    // Inactive: what hands gave is remembered, but not a license that rules alone decide about.
    #expect(
      owned([held], [person("1", "a@x", isActive: false)]).words == [
        "a@x revoke-license confluence (kept)", "a@x revoke-license jira",
        "a@x deactivate-account",
      ])
  }
}

@Suite struct PinTests {
  private func pin(_ kind: Pin.Kind, account: Int64 = 1, until: Int64 = 2_000_000) -> Pin {
    Pin(account: account, kind: kind, until: until, reason: "why", by: "root", since: 0)
  }

  private func planned(
    _ accounts: [Account], _ people: [Entitlement], _ pins: [Pin], now: Int64 = 1_000_000
  ) -> Plan {
    let world = world(accounts, people, now: now)
    return plan(
      World(
        site: world.site, accounts: accounts, entitlements: Entitlements(people), rules: rules,
        leavers: LeaverPolicy(afterSeconds: 0, action: .deactivate), leaversRule: 4,
        isPresent: world.isPresent, pins: pins.map { NamedPin(pin: $0, email: "a@x") },
        basis: world.basis))
  }

  private let keep = Pin.Kind.keep(.init(Right(.license, "jira")))

  @Test func aPinKeepsARightUntilItEnds() {
    let one = account(1, "a@x", person: "1", licenses: ["jira", "confluence"])
    let kept = planned([one], [person("1", "a@x")], [pin(keep)])
    #expect(kept.words == ["a@x revoke-license confluence"] && kept.expiredPins.isEmpty)
    let ended = planned([one], [person("1", "a@x")], [pin(keep, until: 1_000_000)])
    #expect(
      ended.words == ["a@x revoke-license confluence", "a@x revoke-license jira"])
    #expect(ended.expiredPins.map(\.pin.text) == ["keep license=jira"])
    // Somebody inactive keeps no seat, but gets it back.
    let inactive = planned([one], [person("1", "a@x", isActive: false)], [pin(keep)])
    #expect(
      inactive.words == [
        "a@x revoke-license confluence", "a@x revoke-license jira (kept)", "a@x deactivate-account",
      ])
  }

  @Test func anIgnoredAccountStaysExactlyAsItIs() {
    let one = account(1, "a@x", person: "1", licenses: ["jira"])
    let changed = person("1", "new@x", name: "New", groups: ["g"])
    let ignored = planned([one], [changed], [pin(.ignore)])
    #expect(ignored.isEmpty && ignored.holds.isEmpty && ignored.memory.settled.isEmpty)
    #expect(planned([one], [], [pin(.ignore)]).isEmpty)
    #expect(!planned([one], [], []).isEmpty)
  }

  @Test func pinsForAndAgainstPortalOnly() {
    let one = account(1, "a@x", person: "1", licenses: ["licenses"].map { _ in "jira" })
    #expect(
      planned([one], [person("1", "a@x", licenses: ["jira"])], [pin(.portalOnly)]).words == [
        "a@x revoke-license jira", "a@x mark-portal-only",
      ])
    #expect(
      planned(
        [account(1, "a@x", person: "1")], [person("1", "a@x", portalOnly: true)],
        [pin(.noPortalOnly)]
      ).isEmpty)
    let marked = account(1, "a@x", person: "1", mark: Givers(rule: "portal"))
    #expect(
      planned([marked], [person("1", "a@x", portalOnly: true)], [pin(.noPortalOnly)]).words == [
        "a@x unmark-portal-only"
      ])
  }

  @Test func aPinThatContradictsTheDomainIsRefused() {
    let site = world().site, after = world(transition: .after).site
    let plain = account(1, "a@x"), marked = account(1, "a@x", mark: Givers(hand: "root"))
    let jira = account(1, "a@x", hand: [Right(.license, "jira")])
    func reason(_ kind: Pin.Kind, _ account: Account, _ site: Site, _ others: [Pin] = []) -> String?
    {
      PinCheck.obstacle(pin(kind), account, others: others, site: site, now: 1)?.reason
    }
    #expect(reason(keep, marked, site)?.contains("R6") == true)
    #expect(reason(keep, plain, site)?.contains("has no license jira") == true)
    #expect(reason(keep, jira, site) == nil)
    #expect(reason(keep, jira, site, [pin(.portalOnly)])?.contains("pinned portal-only") == true)
    #expect(reason(.portalOnly, plain, after)?.contains("R13") == true)
    #expect(reason(.portalOnly, marked, after) == nil)
    #expect(reason(.portalOnly, jira, site)?.contains("what no rule gave") == true)
    #expect(reason(.portalOnly, plain, site, [pin(.noPortalOnly)]) != nil)
    #expect(reason(.noPortalOnly, marked, after)?.contains("is portal-only") == true)
    #expect(reason(.ignore, marked, after) == nil)
    #expect(
      PinCheck.obstacle(pin(.ignore, until: 1), plain, others: [], site: site, now: 1) != nil)
  }
}

@Suite struct TransitionTests {
  private func preview(_ accounts: [Account], wishes: [String: String] = [:], holds: [Hold] = [])
    -> TransitionPreview
  {
    var preview = TransitionPreview(
      rootURL: "https://root", portalURL: "https://portal", wishes: wishes, holds: holds)
    for account in accounts { preview.add(account) }
    return preview
  }

  @Test func r1EveryMarkedAccountBecomesPortalOnlyAndEveryOtherAnAtlassianAccount() {
    let preview = preview([
      account(1, "a@x"), account(2, "b@x", licenses: ["jira"]),
      account(3, "c@x", mark: Givers(rule: "portal")), account(4, "d@x", deactivatedBy: .sync),
    ])
    #expect(preview.atlassian == 2 && preview.unassigned == 1)
    #expect(preview.portalOnly == 1 && preview.deactivated == 1)
  }

  @Test func r19ExactlyThoseWhoseSignInChangesAreTold() {
    let named = account(1, "ada@x").with(username: "ada")
    let same = account(2, "bob@x", mark: Givers(rule: "portal")).with(username: "Bob@X")
    let other = account(3, "eve@x", mark: Givers(hand: "root")).with(username: "eve")
    let changes = preview([
      named, same, other, account(4, "dan@x"), account(5, "f@x", mark: Givers(rule: "portal")),
    ]).signInChanges
    #expect(
      changes == [
        .init(
          email: "ada@x", name: "Somebody", before: "ada", after: "Atlassian account ada@x",
          url: "https://root"),
        .init(
          email: "eve@x", name: "Somebody", before: "eve", after: "eve@x in the portal",
          url: "https://portal"),
        .init(
          email: "dan@x", name: "Somebody", before: "dan@x", after: "Atlassian account dan@x",
          url: "https://root"),
      ])
  }

  @Test func whoWouldBetterBeMarkedAndWhatBlocksIsNamed() {
    let marked = account(2, "b@x", person: "2", mark: Givers(rule: "portal"))
    let hold = Hold(
      person: "3", account: 3, email: nil, name: "Eve",
      doubts: [Doubt("no usable email", remedy: "give one", isAboutEmail: true)])
    let other = Hold(
      person: "4", account: 4, email: "d@x", name: "Dan", doubts: [Doubt("why", remedy: "so")])
    let newcomer = Hold(
      person: "6", account: nil, email: nil, name: "New", doubts: hold.doubts)
    let preview = preview(
      [account(1, "a@x", person: "1"), marked, account(5, "no email")],
      wishes: ["1": "vendors (m.yaml:3)", "2": "vendors (m.yaml:3)"],
      holds: [hold, other, newcomer])
    #expect(preview.betterMarked.map(\.email) == ["a@x"])
    #expect(preview.obstacles.map(\.email) == ["Eve", "no email"])
  }

  @Test func r13TheMappingsWishesFollowTheTransition() {
    let atlassian = account(1, "a@x", person: "1", licenses: ["jira"], hand: [Right(.group, "g")])
    let wish = plan(world([atlassian], [person("1", "a@x", portalOnly: true)], transition: .after))
    #expect(wish.words == ["a@x revoke-license jira"])
    #expect(wish.change(at: 0).reason?.contains("stays an Atlassian account") == true)
    // A portal-only account that is to hold something is converted first; what a hand marked is held.
    let ruled = account(1, "a@x", person: "1", mark: Givers(rule: "portal"))
    let entitled = [person("1", "a@x", licenses: ["jira"])]
    #expect(
      plan(world([ruled], entitled, transition: .after)).words == [
        "a@x convert-account", "a@x grant-license jira",
      ])
    let handed = account(1, "a@x", person: "1", mark: Givers(hand: "root"))
    let held = plan(world([handed], entitled, transition: .after))
    #expect(held.isEmpty && held.holds[0].doubts[0].remedy == "usher convert a@x")
    // Nothing to hold: nothing that could not be taken back.
    #expect(plan(world([ruled], [person("1", "a@x")], transition: .after)).isEmpty)
  }
}
