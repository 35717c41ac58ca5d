import SiteModel

/// One evaluated person with their account and the email they are to have.
struct Case {
  /// Number in `World.accounts`: the linked account, or the one that will be linked.
  var account: Int?
  /// nil for people who get no account, and where none is usable.
  var email: String?
  var doubts: [Doubt] = []
  let inScope: Bool
  /// A directory that could not be read may say more of the person.
  var isUnread = false
  /// An entry in another directory is gone, still in its grace period.
  var hasMissing = false
  /// The person stays as they are until it is over.
  var isAwaited = false

  var isHeld: Bool { !doubts.isEmpty }
  /// Stays as they are, with the email their account has.
  var isFrozen: Bool { isHeld || !inScope || isAwaited }
}

/// Decides who can be decided about: matches people and accounts, and holds those whom R14 to R17 hold.
struct Cases {
  private let world: World
  /// One for each of `World.entitlements`, by its number.
  private(set) var all: [Case] = []
  /// Numbers of cases by email, then directory id: the order of the plan.
  private(set) var order: [Int] = []
  /// Numbers of accounts whose people are gone.
  private(set) var absent: [Int] = []
  /// Of these, the accounts whose email a new id has: they do not age (R16).
  private(set) var paused: Set<Int> = []
  /// Made when somebody's email may be another account's; with most people nothing is asked.
  private lazy var accountOfEmail: [String: Int] = {
    var found: [String: Int] = [:]
    found.reserveCapacity(world.accounts.count)
    for (index, account) in world.accounts.enumerated() { found[emailKey(account.email)] = index }
    return found
  }()
  /// Unlinked accounts by what `account.match` is compared with.
  private var accountOfUsername: [String: Int] = [:]
  /// The numbers of cases, by the ids of all entries of their people.
  private lazy var caseOfPerson: [String: Int] = {
    var found: [String: Int] = [:]
    found.reserveCapacity(all.count)
    for (index, entitlement) in world.entitlements.enumerated() {
      found[entitlement.person] = index
      for other in otherIDs(entitlement) { found[other] = index }
    }
    return found
  }()

  init(world: World, heldBack: [String: Doubt]) {
    self.world = world
    let accounts = world.accounts
    var links = AccountLinks(world)
    var isClaimed = [Bool](repeating: false, count: accounts.count)
    for (index, account) in accounts.enumerated() where account.person == nil {
      guard let username = account.username else { continue }
      // A username that two accounts bear tells neither.
      let known = accountOfUsername.updateValue(index, forKey: emailKey(username))
      if known != nil { accountOfUsername[emailKey(username)] = -1 }
    }
    let entitlements = world.entitlements
    all.reserveCapacity(entitlements.count)
    for (index, entitlement) in entitlements.enumerated() {
      let missing = missing(entitlement)
      var linked: Int?
      if entitlement.hasID, !accounts.isEmpty {
        linked =
          links.account(ofEntitlement: index)
          ?? otherIDs(entitlement).lazy.compactMap { links.account(of: $0) }.first
      }
      if let linked { isClaimed[linked] = true }
      let isIgnored = linked.map { world.isIgnored(world.accounts[$0]) } ?? false
      let isUnread = world.several.unread.contains(entitlement.person)
      var new = Case(
        account: linked,
        inScope: world.isInScope(entitlement.person) && !isIgnored && !isUnread)
      new.isUnread = isUnread
      new.hasMissing = missing.contains { $0.due(world.now) > world.now }
      // R20: whoever is inactive by the entries that are there does not wait.
      new.isAwaited = new.hasMissing && entitlement.isActive
      if world.doubled.contains(entitlement.person), linked != nil || entitlement.wantsAccount {
        new.doubts.append(Doubt.sameID(entitlement.person))
      }
      if let doubt = heldBack[entitlement.person] { new.doubts.append(doubt) }
      all.append(new)
    }
    chooseEmails()
    holdSharedAccounts()
    for index in all.indices { doubtRights(index) }
    let keys = sort()
    holdSharedEmails(keys)
    holdOccupiedEmails()
    for index in accounts.indices where !isClaimed[index] {
      if let person = accounts[index].person, isGone(person) { absent.append(index) }
    }
    absent.sort { world.accounts[$0].id < world.accounts[$1].id }
  }

  /// The number of the account with an email; nil where none has it. Without accounts no email is folded to find that out.
  private mutating func bearer(of email: String) -> Int? {
    world.accounts.isEmpty ? nil : accountOfEmail[emailKey(email)]
  }

  /// Entries of the person that are gone from other directories.
  private func missing(_ entitlement: Entitlement) -> [World.MissingEntry] {
    world.several.missing.isEmpty ? [] : world.several.missing[entitlement.person] ?? []
  }

  /// The ids of the person's entries in other directories, there or gone.
  private func otherIDs(_ entitlement: Entitlement) -> [String] {
    entitlement.others.map(\.person) + missing(entitlement).map(\.person)
  }

  private func account(_ index: Int) -> Account? { all[index].account.map { world.accounts[$0] } }

  /// - Returns: of each case the key of the email.
  private mutating func sort() -> [String] {
    let emails = all.indices.map { emailKey(all[$0].email ?? account($0)?.email ?? "~") }
    order = sortedByBytes(all.count) {
      emails[$0]
    } then: {
      world.entitlements[$0].person
    }.map(Int.init)
    return emails
  }

  /// R15 and R16: the email stays while it is usable, and an unlinked account with the email of just one
  /// person is theirs.
  private mutating func chooseEmails() {
    for index in all.indices {
      let entitlement = world.entitlements[index]
      guard entitlement.wantsAccount else { continue }
      if all[index].isUnread || all[index].isAwaited {
        all[index].email = account(index)?.email
        continue
      }
      let doubts = entitlement.doubts
      if !doubts.isEmpty { all[index].doubts += doubts }
      if all[index].account == nil, !world.accounts.isEmpty, holdNewID(index) { continue }
      guard !entitlement.emails.isEmpty else {
        all[index].doubts.append(Doubt.noEmail)
        continue
      }
      if let account = account(index) {
        all[index].email =
          entitlement.emails.contains { isSameEmail($0, account.email) }
          ? account.email : entitlement.emails[0]
        continue
      }
      let unlinked = entitlement.emails.filter { email in
        bearer(of: email).map { world.accounts[$0].person == nil } ?? false
      }
      if let match = entitlement.match.flatMap({ accountOfUsername[emailKey($0)] }),
        match >= 0
      {
        all[index].account = match
        let current = world.accounts[match].email
        all[index].email =
          entitlement.emails.contains { isSameEmail($0, current) }
          ? current : entitlement.emails[0]
        if let other = unlinked.first(where: { bearer(of: $0) != match }) {
          all[index].doubts.append(
            Doubt.severalAccounts([current, other], person: entitlement.person))
        }
        continue
      }
      all[index].email = unlinked.first ?? entitlement.emails[0]
      if unlinked.count > 1 {
        all[index].doubts.append(Doubt.severalAccounts(unlinked, person: entitlement.person))
      } else if let email = unlinked.first {
        all[index].account = bearer(of: email)
      }
    }
  }

  /// An unlinked account is linked if exactly one person matches (R15).
  private mutating func holdSharedAccounts() {
    var claimants: [Int: [Int]] = [:]
    for index in all.indices {
      if let account = all[index].account, world.accounts[account].person == nil {
        claimants[account, default: []].append(index)
      }
    }
    for (account, people) in claimants
    where Set(people.map { world.entitlements[$0].person }).count > 1 {
      for index in people {
        let others = people.filter { $0 != index }.map { label($0) }.sorted()
        all[index].doubts.append(
          Doubt.sharedAccount(world.accounts[account].email, others: others))
      }
    }
  }

  /// R16: somebody new, or without an id, bears an email of an account whose person is gone.
  private mutating func holdNewID(_ index: Int) -> Bool {
    let entitlement = world.entitlements[index]
    var isHeld = false
    for email in entitlement.emails {
      guard let occupant = bearer(of: email),
        let person = world.accounts[occupant].person, isGone(person)
      else { continue }
      paused.insert(occupant)
      isHeld = true
      if entitlement.hasID {
        all[index].email = email
        all[index].doubts.append(Doubt.newID(email, person: entitlement.person))
      }
    }
    return isHeld
  }

  /// Whether it is the email of the person's account.
  private func isOwn(_ email: String, _ index: Int) -> Bool {
    account(index).map { isSameEmail($0.email, email) } ?? false
  }

  private mutating func isGone(_ person: String) -> Bool {
    caseOfPerson[person] == nil && !world.isPresent(person)
  }

  /// R14 and R17: what rules did not give stands against what the mapping asks.
  private mutating func doubtRights(_ index: Int) {
    let entitlement = world.entitlements[index]
    doubtBrokenRules(index, entitlement)
    guard entitlement.wantsAccount, let account = account(index),
      case .account(let portalOnly, let grants) = entitlement.outcome
    else { return }
    if !account.isActive, account.deactivatedBy != .sync {
      all[index].doubts.append(Doubt.deactivated(account))
    }
    if portalOnly != nil {
      let kept = account.holdings.filter {
        !world.site.policy.isWithdrawable($0) || world.isKept($0.right, of: account)
      }
      if !kept.isEmpty, world.site.transition == .before {
        all[index].doubts.append(Doubt.keepsRights(kept, email: account.email))
      }
    } else if !grants.isEmpty, account.isPortalOnly, !account.mark.isRuleOnly {
      all[index].doubts.append(
        world.site.transition == .after ? Doubt.needsConversion(account) : Doubt.marked(account))
    }
  }

  /// R22: what somebody has through a directory group that is gone is not taken away.
  private mutating func doubtBrokenRules(_ index: Int, _ entitlement: Entitlement) {
    guard !world.brokenRules.isEmpty, entitlement.isActive else { return }
    let account = account(index)
    if case .account(_, let grants) = entitlement.outcome, !world.brokenDenials.isEmpty {
      for grant in grants where account?.holding(grant.right) == nil {
        let right = "\(grant.right.kind.rawValue) \(grant.right.key)"
        if world.brokenDenials.contains(right) {
          all[index].doubts.append(Doubt.lostDenial(right))
        }
      }
    }
    guard let account else { return }
    var given: [(rule: String, what: String)] = []
    var isMarked = false
    var granted: Set<Right> = []
    if case .account(let portalOnly, let grants) = entitlement.outcome {
      granted = Set(grants.map(\.right))
      isMarked = portalOnly != nil
    }
    for holding in account.holdings where holding.givers.isRuleOnly {
      if let rule = holding.givers.rule, !granted.contains(holding.right) {
        given.append((rule, "\(holding.right.kind.rawValue) \(holding.right.name)"))
      }
    }
    if let rule = account.mark.rule, account.mark.isRuleOnly, !isMarked {
      given.append((rule, "the portal-only mark"))
    }
    for (rule, what) in given {
      guard let group = world.brokenRules[rule] else { continue }
      all[index].doubts.append(Doubt.lostGroup(group, rule: rule, what: what))
    }
  }

  /// R15: two people with one email are both held. In the order they stand together.
  private mutating func holdSharedEmails(_ keys: [String]) {
    let claimants = order.filter { all[$0].email != nil }
    var start = 0
    while start < claimants.count {
      var end = start + 1
      while end < claimants.count, keys[claimants[end]] == keys[claimants[start]] { end += 1 }
      if end > start + 1 { holdSharedEmail(claimants[start..<end]) }
      start = end
    }
  }

  private mutating func holdSharedEmail(_ claimants: ArraySlice<Int>) {
    guard Set(claimants.map { world.entitlements[$0].person }).count > 1 else { return }
    for index in claimants {
      let others = claimants.filter { $0 != index }.map { label($0) }.sorted()
      all[index].doubts.append(Doubt.sharedEmail(all[index].email ?? "", others: others))
    }
  }

  private func label(_ index: Int) -> String {
    let entitlement = world.entitlements[index]
    guard let name = entitlement.names.first else { return entitlement.person }
    return "\(name) (\(entitlement.person))"
  }

  /// R15 and R16: an email that another account has, and will keep, cannot be taken.
  private mutating func holdOccupiedEmails() {
    var waitingFor: [Int: [Int]] = [:]
    var frozen: [Int] = []
    for index in all.indices {
      guard let email = all[index].email, !isOwn(email, index),
        let occupant = bearer(of: email), occupant != all[index].account
      else { continue }
      let other = world.accounts[occupant]
      if let mover = other.person.flatMap({ caseOfPerson[$0] }),
        let moved = all[mover].email,
        !isSameEmail(moved, email)
      {
        waitingFor[mover, default: []].append(index)
      } else {
        doubtOccupied(index, email: email, occupant: occupant)
      }
    }
    for index in all.indices where all[index].isFrozen { frozen.append(index) }
    while let mover = frozen.popLast() {
      for index in waitingFor.removeValue(forKey: mover) ?? [] where !all[index].isFrozen {
        all[index].doubts.append(
          Doubt.occupied(all[index].email ?? "", by: label(mover)))
        frozen.append(index)
      }
    }
  }

  private mutating func doubtOccupied(_ index: Int, email: String, occupant: Int) {
    let other = world.accounts[occupant]
    guard let person = other.person else {
      all[index].doubts.append(Doubt.occupied(email, by: other.name))
      return
    }
    if isGone(person), all[index].account == nil { return }  // Held as a new id.
    if let holder = caseOfPerson[person],
      let own = all[holder].email, isSameEmail(own, email)
    {
      return  // Both claim it, and both are held as such.
    }
    all[index].doubts.append(Doubt.linkedElsewhere(email, to: person, isGone: isGone(person)))
  }
}
