/// What a plan needs to know of the site beside its accounts.
package struct Site: Sendable {
  /// Before or after the move to Atlassian accounts.
  package enum Transition: String, Sendable { case before, after }

  package let name: String
  package let lineage: String
  package let generation: Int64
  package let transition: Transition
  package let policy: SitePolicy
  /// Seats taken by product, suspended holdings aside.
  package let seatsTaken: [String: Int]
  /// Active accounts, license holdings, group memberships: what limits in percent refer to.
  package let totals: Totals

  package struct Totals: Sendable, Hashable {
    package let activeAccounts: Int
    package let licenses: Int
    package let groupMemberships: Int
    package let membersOfGroup: [String: Int]
    /// The names of groups as written, by key.
    package let groupNames: [String: String]
    /// Of protected groups, the members whose accounts are active; by key.
    package let activeMembersOfProtected: [String: Int]

    package init(
      activeAccounts: Int, licenses: Int, groupMemberships: Int, membersOfGroup: [String: Int],
      groupNames: [String: String] = [:], activeMembersOfProtected: [String: Int] = [:]
    ) {
      self.activeAccounts = activeAccounts
      self.licenses = licenses
      self.groupMemberships = groupMemberships
      self.membersOfGroup = membersOfGroup
      self.groupNames = groupNames
      self.activeMembersOfProtected = activeMembersOfProtected
    }
  }

  package init(
    name: String, lineage: String, generation: Int64, transition: Transition = .before,
    policy: SitePolicy, seatsTaken: [String: Int], totals: Totals
  ) {
    self.name = name
    self.lineage = lineage
    self.generation = generation
    self.transition = transition
    self.policy = policy
    self.seatsTaken = seatsTaken
    self.totals = totals
  }
}

/// What the configuration says of the site: the catalogue of licenses, and what is protected.
package struct SitePolicy: Sendable, Hashable {
  /// Licenses of the catalogue; the value is the ceiling of seats, nil unlimited.
  package var ceilings: [String: Int?]
  /// Licenses about which the rules alone decide: `own: all` (R17).
  package var ownedByRules: Set<String>
  /// Emails of accounts that a run never deactivates, marks or empties, as `emailKey` has them.
  package var protectedAccounts: Set<String>
  /// Keys of groups that never lose their last active member and that no template produces.
  package var protectedGroups: Set<String>

  package init(
    ceilings: [String: Int?], ownedByRules: Set<String> = [],
    protectedAccounts: Set<String> = [], protectedGroups: Set<String> = []
  ) {
    self.ceilings = ceilings
    self.ownedByRules = ownedByRules
    self.protectedAccounts = protectedAccounts
    self.protectedGroups = protectedGroups
  }

  /// Whether a run may withdraw what somebody holds: nobody but rules gave it, or rules alone decide.
  package func isWithdrawable(_ holding: Holding) -> Bool {
    holding.givers.isRuleOnly
      || holding.right.kind == .license && ownedByRules.contains(holding.right.name)
  }

  package func isProtected(_ account: Account) -> Bool {
    protectedAccounts.contains(emailKey(account.email))
  }
}

/// What happens to the accounts of people who are gone (R18).
package struct LeaverPolicy: Sendable, Hashable {
  package enum Action: String, Sendable, CaseIterable {
    case deactivate, portalOnly = "portal-only", unlicensed, keep
  }

  /// The grace period.
  package let afterSeconds: Int64
  package let action: Action

  package init(afterSeconds: Int64, action: Action) {
    self.afterSeconds = afterSeconds
    self.action = action
  }

  package static let standard = LeaverPolicy(afterSeconds: 86_400, action: .deactivate)
}
