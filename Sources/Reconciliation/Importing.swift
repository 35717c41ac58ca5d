import SiteModel

/// Brings in the accounts of a user export: new accounts with what they hold, and for known ones what they lack.
/// An import adds; what is not in the file is not taken away. The import becomes the giver, so that no sync
/// withdraws it (R17).
package struct Importing {
  private let world: World
  private let giver: Givers
  private var reconciler: Reconciler
  private var notes: [String] = []
  private var refusals: [Handwork.Refusal] = []
  private var known: [String: Account] = [:]

  /// - Parameters:
  ///   - world: the accounts with the emails of the file.
  ///   - file: its name, which becomes the giver.
  /// - Returns: a plan of what can be brought in; refusals name the accounts that are left as they are.
  package static func plan(
    _ imported: [ImportedAccount], in world: World, file: String
  ) -> Handwork.Result {
    var importing = Importing(world: world, giver: Givers(imported: file))
    for one in imported.sorted(by: { emailKey($0.email) < emailKey($1.email) }) {
      importing.bringIn(one)
    }
    return importing.result()
  }

  private init(world: World, giver: Givers) {
    self.world = world
    self.giver = giver
    reconciler = Reconciler(world: world)
    for account in world.accounts { known[emailKey(account.email)] = account }
  }

  private consuming func result() -> Handwork.Result {
    reconciler.grantSeats()
    let plan = reconciler.builder.finish()
    for (product, seats) in plan.seats.sorted(by: { $0.key < $1.key })
    where !seats.waiting.isEmpty {
      notes.append(
        "\(product) has \(seats.ceiling ?? 0) seats: \(seats.waiting.count) accounts of the file do not get one: \(seats.waitingNames.prefix(10).joined(separator: ", "))"
      )
    }
    return Handwork.Result(plan: plan, notes: notes, refusals: refusals)
  }

  private mutating func bringIn(_ one: ImportedAccount) {
    guard let account = known[emailKey(one.email)] else { return create(one) }
    if let reason = obstacle(one, account) {
      refusals.append(
        Handwork.Refusal(email: one.email, reason: "line \(one.line): \(reason)", remedy: nil))
      return
    }
    var subject: Int?
    func numbered(_ reconciler: inout Reconciler) -> Int {
      if let subject { return subject }
      let new = reconciler.builder.addSubject(
        account: account.id, person: account.person, email: account.email,
        name: account.person == nil ? one.name : account.name,
        username: account.person == nil ? one.username ?? account.username : account.username)
      subject = new
      return new
    }
    if account.person == nil {
      if account.name != one.name {
        reconciler.builder.add(
          .updateProfile, subject: numbered(&reconciler), before: "name=\(account.name)",
          after: "name=\(one.name)", reason: reason)
      }
      if let username = one.username, username != account.username {
        reconciler.builder.add(
          .updateProfile, subject: numbered(&reconciler),
          before: "username=\(account.username ?? "")", after: "username=\(username)",
          reason: reason)
      }
      if one.isActive, account.deactivatedBy == .imported {
        reconciler.builder.add(
          .reactivateAccount, subject: numbered(&reconciler), reason: reason,
          givers: GiversChange(from: Givers(.imported)))
      }
      if !one.isActive, account.isActive {
        return reconciler.deactivate(account, reason: reason, by: giver)
      }
    }
    guard account.isActive || account.deactivatedBy == .imported && one.isActive else { return }
    if one.isPortalOnly, !account.isPortalOnly {
      reconciler.builder.add(
        .markPortalOnly, subject: numbered(&reconciler), reason: reason,
        givers: GiversChange(to: giver))
    }
    for right in one.rights where account.holding(right) == nil {
      give(right, numbered(&reconciler))
    }
  }

  private var reason: String { "import" }

  /// Why a known account stays as it is; nil when it can take what the file says.
  private func obstacle(_ one: ImportedAccount, _ account: Account) -> String? {
    if one.isPortalOnly, !account.isPortalOnly {
      if world.site.transition == .after {
        return "an Atlassian account cannot be made portal-only after the transition (R13)"
      }
      if !account.holdings.isEmpty {
        return "is to be portal-only, but the account holds licenses or groups (R6, R14)"
      }
      if world.site.policy.isProtected(account) { return "the account is protected" }
    }
    if !one.isPortalOnly, account.isPortalOnly, !one.rights.isEmpty {
      return "the account is portal-only and cannot be given licenses or groups (R6)"
    }
    if !one.isActive, account.isActive, world.site.policy.isProtected(account) {
      return "the account is protected"
    }
    return nil
  }

  private mutating func create(_ one: ImportedAccount) {
    let subject = reconciler.builder.addSubject(
      account: nil, person: nil, email: one.email, name: one.name, username: one.username,
      portalOnly: one.isPortalOnly, isEmailVerified: one.isEmailVerified ?? false,
      isActive: one.isActive)
    reconciler.builder.add(
      .createAccount, subject: subject, reason: reason,
      givers: one.isPortalOnly ? GiversChange(to: giver) : nil)
    for right in one.rights {
      // A seat is not taken for someone who cannot sign in (R20).
      if right.kind == .license, !one.isActive { continue }
      give(right, subject)
    }
  }

  private mutating func give(_ right: Right, _ subject: Int) {
    if right.kind == .license {
      reconciler.request(
        right, subject,
        GivenOtherwise(givers: GiversChange(to: giver), isReturning: false))
    } else {
      reconciler.builder.add(
        .joinGroup, subject: subject, after: right.name, reason: reason,
        givers: GiversChange(to: giver))
    }
  }
}

extension ImportedAccount {
  /// Licenses and groups, each once: files name one in several columns, or in other letters.
  var rights: [Right] {
    var seen: Set<Right> = []
    return (licenses.map { Right(.license, $0) } + groups.map { Right(.group, $0) })
      .filter { seen.insert($0).inserted }
  }
}
