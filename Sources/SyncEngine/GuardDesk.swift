import Ports
import Reconciliation
import SiteModel

/// The site with its limits: what approving a plan needs, with or without a directory.
package struct GuardDesk {
  package let siteName: String
  /// The catalogue; the value is the ceiling of seats, nil unlimited.
  package let ceilings: [String: Int?]
  private let limits: Limits
  private let store: any SiteStoring

  package init(
    siteName: String, ceilings: [String: Int?], limits: Limits, store: any SiteStoring
  ) {
    self.siteName = siteName
    self.ceilings = ceilings
    self.limits = limits
    self.store = store
  }

  package func site() throws -> Site { try store.site(name: siteName, ceilings: ceilings) }

  /// The guard as it stands now, with what the last 24 hours used up.
  /// - Parameter now: seconds since 1970.
  package func planGuard(now: Int64) throws -> Guard {
    var recent = RecentChanges()
    for change in try store.recentChanges(since: now - 86_400) {
      recent.byKind[change.kind, default: 0] += change.count
      if let group = change.group { recent.leftGroups[group, default: 0] += change.count }
    }
    return Guard(limits: limits, recent: recent)
  }

  /// Looks again at a saved plan before it is applied.
  package func check(_ plan: Plan, now: Int64) throws -> Guard.Verdict {
    try planGuard(now: now).check(plan, totals: site().totals)
  }
}

extension SiteStoring {
  /// The account that an email, an account id or a directory id names; nil when none does.
  package func account(_ who: String) throws -> Account? {
    let key = emailKey(who)
    if let account = try accounts(ofPeople: [key], emails: [key]).first { return account }
    guard let id = Int64(who) else { return nil }
    var found: Account?
    try allAccounts { if $0.id == id { found = $0 } }
    return found
  }
}
