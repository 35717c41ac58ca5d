import SiteModel

/// What hurts when a run does too much of it.
package enum Consequence: String, Sendable, Hashable, CaseIterable {
  case creations
  /// Counted for each product by itself.
  case licensesGranted = "licenses-granted"
  case groupJoins = "group-joins"
  /// Deactivations of people who are missing: that they left is inferred.
  case deactivations
  /// Deactivations that the person's own entry asks for.
  case disabled
  case licensesRevoked = "licenses-revoked"
  case portalOnlyMarks = "portal-only-marks"
  /// Before the transition: it decides for good what becomes of the account.
  case portalOnlyUnmarks = "portal-only-unmarks"
  case conversions
  case emailChanges = "email-changes"
  case groupRemovals = "group-removals"
  /// Counted for each group by itself.
  case removalsPerGroup = "removals-per-group"
  /// People treated as gone who moved out of the searches: what a reorganisation of the directory looks like.
  case movedOut = "moved-out"

  /// Whether it gives something: a directory whose rules gave nothing before is not limited in it.
  package var isGiving: Bool {
    self == .creations || self == .licensesGranted || self == .groupJoins
  }

  /// Whether each right counts by itself.
  var isPerRight: Bool { self == .licensesGranted || self == .removalsPerGroup }

  /// - Parameter isMissing: whether the person is missing from the directory; asked for deactivations alone.
  static func of(_ kind: ChangeKind, isMissing: @autoclosure () -> Bool) -> [Consequence] {
    switch kind {
    case .createAccount: [.creations]
    case .grantLicense: [.licensesGranted]
    case .joinGroup: [.groupJoins]
    case .deactivateAccount: isMissing() ? [.deactivations] : [.disabled]
    case .revokeLicense: [.licensesRevoked]
    case .markPortalOnly: [.portalOnlyMarks]
    case .unmarkPortalOnly: [.portalOnlyUnmarks]
    case .convertAccount: [.conversions]
    case .changeEmail: [.emailChanges]
    case .leaveGroup: [.groupRemovals, .removalsPerGroup]
    case .linkAccount, .updateProfile, .reactivateAccount: []
    }
  }

  /// The changes, as text: "deactivations".
  /// - Parameter right: the product or group, where each counts by itself.
  func text(_ right: String?) -> String {
    switch self {
    case .creations: "new accounts"
    case .licensesGranted: "grants of the license \(right ?? "")"
    case .disabled: "deactivations of disabled people"
    case .removalsPerGroup: "removals from group \(right ?? "")"
    default: rawValue.split(separator: "-").joined(separator: " ")
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
  /// So many always pass of what takes, and five times as many of what gives.
  package var freeBelow: Int
  package var onLimit: OnLimit

  package init(limits: [Consequence: Limit], freeBelow: Int, onLimit: OnLimit) {
    self.limits = limits
    self.freeBelow = freeBelow
    self.onLimit = onLimit
  }

  func freeBelow(_ consequence: Consequence) -> Int {
    consequence.isGiving ? 5 * min(freeBelow, Int.max / 5) : freeBelow
  }
}

/// How many changes that count against limits the site has seen since some moment.
package struct RecentChanges: Sendable, Hashable {
  package var counts: [CountedChange: Int]

  package init(_ counts: [CountedChange: Int] = [:]) { self.counts = counts }

  /// - Parameter right: the product or the group's key, where each counts by itself.
  func count(_ consequence: Consequence, right: String?) -> Int {
    counts.filter { counted, _ in
      switch counted.part {
      case .movedOut: consequence == .movedOut
      case .right(let name) where consequence.isPerRight && name != right: false
      default:
        Consequence.of(counted.kind, isMissing: counted.part != .disabled).contains(consequence)
      }
    }.values.reduce(0, +)
  }
}

/// A budget that is open, or was in the last 24 hours, with the changes that were made while it was.
package struct UsedBudget: Sendable, Hashable {
  package let budget: Budget
  package let isOpen: Bool
  let used: RecentChanges
  let usedInTheLastDay: RecentChanges

  package init(
    _ budget: Budget, isOpen: Bool, used: RecentChanges, usedInTheLastDay: RecentChanges
  ) {
    self.budget = budget
    self.isOpen = isOpen
    self.used = used
    self.usedInTheLastDay = usedInTheLastDay
  }

  /// How many more may pass.
  func remaining(_ consequence: Consequence, right: String?) -> Int {
    isOpen ? max(0, budget.upTo - used.count(consequence, right: right)) : 0
  }

  /// How many changes of the last 24 hours the budget has paid for, so that the limit does not count them.
  func paid(_ consequence: Consequence, right: String?) -> Int {
    let unpaid = max(0, used.count(consequence, right: right) - budget.upTo)
    return max(0, usedInTheLastDay.count(consequence, right: right) - unpaid)
  }
}
