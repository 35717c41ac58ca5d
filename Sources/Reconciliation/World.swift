import SiteModel

/// All that a plan is made from.
package struct World {
  package let site: Site
  /// The accounts of evaluated and of absent people, and those that bear one of their emails.
  package let accounts: [Account]
  /// The people to decide about. Whoever is present and not among them is settled.
  package let entitlements: [Entitlement]
  package let rules: [RuleReference]
  package let leavers: LeaverPolicy
  /// The number of the leavers' policy in `rules`.
  package let leaversRule: Int
  /// Whether a person, by directory id, was seen in the directory.
  package let isPresent: (String) -> Bool
  /// The people whom the plan is about, by directory id; the others stay as they are.
  package let isInScope: (String) -> Bool
  /// Ids that several entries of the directory bear.
  package let doubled: Set<String>
  /// People without an account who are gone.
  package let forgotten: [String]
  /// Since when people wait for a seat, by product and directory id; seconds since 1970.
  package let waitingSince: [String: [String: Int64]]
  /// What the reader of the plan should hear about.
  package let warnings: [String]
  package let basis: Plan.Basis

  package init(
    site: Site, accounts: [Account], entitlements: [Entitlement], rules: [RuleReference],
    leavers: LeaverPolicy, leaversRule: Int, isPresent: @escaping (String) -> Bool,
    isInScope: @escaping (String) -> Bool = { _ in true }, doubled: Set<String> = [],
    forgotten: [String] = [], waitingSince: [String: [String: Int64]] = [:],
    warnings: [String] = [], basis: Plan.Basis
  ) {
    self.site = site
    self.accounts = accounts
    self.entitlements = entitlements
    self.rules = rules
    self.leavers = leavers
    self.leaversRule = leaversRule
    self.isPresent = isPresent
    self.isInScope = isInScope
    self.doubled = doubled
    self.forgotten = forgotten
    self.waitingSince = waitingSince
    self.warnings = warnings
    self.basis = basis
  }

  /// Seconds since 1970.
  var now: Int64 { basis.createdAt }
}
