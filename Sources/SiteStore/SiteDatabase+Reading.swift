import Foundation
import GRDB
import Ports
import SiteModel

extension SiteDatabase {
  package func site(name: String, policy: SitePolicy) throws -> Site {
    try read { db in
      guard let row = try Row.fetchOne(db, sql: "SELECT * FROM site") else {
        throw StoreFailure.notOurs(path: path)
      }
      var taken: [String: Int] = [:]
      var members: [String: Int] = [:]
      var names: [String: String] = [:]
      let counts = try Row.fetchCursor(
        db, sql: "SELECT kind, name, key, taken FROM rights WHERE taken > 0")
      while let row = try counts.next() {
        if try row.value("kind") as String == "license" {
          try taken[row.value("name")] = Self.count(row.value("taken"))
        } else {
          try members[row.value("key")] = Self.count(row.value("taken"))
          try names[row.value("key")] = row.value("name")
        }
      }
      return try Site(
        name: name, lineage: row.value("lineage"), generation: row.value("generation"),
        transition: Self.transition(row.value("transition")), policy: policy,
        seatsTaken: taken,
        totals: Site.Totals(
          activeAccounts: Self.count(row.value("active_accounts")),
          licenses: taken.values.reduce(0, +), groupMemberships: members.values.reduce(0, +),
          membersOfGroup: members, groupNames: names,
          activeMembersOfProtected: Self.activeMembers(of: policy.protectedGroups, in: db)))
    }
  }

  package func transition() throws -> Site.Transition {
    try read { db in
      try String.fetchOne(db, sql: "SELECT transition FROM site").map(Self.transition) ?? .before
    }
  }

  /// A count of accounts, with which others count on.
  private static func count(_ number: Int) throws -> Int {
    guard (0...Int(UInt32.max)).contains(number) else {
      throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "\(number) accounts are counted")
    }
    return number
  }

  /// Whatever else stands there is damage: taken for *before* it would let marks be taken back.
  private static func transition(_ text: String) throws -> Site.Transition {
    guard let transition = Site.Transition(rawValue: text) else {
      throw DatabaseError(
        resultCode: .SQLITE_CORRUPT, message: "the site is neither before nor after the transition")
    }
    return transition
  }

  private static func activeMembers(
    of groups: Set<String>, in db: Database
  ) throws -> [String: Int] {
    var counts: [String: Int] = [:]
    for key in groups {
      counts[key] = try Int.fetchOne(
        db,
        sql: """
          SELECT count(*) FROM account WHERE deactivated_by IS NULL AND \(PackedRights.hold)
          """, arguments: [Right.Kind.group.rawValue, key])
    }
    return counts
  }

  package func people(exceptOf others: [String], _ body: (KnownPerson) -> Void) throws {
    let (filter, arguments) = try except(others)
    try people(where: filter, arguments, body)
  }

  package func states(
    exceptOf others: [String], _ body: (UnsafeRawBufferPointer, KnownState) -> Void
  ) throws {
    let (filter, arguments) = try except(others)
    try read { db in
      try RapidRows(
        db, "SELECT id, account, settled, absent_since, due FROM person \(filter)", arguments
      ).forEach { row in
        body(
          row.bytes(0),
          KnownState(
            account: row.int(1), settled: row.int(2).map { UInt64(bitPattern: $0) },
            isAbsent: row.int(3) != nil, due: row.int(4)))
      }
    }
  }

  private func except(_ others: [String]) throws -> (String, StatementArguments) {
    try others.isEmpty
      ? ("", [])
      : (
        "WHERE directory IS NULL OR directory NOT IN (SELECT value FROM json_each(?))",
        [Self.json(others)]
      )
  }

  package func people(
    among ids: [String], toDoAt now: Int64, exceptOf others: [String], _ body: (KnownPerson) -> Void
  ) throws {
    try people(
      where: """
        WHERE id IN (
          SELECT id FROM person WHERE settled IS NULL UNION SELECT id FROM person WHERE due <= ?
          UNION SELECT value FROM json_each(?))
        AND (directory IS NULL OR directory NOT IN (SELECT value FROM json_each(?)))
        """, [now, Self.json(ids), Self.json(others)], body)
  }

  package func knowsDirectories() throws -> Bool {
    try read { db in
      try Bool.fetchOne(
        db, sql: "SELECT EXISTS (SELECT 1 FROM person WHERE directory IS NOT NULL)") == true
    }
  }

  package func family(of ids: [String], matches: [String]) throws -> [KnownPerson] {
    var found: [KnownPerson] = []
    try people(
      where: """
        WHERE id IN (
          WITH own AS (SELECT value AS id FROM json_each(?1)),
          known AS (SELECT person.* FROM person JOIN own ON own.id = person.id),
          links AS (SELECT coalesce(joined, id) AS id FROM known)
          SELECT id FROM own UNION SELECT id FROM links
          UNION SELECT id FROM person WHERE joined IN (SELECT id FROM links)
          UNION SELECT id FROM person WHERE match_key IN (
            SELECT value FROM json_each(?2) UNION SELECT match_key FROM known))
        """, [Self.json(ids), Self.json(matches.map(emailKey))]
    ) { found.append($0) }
    return found
  }

  private func people(
    where filter: String, _ arguments: StatementArguments, _ body: (KnownPerson) -> Void
  ) throws {
    try read { db in
      let rows = try Row.fetchCursor(
        db,
        sql:
          "SELECT id, account, settled, absent_since, due, directory, joined, match_key FROM person \(filter)",
        arguments: arguments)
      while let row = try rows.next() {
        let settled: Int64? = try row.value(2)
        body(
          try KnownPerson(
            person: row.value(0), account: row.value(1),
            settled: settled.map { UInt64(bitPattern: $0) },
            absentSince: row.value(3), due: row.value(4), directory: row.value(5),
            joined: row.value(6),
            match: row.value(7)))
      }
    }
  }

  package func accounts(
    ofPeople people: @autoclosure () -> [String], emails: @autoclosure () -> [String]
  ) throws -> [Account] {
    let highest = try read { db in
      try Int.fetchOne(db, sql: "SELECT max(id) FROM account") ?? 0
    }
    if highest == 0 { return [] }
    let (people, emails) = (people(), emails())
    if people.isEmpty, emails.isEmpty { return [] }
    var accounts: [Account] = []
    // Most accounts are found faster in one pass over all than each by its place.
    if people.count > highest / 2 {
      let all = try expectedAccounts()
      if let all, people.count >= all.count { return all }
      let (people, emails) = (Set(people), Set(emails.map(emailKey)))
      func isAsked(_ account: Account) -> Bool {
        account.person.map(people.contains) ?? false || emails.contains(emailKey(account.email))
      }
      if let all { return all.filter(isAsked) }
      try read { db in
        try Self.fetchAll(db) { account in
          if isAsked(account) { accounts.append(account) }
        }
      }
      return accounts
    }
    allAccounts = nil
    let filter = """
      WHERE account.id IN (
        SELECT account FROM person WHERE id IN (SELECT value FROM json_each(?))
        UNION SELECT id FROM account WHERE email_key IN (SELECT value FROM json_each(?)))
      """
    try read { db in
      try Self.fetch(
        db, filter: filter, arguments: [Self.json(people), Self.json(emails.map(emailKey))],
        order: "account.id"
      ) {
        accounts.append($0)
      }
    }
    return accounts
  }

  package func expectAllAccounts() throws {
    let highest = try read { try Int.fetchOne($0, sql: "SELECT max(id) FROM account") ?? 0 }
    if highest < 1000 { return }
    returnToLog()
    let path = path
    allAccounts = Meanwhile {
      try Self.connect(path).read { db in
        var accounts: [Account] = []
        try Self.fetchAll(db) { accounts.append($0) }
        return (accounts, try Self.state(db).lineage)
      }
    }
  }

  /// All accounts, where they were expected to be asked for and are still as they were read then.
  private func expectedAccounts() throws -> [Account]? {
    guard let expected = allAccounts else { return nil }
    allAccounts = nil
    guard let (accounts, lineage) = try? expected.value(),
      lineage == (try read { try Self.state($0).lineage })
    else { return nil }
    return accounts
  }

  package func unlinkedAccounts(usernames: [String]) throws -> [Account] {
    let wanted = Set(usernames.map(emailKey))
    var found: [Int64] = []
    try read { db in
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT account.id, username FROM account LEFT JOIN person ON person.account = account.id
          WHERE person.id IS NULL AND username IS NOT NULL
          """)
      while let row = try rows.next() {
        if try wanted.contains(emailKey(row.value(1))) { found.append(try row.value(0)) }
      }
    }
    return try accounts(ids: found)
  }

  package func accounts(ids: [Int64]) throws -> [Account] {
    var accounts: [Account] = []
    try read { db in
      try Self.fetch(
        db, filter: "WHERE account.id IN (SELECT value FROM json_each(?))",
        arguments: [Self.json(ids)],
        order: "account.id"
      ) { accounts.append($0) }
    }
    return accounts
  }

  package func account(id: Int64) throws -> Account? {
    var found: Account?
    try read { db in
      try Self.fetch(db, filter: "WHERE account.id = ?", arguments: [id], order: "account.id") {
        found = $0
      }
    }
    return found
  }

  package func allAccounts(_ body: (Account) throws -> Void) throws {
    try read { db in
      try Self.fetch(db, filter: "", arguments: [], order: "account.email_key", body)
    }
  }

  static func json(_ values: some Encodable) throws -> String {
    String(decoding: try JSONEncoder().encode(values), as: UTF8.self)
  }

  private static func fetch(
    _ db: Database, filter: String, arguments: StatementArguments, order: String,
    _ body: (Account) throws -> Void
  ) throws {
    var holdings = HoldingsReader(db)
    try RapidRows(
      db,
      """
      SELECT \(accountColumns), person.id, absent_since
      FROM account LEFT JOIN person ON person.account = account.id \(filter) ORDER BY \(order)
      """, arguments
    ).forEach { row in
      try body(account(row, person: row.text(11), absentSince: row.int(12), &holdings))
    }
  }

  /// All accounts in the order of their numbers. Their people are read in the same order beside them: to look for each
  /// account's takes longer than to read all.
  static func fetchAll(_ db: Database, _ body: (Account) throws -> Void) throws {
    var absent: [Int64: Int64] = [:]
    try RapidRows(
      db,
      "SELECT account, absent_since FROM person NOT INDEXED WHERE absent_since IS NOT NULL", []
    ).forEach { row in if let account = row.int(0) { absent[account] = row.int(1) } }
    let people = try RapidRows(
      db, "SELECT account, id FROM person WHERE account IS NOT NULL ORDER BY account", [])
    var isPerson = try people.next()
    var holdings = HoldingsReader(db)
    try RapidRows(db, "SELECT \(accountColumns) FROM account ORDER BY id", []).forEach { row in
      let id = row.int(0) ?? 0
      while isPerson, (people.row.int(0) ?? 0) < id { isPerson = try people.next() }
      let isOwn = isPerson && people.row.int(0) == id
      try body(
        account(
          row, person: isOwn ? people.row.text(1) : nil, absentSince: isOwn ? absent[id] : nil,
          &holdings))
    }
  }

  private static let accountColumns = """
    account.id, email, name, username, mark_rule, mark_hand, mark_import, deactivated_by,
      email_verified, rights, suspended
    """

  /// - Parameter row: begins with `accountColumns`.
  private static func account(
    _ row: RapidRows.Row, person: String?, absentSince: Int64?, _ holdings: inout HoldingsReader
  ) throws -> Account {
    Account(
      id: row.int(0) ?? 0, email: row.text(1) ?? "", name: row.text(2) ?? "",
      username: row.text(3),
      mark: Givers(rule: row.text(4), hand: row.text(5), imported: row.text(6)),
      deactivatedBy: row.text(7).flatMap(Account.Deactivator.init(rawValue:)),
      isEmailVerified: row.int(8) == 1,
      holdings: try holdings.read(row.bytes(9), suspended: row.bytes(10)), person: person,
      absentSince: absentSince)
  }

  package func recentChanges(since: Int64, until: Int64) throws -> [CountedChange: Int] {
    try read { db in
      var counts: [CountedChange: Int] = [:]
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT kind, group_key, sum(count) FROM run_count JOIN run ON run.id = run
          WHERE started_at > ? AND started_at <= ? GROUP BY kind, group_key
          """, arguments: [since, until])
      for row in rows {
        guard let kind = try ChangeKind(rawValue: row.value(0)) else { continue }
        try counts[CountedChange(kind: kind, storedPart: row.value(1))] = row.value(2)
      }
      return counts
    }
  }

  package func openQuestions() throws -> OpenQuestions {
    try read { db in
      var questions = OpenQuestions()
      let decoder = JSONDecoder()
      for details in try String.fetchAll(db, sql: "SELECT details FROM hold ORDER BY person") {
        questions.holds.append(try decoder.decode(Hold.self, from: Data(details.utf8)))
      }
      for details in try String.fetchAll(db, sql: "SELECT details FROM leaving ORDER BY account") {
        questions.leaving.append(try decoder.decode(Leaving.self, from: Data(details.utf8)))
      }
      for row in try Row.fetchAll(db, sql: "SELECT product, person FROM waiting ORDER BY 1, 2") {
        try questions.waiting[row.value(0), default: []].append(row.value(1))
      }
      return questions
    }
  }
}
