import Foundation
import GRDB
import Ports
import SiteModel

/// The people of a plan's new accounts and the settled ones, in the order of their ids, which is the order of the table:
/// another thread packs their rows while accounts are written.
struct PeopleToWrite {
  private let plan: Plan
  private let packed = Handover<RowsToInsert>(most: 32)

  init(_ plan: Plan, _ coming: ComingAccounts) {
    self.plan = plan
    Thread.detachNewThread { [packed] in
      packed.end(
        Result {
          try PeoplePacker(plan, coming).pack { try packed.put($0) }
        })
    }
  }

  /// Packs no more, whatever is left.
  func stop() { packed.stop() }

  func write(in db: Database) throws {
    // Whoever is changed and not settled is looked at again.
    let touch = try RapidStatement(db, "UPDATE person SET settled = NULL WHERE account = ?")
    let known = plan.subjects.filter { $0.account != nil }
    let isSeveral = !plan.memory.places.isEmpty
    let settling = isSeveral || known.isEmpty ? [] : Set(plan.memory.settled.map(\.person))
    for subject in known where subject.person.map(settling.contains) != true {
      try touch.run(.int(subject.account))
    }
    let isFirst = try Bool.fetchOne(db, sql: "SELECT NOT EXISTS (SELECT 1 FROM person)") == true
    // Sorted at the end it costs less than filled at random.
    if isFirst { try db.execute(sql: "DROP INDEX IF EXISTS person_by_account") }
    var people = try RapidInsert(
      db, into: "person (id, account, settled, due)", columns: 4,
      onConflict: """
        ON CONFLICT (id) DO UPDATE
        SET account = coalesce(excluded.account, account), settled = excluded.settled, due = excluded.due
        """)
    while let rows = try packed.next() { try people.write(rows) }
    if isFirst { try db.execute(sql: Schema.personIndex) }
  }
}

private struct PeoplePacker {
  private static let together = 512
  private let plan: Plan
  /// The account of each subject of the plan.
  private let accounts: [Int64]
  /// By number in `Plan.subjects`, those that are somebody's: accounts that an import creates are nobody's yet.
  private let created: [Int32]
  /// By number in `Memory.settled`.
  private let settled: [Int32]

  init(_ plan: Plan, _ coming: ComingAccounts) {
    self.plan = plan
    accounts = coming.accounts
    let people = plan.memory.settled
    created = sortedByBytes(coming.created.filter { plan.subjects[$0].person != nil }) {
      plan.subjects[$0].person ?? ""
    }
    let sorted = sortedByBytes(people.indices) { people[$0].person }
    // Entries that share an id, and are to have nothing, are one person.
    settled = zip(sorted.indices, sorted).filter { place, index in
      place + 1 == sorted.count
        || people[Int(sorted[place + 1])].person != people[Int(index)].person
    }.map(\.1)
  }

  func pack(handOn: (RowsToInsert) throws -> Void) throws {
    var rows = RowsToInsert(columns: 4)
    try forEach { person, account, fingerprint in
      rows.add(person)
      rows.add(account)
      rows.add(fingerprint.map(Int64.init(bitPattern:)))
      rows.add(fingerprint == nil ? nil : plan.memory.due[person])
      if rows.count == Self.together {
        try handOn(rows)
        rows.removeAll()
      }
    }
    if rows.count > 0 { try handOn(rows) }
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
      let isSettled = own.map { isSameBytes($0.person, person) } ?? false
      try body(person, accounts[subject], isSettled ? own?.fingerprint : nil)
      if isSettled { next += 1 }
    }
    try settle(before: nil)
  }
}
