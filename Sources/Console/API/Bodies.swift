import Ports
import SiteModel
import SyncEngine
import Views

// What goes in and out of the API, key by key as `openapi.json` has it.

struct ProblemBody: Encodable {
  let status: Int
  let title: String
  let remedy: String?

  init(_ problem: Problem) {
    status = problem.status
    title = problem.message
    remedy = problem.remedy
  }
}

struct SiteBody: Encodable {
  struct Seats: Encodable {
    let taken: Int
    let ceiling: Int?
    let waiting: Int
  }

  let name: String
  let generation: Int64
  let transition: String
  let activeAccounts: Int
  let lastSync: String?
  let nextSync: String?
  let held: Int
  let leaving: Int
  let seats: [String: Seats]
}

struct AccountsBody: Encodable {
  let accounts: [AccountBody]
  let total: Int
  let next: String?
}

struct AccountBody: Encodable {
  let id: Int64
  let email: String
  let name: String
  let username: String?
  let kind: String
  let active: Bool
  let portalOnly: Bool
  let emailVerified: Bool
  let licenses: [String]
  let groups: [String]
  let directoryId: String?

  init(_ account: Account, _ transition: Site.Transition) {
    id = account.id
    email = account.email
    name = account.name
    username = account.username
    kind = account.kindName(transition)
    active = account.isActive
    portalOnly = account.isPortalOnly
    emailVerified = account.isEmailVerified
    let held = account.holdings.filter { !$0.isSuspended }.map(\.right)
    licenses = held.filter { $0.kind == .license }.map(\.name)
    groups = held.filter { $0.kind == .group }.map(\.name)
    directoryId = account.person
  }
}

struct HoldBody: Encodable {
  struct Reason: Encodable {
    let reason: String
    let remedy: String
  }

  let person: String
  let account: Int64?
  let email: String?
  let name: String?
  let reasons: [Reason]

  init(_ hold: Hold) {
    person = hold.person
    account = hold.account
    email = hold.email
    name = hold.name
    reasons = hold.doubts.map { Reason(reason: $0.reason, remedy: $0.remedy) }
  }
}

struct HeldBody: Encodable {
  struct Change: Encodable {
    let email: String
    let name: String
    let what: String
  }

  let hash: String
  let kind: String
  let heldAt: String
  let causes: [String]
  let changes: [Change]
  let firstApprover: String?

  init(_ record: HeldRecord, _ pending: PendingPlans) {
    hash = record.set.hash
    kind = record.set.kind.rawValue
    heldAt = timeText(record.heldAt)
    causes = record.set.causes
    changes = record.set.changes.map { Change(email: $0.email, name: $0.name, what: $0.what) }
    firstApprover = pending.firstApprover(held: record.set.hash)?.account
  }
}

struct PreviewBody: Encodable {
  let state: String
  let plan: String?
  let problem: ProblemBody?

  init(_ preview: PendingPlans.Preview) {
    (state, plan, problem) =
      switch preview {
      case .none: ("none", nil, nil)
      case .underWay: ("under-way", nil, nil)
      case .failed(let problem): ("failed", nil, ProblemBody(problem))
      case .ready(let hash): ("ready", hash, nil)
      }
  }
}

struct PlanBody: Encodable {
  let plan: String
  let changes: Int
  let notes: [String]

  init(_ kept: PendingPlan) {
    plan = kept.hash
    changes = kept.plan.rows.count
    notes = kept.notes
  }
}

struct AppliedBody: Encodable {
  let state: String
  let run: Int64?
  let changes: Int?

  init(_ applied: Work.Applied) {
    (state, run, changes) =
      switch applied {
      case .waiting: ("waits-for-second-approver", nil, nil)
      case .run(let run, let changes): ("done", run, changes)
      }
  }
}

struct PinBody: Encodable {
  let id: Int64
  let account: Int64
  let email: String
  let pin: String
  let until: String
  let reason: String
  let by: String

  init(_ named: NamedPin) {
    id = named.pin.id
    account = named.pin.account
    email = named.email
    pin = named.pin.text
    until = timeText(named.pin.until)
    reason = named.pin.reason
    by = named.pin.by
  }
}

struct RunBody: Encodable {
  let run: Int64
  let startedAt: String
  let command: String
  let user: String
  let peopleRead: Int
  let groupsRead: Int
  let changes: Int
  let generation: Int64
  let planHash: String
  let undoes: Int64?
  let undoneBy: Int64?
  let link: String

  init(_ run: JournaledRun) {
    self.run = run.id
    startedAt = timeText(run.startedAt)
    command = run.command
    user = run.user
    peopleRead = run.peopleRead
    groupsRead = run.groupsRead
    changes = run.changes
    generation = run.generation
    planHash = run.planHash
    undoes = run.undoes
    undoneBy = run.undoneBy
    link = run.link
  }
}

struct RunChangesBody: Encodable {
  let run: RunBody
  let changes: [EntryBody]
}

struct EntryBody: Encodable {
  let kind: String
  let account: Int64
  let before: String?
  let after: String?
  let rule: RuleReference?
  let reason: String?

  init(_ entry: JournalEntry) {
    kind = entry.kind.rawValue
    account = entry.account
    before = entry.before
    after = entry.after
    rule = entry.rule
    reason = entry.reason
  }
}

/// A body whose keys are all known.
protocol Known { static var keys: Set<String> { get } }

struct ApprovalOrder: Decodable, Known {
  static let keys: Set = ["hash"]
  let hash: String
}

struct OrderBody: Decodable, Known {
  static let keys: Set = ["order", "accounts", "all", "rights", "directory_id"]
  let order: String
  let accounts: [String]?
  let all: Bool?
  /// Each as `license=…` or `group=…`.
  let rights: [String]?
  let directoryId: String?
}

struct PinOrder: Decodable, Known {
  static let keys: Set = ["who", "pin", "until", "reason"]
  let who: String
  let pin: String
  let until: String
  let reason: String
}
