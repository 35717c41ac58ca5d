import SiteModel

/// One evaluated person with their account and the email they are to have. Small, for there is one for everybody.
struct Case {
  enum Email {
    /// People who get no account, and where no email is usable.
    case none
    /// The first of the entitlement.
    case first
    /// One of `Cases.otherEmails`.
    case other
  }

  private var accountNumber: Int32 = -1
  fileprivate(set) var email = Email.none
  fileprivate(set) var inScope = true
  fileprivate(set) var isHeld = false
  /// A directory that could not be read may say more of the person.
  fileprivate(set) var isUnread = false
  /// An entry in another directory is gone, still in its grace period.
  fileprivate(set) var hasMissing = false
  /// The person stays as they are until it is over.
  fileprivate(set) var isAwaited = false

  /// Number in `World.accounts`: the linked account, or the one that will be linked.
  fileprivate(set) var account: Int? {
    get { accountNumber < 0 ? nil : Int(accountNumber) }
    set { accountNumber = newValue.map { Int32($0) } ?? -1 }
  }

  /// Stays as they are, with the email their account has.
  var isFrozen: Bool { isHeld || !inScope || isAwaited }
}

/// What of one person stays as it is while the rest is brought in line.
struct Dispute {
  /// Rights that are not taken away.
  var kept: Set<Right> = []
  /// Rights that are not given.
  var withheld: Set<Right> = []
  /// The account keeps its email.
  var keepsEmail = false
}

/// Decides who can be decided about: matches people and accounts, and holds those whom R14 to R17 hold.
struct Cases {
  private let world: World
  /// One for each of `World.entitlements`, by its number.
  private(set) var all: [Case] = []
  /// Why people are held, or something of theirs is, by the number of the case.
  private(set) var doubts: [Int: [Doubt]] = [:]
  /// What is disputed of people who are not held altogether, by the number of the case.
  private(set) var disputes: [Int: Dispute] = [:]
  /// Directory groups of rules that have no members any more, to be approved.
  private(set) var emptied: [HeldChange] = []
  /// The emails that are not the first of the entitlement, by the number of the case.
  private var otherEmails: [Int: String] = [:]
  /// Numbers of cases by email, then directory id: the order of the plan.
  private(set) var order: [Int32] = []
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
    for index in entitlements.indices {
      found[entitlements.person(index)] = index
      for other in otherIDs(index) { found[other] = index }
    }
    return found
  }()
  private var entitlements: Entitlements { world.entitlements }

  init(world: World, heldBack: [String: Doubt]) {
    self.world = world
    let (accounts, entitlements) = (world.accounts, world.entitlements)
    var links = AccountLinks(world)
    var isClaimed = [Bool](repeating: false, count: accounts.count)
    for (index, account) in accounts.enumerated() where account.person == nil {
      guard let username = account.username else { continue }
      // A username that two accounts bear tells neither.
      let known = accountOfUsername.updateValue(index, forKey: emailKey(username))
      if known != nil { accountOfUsername[emailKey(username)] = -1 }
    }
    all.reserveCapacity(entitlements.count)
    for index in entitlements.indices {
      let missing = missing(index)
      var linked: Int?
      if entitlements.hasID(index), !accounts.isEmpty {
        linked =
          links.account(ofEntitlement: index)
          ?? otherIDs(index).lazy.compactMap { links.account(of: $0) }.first
      }
      if let linked { isClaimed[linked] = true }
      let isIgnored = linked.map { world.isIgnored(accounts[$0]) } ?? false
      // A text for each is made only where it is asked for.
      let isUnread =
        !world.several.unread.isEmpty && world.several.unread.contains(entitlements.person(index))
      var new = Case()
      new.account = linked
      new.inScope = world.isInScope(entitlements.person(index)) && !isIgnored && !isUnread
      new.isUnread = isUnread
      new.hasMissing = missing.contains { $0.due(world.now) > world.agingNow }
      // R20: whoever is inactive by the entries that are there does not wait.
      new.isAwaited = new.hasMissing && entitlements.isActive(index)
      all.append(new)
      if !world.doubled.isEmpty || !heldBack.isEmpty {
        let person = entitlements.person(index)
        if world.doubled.contains(person), linked != nil || entitlements.wantsAccount(index),
          !isOwnDeactivation(index, linked)
        {
          doubt(index, .sameID(person))
        }
        if let known = heldBack[person] { doubt(index, known) }
      }
    }
    chooseEmails()
    pauseTwins()
    holdSharedAccounts()
    let emptied = findEmptied()
    for index in all.indices { doubtRights(index, emptied) }
    for claimants in sort() { holdSharedEmail(claimants) }
    holdOccupiedEmails()
    for index in accounts.indices where !isClaimed[index] {
      if let person = accounts[index].person, isGone(person) { absent.append(index) }
    }
    absent.sort { world.accounts[$0].id < world.accounts[$1].id }
  }

  /// The email that somebody is to have; nil for people who get no account, and where none is usable.
  func email(_ index: Int) -> String? {
    switch all[index].email {
    case .none: nil
    case .first: entitlements.firstEmail(index)
    case .other: otherEmails[index]
    }
  }

  private mutating func choose(_ email: String, for index: Int) {
    all[index].email = .other
    otherEmails[index] = email
  }

  private mutating func doubt(_ index: Int, _ doubt: Doubt) {
    all[index].isHeld = true
    doubts[index, default: []].append(doubt)
  }

  /// Holds what is disputed, and nothing else of the person.
  private mutating func dispute(
    _ index: Int, _ doubt: Doubt, keeping kept: Right? = nil, withholding withheld: Right? = nil
  ) {
    doubts[index, default: []].append(doubt)
    if let kept { disputes[index, default: Dispute()].kept.insert(kept) }
    if let withheld { disputes[index, default: Dispute()].withheld.insert(withheld) }
  }

  /// Holds an email: who has an account keeps the account's and all else goes on; who has none waits.
  private mutating func disputeEmail(_ index: Int, _ doubt: Doubt) {
    guard let account = account(index), account.person != nil else {
      self.doubt(index, doubt)
      return
    }
    choose(account.email, for: index)
    doubts[index, default: []].append(doubt)
    disputes[index, default: Dispute()].keepsEmail = true
  }

  /// Whether the account stays as it is in its email.
  private func keepsEmail(_ index: Int) -> Bool {
    all[index].isFrozen || disputes[index]?.keepsEmail == true
  }

  /// R20: a twin does not keep somebody's account alive whose own entry, known by the account's email, is inactive.
  private func isOwnDeactivation(_ index: Int, _ linked: Int?) -> Bool {
    guard !entitlements.isActive(index), let account = linked.map({ world.accounts[$0] }) else {
      return false
    }
    func isOwn(_ index: Int) -> Bool {
      entitlements.emails(index).contains { isSameEmail($0, account.email) }
    }
    let person = entitlements.person(index)
    return isOwn(index)
      && !entitlements.indices.contains {
        entitlements.isActive($0) && entitlements.person($0) == person && isOwn($0)
      }
  }

  /// R16: where several entries bear one id, an account with one of their emails whose person is gone may be that of one
  /// of them, whose id was mistyped. It does not age.
  private mutating func pauseTwins() {
    if world.doubled.isEmpty || world.accounts.isEmpty { return }
    for index in all.indices where world.doubled.contains(entitlements.person(index)) {
      for email in entitlements.emails(index) {
        guard let occupant = bearer(of: email), let person = world.accounts[occupant].person,
          isGone(person)
        else { continue }
        paused.insert(occupant)
      }
    }
  }

  /// The number of the account with an email; nil where none has it. Without accounts no email is folded to find that out.
  private mutating func bearer(of email: String) -> Int? {
    world.accounts.isEmpty ? nil : accountOfEmail[emailKey(email)]
  }

  /// Entries of the person that are gone from other directories.
  private func missing(_ index: Int) -> [World.MissingEntry] {
    world.several.missing.isEmpty ? [] : world.several.missing[entitlements.person(index)] ?? []
  }

  /// The ids of the person's entries in other directories, there or gone.
  private func otherIDs(_ index: Int) -> [String] {
    entitlements.others(index).map(\.person) + missing(index).map(\.person)
  }

  private func account(_ index: Int) -> Account? { all[index].account.map { world.accounts[$0] } }

  /// Puts the cases in order.
  /// - Returns: those who are to have one email, as far as these are several: in the order they stand together.
  private mutating func sort() -> [[Int]] {
    // Most emails of people are their keys, and are compared where they lie.
    var others: [String] = []
    let places = all.indices.map { index -> Int32 in
      let isKey =
        all[index].email == .first
        && entitlements.texts.withText(index, 1) { isFolded($0) }
      if isKey { return -1 }
      others.append(emailKey(email(index) ?? account(index)?.email ?? "~"))
      return Int32(others.count - 1)
    }
    return entitlements.texts.withBytes { texts in
      PackedTexts(others).withBytes { others in
        func key(_ index: Int) -> UnsafeRawBufferPointer {
          places[index] < 0 ? texts.text(index, 1) : others.text(Int(places[index]))
        }
        order = sortedByBytes(all.count, key) { texts.text($0) }
        var sharing: [[Int]] = []
        var same: [Int] = []
        for index in order.lazy.map(Int.init) where all[index].email != .none {
          if let last = same.last, !isSameBytes(key(last), key(index)) {
            if same.count > 1 { sharing.append(same) }
            same.removeAll(keepingCapacity: true)
          }
          same.append(index)
        }
        return same.count > 1 ? sharing + [same] : sharing
      }
    }
  }

  /// R15 and R16: the email stays while it is usable, and an unlinked account with the email of just one
  /// person is theirs.
  private mutating func chooseEmails() {
    for index in all.indices where entitlements.wantsAccount(index) {
      if all[index].isUnread || all[index].isAwaited {
        if let account = account(index) { choose(account.email, for: index) }
        continue
      }
      for known in entitlements.doubts(index) { doubt(index, known) }
      if all[index].account == nil, !world.accounts.isEmpty, holdNewID(index) { continue }
      guard entitlements.hasEmail(index) else {
        disputeEmail(index, Doubt.noEmail)
        continue
      }
      all[index].email = .first
      if !world.accounts.isEmpty { chooseEmail(index) }
    }
  }

  /// An account's email stays while it is one of the person's.
  private mutating func keep(_ current: String, of index: Int) {
    var current = current
    let isFirst = current.withUTF8 { current in
      entitlements.texts.withText(index, 1) { isSameBytes($0, UnsafeRawBufferPointer(current)) }
    }
    if !isFirst, entitlements.emails(index).contains(where: { isSameEmail($0, current) }) {
      choose(current, for: index)
    }
  }

  /// Chooses another email than the first where an account says so.
  private mutating func chooseEmail(_ index: Int) {
    if let account = account(index) { return keep(account.email, of: index) }
    let emails = entitlements.emails(index)
    let unlinked = emails.filter { email in
      bearer(of: email).map { world.accounts[$0].person == nil } ?? false
    }
    if let match = entitlements.match(index).flatMap({ accountOfUsername[emailKey($0)] }),
      match >= 0
    {
      all[index].account = match
      let current = world.accounts[match].email
      keep(current, of: index)
      if let other = unlinked.first(where: { bearer(of: $0) != match }) {
        doubt(index, Doubt.severalAccounts([current, other], person: entitlements.person(index)))
      }
      return
    }
    guard let email = unlinked.first else { return }
    choose(email, for: index)
    if unlinked.count > 1 {
      doubt(index, Doubt.severalAccounts(unlinked, person: entitlements.person(index)))
    } else {
      all[index].account = bearer(of: email)
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
    where Set(people.map(entitlements.person)).count > 1 {
      for index in people {
        let others = people.filter { $0 != index }.map { label($0) }.sorted()
        doubt(index, Doubt.sharedAccount(world.accounts[account].email, others: others))
      }
    }
  }

  /// R16: somebody new, or without an id, bears an email of an account whose person is gone.
  private mutating func holdNewID(_ index: Int) -> Bool {
    var isHeld = false
    for email in entitlements.emails(index) {
      guard let occupant = bearer(of: email),
        let person = world.accounts[occupant].person, isGone(person)
      else { continue }
      paused.insert(occupant)
      isHeld = true
      if entitlements.hasID(index) {
        choose(email, for: index)
        doubt(index, Doubt.newID(email, person: entitlements.person(index)))
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
  private mutating func doubtRights(_ index: Int, _ emptied: [String: World.EmptyGroup]) {
    doubtBrokenRules(index)
    for (rule, right) in lost(index) {
      guard let group = emptied[rule] else { continue }
      keep(right, of: index, Doubt.emptiedGroup(group.name, rule: rule, what: Self.text(right)))
    }
    guard let account = account(index), entitlements.wantsAccount(index) else { return }
    if !account.isActive, account.deactivatedBy != .sync {
      doubt(index, Doubt.deactivated(account))
    }
    if entitlements.portalOnly(index) != nil {
      let kept = account.holdings.filter {
        !world.site.policy.isWithdrawable($0) || world.isKept($0.right, of: account)
      }
      if !kept.isEmpty, world.site.transition == .before {
        doubt(index, Doubt.keepsRights(kept, email: account.email))
      }
    } else if !entitlements.grants(index).isEmpty, account.isPortalOnly, !account.mark.isRuleOnly {
      doubt(
        index,
        world.site.transition == .after ? Doubt.needsConversion(account) : Doubt.marked(account))
    }
  }

  /// R22: what somebody has through a directory group that is gone is not taken away.
  private mutating func doubtBrokenRules(_ index: Int) {
    guard !world.brokenRules.isEmpty, entitlements.isActive(index) else { return }
    let account = account(index)
    if !world.brokenDenials.isEmpty {
      for grant in entitlements.grants(index) where account?.holding(grant.right) == nil {
        let right = "\(grant.right.kind.rawValue) \(grant.right.key)"
        if world.brokenDenials.contains(right) {
          dispute(index, Doubt.lostDenial(right), withholding: grant.right)
        }
      }
    }
    for (rule, right) in lost(index) {
      guard let group = world.brokenRules[rule] else { continue }
      keep(right, of: index, Doubt.lostGroup(group, rule: rule, what: Self.text(right)))
    }
  }

  /// What a person has by a rule alone that no rule gives any more, with that rule; nil for the mark.
  private func lost(_ index: Int) -> [(rule: String, right: Right?)] {
    guard entitlements.isActive(index), let account = account(index) else { return [] }
    let granted = Set(entitlements.grants(index).map(\.right))
    var lost: [(rule: String, right: Right?)] = account.holdings.compactMap { holding in
      guard holding.givers.isRuleOnly, !granted.contains(holding.right) else { return nil }
      return holding.givers.rule.map { ($0, holding.right) }
    }
    if let rule = account.mark.rule, account.mark.isRuleOnly,
      entitlements.portalOnly(index) == nil
    {
      lost.append((rule, nil))
    }
    return lost
  }

  private static func text(_ right: Right?) -> String {
    right.map { "\($0.kind.rawValue) \($0.name)" } ?? "the portal-only mark"
  }

  /// Leaves a disputed right with its holder. A mark, or a right of somebody who is to be portal-only, stands against all
  /// that the mapping asks.
  private mutating func keep(_ right: Right?, of index: Int, _ doubt: Doubt) {
    if let right, entitlements.portalOnly(index) == nil {
      dispute(index, doubt, keeping: right)
    } else {
      self.doubt(index, doubt)
    }
  }

  /// A group that has no members any more looks like one whose members are hidden: where many who are there would lose
  /// what a rule gives them through it, that waits for somebody's word.
  /// - Returns: such groups by rule.
  private mutating func findEmptied() -> [String: World.EmptyGroup] {
    if world.emptyGroups.isEmpty || world.accounts.isEmpty { return [:] }
    var losers: [String: Int] = [:]
    for index in all.indices where !all[index].isFrozen {
      for rule in Set(lost(index).map(\.rule)) { losers[rule, default: 0] += 1 }
    }
    var found: [String: World.EmptyGroup] = [:]
    for group in world.emptyGroups
    where losers[group.rule, default: 0] >= World.EmptyGroup.leastMembers {
      found[group.rule] = group
      emptied.append(group.change)
    }
    return found
  }

  /// R15: of people with one email, who has it keeps it, and the others do not get it.
  private mutating func holdSharedEmail(_ claimants: [Int]) {
    guard Set(claimants.map(entitlements.person)).count > 1 else { return }
    let email = claimants.first.flatMap { self.email($0) } ?? ""
    for index in claimants {
      let others = claimants.filter { $0 != index }.map { label($0) }.sorted()
      disputeEmail(index, Doubt.sharedEmail(email, others: others))
    }
  }

  private func label(_ index: Int) -> String {
    let person = entitlements.person(index)
    return entitlements.firstName(index).map { "\($0) (\(person))" } ?? person
  }

  /// R15 and R16: an email that another account has, and will keep, cannot be taken.
  private mutating func holdOccupiedEmails() {
    if world.accounts.isEmpty { return }
    var waitingFor: [Int: [Int]] = [:]
    var frozen: [Int] = []
    for index in all.indices {
      guard let email = email(index), !isOwn(email, index),
        let occupant = bearer(of: email), occupant != all[index].account
      else { continue }
      let other = world.accounts[occupant]
      if let mover = other.person.flatMap({ caseOfPerson[$0] }),
        let moved = self.email(mover),
        !isSameEmail(moved, email)
      {
        waitingFor[mover, default: []].append(index)
      } else {
        doubtOccupied(index, email: email, occupant: occupant)
      }
    }
    for index in all.indices where keepsEmail(index) { frozen.append(index) }
    while let mover = frozen.popLast() {
      for index in waitingFor.removeValue(forKey: mover) ?? [] where !keepsEmail(index) {
        disputeEmail(index, Doubt.occupied(email(index) ?? "", by: label(mover)))
        frozen.append(index)
      }
    }
  }

  private mutating func doubtOccupied(_ index: Int, email: String, occupant: Int) {
    let other = world.accounts[occupant]
    guard let person = other.person else {
      disputeEmail(index, Doubt.occupied(email, by: other.name))
      return
    }
    if isGone(person), all[index].account == nil { return }  // Held as a new id.
    if let holder = caseOfPerson[person],
      let own = self.email(holder), isSameEmail(own, email)
    {
      // Who claims it together with its holder is held as such.
      if doubts[index]?.contains(where: \.isAboutEmail) != true {
        disputeEmail(index, Doubt.occupied(email, by: label(holder)))
      }
      return
    }
    disputeEmail(index, Doubt.linkedElsewhere(email, to: person, isGone: isGone(person)))
  }
}
