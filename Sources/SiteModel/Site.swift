/// What a plan needs to know of the site beside its accounts.
package struct Site: Sendable {
  /// Before or after the move to Atlassian accounts.
  package enum Transition: String, Sendable { case before, after }

  package let name: String
  package let lineage: String
  package let generation: Int64
  package let transition: Transition
  /// Licenses of the catalogue; the value is the ceiling, nil unlimited.
  package let ceilings: [String: Int?]
  /// Seats taken by product, suspended holdings aside.
  package let seatsTaken: [String: Int]
  /// Active accounts, license holdings, group memberships: what limits in percent refer to.
  package let totals: Totals

  package struct Totals: Sendable, Hashable {
    package let activeAccounts: Int
    package let licenses: Int
    package let groupMemberships: Int
    package let membersOfGroup: [String: Int]

    package init(
      activeAccounts: Int, licenses: Int, groupMemberships: Int, membersOfGroup: [String: Int]
    ) {
      self.activeAccounts = activeAccounts
      self.licenses = licenses
      self.groupMemberships = groupMemberships
      self.membersOfGroup = membersOfGroup
    }
  }

  package init(
    name: String, lineage: String, generation: Int64, transition: Transition = .before,
    ceilings: [String: Int?], seatsTaken: [String: Int], totals: Totals
  ) {
    self.name = name
    self.lineage = lineage
    self.generation = generation
    self.transition = transition
    self.ceilings = ceilings
    self.seatsTaken = seatsTaken
    self.totals = totals
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
