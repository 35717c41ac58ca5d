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
  var email = Email.none
  var inScope = true
  var isHeld = false
  /// A directory that could not be read may say more of the person.
  var isUnread = false
  /// An entry in another directory is gone, still in its grace period.
  var hasMissing = false
  /// The person stays as they are until it is over.
  var isAwaited = false

  /// Number in `World.accounts`: the linked account, or the one that will be linked.
  var account: Int? {
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
  let world: World
  /// One for each of `World.entitlements`, by its number.
  var all: [Case] = []
  /// Why people are held, or something of theirs is, by the number of the case.
  var doubts: [Int: [Doubt]] = [:]
  /// What is disputed of people who are not held altogether, by the number of the case.
  var disputes: [Int: Dispute] = [:]
  /// Directory groups of rules that have no members any more, to be approved.
  var emptied: [HeldChange] = []
  /// The emails that are not the first of the entitlement, by the number of the case.
  var otherEmails: [Int: String] = [:]
  /// Numbers of cases by email, then directory id: the order of the plan.
  var order: [Int32] = []
  /// Numbers of accounts whose people are gone.
  var absent: [Int] = []
  /// Of these, the accounts whose email a new id has: they do not age (R16).
  var paused: Set<Int> = []
  /// Made when somebody's email may be another account's; with most people nothing is asked.
  lazy var accountOfEmail: [String: Int] = {
    var found: [String: Int] = [:]
    found.reserveCapacity(world.accounts.count)
    for (index, account) in world.accounts.enumerated() { found[emailKey(account.email)] = index }
    return found
  }()
  /// Unlinked accounts by what `account.match` is compared with.
  var accountOfUsername: [String: Int] = [:]
  /// The numbers of cases, by the ids of all entries of their people.
  lazy var caseOfPerson: [String: Int] = {
    var found: [String: Int] = [:]
    found.reserveCapacity(all.count)
    for index in entitlements.indices {
      found[entitlements.person(index)] = index
      for other in otherIDs(index) { found[other] = index }
    }
    return found
  }()
  var entitlements: Entitlements { world.entitlements }

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

  mutating func choose(_ email: String, for index: Int) {
    all[index].email = .other
    otherEmails[index] = email
  }

  mutating func doubt(_ index: Int, _ doubt: Doubt) {
    all[index].isHeld = true
    doubts[index, default: []].append(doubt)
  }

  /// Holds what is disputed, and nothing else of the person.
  mutating func dispute(
    _ index: Int, _ doubt: Doubt, keeping kept: Right? = nil, withholding withheld: Right? = nil
  ) {
    doubts[index, default: []].append(doubt)
    if let kept { disputes[index, default: Dispute()].kept.insert(kept) }
    if let withheld { disputes[index, default: Dispute()].withheld.insert(withheld) }
  }

  /// Holds an email: who has an account keeps the account's and all else goes on; who has none waits.
  mutating func disputeEmail(_ index: Int, _ doubt: Doubt) {
    guard let account = account(index), account.person != nil else {
      self.doubt(index, doubt)
      return
    }
    choose(account.email, for: index)
    doubts[index, default: []].append(doubt)
    disputes[index, default: Dispute()].keepsEmail = true
  }

  /// Whether the account stays as it is in its email.
  func keepsEmail(_ index: Int) -> Bool {
    all[index].isFrozen || disputes[index]?.keepsEmail == true
  }

  /// R20: a twin does not keep somebody's account alive whose own entry, known by the account's email, is inactive.
  func isOwnDeactivation(_ index: Int, _ linked: Int?) -> Bool {
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
  mutating func pauseTwins() {
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
  mutating func bearer(of email: String) -> Int? {
    world.accounts.isEmpty ? nil : accountOfEmail[emailKey(email)]
  }

  /// Entries of the person that are gone from other directories.
  func missing(_ index: Int) -> [World.MissingEntry] {
    world.several.missing.isEmpty ? [] : world.several.missing[entitlements.person(index)] ?? []
  }

  /// The ids of the person's entries in other directories, there or gone.
  func otherIDs(_ index: Int) -> [String] {
    entitlements.others(index).map(\.person) + missing(index).map(\.person)
  }

  func account(_ index: Int) -> Account? { all[index].account.map { world.accounts[$0] } }

  /// Puts the cases in order.
  /// - Returns: those who are to have one email, as far as these are several: in the order they stand together.
  mutating func sort() -> [[Int]] {
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

  func label(_ index: Int) -> String {
    let person = entitlements.person(index)
    return entitlements.firstName(index).map { "\($0) (\(person))" } ?? person
  }
}
