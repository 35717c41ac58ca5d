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
  private let plan: Plan
  /// The account of each subject of the plan.
  private let accounts: [Int64]
  private var people: [Person] = []

  /// What a plan says of one person.
  private struct Person {
    /// By number in `Memory.settled`; nil: not settled.
    var settled: Int?
    /// By number in `Plan.subjects`, of an account that is created.
    var created: Int?
  }

  init(_ plan: Plan, _ coming: ComingAccounts) {
    self.plan = plan
    accounts = coming.accounts
    people.reserveCapacity(plan.memory.settled.count)
    // An import's accounts are nobody's yet.
    var created = coming.created.filter { plan.subjects[$0].person != nil }[...]
    for number in plan.memory.settled.indices {
      let person = Person(settled: number, created: created.first)
      // Both come in the plan's order: in a first sync whoever is settled was created. Whom this misses is found below.
      if let subject = created.first, isSameBytes(id(person), id(Person(created: subject))) {
        people.append(person)
        created.removeFirst()
      } else {
        people.append(Person(settled: number))
      }
    }
    people += created.map { Person(created: $0) }
  }

  private func id(_ person: Person) -> String {
    if let number = person.settled { return plan.memory.settled[number].person }
    return person.created.flatMap { plan.subjects[$0].person } ?? ""
  }

  func pack(handOn: (RowsToInsert) throws -> Void) throws {
    var rows = RowsToInsert(columns: 4)
    var waiting: Person?
    func write() throws {
      guard let person = waiting else { return }
      let id = id(person)
      let fingerprint = person.settled.map { plan.memory.settled[$0].fingerprint }
      rows.add(id)
      rows.add(person.created.map { accounts[$0] })
      rows.add(fingerprint.map(Int64.init(bitPattern:)))
      rows.add(fingerprint == nil ? nil : plan.memory.due[id])
      if rows.count == Self.together {
        try handOn(rows)
        rows.removeAll()
      }
    }
    for number in sortedByBytes(people.indices, { id(people[$0]) }) {
      let person = people[Int(number)]
      if let before = waiting, isSameBytes(id(before), id(person)) {
        guard before.created == nil || person.created == nil else {
          throw StorePlanIsStale(reason: "\(id(person)) would get two accounts")
        }
        // Of entries that share an id, and are to have nothing, the last one counts.
        waiting = Person(
          settled: person.settled ?? before.settled, created: person.created ?? before.created)
      } else {
        try write()
        waiting = person
      }
    }
    try write()
    if rows.count > 0 { try handOn(rows) }
  }
}
