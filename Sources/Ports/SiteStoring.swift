import DirectoryModel
import SiteModel

/// The site: accounts with what they hold, the people behind them, and the journal of runs.
package protocol SiteStoring: AnyObject {
  /// The site as it is now, for a plan.
  /// - Parameter ceilings: the catalogue of the configuration.
  func site(name: String, ceilings: [String: Int?]) throws -> Site

  /// Tells what is remembered of every known person.
  func people(_ body: (KnownPerson) -> Void) throws

  /// Accounts with what they hold, in one pass: those of these people, and those with these emails.
  /// Emails are compared as `emailKey` says. An account appears once.
  func accounts(ofPeople people: [String], emails: [String]) throws -> [Account]

  /// One account by its number; nil when there is none.
  func account(id: Int64) throws -> Account?

  /// Every account, in the order of lower-cased emails.
  func allAccounts(_ body: (Account) throws -> Void) throws

  /// Carries out a plan in one transaction, with its bookkeeping and its entry in the journal.
  ///
  /// An empty plan does not move the generation.
  /// - Throws: `StorePlanIsStale` when the site is not the one that the plan saw.
  /// - Returns: how many changes of each kind were written.
  func apply(_ plan: ApprovedPlan, run: RunRecord) throws -> [ChangeKind: Int]

  /// Says that an account is a person's (R16); a link that either had before is undone.
  func link(account: Int64, person: String, run: RunRecord) throws

  /// Changes of the last 24 hours.
  func recentChanges(since: Int64) throws -> [RecentChange]

  /// Since when people wait for a seat, by product and directory id; seconds since 1970.
  func waitingSince() throws -> [String: [String: Int64]]

  /// What the last sync held, and who waits for a seat.
  func openQuestions() throws -> OpenQuestions
}

/// What the store remembers of one person.
package struct KnownPerson: Sendable, Hashable {
  package let person: String
  package let account: Int64?
  /// The fingerprint with which the person was last settled; nil: on the to-do list.
  package let settled: UInt64?
  package let absentSince: Int64?

  package init(person: String, account: Int64?, settled: UInt64?, absentSince: Int64?) {
    self.person = person
    self.account = account
    self.settled = settled
    self.absentSince = absentSince
  }
}

package struct RecentChange: Sendable, Hashable {
  package let kind: ChangeKind
  /// The key of the group that was left; nil for other kinds.
  package let group: String?
  package let count: Int

  package init(kind: ChangeKind, group: String?, count: Int) {
    self.kind = kind
    self.group = group
    self.count = count
  }
}

/// Who started a run, and when.
package struct RunRecord: Sendable, Hashable {
  package let command: String
  package let user: String
  package let startedAt: Int64
  package let planHash: String

  package init(command: String, user: String, startedAt: Int64, planHash: String) {
    self.command = command
    self.user = user
    self.startedAt = startedAt
    self.planHash = planHash
  }
}

/// People held and waiting, as the last sync left them.
package struct OpenQuestions: Sendable, Hashable {
  package var holds: [Hold] = []
  /// Directory ids by product.
  package var waiting: [String: [String]] = [:]
  package var leaving: [Leaving] = []
  package init() {}
}

/// The site has changed since the plan was made.
package struct StorePlanIsStale: Error, Sendable, Hashable {
  package let reason: String
  package init(reason: String) { self.reason = reason }

  /// - Throws: when a plan was not made for the site as it is.
  package static func check(
    _ basis: Plan.Basis, generation: Int64, lineage: String
  ) throws(StorePlanIsStale) {
    guard generation == basis.generation else {
      throw StorePlanIsStale(
        reason:
          "the plan is stale: the site has changed since it was made (generation \(generation), the plan saw \(basis.generation))"
      )
    }
    // Two copies of a store that went their own ways may have come to the same generation.
    guard lineage == basis.lineage else {
      throw StorePlanIsStale(
        reason: "the plan was made for another store, or for a copy of this one")
    }
  }
}

/// What can go wrong with a store.
package enum StoreFailure: Error, Sendable, Hashable {
  case notOurs(path: String)
  case newerVersion(path: String, found: Int, known: Int)
  case full(path: String)
  case unusable(path: String, reason: String)
  /// Another run holds the site.
  case busy(path: String, holder: String?)
}
