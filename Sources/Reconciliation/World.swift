import SiteModel

/// All that a plan is made from.
package struct World {
  package let site: Site
  /// The accounts of evaluated and of absent people, and those that bear one of their emails.
  package let accounts: [Account]
  /// The people to decide about. Whoever is present and not among them is settled.
  package let entitlements: Entitlements
  package let rules: [RuleReference]
  package let leavers: LeaverPolicy
  /// The number of the leavers' policy in `rules`.
  package let leaversRule: Int
  /// Whether a person, by directory id, was seen in the directory.
  package let isPresent: (String) -> Bool
  /// The people whom the plan is about, by directory id; the others stay as they are. nil: everybody.
  package let scope: Set<String>?
  /// Ids that several entries of the directory bear.
  package let doubled: Set<String>
  /// People without an account who are gone.
  package let forgotten: [String]
  /// Since when people wait for a seat, by product and directory id; seconds since 1970.
  package let waitingSince: [String: [String: Int64]]
  /// Exceptions that hold, by account.
  package let pins: [Int64: [Pin]]
  /// Exceptions that have ended.
  package let expiredPins: [NamedPin]
  /// Rules whose directory group is gone, by name, with the group: whoever has something through one is held
  /// (R22).
  package let brokenRules: [String: String]
  /// What such rules would take away, as "license x"; whoever would get it anew is held.
  package let brokenDenials: Set<String>
  /// Directory groups of rules that nobody is in, but for those that somebody approved.
  package let emptyGroups: [EmptyGroup]
  /// The mappings that applying the plan accepts.
  package let accepting: [Memory.Acceptance]
  /// Directory groups of rules whose names others bear now.
  package let replacedGroups: [HeldChange]
  /// People who are gone from the searches but not from the directory, with the name they have there now.
  package let movedOut: [String: String]
  /// The reads after which everybody is looked at, when the plan is applied.
  package let lookedAt: [LookedAt]
  /// Directories whose rules have not given anything yet.
  package let neverGave: Set<String>
  /// What is different where there are several directories.
  package let several: Several
  /// For each of `entitlements` the id of the account that is most likely linked to the person, 0 for none; or empty. It
  /// spares looking for the account by the person's id.
  package let likelyAccounts: [Int32]
  /// The moment up to which time has its consequences: grace periods and pins end by it. Seconds since 1970.
  let agingNow: Int64
  /// What the reader of the plan should hear about.
  package let warnings: [String]
  package let basis: Plan.Basis

  package init(
    site: Site, accounts: [Account], entitlements: Entitlements, rules: [RuleReference],
    leavers: LeaverPolicy, leaversRule: Int, isPresent: @escaping (String) -> Bool,
    scope: Set<String>? = nil, doubled: Set<String> = [],
    forgotten: [String] = [], waitingSince: [String: [String: Int64]] = [:],
    pins: [NamedPin] = [], brokenRules: [String: String] = [:],
    brokenDenials: Set<String> = [], emptyGroups: [EmptyGroup] = [], warnings: [String] = [],
    accepting: [Memory.Acceptance] = [], replacedGroups: [HeldChange] = [],
    movedOut: [String: String] = [:], lookedAt: [LookedAt] = [], neverGave: Set<String> = [],
    several: Several = Several(),
    likelyAccounts: [Int32] = [], agingNow aging: Int64? = nil, basis: Plan.Basis
  ) {
    self.neverGave = neverGave
    self.several = several
    self.likelyAccounts = likelyAccounts
    self.lookedAt = lookedAt
    self.movedOut = movedOut
    self.accepting = accepting
    self.replacedGroups = replacedGroups
    self.site = site
    self.accounts = accounts
    self.brokenRules = brokenRules
    self.brokenDenials = brokenDenials
    self.emptyGroups = emptyGroups
    let agingNow = aging ?? basis.createdAt
    self.agingNow = agingNow
    self.pins = Dictionary(
      grouping: pins.map(\.pin).filter { $0.holds(at: agingNow) }, by: \.account)
    expiredPins = pins.filter { !$0.pin.holds(at: agingNow) }
    self.rules = rules + [RuleReference(name: "pin", file: "the site", line: 0)]
    self.entitlements = Self.pinned(
      entitlements, accounts: accounts, pins: self.pins, pinRule: rules.count, several: several)
    self.leavers = leavers
    self.leaversRule = leaversRule
    self.isPresent = isPresent
    self.scope = scope
    self.doubled = doubled
    self.forgotten = forgotten
    self.waitingSince = waitingSince
    self.warnings = warnings
    self.basis = basis
  }

  /// A rule's directory group that nobody is in.
  package struct EmptyGroup: Sendable, Hashable {
    /// So many people must lose something through it, or it is taken for what it is.
    static let leastMembers = 10

    package let rule: String
    /// As the rule writes it.
    package let name: String
    package let change: HeldChange

    /// - Parameter id: the group's immutable id.
    package init(rule: String, name: String, id: String, directory: String) {
      self.rule = rule
      self.name = name
      change = HeldChange(
        pair: "\(directory)\n\(name)\n\(id)\nempty", email: id, name: name,
        what: "has no members any more")
    }
  }

  /// Seconds since 1970.
  var now: Int64 { basis.createdAt }

  func isInScope(_ person: @autoclosure () -> String) -> Bool {
    scope.map { $0.contains(person()) } ?? true
  }

  func isKept(_ right: Right, of account: Account) -> Bool {
    pins[account.id]?.contains { $0.keptRight == right } ?? false
  }

  func isIgnored(_ account: Account) -> Bool {
    pins[account.id]?.contains { $0.kind == .ignore } ?? false
  }

  /// What people should have, as pins change it.
  private static func pinned(
    _ entitlements: Entitlements, accounts: [Account], pins: [Int64: [Pin]], pinRule: Int,
    several: Several
  ) -> Entitlements {
    if pins.isEmpty { return entitlements }
    var kinds: [String: Set<Pin.Kind>] = [:]
    for account in accounts {
      guard let person = account.person, let own = pins[account.id] else { continue }
      kinds[person] = Set(own.map(\.kind))
    }
    var changed = entitlements
    for number in entitlements.indices {
      let person = entitlements.person(number)
      let link = several.missing[person]?.first { $0.isLink }
      guard let own = kinds[link?.person ?? person] else { continue }
      if own.contains(.portalOnly) {
        changed.change(number, to: .account(portalOnly: pinRule, grants: []))
      } else if own.contains(.noPortalOnly),
        case .account(_?, let grants) = entitlements.outcome(number)
      {
        changed.change(number, to: .account(portalOnly: nil, grants: grants))
      }
    }
    return changed
  }
}
