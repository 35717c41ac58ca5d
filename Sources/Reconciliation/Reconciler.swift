/// Entitlements against accounts gives a plan; the guard decides what of it may pass. Everything here
/// is pure: no clock, no store, no directory, and the same input gives the same plan whatever its order.

import SiteModel

/// Makes the plan for one world.
package struct Reconciler {
  let world: World
  /// People held from outside, by directory id: the guard's.
  let heldBack: [String: Doubt]
  var builder: PlanBuilder
  var seatRequests: [SeatRequest] = []
  /// The catalogue, and what is asked for besides.
  var products: [Right]
  var givenOtherwise: [GivenOtherwise] = []
  var seatsFreed: [String: Int] = [:]
  var waiting: Set<String> = []
  /// Ids of several entries for which there is a hold.
  private var heldTwins: Set<String> = []

  package init(world: World, heldBack: [String: Doubt] = [:]) {
    self.world = world
    self.heldBack = heldBack
    products = world.site.policy.ceilings.keys.sorted().map { Right(.license, $0) }
    builder = PlanBuilder(
      basis: world.basis, rules: world.rules, warnings: world.warnings,
      expecting: world.entitlements)
  }

  package consuming func plan() -> Plan {
    let decided = Cases(world: world, heldBack: heldBack)
    for index in decided.order { settle(Int(index), decided) }
    for index in decided.absent {
      absent(world.accounts[index], isPaused: decided.paused.contains(index))
    }
    grantSeats()
    rememberSettled(decided)
    builder.accept(world.accepting, replaced: world.replacedGroups + decided.emptied)
    if world.basis.isWhole { builder.note(world.lookedAt) }
    if !world.neverGave.isEmpty { builder.giveFirst(givingFirst()) }
    for pin in world.expiredPins where world.basis.isWhole { builder.expire(pin) }
    for person in world.forgotten where world.basis.only == nil { builder.forget(person) }
    return builder.finish()
  }

  /// The directories whose rules give something for the first time.
  private func givingFirst() -> Set<String> {
    guard builder.givesAnything else { return [] }
    if world.several.names.isEmpty { return world.neverGave }
    let entitlements = world.entitlements
    return entitlements.indices.reduce(into: []) { found, index in
      guard entitlements.wantsAccount(index) else { return }
      let name = world.several.names[Int(entitlements.directory(index))]
      if world.neverGave.contains(name) { found.insert(name) }
    }
  }

  // MARK: One person

  /// - Parameter index: the number of the case. Cases are looked at where they are: there is one for everybody.
  mutating func settle(_ index: Int, _ cases: Cases) {
    guard cases.all[index].inScope else { return }
    let account = cases.all[index].account.map { world.accounts[$0] }
    if cases.all[index].isAwaited { return awaitMissing(world.entitlements[index], account) }
    if let doubts = cases.doubts[index] {
      hold(
        Hold(
          person: world.entitlements.person(index), account: account?.id,
          email: cases.email(index) ?? account?.email,
          name: account?.name ?? world.entitlements.firstName(index), doubts: doubts))
    }
    if cases.all[index].isHeld { return }
    let dispute = cases.disputes[index] ?? Dispute()
    if let account {
      settle(world.entitlements[index], account, email: cases.email(index), dispute)
    } else {
      if !world.several.names.isEmpty { gather(world.entitlements[index], nil) }
      create(index, cases)
    }
  }

  /// Adds a hold; one for each person, though several entries may bear the id.
  private mutating func hold(_ hold: Hold) {
    if world.doubled.contains(hold.person), !heldTwins.insert(hold.person).inserted { return }
    builder.hold(hold)
  }

  /// Creates the account of somebody who has none and is to have one.
  private mutating func create(_ index: Int, _ cases: Cases) {
    let email = cases.all[index].email
    guard world.entitlements.wantsAccount(index), email != .none else { return }
    let portalOnly = world.entitlements.portalOnly(index)
    let grants = world.entitlements.grants(index)
    let subject = builder.addNew(
      index, email: email == .first ? nil : cases.email(index), portalOnly: portalOnly != nil)
    builder.add(
      .createAccount, subject: subject, rule: portalOnly ?? grants.first?.rule,
      reason: portalOnly == nil && grants.isEmpty ? Reason.plain : nil,
      givers: portalOnly.map { GiversChange(to: Givers(rule: world.rules[$0].name)) })
    let withheld = cases.disputes[index]?.withheld ?? []
    for grant in grants where !withheld.contains(grant.right) { request(grant, subject) }
  }

  private mutating func settle(
    _ entitlement: Entitlement, _ account: Account, email: String?, _ dispute: Dispute
  ) {
    if account.absentSince != nil, entitlement.outcome != .leaver {
      builder.absence(of: entitlement.person, since: nil)
    }
    if !world.several.names.isEmpty { gather(entitlement, account) }
    switch entitlement.outcome {
    case .account(let portalOnly, let grants) where entitlement.isActive:
      guard let email else { return }
      provide(email, entitlement, account, portalOnly: portalOnly, grants: grants, dispute)
    case .leaver where entitlement.isActive: leaver(account, person: entitlement.person)
    case .account(_, let grants):
      let kept = Set(grants.map(\.right))
      deactivate(account, of: entitlement.person, keeping: kept, reason: Reason.inactive)
    case .nothing where entitlement.isActive:
      let subject = addSubject(account, entitlement.person)
      comeBack(account, subject)
      releaseRuleGiven(
        account, subject, keeping: RightIndex(Array(dispute.kept)), reason: Reason.noRule)
      unmarkRuleGiven(account, subject, reason: Reason.noRule)
    case .leaver, .nothing:
      deactivate(account, of: entitlement.person, reason: Reason.inactive)
    }
  }

  /// Brings an account to what an active person is entitled to, linking it if need be.
  mutating func provide(
    _ email: String, _ entitlement: Entitlement, _ account: Account, portalOnly: Int?,
    grants all: [Grant], _ dispute: Dispute = Dispute()
  ) {
    let grants =
      dispute.withheld.isEmpty ? all : all.filter { !dispute.withheld.contains($0.right) }
    let name = choose(account.name, among: entitlement.names) ?? email
    let changesEmail = !isSameEmail(account.email, email)
    let subject = builder.addSubject(
      account: account.id, person: entitlement.person,
      email: changesEmail ? email : account.email, name: name, username: entitlement.username)
    if account.person == nil {
      let isByEmail = entitlement.emails.contains { isSameEmail($0, account.email) }
      builder.add(
        .linkAccount, subject: subject, after: entitlement.person,
        reason: isByEmail ? Reason.email : Reason.match)
    }
    comeBack(account, subject)
    if changesEmail {
      builder.add(.changeEmail, subject: subject, before: account.email, after: email)
    }
    if account.name != name {
      builder.add(
        .updateProfile, subject: subject, before: "name=\(account.name)", after: "name=\(name)")
    }
    if let username = entitlement.username, account.username != username {
      builder.add(
        .updateProfile, subject: subject, before: "username=\(account.username ?? "")",
        after: "username=\(username)")
    }
    if let rule = portalOnly {
      restrict(account, subject, rule: rule)
    } else {
      let reason = grants.isEmpty ? Reason.noLicense : Reason.licensed
      unmarkRuleGiven(account, subject, reason: reason)
      convert(account, subject, for: grants)
      let targets = RightIndex(grants.map(\.right) + dispute.kept)
      releaseRuleGiven(account, subject, keeping: targets, reason: Reason.noRule)
      provide(grants, account, subject)
    }
  }

  /// Marks an account portal-only; what rules gave goes first (R14). After the transition an
  /// Atlassian account stays one (R13).
  mutating func restrict(_ account: Account, _ subject: Int, rule: Int) {
    if world.site.transition == .after, !account.isPortalOnly {
      releaseRuleGiven(account, subject, keeping: RightIndex([]), reason: Reason.staysAtlassian)
      return
    }
    releaseRuleGiven(account, subject, keeping: RightIndex([]), reason: Reason.portalOnly)
    if !account.isPortalOnly { builder.add(.markPortalOnly, subject: subject, rule: rule) }
  }

  /// After the transition a portal-only account that is to hold something becomes an Atlassian account
  /// first (R8); one that is to hold nothing stays as it is, since this cannot be taken back (R13).
  private mutating func convert(_ account: Account, _ subject: Int, for grants: [Grant]) {
    guard world.site.transition == .after, account.isPortalOnly, let first = grants.first else {
      return
    }
    builder.add(
      .convertAccount, subject: subject, rule: first.rule,
      reason: account.isEmailVerified ? Reason.licensed : Reason.mustVerify,
      givers: GiversChange(from: account.mark))
  }

  mutating func provide(
    _ grants: [Grant], _ account: Account, _ subject: Int
  ) {
    let held = RightIndex(account.holdings.map(\.right))
    for grant in grants {
      guard let givers = held.place(of: grant.right).map({ account.holdings[$0].givers }) else {
        request(grant, subject)
        continue
      }
      let rule = world.rules[grant.rule].name
      if let before = givers.rule, before != rule {
        builder.regive(grant.right, of: account.id, rule: rule)
      }
    }
  }

  /// An active person's account that the sync deactivated is active again, with what hands and imports
  /// gave (R20).
  mutating func comeBack(_ account: Account, _ subject: Int) {
    guard account.deactivatedBy == .sync else { return }
    builder.add(.reactivateAccount, subject: subject, reason: Reason.returned)
    for holding in account.holdings where holding.isSuspended {
      resume(holding, subject)
    }
  }

  // MARK: Afterwards

  mutating func rememberSettled(_ cases: Cases) {
    let entitlements = world.entitlements
    for index in cases.order.lazy.map(Int.init) {
      guard entitlements.hasID(index), cases.all[index].inScope || cases.all[index].isUnread else {
        continue
      }
      let account = cases.all[index].account
      let isFrozen = cases.all[index].isFrozen
      let isPinned = account.map { world.pins[world.accounts[$0].id] != nil } ?? false
      if isFrozen || cases.doubts[index] != nil || cases.all[index].hasMissing || isPinned
        || isWaiting(index)
        || entitlements.isLeaver(index)
      {
        for id in entitlements[index].ids { builder.unsettle(id) }
      } else {
        builder.settle(index)
        for other in entitlements.others(index) {
          builder.settle(other.person, fingerprint: other.fingerprint, due: other.nextChange)
        }
      }
      if !world.several.names.isEmpty {
        place(
          entitlements[index], isLinked: account != nil || entitlements.wantsAccount(index),
          isFrozen: isFrozen)
      }
    }
  }

  /// Whether somebody waits for a seat.
  private func isWaiting(_ index: Int) -> Bool {
    !waiting.isEmpty && waiting.contains(world.entitlements.person(index))
  }

  mutating func addSubject(_ account: Account, _ person: String?) -> Int {
    builder.addSubject(
      account: account.id, person: person, email: account.email, name: account.name,
      username: account.username)
  }

  func ruleNumber(_ name: String) -> Int? {
    world.rules.firstIndex { $0.name == name }
  }

  /// The value that stays while it is still usable, else the bytewise smallest.
  func choose(_ current: String?, among usable: UsableValues) -> String? {
    if let current, usable.contains(current) { return current }
    return usable.first
  }
}

/// Why a change is made, where no rule says it.
enum Reason {
  static let inactive = "inactive in the directory"
  static let gone = "gone from the directory, and the grace period is over"
  static let noRule = "no rule gives it any more"
  static let portalOnly = "a portal-only account holds no license and no group"
  static let staysAtlassian =
    "stays an Atlassian account: after the transition it cannot be made portal-only again"
  static let noLicense = "no rule restricts the account to the portal any more"
  static let licensed = "entitled to licenses or groups"
  static let mustVerify =
    "entitled to licenses or groups; a person new to Atlassian Cloud must verify the email"
  static let trueUp = "the rules alone decide about this license (own: all)"
  static let email = "the only person with this email"
  static let match = "the only person whom account.match joins with this username"
  static let plain = "no rule gives a license or a group"
  static let returned = "active in the directory again"
}
