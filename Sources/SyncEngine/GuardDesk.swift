import Crypto
import Ports
import Reconciliation
import SiteModel

/// The site with its limits: what approving a plan needs, with or without a directory.
package struct GuardDesk {
  package let siteName: String
  package let policy: SitePolicy
  private let limits: Limits
  let store: any SiteStoring

  /// For how long an approval, and what can be approved, holds.
  private static let daySeconds: Int64 = 86_400

  package init(
    siteName: String, policy: SitePolicy, limits: Limits, store: any SiteStoring
  ) {
    self.siteName = siteName
    self.policy = policy
    self.limits = limits
    self.store = store
  }

  package func site() throws -> Site { try store.site(name: siteName, policy: policy) }

  /// The guard as it stands now, with what the last 24 hours used up and what was approved in them.
  /// - Parameter now: seconds since 1970.
  package func planGuard(now: Int64) throws -> Guard {
    let day = now - Self.daySeconds
    let recent = RecentChanges(try store.recentChanges(since: day, until: now + 3600))
    let budgets = try store.budgets().filter { $0.until > day }.map { budget in
      // A sync within the second in which the budget was opened draws on it.
      let start = budget.since - 1
      return UsedBudget(
        budget, isOpen: budget.holds(at: now),
        used: RecentChanges(try store.recentChanges(since: start, until: budget.until)),
        usedInTheLastDay: RecentChanges(
          try store.recentChanges(since: max(start, day), until: budget.until)))
    }
    let approved = try (approved(now: now, kind: .changes) + approved(now: now, kind: .mapping))
      .flatMap { $0.changes.map(\.pair) }
    return Guard(
      limits: limits, recent: recent, budgets: budgets, approved: Set(approved), hash: Self.hash)
  }

  /// A SHA-256 over texts, as hexadecimal digits.
  private static let hash: @Sendable ([String]) -> String = { texts in
    var hash = SHA256()
    for text in texts { hash.update(data: Array(text.utf8) + [0]) }
    return hash.finalize().hexadecimal
  }

  func hash(_ texts: [String]) -> String { Self.hash(texts) }

  /// Moments that lie ahead were written by a clock that was wrong; those of a clock that is a little behind count.
  private static func isOfLastDay(_ moment: Int64, _ now: Int64) -> Bool {
    moment > now - daySeconds && moment <= now + 3600
  }

  /// What was approved in the last 24 hours.
  func approved(now: Int64, kind: HeldSet.Kind) throws -> [HeldSet] {
    try store.heldSets().filter { record in
      record.set.kind == kind && record.approvedAt.map { Self.isOfLastDay($0, now) } ?? false
    }.map(\.set)
  }

  /// What was held back in the last day, nobody has approved in it, and the last sync still held.
  package func waiting(now: Int64) throws -> [HeldRecord] {
    try store.heldSets().filter { record in
      Self.isOfLastDay(record.heldAt, now) && !record.isReleased
        && record.approvedAt.map { !Self.isOfLastDay($0, now) } ?? true
    }
  }

  /// Looks again at a saved plan before it is applied.
  package func check(_ plan: Plan, now: Int64) throws -> Guard.Verdict {
    try planGuard(now: now).check(plan, site())
  }

  // MARK: Approvals

  /// Why a hash cannot be approved.
  package enum ApprovalFault: Error, Sendable, Hashable {
    case unknown(String)
    case ambiguous(String)
    case expired(String, heldAt: Int64)
    case approved(String, until: Int64)
    case noLimit(String, known: [String])
    /// No budget for this limit is open.
    case noBudget(String)
  }

  /// What a hash, or its beginning of at least eight digits, stands for.
  /// - Throws: `ApprovalFault`.
  package func held(_ hash: String, now: Int64) throws -> HeldSet {
    let wanted = hash.lowercased()
    let all = try store.heldSets()
    let found = wanted.count < 8 ? [] : all.filter { $0.set.hash.hasPrefix(wanted) }
    guard let record = found.first else { throw ApprovalFault.unknown(hash) }
    guard found.count == 1 else { throw ApprovalFault.ambiguous(hash) }
    if let approvedAt = record.approvedAt, Self.isOfLastDay(approvedAt, now) {
      throw ApprovalFault.approved(record.set.shortHash, until: approvedAt + Self.daySeconds)
    }
    guard Self.isOfLastDay(record.heldAt, now) else {
      throw ApprovalFault.expired(record.set.shortHash, heldAt: record.heldAt)
    }
    return record.set
  }

  /// A budget for a limit of this site.
  /// - Throws: `ApprovalFault.noLimit` where there is no limit of that name.
  package func budget(
    _ limit: String, upTo: Int, until: Int64, reason: String, by user: String, now: Int64
  ) throws -> Budget {
    try check(limit: limit)
    return Budget(kind: limit, upTo: upTo, since: now, until: until, reason: reason, by: user)
  }

  /// - Throws: `ApprovalFault.noLimit` where there is no limit of that name.
  package func check(limit: String) throws {
    guard Consequence(rawValue: limit) == nil else { return }
    throw ApprovalFault.noLimit(limit, known: Consequence.allCases.map(\.rawValue))
  }

  // MARK: By hand

  /// The world of a plan that no directory is behind.
  package func world(
    of accounts: [Account], command: String, now: Int64
  ) throws -> World {
    let site = try site()
    return World(
      site: site, accounts: accounts, entitlements: Entitlements(), rules: [], leavers: .standard,
      leaversRule: 0, isPresent: { _ in true }, pins: try store.pins(),
      basis: Plan.Basis(
        site: site.name, lineage: site.lineage, generation: site.generation, mappingDigest: "",
        createdAt: now, peopleRead: 0, groupsRead: 0, command: command))
  }
}

/// An account id of one is the directory id of another.
package struct SeveralFit: Error {
  package let who: String
  /// The emails of the accounts that fit.
  package let candidates: [String]
}

/// Nobody fits what was asked for.
package struct NobodyFits: Error {
  package let who: String
  /// Emails of accounts that come near.
  package let candidates: [String]

  package init(who: String, candidates: [String] = []) {
    self.who = who
    self.candidates = candidates
  }
}

extension SiteStoring {
  /// The account that an email, an account id or a directory id names; nil when none does.
  /// - Throws: `SeveralFit` when two accounts fit.
  package func account(_ who: String) throws -> Account? {
    let key = emailKey(who)
    var found = try accounts(ofPeople: [key], emails: [key])
    if found.isEmpty,
      let link = try family(of: [key], matches: []).first(where: { $0.person == key })?.joined
    {
      found = try accounts(ofPeople: [link], emails: [])
    }
    if let id = Int64(who), let account = try account(id: id),
      !found.contains(where: { $0.id == id })
    {
      found.append(account)
    }
    if found.count > 1 { throw SeveralFit(who: who, candidates: found.map(\.email).sorted()) }
    return found.first
  }

  /// The accounts that each of these names, each once.
  /// - Throws: `NobodyFits` with those that come near, `SeveralFit`.
  package func accounts(_ who: [String]) throws -> [Account] {
    var accounts: [Account] = []
    for one in who {
      guard let account = try account(one) else {
        throw NobodyFits(who: one, candidates: try candidates(for: one))
      }
      if !accounts.contains(where: { $0.id == account.id }) { accounts.append(account) }
    }
    return accounts
  }

  /// Up to five emails of accounts whose email or name holds the text.
  package func candidates(for who: String) throws -> [String] {
    let key = emailKey(who).split(separator: "@").first.map(String.init) ?? emailKey(who)
    guard key.count > 1 else { return [] }
    var found: [String] = []
    try allAccounts { account in
      if found.count < 5,
        emailKey(account.email).contains(key) || emailKey(account.name).contains(key)
      {
        found.append(account.email)
      }
    }
    return found
  }
}
