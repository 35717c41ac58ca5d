import GRDB
import Ports
import SiteModel

/// Writes the changes of one plan into an open transaction, in the plan's order.
struct PlanWriter {
  private let db: Database
  private let plan: Plan
  private let coming: ComingAccounts
  private var new: NewAccounts
  private var writtenByKind = [Int](repeating: 0, count: ChangeKind.byNumber.count)
  /// How many more accounts hold each right.
  private var taken = RightCounts()
  /// How many more accounts are active.
  private var activated: Int64 = 0
  private var rights: ChangedRights
  private var numbers: RightNumbers
  private let givers: GiverTable
  private let gifts: Plan.Gifts
  /// The numbers of what gifts say.
  private let known: NewAccounts.Numbers
  private let statements: Statements

  private struct Statements {
    let link, unlink, mark, deactivate, reactivate: RapidStatement
    let freeEmail, email, name, username: RapidStatement
  }

  init(_ db: Database, plan: Plan, _ coming: ComingAccounts) throws {
    self.db = db
    self.plan = plan
    self.coming = coming
    gifts = Plan.Gifts(of: plan)
    numbers = try RightNumbers(db)
    givers = GiverTable(db)
    known = try Self.numbers(plan, gifts, &numbers, givers)
    rights = try ChangedRights(db)
    func make(_ sql: String) throws -> RapidStatement { try RapidStatement(db, sql) }
    // Rows change only where they are as the plan saw them: a statement that finds no row is a stale plan.
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
      username: try make("UPDATE account SET username = ?2 WHERE id = ?1"))
    new = try NewAccounts(plan, coming, numbers: known, in: db)
  }

  /// The store's numbers for what gifts say; what is new gets one.
  private static func numbers(
    _ plan: Plan, _ gifts: Plan.Gifts, _ rights: inout RightNumbers, _ givers: GiverTable
  ) throws -> NewAccounts.Numbers {
    let none = [Int64](repeating: 0, count: plan.allTexts.count)
    var numbers = NewAccounts.Numbers(
      licenses: none, groups: none, givers: Array(repeating: 0, count: plan.allGivers.count))
    for row in plan.rows {
      guard let gift = gifts.gift(row) else { continue }
      let held = numbers.held(gift)
      if held.right == 0 {
        let name = plan.allTexts[gift.name]
        if gift.isGroup {
          numbers.groups[gift.name] = try rights.number(of: Right(.group, name))
        } else {
          numbers.licenses[gift.name] = try rights.number(of: Right(.license, name))
        }
      }
      if held.giver == 0 {
        numbers.givers[gift.givers] = try givers.number(of: plan.allGivers[gift.givers].after)
      }
    }
    return numbers
  }

  /// Whatever is left of the plan is not written.
  func stop() { new.stop() }

  /// - Parameter meanwhile: is done from time to time.
  mutating func write(_ meanwhile: () throws -> Void) throws {
    // Emails that are given up are freed first, so that two people can swap theirs.
    for index in plan.rows.indices where plan.kind(at: index) == .changeEmail {
      try statements.freeEmail.run(.int(coming.accounts[plan.change(at: index).subject]))
    }
    for index in plan.rows.indices {
      if index % 1000 == 999 { try meanwhile() }
      let row = plan.rows[index]
      if let gift = gifts.gift(row) {
        if !coming.isCreated[gift.subject] { try give(gift) }
        continue
      }
      writtenByKind[Int(plan.kindNumber(row))] += 1
      if gifts.isCreation(row) {
        try new.writeNext()
        continue
      }
      let change = plan.change(at: index)
      switch change.kind {
      case .grantLicense, .joinGroup: try giveBack(change)
      case .revokeLicense, .leaveGroup: try take(change)
      default:
        // Later changes may be to what earlier ones made.
        try rights.write()
        try write(change)
        guard db.changesCount == 1 else { throw stale(change) }
      }
    }
    try count(new.counted())
    try regive()
    try rights.write()
  }

  /// Writes what is counted beside the accounts, when all else is written.
  func finish() throws {
    try numbers.write(taken)
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
    let account = RapidStatement.Value.int(coming.accounts[change.subject])
    switch change.kind {
    case .createAccount, .grantLicense, .joinGroup, .revokeLicense, .leaveGroup:
      break  // Many at a time, see `write`.
    case .linkAccount: try link(change, account)
    case .updateProfile:
      guard case .field(let field, let value) = change.after else { return }
      try (field == "name" ? statements.name : statements.username).run(account, .text(value))
    case .changeEmail:
      let email = plan.subjects.email(change.subject)
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
        "\(change.kind.rawValue) for \(plan.subjects.email(change.subject)) does not fit the site any more"
    )
  }

  private func givers(of change: Change) -> (before: Givers, after: Givers) {
    (change.givers?.before ?? Givers(), change.givers?.after ?? Givers())
  }

  private mutating func count(_ new: NewAccounts.Counts) {
    taken.add(new.taken)
    activated += new.active
    count(new.licenses, .grantLicense)
    count(new.groups, .joinGroup)
  }

  private mutating func count(_ changes: Int, _ kind: ChangeKind) {
    writtenByKind[Int(kind.number)] += changes
  }

  private mutating func give(_ gift: Plan.Gift) throws {
    let new = known.held(gift)
    guard new.giver != 0 else {
      throw doubtful(gift.subject, "would be given \(plan.allTexts[gift.name]) by nobody")
    }
    let isNew = try rights.change(coming.accounts[gift.subject]) { rights in
      let isNew = rights.active[new.right] == nil && rights.suspended[new.right] == nil
      rights.active[new.right] = new.giver
      return isNew
    }
    guard isNew else { throw doubtful(gift.subject, "has \(plan.allTexts[gift.name]) already") }
    taken.add(1, to: new.right)
    count(1, gift.isGroup ? .joinGroup : .grantLicense)
  }

  private func doubtful(_ subject: Int, _ what: String) -> StorePlanIsStale {
    StorePlanIsStale(reason: "\(plan.subjects.email(subject)) \(what)")
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
    if !change.isGiverOnly { taken.add(1, to: right) }
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
    if wasTaken, !change.isGiverOnly { taken.add(-1, to: right) }
  }

  /// - Parameter body: gets the account's rights and the numbers of their givers before and after, 0 for none; whether the
  ///   rights were as the plan saw them.
  private mutating func alter(
    _ change: Change, _ body: (inout ChangedRights.Rights, Int64, Int64) -> Bool
  ) throws {
    let (before, after) = givers(of: change)
    let numbers = (try givers.number(of: before), try givers.number(of: after))
    let fits = try rights.change(coming.accounts[change.subject]) {
      body(&$0, numbers.0, numbers.1)
    }
    guard fits else { throw stale(change) }
  }

  /// Notes the rights that another rule gives now.
  private mutating func regive() throws {
    for one in plan.memory.regiven {
      guard let kind = Right.Kind(rawValue: one.kind) else { continue }
      let right = try numbers.number(of: Right(kind, one.key))
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

  private mutating func rightID(of change: Change, _ value: Change.Value?) throws -> Int64 {
    guard case .text(let name) = value else { return 0 }
    let isGroup = change.kind == .joinGroup || change.kind == .leaveGroup
    return try numbers.number(of: Right(isGroup ? .group : .license, name))
  }
}

/// The store's numbers for rights. Those that are new get one, and are written at last, with how many hold them: so their pages
/// change once. Where a page changes again that SQLite wrote to the log early, it computes all checksums since anew.
private struct RightNumbers {
  private let db: Database
  private let find: RapidStatement
  private var known: [Right: Int64] = [:]
  private var new: [Right] = []
  /// The number of the first that is new.
  private let first: Int64

  init(_ db: Database) throws {
    self.db = db
    find = try RapidStatement(db, "SELECT id FROM rights WHERE kind = ? AND key = ?")
    first = (try Int64.fetchOne(db, sql: "SELECT max(id) FROM rights") ?? 0) + 1
  }

  mutating func number(of right: Right) throws -> Int64 {
    if let known = known[right] { return known }
    var number = try find.first(.text(right.kind.rawValue), .text(right.key)) { $0.int(0) ?? 0 }
    if number == nil {
      number = first + Int64(new.count)
      new.append(right)
    }
    known[right] = number
    return number ?? 0
  }

  /// - Parameter taken: how many accounts more or fewer hold each right.
  func write(_ taken: RightCounts) throws {
    let add = try RapidStatement(
      db, "INSERT INTO rights (id, kind, name, key) VALUES (?, ?, ?, ?)")
    for (number, right) in zip(first..., new) {
      try add.run(
        .int(number), .text(right.kind.rawValue), .text(right.name), .text(right.key))
    }
    let count = try RapidStatement(db, "UPDATE rights SET taken = taken + ? WHERE id = ?")
    for (right, delta) in taken.counts.enumerated() where delta != 0 {
      try count.run(.int(delta), .int(Int64(right)))
    }
  }
}
