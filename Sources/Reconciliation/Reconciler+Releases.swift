import SiteModel

/// What is taken away: rights, marks, and the accounts of people who are inactive or gone.
extension Reconciler {
  /// Whether the sync may withdraw what an account holds, and no pin keeps it.
  func isWithdrawable(_ holding: Holding, of account: Account) -> Bool {
    world.site.policy.isWithdrawable(holding) && !world.isKept(holding.right, of: account)
  }

  mutating func releaseRuleGiven(
    _ account: Account, _ subject: Int, keeping kept: RightIndex, reason: String
  ) {
    let released = account.holdings.filter {
      !kept.contains($0.right) && isWithdrawable($0, of: account)
    }
    for holding in released.sorted(by: { $0.right < $1.right }) {
      release(holding, subject, reason: holding.givers.isRuleOnly ? reason : Reason.trueUp)
    }
  }

  mutating func release(_ holding: Holding, _ subject: Int, reason: String) {
    release(holding, subject, reason: reason, to: Givers(), keepsGivers: false)
  }

  /// Gives back a license whose givers stay: it is remembered for the day of return (R20).
  private mutating func suspend(_ holding: Holding, _ subject: Int, reason: String) {
    var givers = holding.givers
    if !givers.isRuleOnly { givers.rule = nil }
    release(holding, subject, reason: reason, to: givers, keepsGivers: true)
  }

  private mutating func release(
    _ holding: Holding, _ subject: Int, reason: String, to givers: Givers, keepsGivers: Bool
  ) {
    let isLicense = holding.right.kind == .license
    if isLicense, !holding.isSuspended { seatsFreed[holding.right.name, default: 0] += 1 }
    builder.add(
      isLicense ? .revokeLicense : .leaveGroup, subject: subject, before: holding.right.name,
      rule: holding.givers.rule.flatMap(ruleNumber), reason: reason,
      givers: GiversChange(from: holding.givers, to: givers), keepsGivers: keepsGivers)
  }

  mutating func unmarkRuleGiven(_ account: Account, _ subject: Int, reason: String) {
    guard account.mark.isRuleOnly, world.site.transition == .before else { return }
    builder.add(
      .unmarkPortalOnly, subject: subject, rule: account.mark.rule.flatMap(ruleNumber),
      reason: reason, givers: GiversChange(from: account.mark))
  }

  /// Deactivates an account and gives back every seat (R20): what rules gave goes, what hands and
  /// imports gave or a pin keeps is remembered for the day of return.
  /// - Parameter person: whose entry it is by which that is decided; nil: the one that the account is linked by.
  mutating func deactivate(
    _ account: Account, of person: String? = nil, keeping kept: Set<Right> = [], reason: String,
    by deactivator: Givers? = nil
  ) {
    let subject = addSubject(account, person ?? account.person)
    for holding in account.holdings.sorted(by: { $0.right < $1.right }) {
      switch holding.right.kind {
      case .license where isWithdrawable(holding, of: account):
        release(holding, subject, reason: reason)
      case .license where !holding.isSuspended: suspend(holding, subject, reason: reason)
      case .group where isWithdrawable(holding, of: account) && !kept.contains(holding.right):
        release(holding, subject, reason: reason)
      default: break
      }
    }
    if account.isActive {
      builder.add(
        .deactivateAccount, subject: subject, reason: reason,
        givers: deactivator.map { GiversChange(to: $0) })
    }
  }

  // MARK: Leavers

  mutating func absent(_ account: Account, isPaused: Bool) {
    guard let person = account.person, world.isInScope(person), !world.isIgnored(account) else {
      return
    }
    if isPaused {
      if account.absentSince != nil { builder.absence(of: person, since: nil) }
      return
    }
    if let doubt = heldBack[person] {
      builder.hold(
        Hold(
          person: person, account: account.id, email: account.email, name: account.name,
          doubts: [doubt]))
      return
    }
    leaver(account, person: person)
  }

  mutating func leaver(_ account: Account, person: String) {
    let place = world.movedOut[person]
    let reason = place.map { "moved out of the search, to \($0)" } ?? Reason.gone
    let known = account.person == person ? account.absentSince : nil
    // A moment that lies ahead was written by a clock that was wrong.
    let since = min(absentSince(person, account) ?? world.now, world.now)
    let leavers = world.leavers(of: person)
    let due = since + leavers.policy.afterSeconds
    if known.map({ $0 > since }) ?? true { builder.absence(of: person, since: since) }
    guard world.agingNow >= due else {
      if account.isActive, leavers.policy.action != .keep {
        builder.leaving(
          Leaving(
            account: account.id, person: person, email: account.email, name: account.name,
            due: due, movedTo: place))
      }
      return
    }
    builder.depart(person, since: known, movedTo: place)
    switch leavers.policy.action {
    case .keep: break
    case .deactivate: deactivate(account, of: person, reason: reason)
    case .unlicensed:
      let subject = addSubject(account, person)
      releaseRuleGiven(account, subject, keeping: RightIndex([]), reason: reason)
      unmarkRuleGiven(account, subject, reason: reason)
    case .portalOnly:
      let kept = account.holdings.filter { !isWithdrawable($0, of: account) }
      if kept.isEmpty {
        restrict(account, addSubject(account, person), rule: leavers.rule)
      } else if !account.isPortalOnly {
        builder.hold(
          Hold(
            person: person, account: account.id, email: account.email, name: account.name,
            doubts: [Doubt.keepsRights(kept, email: account.email)]))
      }
    }
  }
}
