import DirectoryModel
import SiteModel

/// The site: accounts with what they hold, the people behind them, and the journal of runs.
package protocol SiteStoring: AnyObject {
  /// Has another thread ask the store something, over a connection of its own; an empty store is asked at once.
  func meanwhile<Value: Sendable>(
    _ ask: @escaping @Sendable (any SiteStoring & MirrorStoring) throws -> Value
  ) -> Meanwhile<Value>

  /// The site as it is now, for a plan.
  /// - Parameter policy: what the configuration says of it.
  func site(name: String, policy: SitePolicy) throws -> Site

  /// Whether the site is before or after the move to Atlassian accounts.
  func transition() throws -> Site.Transition

  /// Tells what is remembered of every known person, but of those whom one of these other directories shows.
  func people(exceptOf others: [String], _ body: (KnownPerson) -> Void) throws

  /// The same in brief: the directory id's bytes are borrowed for the call.
  func states(
    exceptOf others: [String], _ body: (UnsafeRawBufferPointer, KnownState) -> Void
  ) throws

  /// Tells what is remembered of some people, and of those on the to-do list at a moment: not settled, or due.
  func people(
    among ids: [String], toDoAt now: Int64, exceptOf others: [String], _ body: (KnownPerson) -> Void
  ) throws

  /// Whether of anybody it is remembered which directory shows them.
  func knowsDirectories() throws -> Bool

  /// What is remembered of these people and of those who may be the same in another directory: who had or have one of
  /// these values of `account.match`, and who has the account together with them.
  func family(of ids: [String], matches: [String]) throws -> [KnownPerson]

  /// Accounts with what they hold, in one pass: those of these people, and those with these emails; where more people are
  /// asked for than there are accounts, all may come. Emails are compared as `emailKey` says. An account appears once. A site
  /// without accounts works out neither list.
  func accounts(
    ofPeople people: @autoclosure () -> [String], emails: @autoclosure () -> [String]
  ) throws -> [Account]

  /// Says that nearly all accounts will be asked for, so that they can be fetched meanwhile.
  func expectAllAccounts() throws

  /// Unlinked accounts by their usernames, compared as emails are.
  func unlinkedAccounts(usernames: [String]) throws -> [Account]

  /// Accounts by their numbers, in that order; unknown ones are left out.
  func accounts(ids: [Int64]) throws -> [Account]

  /// One account by its number; nil when there is none.
  func account(id: Int64) throws -> Account?

  /// Every account, in the order of lower-cased emails.
  func allAccounts(_ body: (Account) throws -> Void) throws

  /// Some of the accounts that a filter lets through, in the order of lower-cased emails.
  /// - Parameters:
  ///   - after: the lower-cased email after which they begin; nil: the first.
  ///   - count: at most so many.
  func accounts(_ filter: AccountFilter, after: String?, count: Int) throws -> AccountPage

  /// Carries out a plan in one transaction, with its bookkeeping and its entry in the journal.
  ///
  /// An empty plan does not move the generation.
  /// - Throws: `StorePlanIsStale` when the site is not the one that the plan saw.
  func apply(_ plan: ApprovedPlan, run: RunRecord) throws -> AppliedRun

  /// Moves the site to Atlassian accounts, once and for good (R1); marked accounts are portal-only from then on.
  func performTransition(run: RunRecord) throws -> AuditHead

  // MARK: Exceptions

  /// All pins, the expired ones too, by email.
  func pins() throws -> [NamedPin]

  /// Sets a pin; one of the same kind for the account is replaced.
  func set(_ pin: Pin, run: RunRecord) throws -> AuditHead

  func removePins(_ ids: [Int64], run: RunRecord) throws -> AuditHead

  // MARK: Approvals

  /// Notes what a run held back, so that it can be approved.
  func note(_ held: HeldSet, at now: Int64) throws

  /// Notes that a sync which read everybody held nothing but what it has noted at this moment or later. What was held
  /// before is released.
  func releaseHeld(before now: Int64) throws

  /// What was held back, the latest first, approved or not.
  func heldSets() throws -> [HeldRecord]

  func approve(_ hash: String, run: RunRecord) throws -> AuditHead

  /// Budgets for limits, by kind; those that have ended, too.
  func budgets() throws -> [Budget]

  /// Opens a budget; one for the same limit is replaced.
  func open(_ budget: Budget, run: RunRecord) throws -> AuditHead

  /// Ends the budget for a limit now.
  func endBudget(for kind: String, run: RunRecord) throws -> AuditHead

  /// Whether rules of this directory have given anything in a journalled sync of the whole site.
  func hasGiven(_ directory: String) throws -> Bool

  // MARK: Mappings

  /// The mapping by which people have what they have; nil before the first sync.
  func acceptedMapping(of directory: String) throws -> AcceptedMapping?

  /// The immutable ids of the directory groups that rules name, by name as written.
  func ruleGroups(of directory: String) throws -> [String: String]

  // MARK: History

  /// Runs, the latest first.
  func runs(last count: Int) throws -> [JournaledRun]

  func run(_ id: Int64) throws -> JournaledRun?

  /// The run that was written with this token, see `RunRecord.token`; nil: none was committed.
  func run(token: String) throws -> JournaledRun?

  /// What the clocks showed at the last sync; nil before the first.
  func syncClock() throws -> SyncClock?

  /// When the last sync began, in seconds since 1970.
  func lastSync() throws -> Int64?

  /// Tells every change of a run, in the order in which they were made.
  func entries(of run: Int64, _ body: (JournalEntry) throws -> Void) throws

  /// Tells every change of one account, the latest run first.
  func history(ofAccount account: Int64, _ body: (JournaledRun, JournalEntry) throws -> Void) throws

  /// Checks the audit chain from its beginning to its end.
  /// - Parameter known: a head that was written outside of the store.
  func verifyAudit(expecting known: AuditHead?) throws -> AuditReport

  /// Lets runs go that are older than so many seconds, counted from the earlier one of the last two runs, so that a clock
  /// that is wrong once lets nothing go; at most 200 runs at a time.
  func pruneJournal(keepingSeconds: Int64) throws

  /// Blanks a person's data in the site and in the journal; the account itself stays, deactivated and without a
  /// name.
  func erase(account: Int64, run: RunRecord) throws -> AuditHead

  /// How many changes that count against limits syncs have made after one moment and up to another, in seconds since
  /// 1970.
  func recentChanges(since: Int64, until: Int64) throws -> [CountedChange: Int]

  /// Since when people wait for a seat, by product and directory id; seconds since 1970.
  func waitingSince() throws -> [String: [String: Int64]]

  /// What the last sync held, and who waits for a seat.
  func openQuestions() throws -> OpenQuestions
}

/// A part of a list of accounts.
package struct AccountPage: Sendable, Equatable {
  package let accounts: [Account]
  /// How many there are in all.
  package let total: Int
  /// What the next part begins after; nil: this is the last one.
  package let next: String?

  package init(accounts: [Account], total: Int, next: String?) {
    self.accounts = accounts
    self.total = total
    self.next = next
  }
}

/// What the store remembers of one person.
package struct KnownPerson: Sendable, Hashable {
  package let person: String
  package let account: Int64?
  /// The fingerprint with which the person was last settled; nil: on the to-do list.
  package let settled: UInt64?
  package let absentSince: Int64?
  /// When a condition on a moment answers differently for the person; nil: never.
  package let due: Int64?
  /// The directory that shows the person, or did last; nil: not known, or the only one.
  package let directory: String?
  /// The directory id by which the account is linked that this entry of the person shares; nil: none.
  package let joined: String?
  /// The value of `account.match`, as `emailKey` has it; nil: none, or not known.
  package let match: String?

  package init(
    person: String, account: Int64?, settled: UInt64?, absentSince: Int64?, due: Int64? = nil,
    directory: String? = nil, joined: String? = nil, match: String? = nil
  ) {
    self.match = match
    self.directory = directory
    self.joined = joined
    self.due = due
    self.person = person
    self.account = account
    self.settled = settled
    self.absentSince = absentSince
  }
}

/// What decides whether a person is looked at.
package struct KnownState: Sendable, Hashable {
  package let account: Int64?
  package let settled: UInt64?
  package let isAbsent: Bool
  package let due: Int64?

  package init(account: Int64?, settled: UInt64?, isAbsent: Bool, due: Int64?) {
    self.account = account
    self.settled = settled
    self.isAbsent = isAbsent
    self.due = due
  }
}

/// What applying a plan brought about.
package struct AppliedRun: Sendable, Hashable {
  package let head: AuditHead
  /// How many changes of each kind were written.
  package let written: [ChangeKind: Int]

  package init(head: AuditHead, written: [ChangeKind: Int]) {
    self.head = head
    self.written = written
  }
}

/// Something held back, and whether it was approved.
package struct HeldRecord: Sendable, Hashable {
  package let set: HeldSet
  /// When a run last held it, in seconds since 1970.
  package let heldAt: Int64
  package let approvedAt: Int64?
  package let approvedBy: String?
  /// Whether the last sync that read everybody did not hold it any more.
  package let isReleased: Bool

  package init(
    set: HeldSet, heldAt: Int64, approvedAt: Int64?, approvedBy: String?, isReleased: Bool = false
  ) {
    self.isReleased = isReleased
    self.set = set
    self.heldAt = heldAt
    self.approvedAt = approvedAt
    self.approvedBy = approvedBy
  }
}

/// Who started a run, and when.
package struct RunRecord: Sendable {
  package let command: String
  package let user: String
  package let startedAt: Int64
  private let hash: @Sendable () -> String
  /// Of the plan; worked out each time.
  package var planHash: String { hash() }
  /// The run that this one takes back.
  package let undoes: Int64?
  /// What the clocks showed, of a sync.
  package let clock: SyncClock?
  /// By which whoever started the process finds the run afterwards; nil: nobody looks for it.
  package let token: String?

  package init(
    command: String, user: String, startedAt: Int64,
    planHash: @autoclosure @escaping @Sendable () -> String, undoes: Int64? = nil,
    clock: SyncClock? = nil, token: String? = nil
  ) {
    self.token = token
    self.undoes = undoes
    self.clock = clock
    self.command = command
    self.user = user
    self.startedAt = startedAt
    hash = planHash
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
  /// The file's contents do not fit together.
  case damaged(path: String, reason: String)
  /// The disk failed in mid-way; what was being written is there whole or not at all.
  case interrupted(path: String, reason: String)
  /// Another run holds the site.
  case busy(path: String, holder: String?)
}
