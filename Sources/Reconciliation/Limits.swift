import SiteModel

/// What hurts when a run does too much of it.
package enum Consequence: String, Sendable, Hashable, CaseIterable {
  case deactivations
  case licensesRevoked = "licenses-revoked"
  case portalOnlyMarks = "portal-only-marks"
  case conversions
  case emailChanges = "email-changes"
  case groupRemovals = "group-removals"
  /// Counted for each group by itself.
  case removalsPerGroup = "removals-per-group"
  /// People treated as gone who moved out of the searches: what a reorganisation of the directory looks like.
  case movedOut = "moved-out"

  static func of(_ kind: ChangeKind) -> [Consequence] {
    switch kind {
    case .deactivateAccount: [.deactivations]
    case .revokeLicense: [.licensesRevoked]
    case .markPortalOnly: [.portalOnlyMarks]
    case .convertAccount: [.conversions]
    case .changeEmail: [.emailChanges]
    case .leaveGroup: [.groupRemovals, .removalsPerGroup]
    default: []
    }
  }
}

/// How much of each consequence may pass in a rolling 24 hours.
package struct Limits: Sendable, Hashable {
  package struct Limit: Sendable, Hashable {
    /// Of what the site holds.
    package var percent: Double
    package var max: Int

    package init(percent: Double, max: Int) {
      self.percent = percent
      self.max = max
    }
  }

  package enum OnLimit: String, Sendable, Hashable, CaseIterable {
    case holdPeople = "hold-people"
    case holdPlan = "hold-plan"
  }

  package var limits: [Consequence: Limit]
  /// So many always pass.
  package var freeBelow: Int
  package var onLimit: OnLimit

  package init(limits: [Consequence: Limit], freeBelow: Int, onLimit: OnLimit) {
    self.limits = limits
    self.freeBelow = freeBelow
    self.onLimit = onLimit
  }
}

/// How many changes of a kind the site has seen in the last 24 hours; for `leave-group` also by group.
package struct RecentChanges: Sendable, Hashable {
  package var byKind: [ChangeKind: Int]
  /// By the group's key.
  package var leftGroups: [String: Int]
  /// Accounts of people who moved out of the searches.
  package var movedOut: Int

  package init(
    byKind: [ChangeKind: Int] = [:], leftGroups: [String: Int] = [:], movedOut: Int = 0
  ) {
    self.movedOut = movedOut
    self.byKind = byKind
    self.leftGroups = leftGroups
  }
}
