import GRDB
import Ports
import SiteModel

/// The people of a plan's new accounts and the settled ones, in the order of their ids, which is the order of the table.
struct PeopleToWrite: Sendable {
  private let plan: Plan
  /// The account of each subject of the plan.
  private let accounts: [Int64]
  /// By number in `Plan.subjects`, those that are somebody's: accounts that an import creates are nobody's yet.
  private let created: [Int32]
  /// By number in `Memory.settled`.
  private let settled: [Int32]

  /// - Parameter created: the subjects that are created.
  init(_ plan: Plan, accounts: [Int64], created: [Int]) {
    self.plan = plan
    self.accounts = accounts
    let people = plan.memory.settled
    self.created = sortedByBytes(created.filter { plan.subjects[$0].person != nil }) {
      plan.subjects[$0].person ?? ""
    }
    let sorted = sortedByBytes(people.indices) { people[$0].person }
    // Entries that share an id, and are to have nothing, are one person.
    settled = zip(sorted.indices, sorted).filter { place, index in
      place + 1 == sorted.count
        || people[Int(sorted[place + 1])].person != people[Int(index)].person
    }.map(\.1)
  }

  func write(in db: Database) throws {
    // Whoever is changed and not settled is looked at again.
    let touch = try RapidStatement(db, "UPDATE person SET settled = NULL WHERE account = ?")
    let known = plan.subjects.filter { $0.account != nil }
    let isSeveral = !plan.memory.places.isEmpty
    let settling =
      isSeveral || known.isEmpty ? [] : Set(settled.map { plan.memory.settled[Int($0)].person })
    for subject in known where subject.person.map(settling.contains) != true {
      try touch.run(.int(subject.account))
    }
    let isFirst = try Bool.fetchOne(db, sql: "SELECT NOT EXISTS (SELECT 1 FROM person)") == true
    // Sorted at the end it costs less than filled at random.
    if isFirst { try db.execute(sql: "DROP INDEX IF EXISTS person_by_account") }
    var new = try RapidInsert(db, into: "person (id, account, settled, due)", columns: 4)
    let upsert = try RapidStatement(
      db,
      """
      INSERT INTO person (id, account, settled, due) VALUES (?1, ?2, ?3, ?4)
      ON CONFLICT (id) DO UPDATE SET account = coalesce(?2, account), settled = ?3, due = ?4
      """)
    try forEach { person, account, fingerprint in
      let settled = fingerprint.map(Int64.init(bitPattern:))
      let due = fingerprint == nil ? nil : plan.memory.due[person]
      if isFirst {
        new.add(person)
        new.add(account)
        new.add(settled)
        new.add(due)
        try new.endRow()
      } else {
        try upsert.run(.text(person), .int(account), .int(settled), .int(due))
      }
    }
    try new.flush()
    if isFirst { try db.execute(sql: Schema.personIndex) }
  }

  /// - Parameter body: gets the person, the new account, and the fingerprint of somebody who is settled.
  private func forEach(_ body: (String, Int64?, UInt64?) throws -> Void) throws {
    var next = 0
    func settle(before person: String?) throws {
      while next < settled.count {
        let one = plan.memory.settled[Int(settled[next])]
        if let person, !bytewise(one.person, person) { return }
        try body(one.person, nil, one.fingerprint)
        next += 1
      }
    }
    for subject in created.map(Int.init) {
      let person = plan.subjects[subject].person ?? ""
      try settle(before: person)
      let own = next < settled.count ? plan.memory.settled[Int(settled[next])] : nil
      let isSettled = own.map { $0.person.utf8.elementsEqual(person.utf8) } ?? false
      try body(person, accounts[subject], isSettled ? own?.fingerprint : nil)
      if isSettled { next += 1 }
    }
    try settle(before: nil)
  }
}
