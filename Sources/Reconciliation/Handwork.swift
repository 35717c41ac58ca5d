import SiteModel

/// What an administrator asks for by name, as a plan like any other: all of it, or, where the domain's rules
/// stand against it, nothing and why.
package struct Handwork {
  package enum Order: Sendable, Hashable {
    case grant([Right])
    case revoke([Right])
    case deactivate, reactivate, mark, unmark, convert
    /// Whose accounts are, by number and directory id (R16).
    case link([Int64: String])

    /// The command's name.
    package var command: String {
      switch self {
      case .grant: "grant"
      case .revoke: "revoke"
      case .deactivate: "deactivate"
      case .reactivate: "reactivate"
      case .mark: "mark"
      case .unmark: "unmark"
      case .convert: "convert"
      case .link: "link"
      }
    }
  }

  /// Why an order cannot be carried out for one account.
  package struct Refusal: Sendable, Hashable {
    package let email: String
    package let reason: String
    package let remedy: String?
  }

  package struct Result: Sendable {
    package let plan: Plan
    /// What the administrator should know, each as one sentence.
    package let notes: [String]
    /// Not empty: nothing may be applied.
    package let refusals: [Refusal]
  }

  private let world: World
  private let hand: Givers
  private var reconciler: Reconciler
  private var subjects: [Int64: Int] = [:]
  private var notes: [String] = []
  private var refusals: [Refusal] = []

  /// - Parameters:
  ///   - world: the accounts concerned, and nobody's entitlements.
  ///   - user: the administrator, who becomes the giver.
  package static func plan(_ order: Order, in world: World, by user: String) -> Result {
    var work = Handwork(world: world, hand: Givers(hand: user))
    for account in world.accounts { work.carryOut(order, account) }
    return work.result()
  }

  private init(world: World, hand: Givers) {
    self.world = world
    self.hand = hand
    reconciler = Reconciler(world: world)
  }

  private consuming func result() -> Result {
    reconciler.grantSeats()
    let plan = reconciler.builder.finish()
    for (product, seats) in plan.seats.sorted(by: { $0.key < $1.key })
    where !seats.waiting.isEmpty {
      refusals.append(
        Refusal(
          email: seats.waitingNames.joined(separator: ", "),
          reason:
            "there is no free seat for \(product): \(seats.now) of \(seats.ceiling ?? 0) are taken",
          remedy: "revoke one first, or raise seats in the configuration"))
    }
    return Result(plan: plan, notes: notes, refusals: refusals)
  }

  private mutating func carryOut(_ order: Order, _ account: Account) {
    switch order {
    case .grant(let rights): for right in rights { grant(right, account) }
    case .revoke(let rights): for right in rights { revoke(right, account) }
    case .deactivate: deactivate(account)
    case .reactivate: reactivate(account)
    case .mark: mark(account)
    case .unmark: unmark(account)
    case .convert: convert(account)
    case .link(let people):
      if let person = people[account.id] { link(account, to: person) }
    }
  }

  private mutating func refuse(_ account: Account, _ reason: String, _ remedy: String? = nil) {
    refusals.append(Refusal(email: account.email, reason: reason, remedy: remedy))
  }

  private mutating func subject(_ account: Account) -> Int {
    if let known = subjects[account.id] { return known }
    let subject = reconciler.addSubject(account, account.person)
    subjects[account.id] = subject
    return subject
  }

  // MARK: Rights

  private mutating func grant(_ right: Right, _ account: Account) {
    let what = "\(right.kind.rawValue) \(right.name)"
    if let hidden = right.hiddenCharacter {
      return refuse(
        account, "\(what) holds the character \(hidden.codePoint), which nobody sees in a name",
        "type the name anew; it may have come with a text that was copied")
    }
    if account.isPortalOnly {
      let way = world.site.transition == .before ? "unmark" : "convert"
      return refuse(
        account, "a portal-only account holds no license and no group (R6)",
        "usher \(way) \(account.email)")
    }
    guard account.isActive else {
      return refuse(account, "the account is deactivated", "usher reactivate \(account.email)")
    }
    if right.kind == .license, world.site.policy.ownedByRules.contains(right.name) {
      return refuse(
        account,
        "\(right.name) is `own: all`: the rules alone decide, and a sync would take it away",
        "let a rule of the mapping give it")
    }
    let before = account.holding(right)?.givers ?? Givers()
    guard before.hand == nil else { return }
    var after = before
    after.hand = hand.hand
    if !before.isEmpty {
      notes.append(
        "\(account.email) has \(what) already (\(before.text)); it is now given by hand as well")
    }
    if right.kind == .license, before.isEmpty {
      reconciler.request(
        right, subject(account),
        GivenOtherwise(givers: GiversChange(to: after), isReturning: false))
    } else {
      reconciler.builder.add(
        right.kind == .license ? .grantLicense : .joinGroup, subject: subject(account),
        after: right.name, givers: GiversChange(from: before, to: after))
    }
  }

  private mutating func revoke(_ right: Right, _ account: Account) {
    guard let holding = account.holding(right) else { return }
    let what = "\(right.kind.rawValue) \(right.name)"
    if let rule = holding.givers.rule, holding.givers.isRuleOnly {
      return refuse(
        account, "the rule `\(rule)` gives \(what), and the next sync would give it again",
        "change the rule, or the person's entry in the directory")
    }
    if world.isKept(right, of: account) {
      return refuse(
        account, "a pin keeps \(what)",
        "usher unpin \(account.email) --keep \(right.kind.rawValue)=\(right.name)")
    }
    if right.kind == .group, world.site.policy.protectedGroups.contains(right.key),
      account.isActive, world.site.totals.activeMembersOfProtected[right.key] ?? 0 <= 1
    {
      return refuse(account, "the protected group \(right.name) would lose its last active member")
    }
    if world.site.policy.isProtected(account) { return refuseProtected(account) }
    guard holding.givers.rule != nil else {
      return reconciler.release(holding, subject(account), reason: Reason.byHand)
    }
    notes.append("\(account.email) keeps \(what): \(Givers(rule: holding.givers.rule).text)")
    reconciler.builder.add(
      right.kind == .license ? .revokeLicense : .leaveGroup, subject: subject(account),
      before: right.name, reason: Reason.byHand,
      givers: GiversChange(from: holding.givers, to: Givers(rule: holding.givers.rule)))
  }

  private mutating func refuseProtected(_ account: Account) {
    refuse(
      account, "the account is protected (site.protect)",
      "take it out of site.protect in the configuration")
  }

  // MARK: Accounts

  private mutating func deactivate(_ account: Account) {
    if world.site.policy.isProtected(account) { return refuseProtected(account) }
    for key in account.holdings.map(\.right).filter({ $0.kind == .group }).map(\.key)
    where account.isActive && world.site.policy.protectedGroups.contains(key)
      && world.site.totals.activeMembersOfProtected[key] ?? 0 <= 1
    {
      return refuse(account, "the protected group \(key) would lose its last active member")
    }
    guard account.isActive else { return }
    reconciler.deactivate(account, reason: Reason.byHand, by: hand)
  }

  private mutating func reactivate(_ account: Account) {
    guard let deactivator = account.deactivatedBy else { return }
    if deactivator == .sync {
      notes.append(
        "\(account.email) was deactivated by a sync, which will do it again while the person is gone or inactive in the directory"
      )
    }
    let subject = subject(account)
    reconciler.builder.add(
      .reactivateAccount, subject: subject, reason: Reason.byHand,
      givers: GiversChange(from: Givers(deactivator)))
    for holding in account.holdings where holding.isSuspended {
      reconciler.resume(holding, subject)
    }
  }

  private mutating func link(_ account: Account, to person: String) {
    guard account.person != person else { return }
    let subject = reconciler.addSubject(account, person)
    reconciler.builder.add(
      .linkAccount, subject: subject, before: account.person, after: person, reason: Reason.byHand)
  }

  // MARK: Marks

  private mutating func mark(_ account: Account) {
    guard world.site.transition == .before else {
      guard !account.isPortalOnly else { return }
      return refuse(account, "after the transition an Atlassian account stays one (R13)")
    }
    guard account.mark.hand == nil else { return }
    if world.site.policy.isProtected(account) { return refuseProtected(account) }
    let kept = account.holdings.filter { !reconciler.isWithdrawable($0, of: account) }
    if !kept.isEmpty {
      let doubt = Doubt.keepsRights(kept, email: account.email)
      return refuse(account, doubt.reason, doubt.remedy)
    }
    let subject = subject(account)
    if !account.holdings.isEmpty {
      notes.append(
        "rules give \(account.email) licenses or groups: the next sync will hold this account until the mapping agrees, or a pin says so (usher pin \(account.email) --portal-only)"
      )
    }
    reconciler.releaseRuleGiven(
      account, subject, keeping: RightIndex([]), reason: Reason.portalOnly)
    var after = account.mark
    after.hand = hand.hand
    reconciler.builder.add(
      .markPortalOnly, subject: subject, reason: Reason.byHand,
      givers: GiversChange(from: account.mark, to: after))
  }

  private mutating func unmark(_ account: Account) {
    guard world.site.transition == .before else {
      return refuse(
        account, "after the transition there are no marks to take off",
        "usher convert \(account.email)")
    }
    guard account.isPortalOnly else { return }
    if let rule = account.mark.rule, account.mark.isRuleOnly {
      return refuse(
        account, "the rule `\(rule)` marks it, and the next sync would do it again",
        "usher pin \(account.email) --no-portal-only --until DATE --reason WHY")
    }
    let after = Givers(rule: account.mark.rule)
    if !after.isEmpty { notes.append("\(account.email) stays marked: \(after.text)") }
    reconciler.builder.add(
      .unmarkPortalOnly, subject: subject(account), reason: Reason.byHand,
      givers: GiversChange(from: account.mark, to: after))
  }

  private mutating func convert(_ account: Account) {
    guard world.site.transition == .after else {
      return refuse(
        account, "conversions come after the transition",
        "before it, an account is unmarked: usher unmark \(account.email)")
    }
    guard account.isPortalOnly else { return }
    guard account.isActive else {
      return refuse(account, "the account is deactivated", "usher reactivate \(account.email)")
    }
    reconciler.builder.add(
      .convertAccount, subject: subject(account), reason: Reason.byHand,
      givers: GiversChange(from: account.mark))
    notes.append(
      account.isEmailVerified
        ? "\(account.email) has a verified email and signs in with Atlassian account credentials"
        : "\(account.email) must verify the email if new to Atlassian Cloud, and then signs in with Atlassian account credentials"
    )
  }
}

extension Givers {
  init(_ deactivator: Account.Deactivator) {
    switch deactivator {
    case .sync: self.init(rule: "sync")
    case .hand: self.init(hand: "hand")
    case .imported: self.init(imported: "import")
    }
  }
}

extension Reason {
  static let byHand = "by hand"
}
