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
  /// How many more accounts hold each right, by the right's number.
  private var taken: [Int64: Int64] = [:]
  /// How many more accounts are active.
  private var activated: Int64 = 0
  private var rightIDs: [Right: Int64] = [:]
  /// The same for gifts, by the plan's text with the name; 0: not looked up yet.
  private var licenseIDs, groupIDs: [Int64]
  private let givers: GiverTable
  /// The same for gifts, by the plan's number of what is said of givers; 0: not looked up yet.
  private var giverIDs: [Int64]
  private var rights: ChangedRights
  private var newAccounts: RapidInsert
  private let statements: Statements

  private struct Statements {
    let link, unlink, mark, deactivate, reactivate: RapidStatement
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
    givers = GiverTable(db)
    giverIDs = Array(repeating: 0, count: plan.allGivers.count)
    rights = try ChangedRights(db)
    func make(_ sql: String) throws -> RapidStatement { try RapidStatement(db, sql) }
    // Rows change only where they are as the plan saw them: a statement that finds no row is a stale plan.
    newAccounts = try RapidInsert(
      db,
      into: """
        account (id, email, email_key, name, username, mark_rule, mark_hand, mark_import,
          email_verified, deactivated_by, rights)
        """, columns: 11)
    statements = Statements(
      link: try make(
        """
        INSERT INTO person (id, account) VALUES (?, ?)
        ON CONFLICT (id) DO UPDATE
        SET account = excluded.account, settled = NULL, absent_since = NULL
        """),
      unlink: try make(
        "UPDATE person SET account = NULL, settled = NULL WHERE id = ? AND account = ?"),
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
    let gifts = GiftsOfNew(plan, created: created)
    for index in plan.rows.indices {
      if index % 1000 == 999 { try meanwhile() }
      let row = plan.rows[index]
      if let gift = plan.gift(row) {
        if gifts[gift.subject].isEmpty { try give(gift) }
        continue
      }
      writtenByKind[Int(plan.kindNumber(row))] += 1
      if plan.kind(at: index) == .createAccount {
        try create(row, gifts[plan.subject(row)])
        continue
      }
      let change = plan.change(at: index)
      switch change.kind {
      case .grantLicense, .joinGroup: try giveBack(change)
      case .revokeLicense, .leaveGroup: try take(change)
      default:
        // Later changes may be to what earlier ones made.
        try newAccounts.flush()
        try rights.write()
        try write(change)
        guard db.changesCount == 1 else { throw stale(change) }
      }
    }
    try newAccounts.flush()
    try regive()
    try rights.write()
    let count = try RapidStatement(db, "UPDATE rights SET taken = taken + ? WHERE id = ?")
    for (right, delta) in taken { try count.run(.int(delta), .int(right)) }
    try RapidStatement(db, "UPDATE site SET active_accounts = active_accounts + ?")
      .run(.int(activated))
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
    case .createAccount, .grantLicense, .joinGroup, .revokeLicense, .leaveGroup:
      break  // Many at a time, see `write`.
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
      activated -= 1
    case .reactivateAccount:
      try statements.reactivate.run(
        account, .text(Account.Deactivator(change.givers?.before).rawValue))
      activated += 1
    }
  }

  private func stale(_ change: Change) -> StorePlanIsStale {
    StorePlanIsStale(
      reason:
        "\(change.kind.rawValue) for \(plan.subjects[change.subject].email) does not fit the site any more"
    )
  }

  private func givers(of change: Change) -> (before: Givers, after: Givers) {
    (change.givers?.before ?? Givers(), change.givers?.after ?? Givers())
  }

  /// A gift by the store's numbers.
  private mutating func held(_ gift: Plan.Gift) throws -> PackedRights.Held {
    let known = gift.isGroup ? groupIDs[gift.name] : licenseIDs[gift.name]
    let right =
      known != 0
      ? known : try rightID(Right(gift.isGroup ? .group : .license, plan.allTexts[gift.name]))
    if gift.isGroup { groupIDs[gift.name] = right } else { licenseIDs[gift.name] = right }
    if giverIDs[gift.givers] == 0 {
      giverIDs[gift.givers] = try givers.number(of: plan.allGivers[gift.givers].after)
    }
    guard giverIDs[gift.givers] != 0 else {
      throw doubtful(gift.subject, "would be given \(plan.allTexts[gift.name]) by nobody")
    }
    taken[right, default: 0] += 1
    writtenByKind[Int((gift.isGroup ? ChangeKind.joinGroup : .grantLicense).number)] += 1
    return PackedRights.Held(right: right, giver: giverIDs[gift.givers])
  }

  private mutating func give(_ gift: Plan.Gift) throws {
    let new = try held(gift)
    let isNew = try rights.change(accounts[gift.subject]) { rights in
      let isNew = rights.active[new.right] == nil && rights.suspended[new.right] == nil
      rights.active[new.right] = new.giver
      return isNew
    }
    guard isNew else { throw doubtful(gift.subject, "has \(plan.allTexts[gift.name]) already") }
  }

  private func doubtful(_ subject: Int, _ what: String) -> StorePlanIsStale {
    StorePlanIsStale(reason: "\(plan.subjects[subject].email) \(what)")
  }

  private mutating func giveBack(_ change: Change) throws {
    let right = try rightID(of: change, change.after)
    try alter(change) { rights, before, after in
      let current = change.keepsGivers ? rights.suspended[right] : rights.active[right]
      guard current == before, after != 0 else { return false }
      rights.suspended[right] = nil
      rights.active[right] = after
      return true
    }
    if !change.isGiverOnly { taken[right, default: 0] += 1 }
  }

  private mutating func take(_ change: Change) throws {
    let right = try rightID(of: change, change.before)
    var wasTaken = true
    try alter(change) { rights, before, after in
      if change.keepsGivers || after != 0 {
        guard rights.active[right] == before, after != 0 else { return false }
        rights.active[right] = change.keepsGivers ? nil : after
        rights.suspended[right] = change.keepsGivers ? after : nil
        return true
      }
      // A right that was suspended takes no seat any more.
      wasTaken = rights.active[right] != nil
      guard (rights.active[right] ?? rights.suspended[right]) == before else { return false }
      rights.active[right] = nil
      rights.suspended[right] = nil
      return true
    }
    if wasTaken, !change.isGiverOnly { taken[right, default: 0] -= 1 }
  }

  /// - Parameter body: gets the account's rights and the numbers of their givers before and after, 0 for none; whether the
  ///   rights were as the plan saw them.
  private mutating func alter(
    _ change: Change, _ body: (inout ChangedRights.Rights, Int64, Int64) -> Bool
  ) throws {
    let (before, after) = givers(of: change)
    let numbers = (try givers.number(of: before), try givers.number(of: after))
    let fits = try rights.change(accounts[change.subject]) { body(&$0, numbers.0, numbers.1) }
    guard fits else { throw stale(change) }
  }

  /// Notes the rights that another rule gives now.
  private mutating func regive() throws {
    for one in plan.memory.regiven {
      guard let kind = Right.Kind(rawValue: one.kind) else { continue }
      let right = try rightID(Right(kind, one.key))
      try rights.change(one.account) { [givers] rights in
        for place in [\ChangedRights.Rights.active, \.suspended] {
          guard let number = rights[keyPath: place][right],
            var known = try givers.givers(number), known.rule != nil
          else { continue }
          known.rule = one.rule
          rights[keyPath: place][right] = try givers.number(of: known)
        }
      }
    }
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

  private mutating func create(_ row: Plan.Row, _ gifts: ArraySlice<Int32>) throws {
    let number = plan.subject(row)
    let rights = PackedRights(
      try gifts.compactMap { try plan.gift(plan.rows[Int($0)]).map { try held($0) } })
    guard zip(rights.held, rights.held.dropFirst()).allSatisfy({ $0.right != $1.right }) else {
      throw doubtful(number, "would be given one right twice")
    }
    let subject = plan.subjects[number]
    let givers = Int(plan.giversNumber(row))
    let mark = subject.portalOnly && givers >= 0 ? plan.allGivers[givers].after : Givers()
    if subject.isActive { activated += 1 }
    newAccounts.add(accounts[number])
    newAccounts.add(subject.email)
    newAccounts.add(emailKey(subject.email))
    newAccounts.add(subject.name)
    newAccounts.add(subject.username)
    newAccounts.add(mark.rule)
    newAccounts.add(mark.hand)
    newAccounts.add(mark.imported)
    newAccounts.add(subject.isEmailVerified ? 1 : 0)
    newAccounts.add(subject.isActive ? nil : "import")
    newAccounts.add(rights.text)
    try newAccounts.endRow()
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

/// The gifts of new accounts, which are written with them.
private struct GiftsOfNew {
  /// Numbers of rows, those of one subject together, in the plan's order.
  private let rows: [Int32]
  /// By subject, where its rows end.
  private let ends: [Int32]

  /// - Parameter created: the subjects that are created.
  init(_ plan: Plan, created: [Int]) {
    var isNew = [Bool](repeating: false, count: plan.subjects.count)
    for subject in created { isNew[subject] = true }
    var next = [Int32](repeating: 0, count: plan.subjects.count + 1)
    for row in plan.rows {
      if let gift = plan.gift(row), isNew[gift.subject] { next[gift.subject + 1] += 1 }
    }
    for subject in plan.subjects.indices { next[subject + 1] += next[subject] }
    var rows = [Int32](repeating: 0, count: Int(next[plan.subjects.count]))
    for (number, row) in plan.rows.enumerated() {
      guard let gift = plan.gift(row), isNew[gift.subject] else { continue }
      rows[Int(next[gift.subject])] = Int32(number)
      next[gift.subject] += 1
    }
    self.rows = rows
    ends = next
  }

  /// Of a subject.
  subscript(subject: Int) -> ArraySlice<Int32> {
    rows[(subject == 0 ? 0 : Int(ends[subject - 1]))..<Int(ends[subject])]
  }
}
