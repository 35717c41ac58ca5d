import SiteModel

/// Which email each person is to have, and whose account it is.
extension Cases {
  /// R15 and R16: the email stays while it is usable, and an unlinked account with the email of just one
  /// person is theirs.
  mutating func chooseEmails() {
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
  mutating func holdSharedAccounts() {
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

  mutating func isGone(_ person: String) -> Bool {
    caseOfPerson[person] == nil && !world.isPresent(person)
  }

  /// R15: of people with one email, who has it keeps it, and the others do not get it.
  mutating func holdSharedEmail(_ claimants: [Int]) {
    guard Set(claimants.map(entitlements.person)).count > 1 else { return }
    let email = claimants.first.flatMap { self.email($0) } ?? ""
    for index in claimants {
      let others = claimants.filter { $0 != index }.map { label($0) }.sorted()
      disputeEmail(index, Doubt.sharedEmail(email, others: others))
    }
  }

  /// R15 and R16: an email that another account has, and will keep, cannot be taken.
  mutating func holdOccupiedEmails() {
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
