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
    _ = Meanwhile(isPatient: true) { [packed] in
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
  private let settled: [Memory.Settled]
  private let due: [String: Int64]
  private let subjects: [Plan.Subject]
  /// The account of each subject.
  private let accounts: [Int64]
  private var people: [Person] = []

  /// What a plan says of one person.
  private struct Person: BitwiseCopyable {
    /// By number in `settled`; -1: not settled.
    var settled = -1
    /// By number in `subjects`, of an account that is created; -1: none is.
    var created = -1
  }

  init(_ plan: Plan, _ coming: ComingAccounts) {
    settled = plan.memory.settled
    due = plan.memory.due
    subjects = plan.subjects
    accounts = coming.accounts
    people.reserveCapacity(settled.count)
    // An import's accounts are nobody's yet.
    let created = coming.created.filter { plan.subjects[$0].person != nil }
    var next = 0
    for number in settled.indices {
      var person = Person(settled: number)
      // Both come in the plan's order: in a first sync whoever is settled was created. Whom this misses is found below.
      if next < created.count, isSame(person, Person(created: created[next])) {
        person.created = created[next]
        next += 1
      }
      people.append(person)
    }
    people += created[next...].map { Person(created: $0) }
  }

  private func id(_ person: Person) -> String {
    person.settled >= 0
      ? settled[person.settled].person : subjects[person.created].person ?? ""
  }

  private func isSame(_ left: Person, _ right: Person) -> Bool {
    isSameBytes(id(left), id(right))
  }

  func pack(handOn: (RowsToInsert) throws -> Void) throws {
    var rows = RowsToInsert(columns: 4)
    func write(_ person: Person) throws {
      let id = id(person)
      rows.add(id)
      rows.add(person.created < 0 ? nil : accounts[person.created])
      if person.settled < 0 {
        rows.add(nil as Int64?)
        rows.add(nil as Int64?)
      } else {
        rows.add(Int64(bitPattern: settled[person.settled].fingerprint))
        rows.add(due.isEmpty ? nil : due[id])
      }
      if rows.count == Self.together {
        try handOn(rows)
        rows.removeAll()
      }
    }
    var waiting: Person?
    for number in sortedByBytes(people.indices, { id(people[$0]) }) {
      var person = people[Int(number)]
      if let before = waiting {
        if isSame(before, person) {
          guard before.created < 0 || person.created < 0 else {
            throw StorePlanIsStale(reason: "\(id(person)) would get two accounts")
          }
          // Of entries that share an id, and are to have nothing, the last one counts.
          if person.settled < 0 { person.settled = before.settled }
          if person.created < 0 { person.created = before.created }
        } else {
          try write(before)
        }
      }
      waiting = person
    }
    if let waiting { try write(waiting) }
    if rows.count > 0 { try handOn(rows) }
  }
}
