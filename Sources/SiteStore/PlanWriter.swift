import GRDB
import Ports
import SiteModel

/// Writes the changes of one plan into an open transaction, in the plan's order.
struct PlanWriter {
  private let db: Database
  private let plan: Plan
  /// The account of each subject; 0 before it is created.
  private(set) var accounts: [Int64]
  private var writtenByKind = [Int](repeating: 0, count: ChangeKind.byNumber.count)
  /// Subjects that were created, whose people are still to be written.
  private(set) var created: [Int] = []
  /// How many more holdings of each right there are, by the right's number.
  private var taken: [Int64: Int64] = [:]
  private var rightIDs: [Right: Int64] = [:]
  private let statements: Statements

  private struct Statements {
    let create, link, grant, resume, suspend, revoke: RapidStatement
    let mark, unmark, deactivate, reactivate: RapidStatement
    let freeEmail, email, name, username: RapidStatement
  }

  init(_ db: Database, plan: Plan) throws {
    self.db = db
    self.plan = plan
    accounts = plan.subjects.map { $0.account ?? 0 }
    func make(_ sql: String) throws -> RapidStatement { try RapidStatement(db, sql) }
    statements = Statements(
      create: try make(
        "INSERT INTO account (email, email_key, name, username, mark_rule) VALUES (?, ?, ?, ?, ?)"),
      link: try make(
        """
        INSERT INTO person (id, account) VALUES (?, ?)
        ON CONFLICT (id) DO UPDATE
        SET account = excluded.account, settled = NULL, absent_since = NULL
        """),
      grant: try make("INSERT INTO holding (account, right_id, by_rule) VALUES (?, ?, ?)"),
      resume: try make(
        "UPDATE holding SET suspended = 0 WHERE account = ? AND right_id = ? AND suspended = 1"),
      suspend: try make(
        """
        UPDATE holding SET suspended = 1, by_rule = NULL
        WHERE account = ? AND right_id = ? AND suspended = 0
        """),
      revoke: try make("DELETE FROM holding WHERE account = ? AND right_id = ?"),
      mark: try make("UPDATE account SET mark_rule = ?2 WHERE id = ?1 AND mark_rule IS NULL"),
      unmark: try make(
        "UPDATE account SET mark_rule = NULL WHERE id = ? AND mark_rule IS NOT NULL"),
      deactivate: try make(
        "UPDATE account SET deactivated_by = 'sync' WHERE id = ? AND deactivated_by IS NULL"),
      reactivate: try make(
        "UPDATE account SET deactivated_by = NULL WHERE id = ? AND deactivated_by = 'sync'"),
      freeEmail: try make("UPDATE account SET email_key = char(0) || id WHERE id = ?"),
      email: try make(
        "UPDATE account SET email = ?2, email_key = ?3, email_verified = 0 WHERE id = ?1"),
      name: try make("UPDATE account SET name = ?2 WHERE id = ?1"),
      username: try make("UPDATE account SET username = ?2 WHERE id = ?1"))
  }

  mutating func write() throws {
    // Emails that are given up are freed first, so that two people can swap theirs.
    for index in plan.rows.indices where plan.kind(at: index) == .changeEmail {
      try statements.freeEmail.run(.int(accounts[plan.change(at: index).subject]))
    }
    for index in plan.rows.indices {
      let change = plan.change(at: index)
      try write(change)
      guard db.changesCount == 1 else {
        throw StorePlanIsStale(
          reason:
            "\(change.kind.rawValue) for \(plan.subjects[change.subject].email) does not fit the site any more"
        )
      }
      writtenByKind[Int(change.kind.number)] += 1
    }
    let count = try RapidStatement(db, "UPDATE rights SET taken = taken + ? WHERE id = ?")
    for (right, delta) in taken { try count.run(.int(delta), .int(right)) }
  }

  /// How many changes of each kind were written.
  var written: [ChangeKind: Int] {
    var counts: [ChangeKind: Int] = [:]
    for kind in ChangeKind.byNumber where writtenByKind[Int(kind.number)] > 0 {
      counts[kind] = writtenByKind[Int(kind.number)]
    }
    return counts
  }

  private mutating func write(_ change: Change) throws {
    let account = RapidStatement.Value.int(accounts[change.subject])
    switch change.kind {
    case .createAccount: try create(change)
    case .linkAccount:
      try statements.link.run(.text(plan.subjects[change.subject].person), account)
    case .updateProfile:
      guard case .field(let field, let value) = change.after else { return }
      try (field == "name" ? statements.name : statements.username).run(account, .text(value))
    case .changeEmail:
      let email = plan.subjects[change.subject].email
      try statements.email.run(account, .text(email), .text(emailKey(email)))
    case .markPortalOnly: try statements.mark.run(account, .text(change.rule?.name ?? "rule"))
    case .unmarkPortalOnly: try statements.unmark.run(account)
    case .deactivateAccount: try statements.deactivate.run(account)
    case .reactivateAccount: try statements.reactivate.run(account)
    case .grantLicense, .joinGroup:
      let right = try rightID(of: change, change.after)
      if change.keepsGivers {
        try statements.resume.run(account, .int(right))
      } else {
        try statements.grant.run(account, .int(right), .text(change.rule?.name ?? "rule"))
      }
      taken[right, default: 0] += 1
    case .revokeLicense, .leaveGroup:
      let right = try rightID(of: change, change.before)
      try (change.keepsGivers ? statements.suspend : statements.revoke).run(account, .int(right))
      taken[right, default: 0] -= 1
    case .convertAccount:
      throw StoreFailure.unusable(path: "", reason: "conversions need the transition")
    }
  }

  private mutating func create(_ change: Change) throws {
    let subject = plan.subjects[change.subject]
    try statements.create.run(
      .text(subject.email), .text(emailKey(subject.email)), .text(subject.name),
      .text(subject.username), .text(subject.portalOnly ? change.rule?.name ?? "rule" : nil))
    accounts[change.subject] = db.lastInsertedRowID
    created.append(change.subject)
  }

  private mutating func rightID(of change: Change, _ value: Change.Value?) throws -> Int64 {
    guard case .text(let name) = value else { return 0 }
    let isGroup = change.kind == .joinGroup || change.kind == .leaveGroup
    let right = Right(isGroup ? .group : .license, name)
    if let known = rightIDs[right] { return known }
    try db.execute(
      sql: "INSERT INTO rights (kind, name, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      arguments: [right.kind.rawValue, right.name, right.key])
    let id =
      try Int64.fetchOne(
        db, sql: "SELECT id FROM rights WHERE kind = ? AND key = ?",
        arguments: [right.kind.rawValue, right.key]) ?? 0
    rightIDs[right] = id
    return id
  }
}
