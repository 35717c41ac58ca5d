import GRDB
import Ports
import SiteModel

/// The numbers that the accounts of a plan have, or will have. Where another program takes one of them first, the run fails.
struct ComingAccounts: Sendable {
  /// The account of each subject of the plan.
  let accounts: [Int64]
  /// Subjects that are created, in the plan's order.
  let created: [Int32]
  /// By number in `Plan.subjects`.
  let isCreated: [Bool]

  init(_ plan: Plan, in db: Database) throws {
    var accounts = plan.subjects.withBytes { subjects in
      subjects.indices.map { subjects.account($0) }
    }
    var isCreated = [Bool](repeating: false, count: accounts.count)
    var created: [Int32] = []
    let first = (try Int64.fetchOne(db, sql: "SELECT max(id) FROM account") ?? 0) + 1
    let gifts = Plan.Gifts(of: plan)
    for row in plan.rows where gifts.isCreation(row) {
      accounts[plan.subject(row)] = first + Int64(created.count)
      created.append(Int32(plan.subject(row)))
      isCreated[plan.subject(row)] = true
    }
    self.accounts = accounts
    self.created = created
    self.isCreated = isCreated
  }
}

/// The accounts that a plan creates, with what they are given: another thread packs their rows while those before are
/// written.
struct NewAccounts {
  private var insert: RapidInsert
  private let packed = Handover<RowsToInsert>(most: 4)
  private let counts: Meanwhile<Counts>
  /// How many of the accounts that were written are still to come in the plan.
  private var ahead = 0
  /// The number of the account that is written next, as the plan has it; SQLite gives the same, the next one that is free.
  private var next: Int64
  private let db: Database

  /// The numbers that the store has for what gifts say.
  struct Numbers: Sendable {
    /// By the plan's text with the right's name; 0: no gift says it.
    var licenses, groups: [Int64]
    /// By the plan's number of what is said of givers; 0: nobody gives.
    var givers: [Int64]

    func held(_ gift: Plan.Gift) -> PackedRights.Held {
      PackedRights.Held(
        right: gift.isGroup ? groups[gift.name] : licenses[gift.name], giver: givers[gift.givers])
    }
  }

  /// What all new accounts together come to.
  struct Counts: Sendable {
    /// How many hold each right, by the right's number.
    var taken = RightCounts()
    var active: Int64 = 0
    var licenses = 0
    var groups = 0
  }

  init(_ plan: Plan, _ coming: ComingAccounts, numbers: Numbers, in db: Database) throws {
    insert = try RapidInsert(
      db,
      into: """
        account (email, email_key, name, username, mark_rule, mark_hand, mark_import,
          email_verified, deactivated_by, rights)
        """, columns: 10)
    self.db = db
    next = coming.created.first.map { coming.accounts[Int($0)] } ?? 0
    counts = Meanwhile { [packed] in
      var packer = AccountPacker(plan, coming, numbers: numbers)
      let result = Result { try packer.pack { try packed.put($0) } }
      packed.end(result)
      try result.get()
      return packer.counts
    }
  }

  /// Writes the next account of the plan, and those that follow it without another change between.
  mutating func writeNext() throws {
    if ahead == 0 {
      guard let rows = try packed.next() else {
        throw StorePlanIsStale(reason: "an account of the plan is missing")
      }
      try insert.write(rows)
      ahead = rows.count
      next += Int64(ahead)
      guard db.lastInsertedRowID == next - 1 else {
        throw StorePlanIsStale(reason: "another program made an account since")
      }
    }
    ahead -= 1
  }

  /// What the accounts came to, after the last one.
  func counted() throws -> Counts { try counts.value() }

  /// Packs no more, whatever is left.
  func stop() { packed.stop() }
}

private struct AccountPacker {
  private static let together = 512
  private let plan: Plan
  private let coming: ComingAccounts
  private let numbers: NewAccounts.Numbers
  private let gifts: Plan.Gifts
  private(set) var counts = NewAccounts.Counts()

  init(_ plan: Plan, _ coming: ComingAccounts, numbers: NewAccounts.Numbers) {
    self.plan = plan
    self.coming = coming
    self.numbers = numbers
    gifts = Plan.Gifts(of: plan)
  }

  mutating func pack(handOn: (RowsToInsert) throws -> Void) throws {
    let own = GiftsOfNew(plan, gifts, coming.isCreated)
    var rows = RowsToInsert(columns: 10)
    let (plan, gifts) = (plan, gifts)
    try plan.subjects.withBytes { subjects in
      for row in plan.rows where gifts.gift(row) == nil {
        let isCreation = gifts.isCreation(row)
        if isCreation { try pack(row, of: subjects, own[plan.subject(row)], into: &rows) }
        // Other changes may be to what was created before.
        if rows.count == Self.together || !isCreation && rows.count > 0 {
          try handOn(rows)
          rows.removeAll()
        }
      }
    }
    if rows.count > 0 { try handOn(rows) }
  }

  private mutating func pack(
    _ row: Plan.Row, of subjects: Plan.Subjects.Bytes, _ own: ArraySlice<Int32>,
    into rows: inout RowsToInsert
  ) throws {
    let subject = plan.subject(row)
    var held: [PackedRights.Held] = []
    held.reserveCapacity(own.count)
    for number in own {
      if let one = try self.held(plan.rows[Int(number)]) { held.append(one) }
    }
    let rights = PackedRights(held)
    guard zip(rights.held, rights.held.dropFirst()).allSatisfy({ $0.right != $1.right }) else {
      throw StorePlanIsStale(
        reason: "\(plan.subjects.email(subject)) would be given one right twice")
    }
    let givers = Int(plan.giversNumber(row))
    let flags = subjects.flags(subject)
    let mark =
      flags.contains(.isPortalOnly) && givers >= 0 ? plan.allGivers[givers].after : Givers()
    if flags.contains(.isActive) { counts.active += 1 }
    let email = subjects.email(subject)
    rows.add(text: email)
    if isFolded(email) {
      rows.add(text: email)
    } else {
      rows.add(emailKey(plan.subjects.email(subject)))
    }
    rows.add(text: subjects.name(subject))
    rows.add(text: subjects.username(subject))
    rows.add(mark.rule)
    rows.add(mark.hand)
    rows.add(mark.imported)
    rows.add(flags.contains(.isEmailVerified) ? 1 : 0)
    rows.add(flags.contains(.isActive) ? nil : "import")
    rows.addText(rights.append)
  }

  private mutating func held(_ row: Plan.Row) throws -> PackedRights.Held? {
    guard let gift = gifts.gift(row) else { return nil }
    let held = numbers.held(gift)
    guard held.giver != 0 else {
      throw StorePlanIsStale(
        reason:
          "\(plan.subjects.email(gift.subject)) would be given \(plan.allTexts[gift.name]) by nobody"
      )
    }
    counts.taken.add(1, to: held.right)
    if gift.isGroup { counts.groups += 1 } else { counts.licenses += 1 }
    return held
  }
}

/// How many accounts more or fewer hold each right, by the right's number.
struct RightCounts: Sendable {
  private(set) var counts: [Int64] = []

  mutating func add(_ count: Int64, to right: Int64) {
    if right >= counts.count {
      let room = max(Int(right) + 1, 2 * counts.count)
      counts += Array(repeating: 0, count: room - counts.count)
    }
    counts[Int(right)] += count
  }

  mutating func add(_ others: RightCounts) {
    for (right, count) in others.counts.enumerated() where count != 0 {
      add(count, to: Int64(right))
    }
  }
}

/// The gifts of new accounts, which are written with them.
private struct GiftsOfNew {
  /// Numbers of rows, those of one subject together, in the plan's order.
  private let rows: [Int32]
  /// By subject, where its rows end.
  private let ends: [Int32]

  /// - Parameter isNew: by number in `Plan.subjects`, whether it is created.
  init(_ plan: Plan, _ gifts: Plan.Gifts, _ isNew: [Bool]) {
    var next = [Int32](repeating: 0, count: plan.subjects.count + 1)
    for row in plan.rows {
      if let gift = gifts.gift(row), isNew[gift.subject] { next[gift.subject + 1] += 1 }
    }
    for subject in plan.subjects.indices { next[subject + 1] += next[subject] }
    var rows = [Int32](repeating: 0, count: Int(next[plan.subjects.count]))
    for (number, row) in plan.rows.enumerated() {
      guard let gift = gifts.gift(row), isNew[gift.subject] else { continue }
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
