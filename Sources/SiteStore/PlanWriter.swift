import GRDB
import Ports
import SiteModel

/// Writes the changes of one plan into an open transaction, in the plan's order.
struct PlanWriter {
  private let db: Database
  private let plan: Plan
  /// The account of each subject, of new ones the coming one.
  let accounts: [Int64]
  private var writtenByKind = [Int](repeating: 0, count: ChangeKind.byNumber.count)
  /// Subjects that are created, whose people are still to be written.
  let created: [Int]
  /// How many more holdings of each right there are, by the right's number.
  private var taken: [Int64: Int64] = [:]
  private var rightIDs: [Right: Int64] = [:]
  /// The same for gifts, by the plan's text with the name; 0: not looked up yet.
  private var licenseIDs, groupIDs: [Int64]
  private let statements: Statements

  private let newAccounts, newHoldings: RapidInsert

  private struct Statements {
    let link, unlink, regive, resume, suspend, revoke: RapidStatement
    let mark, deactivate, reactivate: RapidStatement
    let freeEmail, email, name, username, addRight: RapidStatement
  }

  init(_ db: Database, plan: Plan) throws {
    self.db = db
    self.plan = plan
    var accounts = plan.subjects.map { $0.account ?? 0 }
    var created: [Int] = []
    let first = (try Int64.fetchOne(db, sql: "SELECT max(id) FROM account") ?? 0) + 1
    for (index, row) in plan.rows.enumerated() where plan.kind(at: index) == .createAccount {
      accounts[plan.subject(row)] = first + Int64(created.count)
      created.append(plan.subject(row))
    }
    self.accounts = accounts
    self.created = created
    licenseIDs = Array(repeating: 0, count: plan.allTexts.count)
    groupIDs = licenseIDs
    func make(_ sql: String) throws -> RapidStatement { try RapidStatement(db, sql) }
    // Rows change only where they are as the plan saw them: a statement that finds no row is a stale plan.
    let asBefore = "by_rule IS ?3 AND by_hand IS ?4 AND by_import IS ?5"
    newAccounts = try RapidInsert(
      db,
      into: """
        account (id, email, email_key, name, username, mark_rule, mark_hand, mark_import,
          email_verified, deactivated_by)
        """, columns: 10)
    newHoldings = try RapidInsert(
      db, into: "holding (account, right_id, by_rule, by_hand, by_import)", columns: 5)
    statements = Statements(
      link: try make(
        """
        INSERT INTO person (id, account) VALUES (?, ?)
        ON CONFLICT (id) DO UPDATE
        SET account = excluded.account, settled = NULL, absent_since = NULL
        """),
      unlink: try make(
        "UPDATE person SET account = NULL, settled = NULL WHERE id = ? AND account = ?"),
      regive: try make(
        """
        UPDATE holding SET by_rule = ?6, by_hand = ?7, by_import = ?8
        WHERE account = ?1 AND right_id = ?2 AND \(asBefore) AND suspended = 0
        """),
      resume: try make(
        """
        UPDATE holding SET suspended = 0, by_rule = ?6, by_hand = ?7, by_import = ?8
        WHERE account = ?1 AND right_id = ?2 AND \(asBefore) AND suspended = 1
        """),
      suspend: try make(
        """
        UPDATE holding SET suspended = 1, by_rule = ?6, by_hand = ?7, by_import = ?8
        WHERE account = ?1 AND right_id = ?2 AND \(asBefore) AND suspended = 0
        """),
      revoke: try make(
        "DELETE FROM holding WHERE account = ?1 AND right_id = ?2 AND \(asBefore)"),
      mark: try make(
        """
        UPDATE account SET mark_rule = ?5, mark_hand = ?6, mark_import = ?7
        WHERE id = ?1 AND mark_rule IS ?2 AND mark_hand IS ?3 AND mark_import IS ?4
        """),
      deactivate: try make(
        "UPDATE account SET deactivated_by = ?2 WHERE id = ?1 AND deactivated_by IS NULL"),
      reactivate: try make(
        "UPDATE account SET deactivated_by = NULL WHERE id = ?1 AND deactivated_by = ?2"),
      freeEmail: try make("UPDATE account SET email_key = ' ' || id WHERE id = ?"),
      email: try make(
        "UPDATE account SET email = ?2, email_key = ?3, email_verified = 0 WHERE id = ?1"),
      name: try make("UPDATE account SET name = ?2 WHERE id = ?1"),
      username: try make("UPDATE account SET username = ?2 WHERE id = ?1"),
      addRight: try make(
        "INSERT INTO rights (kind, name, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"))
  }

  /// - Parameter meanwhile: is done from time to time.
  mutating func write(_ meanwhile: () throws -> Void) throws {
    // Emails that are given up are freed first, so that two people can swap theirs.
    for index in plan.rows.indices where plan.kind(at: index) == .changeEmail {
      try statements.freeEmail.run(.int(accounts[plan.change(at: index).subject]))
    }
    for index in plan.rows.indices {
      if index % 1000 == 999 { try meanwhile() }
      if let gift = plan.gift(plan.rows[index]) {
        try give(gift)
        continue
      }
      let change = plan.change(at: index)
      writtenByKind[Int(change.kind.number)] += 1
      if change.kind == .createAccount {
        try create(change)
        continue
      }
      // Later changes may be to what earlier ones made.
      try newAccounts.flush()
      try newHoldings.flush()
      try write(change)
      guard db.changesCount == 1 else {
        throw StorePlanIsStale(
          reason:
            "\(change.kind.rawValue) for \(plan.subjects[change.subject].email) does not fit the site any more"
        )
      }
    }
    try newAccounts.flush()
    try newHoldings.flush()
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
    case .createAccount: break  // Many at a time, see `create`.
    case .linkAccount: try link(change, account)
    case .updateProfile:
      guard case .field(let field, let value) = change.after else { return }
      try (field == "name" ? statements.name : statements.username).run(account, .text(value))
    case .changeEmail:
      let email = plan.subjects[change.subject].email
      try statements.email.run(account, .text(email), .text(emailKey(email)))
    case .markPortalOnly, .unmarkPortalOnly, .convertAccount:
      let (before, after) = givers(of: change)
      try statements.mark.run(
        account, .text(before.rule), .text(before.hand), .text(before.imported),
        .text(after.rule), .text(after.hand), .text(after.imported))
    case .deactivateAccount:
      try statements.deactivate.run(
        account, .text(Account.Deactivator(change.givers?.after).rawValue))
    case .reactivateAccount:
      try statements.reactivate.run(
        account, .text(Account.Deactivator(change.givers?.before).rawValue))
    case .grantLicense, .joinGroup: try giveBack(change, account)
    case .revokeLicense, .leaveGroup: try take(change, account)
    }
  }

  private func givers(of change: Change) -> (before: Givers, after: Givers) {
    (change.givers?.before ?? Givers(), change.givers?.after ?? Givers())
  }

  private mutating func give(_ gift: Plan.Gift) throws {
    let known = gift.isGroup ? groupIDs[gift.name] : licenseIDs[gift.name]
    let right =
      known != 0
      ? known : try rightID(Right(gift.isGroup ? .group : .license, plan.allTexts[gift.name]))
    if gift.isGroup { groupIDs[gift.name] = right } else { licenseIDs[gift.name] = right }
    let givers = plan.allGivers[gift.givers].after
    try newAccounts.flush()
    try newHoldings.add(
      .int(accounts[gift.subject]), .int(right), .text(givers.rule), .text(givers.hand),
      .text(givers.imported))
    taken[right, default: 0] += 1
    writtenByKind[Int((gift.isGroup ? ChangeKind.joinGroup : .grantLicense).number)] += 1
  }

  private mutating func giveBack(_ change: Change, _ account: RapidStatement.Value) throws {
    let right = try rightID(of: change, change.after)
    try update(change.keepsGivers ? statements.resume : statements.regive, account, right, change)
    if !change.isGiverOnly { taken[right, default: 0] += 1 }
  }

  private mutating func take(_ change: Change, _ account: RapidStatement.Value) throws {
    let right = try rightID(of: change, change.before)
    let (before, after) = givers(of: change)
    if change.keepsGivers || !after.isEmpty {
      try update(
        change.keepsGivers ? statements.suspend : statements.regive, account, right, change)
    } else {
      // A right that was suspended takes no seat any more.
      let wasTaken = try Bool.fetchOne(
        db, sql: "SELECT suspended = 0 FROM holding WHERE account = ? AND right_id = ?",
        arguments: [accounts[change.subject], right])
      try statements.revoke.run(
        account, .int(right), .text(before.rule), .text(before.hand), .text(before.imported))
      if wasTaken == false { return }
    }
    if !change.isGiverOnly { taken[right, default: 0] -= 1 }
  }

  private func update(
    _ statement: RapidStatement, _ account: RapidStatement.Value, _ right: Int64, _ change: Change
  ) throws {
    let (before, after) = givers(of: change)
    try statement.run(
      account, .int(right), .text(before.rule), .text(before.hand), .text(before.imported),
      .text(after.rule), .text(after.hand), .text(after.imported))
  }

  private func link(_ change: Change, _ account: RapidStatement.Value) throws {
    if case .text(let person) = change.before {
      try statements.unlink.run(.text(person), account)
      guard db.changesCount == 1 else {
        throw StorePlanIsStale(reason: "the account of \(person) is another's by now")
      }
    }
    if case .text(let person) = change.after { try statements.link.run(.text(person), account) }
  }

  private mutating func create(_ change: Change) throws {
    let subject = plan.subjects[change.subject]
    let mark = subject.portalOnly ? givers(of: change).after : Givers()
    try newAccounts.add(
      .int(accounts[change.subject]), .text(subject.email), .text(emailKey(subject.email)),
      .text(subject.name),
      .text(subject.username), .text(mark.rule), .text(mark.hand), .text(mark.imported),
      .int(subject.isEmailVerified ? 1 : 0), .text(subject.isActive ? nil : "import"))
  }

  private mutating func rightID(of change: Change, _ value: Change.Value?) throws -> Int64 {
    guard case .text(let name) = value else { return 0 }
    let isGroup = change.kind == .joinGroup || change.kind == .leaveGroup
    return try rightID(Right(isGroup ? .group : .license, name))
  }

  private mutating func rightID(_ right: Right) throws -> Int64 {
    if let known = rightIDs[right] { return known }
    try statements.addRight.run(.text(right.kind.rawValue), .text(right.name), .text(right.key))
    let find = try db.cachedStatement(sql: "SELECT id FROM rights WHERE kind = ? AND key = ?")
    let id = try Int64.fetchOne(find, arguments: [right.kind.rawValue, right.key]) ?? 0
    rightIDs[right] = id
    return id
  }
}
