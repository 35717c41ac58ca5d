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

/// An account id of one is the directory id of another.
package struct SeveralFit: Error {
  package let who: String
  /// The emails of the accounts that fit.
  package let candidates: [String]
}

extension SiteStoring {
  /// The account that an email, an account id or a directory id names; nil when none does.
  /// - Throws: `SeveralFit` when two accounts fit.
  package func account(_ who: String) throws -> Account? {
    let key = emailKey(who)
    var found = try accounts(ofPeople: [key], emails: [key])
    if let id = Int64(who), let account = try account(id: id),
      !found.contains(where: { $0.id == id })
    {
      found.append(account)
    }
    if found.count > 1 { throw SeveralFit(who: who, candidates: found.map(\.email).sorted()) }
    return found.first
  }
}
