import SiteModel

/// Takes one run back: every change in reverse, account by account; an account that has changed since in
/// what the run changed is left as it is, and named.
package struct Undoing {
  private let world: World
  private let hand: Givers
  private var reconciler: Reconciler
  private var refusals: [Handwork.Refusal] = []
  /// Emails that accounts keep which are not taken back, as `emailKey` has them.
  private var occupied: Set<String>

  /// - Parameters:
  ///   - world: the accounts that the run changed, and nobody's entitlements.
  ///   - entries: the run's changes.
  ///   - occupied: emails of other accounts of the site, as `emailKey` has them.
  ///   - user: the administrator, who deactivates what the run created.
  /// - Returns: a plan of what can be taken back; refusals name the rest.
  package static func plan(
    _ entries: [JournalEntry], in world: World, occupied: Set<String> = [], by user: String
  ) -> Handwork.Result {
    var undoing = Undoing(world: world, occupied: occupied, hand: Givers(hand: user))
    var byAccount: [Int64: [JournalEntry]] = [:]
    for entry in entries { byAccount[entry.account, default: []].append(entry) }
    for account in undoing.accountsWithoutObstacle(byAccount) {
      if let own = byAccount[account.id] { undoing.undo(own, account) }
    }
    return Handwork.Result(
      plan: undoing.reconciler.builder.finish(), notes: [], refusals: undoing.refusals)
  }

  private init(world: World, occupied: Set<String>, hand: Givers) {
    self.world = world
    self.occupied = occupied
    self.hand = hand
    reconciler = Reconciler(world: world)
  }

  /// The accounts that can be taken back. Whoever is left as they are keeps their email, which may stand in the
  /// way of another.
  private mutating func accountsWithoutObstacle(_ entries: [Int64: [JournalEntry]]) -> [Account] {
    var left: [Account] = []
    for account in world.accounts {
      if let reason = obstacle(entries[account.id] ?? [], account) {
        refuse(account, reason)
      } else {
        left.append(account)
      }
    }
    while let index = left.firstIndex(where: { account in
      entries[account.id]?.contains {
        $0.kind == .changeEmail && occupied.contains(emailKey($0.before ?? ""))
      } ?? false
    }) {
      refuse(left.remove(at: index), "another account has its email of then")
    }
    while let (index, product) = accountWithoutSeat(left, entries) {
      refuse(left.remove(at: index), "there is no free seat for \(product)")
    }
    return left
  }

  /// The first account for which no seat is left, once everything that the run gave is given back.
  private func accountWithoutSeat(
    _ accounts: [Account], _ entries: [Int64: [JournalEntry]]
  ) -> (index: Int, product: String)? {
    var free: [String: Int] = [:]
    for (product, ceiling) in world.site.policy.ceilings {
      if let ceiling { free[product] = ceiling - (world.site.seatsTaken[product] ?? 0) }
    }
    func seats(_ kind: ChangeKind, of account: Account) -> [String] {
      (entries[account.id] ?? []).filter { $0.kind == kind && !$0.isGiverOnly }
        .compactMap { $0.right?.name }
    }
    for account in accounts {
      for product in seats(.grantLicense, of: account) { free[product]? += 1 }
    }
    for (index, account) in accounts.enumerated() {
      for product in seats(.revokeLicense, of: account) {
        if let left = free[product], left < 1 { return (index, product) }
        free[product]? -= 1
      }
    }
    return nil
  }

  private mutating func refuse(_ account: Account, _ reason: String) {
    refusals.append(Handwork.Refusal(email: account.email, reason: reason, remedy: nil))
    occupied.insert(emailKey(account.email))
  }

  private mutating func undo(_ entries: [JournalEntry], _ account: Account) {
    let isCreation = entries.contains { $0.kind == .createAccount }
    let subject = reconciler.builder.addSubject(
      account: account.id, person: account.person,
      email: entries.first { $0.kind == .changeEmail }?.before ?? account.email,
      name: account.name, username: account.username)
    for entry in entries {
      reverse(entry, account, subject, isCreation: isCreation)
    }
  }

  /// Why an account stays as it is; nil when everything can be taken back.
  private func obstacle(_ entries: [JournalEntry], _ account: Account) -> String? {
    for entry in entries {
      if let reason = obstacle(entry, account) { return reason }
    }
    if entries.contains(where: { $0.kind == .createAccount }) {
      let given = Set(entries.compactMap(\.right))
      if let other = account.holdings.first(where: { !given.contains($0.right) }) {
        return
          "has been given \(other.right.kind.rawValue) \(other.right.name) since (\(other.givers.text))"
      }
    }
    let comesBack = entries.contains { $0.kind == .deactivateAccount }
    let givesBack = entries.contains {
      ($0.kind == .revokeLicense || $0.kind == .leaveGroup) && !$0.isGiverOnly
    }
    if givesBack, !account.isActive, !comesBack { return "has been deactivated since" }
    if wouldHoldSomethingMarked(entries, account) {
      return "would be portal-only and hold licenses or groups (R6)"
    }
    return nil
  }

  private func wouldHoldSomethingMarked(_ entries: [JournalEntry], _ account: Account) -> Bool {
    var mark = account.mark
    var rights = Set(account.holdings.filter { !$0.isSuspended }.map(\.right))
    for entry in entries {
      switch entry.kind {
      case .markPortalOnly, .unmarkPortalOnly: mark = entry.givers?.before ?? Givers()
      case .grantLicense, .joinGroup:
        if !entry.isGiverOnly { entry.right.map { _ = rights.remove($0) } }
      case .revokeLicense, .leaveGroup: entry.right.map { _ = rights.insert($0) }
      default: break
      }
    }
    return !mark.isEmpty && !rights.isEmpty
  }

  private func obstacle(_ entry: JournalEntry, _ account: Account) -> String? {
    if entry.isErased { return "the person's data were erased" }
    switch entry.kind {
    case .createAccount: return account.isActive ? nil : "has been deactivated since"
    case .linkAccount:
      return account.person == entry.after ? nil : "has been linked to somebody else since"
    case .updateProfile:
      return entry.after == profileField(entry, of: account)
        ? nil : "has another name or username since"
    case .changeEmail:
      return entry.after == account.email ? nil : "has another email since"
    case .convertAccount:
      return "was converted, which cannot be taken back (R13)"
    case .markPortalOnly, .unmarkPortalOnly:
      if world.site.transition == .after { return "marks are fixed after the transition (R13)" }
      return entry.givers?.after == account.mark ? nil : "its mark has changed since"
    case .deactivateAccount:
      return account.deactivatedBy == Account.Deactivator(entry.givers?.after)
        ? nil : "has been reactivated or deactivated anew since"
    case .reactivateAccount: return account.isActive ? nil : "has been deactivated since"
    case .grantLicense, .revokeLicense, .joinGroup, .leaveGroup:
      return rightObstacle(entry, account)
    }
  }

  private func rightObstacle(_ entry: JournalEntry, _ account: Account) -> String? {
    guard let right = entry.right else { return "the journal does not say which right" }
    let what = "\(right.kind.rawValue) \(right.name)"
    if let hidden = right.hiddenCharacter, entry.kind == .revokeLicense || entry.kind == .leaveGroup
    {
      return "\(what) holds the character \(hidden.codePoint), which nobody sees in a name"
    }
    let wanted = entry.givers?.after ?? Givers()
    guard let holding = account.holding(right) else {
      return wanted.isEmpty ? nil : "\(what) has been taken away since"
    }
    if wanted.isEmpty { return "\(what) has been given since (\(holding.givers.text))" }
    // Another rule may give by now what a rule gave then.
    let isSame =
      holding.givers == wanted || (holding.givers.isRuleOnly && wanted.isRuleOnly)
    let isGift = entry.kind == .grantLicense || entry.kind == .joinGroup
    guard isSame, holding.isSuspended == (entry.keepsGivers && !isGift) else {
      return "the givers of \(what) have changed since (\(holding.givers.text))"
    }
    return nil
  }

  private func profileField(_ entry: JournalEntry, of account: Account) -> String? {
    entry.after?.utf8.starts(with: "name=".utf8) == true
      ? "name=\(account.name)" : "username=\(account.username ?? "")"
  }

  private mutating func reverse(
    _ entry: JournalEntry, _ account: Account, _ subject: Int, isCreation: Bool
  ) {
    let reason = "taken back"
    let rule = entry.rule.flatMap { reconciler.ruleNumber($0.name) }
    var givers = entry.givers?.reversed
    if let right = entry.right, let now = account.holding(right), let then = givers {
      givers = GiversChange(from: now.givers, to: then.after)
    }
    switch entry.kind {
    case .createAccount:
      reconciler.builder.add(
        .deactivateAccount, subject: subject, reason: reason, givers: GiversChange(to: hand))
    case .linkAccount:
      reconciler.builder.add(
        .linkAccount, subject: subject, before: entry.after, after: entry.before, reason: reason)
    case .updateProfile, .changeEmail:
      reconciler.builder.add(
        entry.kind, subject: subject, before: entry.after, after: entry.before, reason: reason)
    case .markPortalOnly, .unmarkPortalOnly:
      let isMark = entry.givers?.before.isEmpty == false
      reconciler.builder.add(
        isMark ? .markPortalOnly : .unmarkPortalOnly, subject: subject, rule: rule, reason: reason,
        givers: givers)
    case .convertAccount: break
    case .deactivateAccount:
      reconciler.builder.add(
        .reactivateAccount, subject: subject, reason: reason, givers: givers)
    case .reactivateAccount:
      reconciler.builder.add(
        .deactivateAccount, subject: subject, reason: reason, givers: givers)
    case .grantLicense, .joinGroup:
      reconciler.builder.add(
        entry.kind == .grantLicense ? .revokeLicense : .leaveGroup, subject: subject,
        before: entry.after, rule: rule, reason: reason, givers: givers,
        keepsGivers: entry.keepsGivers)
    case .revokeLicense, .leaveGroup:
      reconciler.builder.add(
        entry.kind == .revokeLicense ? .grantLicense : .joinGroup, subject: subject,
        after: entry.before, rule: rule, reason: reason, givers: givers,
        keepsGivers: entry.keepsGivers)
    }
  }
}

extension JournalEntry {
  var isGiverOnly: Bool {
    !keepsGivers && givers?.staysGiven == true
  }
}
