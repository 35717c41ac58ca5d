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
    let subjects = plan.subjects
    let known = subjects.indices.filter { subjects.account($0) != nil }
    let isSeveral = !plan.memory.places.isEmpty
    let settling = isSeveral || known.isEmpty ? [] : Set(plan.memory.settled.map(\.person))
    for subject in known where subjects.person(subject).map(settling.contains) != true {
      try touch.run(.int(subjects.account(subject)))
    }
    let isFirst = try Bool.fetchOne(db, sql: "SELECT NOT EXISTS (SELECT 1 FROM person)") == true
    // Sorted at the end it costs less than filled at random.
    if isFirst { try db.execute(sql: "DROP INDEX IF EXISTS person_by_account") }
    var people = try RapidInsert(
      db, into: "person (id, account, settled, due)", columns: 4,
      // Nobody is there yet.
      onConflict: isFirst
        ? ""
        : """
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
  private let coming: ComingAccounts

  /// What a plan says of one person.
  private struct Person {
    /// By number in `Memory.settled`; -1: not settled.
    var settled: Int32 = -1
    /// By number in `Plan.subjects`, of an account that is created; -1: of none.
    var created: Int32 = -1
  }

  /// Where the directory ids of people are.
  private struct Texts {
    let settled: SharedTexts.Bytes
    let subjects: Plan.Subjects.Bytes

    func id(_ person: Person) -> UnsafeRawBufferPointer {
      person.settled >= 0
        ? settled.text(Int(person.settled))
        : subjects.person(Int(person.created)) ?? UnsafeRawBufferPointer(start: nil, count: 0)
    }
  }

  init(_ plan: Plan, _ coming: ComingAccounts) {
    self.plan = plan
    self.coming = coming
  }

  func pack(handOn: (RowsToInsert) throws -> Void) throws {
    try plan.memory.settled.withIDs { settled in
      try plan.subjects.withBytes { subjects in
        try pack(Texts(settled: settled, subjects: subjects), handOn: handOn)
      }
    }
  }

  private func people(_ texts: Texts) -> [Person] {
    var people: [Person] = []
    people.reserveCapacity(plan.memory.settled.count)
    // An import's accounts are nobody's yet.
    var created = coming.created.filter { texts.subjects.person(Int($0)) != nil }.map {
      Person(created: $0)
    }[...]
    for number in plan.memory.settled.indices {
      var person = Person(settled: Int32(number))
      // Both come in the plan's order: in a first sync whoever is settled was created. Whom this misses is found below.
      if let next = created.first, isSameBytes(texts.id(person), texts.id(next)) {
        person.created = next.created
        created.removeFirst()
      }
      people.append(person)
    }
    return people + created
  }

  private func pack(_ texts: Texts, handOn: (RowsToInsert) throws -> Void) throws {
    let people = people(texts)
    var rows = RowsToInsert(columns: 4)
    var waiting: Person?
    func write() throws {
      guard let person = waiting else { return }
      let id = texts.id(person)
      let fingerprint =
        person.settled < 0 ? nil : plan.memory.settled.fingerprints[Int(person.settled)]
      rows.add(text: id)
      rows.add(person.created < 0 ? nil : coming.accounts[Int(person.created)])
      rows.add(fingerprint.map(Int64.init(bitPattern:)))
      rows.add(fingerprint == nil ? nil : due(id))
      if rows.count == Self.together {
        try handOn(rows)
        rows.removeAll()
      }
    }
    for number in sortedByBytes(people.count, { texts.id(people[$0]) }) {
      let person = people[Int(number)]
      if let before = waiting, isSameBytes(texts.id(before), texts.id(person)) {
        guard before.created < 0 || person.created < 0 else {
          let id = String(decoding: texts.id(person), as: UTF8.self)
          throw StorePlanIsStale(reason: "\(id) would get two accounts")
        }
        // Of entries that share an id, and are to have nothing, the last one counts.
        waiting = Person(
          settled: person.settled < 0 ? before.settled : person.settled,
          created: person.created < 0 ? before.created : person.created)
      } else {
        try write()
        waiting = person
      }
    }
    try write()
    if rows.count > 0 { try handOn(rows) }
  }

  private func due(_ id: UnsafeRawBufferPointer) -> Int64? {
    plan.memory.due.isEmpty ? nil : plan.memory.due[String(decoding: id, as: UTF8.self)]
  }
}
