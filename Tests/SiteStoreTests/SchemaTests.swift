import DirectoryModel
import Foundation
import GRDB
import Ports
import SiteModel
import SiteStore
import TestSupport
import Testing

/// What the schema itself keeps, whoever writes: here another program does, with SQL alone.
@Suite struct SchemaTests {
  private func place() throws -> DatabaseQueue {
    let folder = try TemporaryFolder()
    _ = try SiteDatabase(path: folder.path + "/usher.db")
    let other = try DatabaseQueue(path: folder.path + "/usher.db")
    try other.write { db in
      try db.execute(
        sql: """
          INSERT INTO rights (id, kind, name, key) VALUES (1, 'license', 'jira', 'jira'),
            (2, 'group', 'G', 'g');
          INSERT INTO giver (id, hand) VALUES (3, 'root');
          INSERT INTO account (id, email, email_key, name, mark_hand, rights, suspended) VALUES
            (1, 'a@x', 'a@x', 'A', NULL, '{"1":3}', NULL), (2, 'b@x', 'b@x', 'B', 'root', NULL, '{"2":3}');
          """)
    }
    withExtendedLifetime(folder) {}
    return other
  }

  @Test(arguments: [
    ("UPDATE account SET rights = '{\"1\":3}' WHERE id = 2", "R6"),
    ("UPDATE account SET rights = suspended, suspended = NULL WHERE id = 2", "R6"),
    ("UPDATE account SET mark_rule = 'r' WHERE id = 1", "R6"),
    (
      """
      INSERT INTO account (email, email_key, name, mark_rule, rights)
      VALUES ('c@x', 'c@x', 'C', 'r', '{"1":3}')
      """, "R6"
    ),
    (
      """
      INSERT OR REPLACE INTO account (id, email, email_key, name, mark_rule, rights)
      VALUES (1, 'c@x', 'c@x', 'A', 'r', '{"1":3}')
      """, "R6"
    ),
    ("UPDATE account SET rights = '{}' WHERE id = 1", "CHECK"),
    ("INSERT INTO giver (id) VALUES (4)", "CHECK"),
    ("INSERT INTO holding (account, right_id, by_hand) VALUES (2, 1, 'root')", "view"),
    ("INSERT INTO account (email, email_key, name) VALUES ('A@X', 'a@x', 'N')", "UNIQUE"),
    ("INSERT INTO account (email, email_key, name) VALUES ('A@X', 'A@X', 'N')", "CHECK"),
    ("INSERT INTO account (email, email_key, name) VALUES ('a@x', 'z@x', 'N')", "CHECK"),
    ("UPDATE account SET email = '' WHERE id = 1", "CHECK"),
    ("DELETE FROM account WHERE id = 1", "never deleted"),
    (
      "UPDATE site SET transition = 'after'; UPDATE site SET transition = 'before'", "R13"
    ),
    (
      "UPDATE account SET rights = NULL; UPDATE site SET transition = 'after'; UPDATE account SET mark_rule = 'r' WHERE id = 1",
      "R13"
    ),
    ("UPDATE accounts_v1 SET name = 'x'", "view"),
  ])
  func r6R13AndR15HoldAgainstEveryWriter(sql: String, reason: String) throws {
    let other = try place()
    let error = #expect(throws: DatabaseError.self) {
      try other.write { try $0.execute(sql: sql) }
    }
    #expect(error?.message?.contains(reason) == true, "\(error?.message ?? "")")
    #expect(try other.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM account") } == 2)
  }

  @Test func conversionsAndMarksThatTheDomainAllowsPass() throws {
    let other = try place()
    try other.write { db in
      try db.execute(sql: "UPDATE account SET mark_hand = NULL WHERE id = 2")
      try db.execute(sql: "UPDATE account SET mark_rule = 'r' WHERE id = 2")
      try db.execute(sql: "UPDATE site SET transition = 'after'")
      try db.execute(sql: "UPDATE account SET mark_import = 'f' WHERE id = 2")
      try db.execute(sql: "UPDATE account SET mark_rule = NULL, mark_import = NULL WHERE id = 2")
    }
  }

  /// The shape of the views is a promise: columns are never renamed or taken away.
  @Test(arguments: [
    (
      "accounts_v1",
      "account_id email name username kind portal_only active deactivated_by email_verified directory_id"
    ),
    ("rights_v1", "account_id email kind name by_rule by_hand by_import suspended"),
    ("seats_v1", "kind name taken"), ("pins_v1", "account_id email pin until reason by"),
    (
      "runs_v1",
      "run command user started_at plan_hash generation people_read groups_read changes undoes link"
    ),
  ])
  func theViewsForOtherProgramsHaveTheirShape(view: String, columns: String) throws {
    let found = try place().read { db in
      try db.columns(in: view).map(\.name).joined(separator: " ")
    }
    #expect(found == columns)
  }

  @Test func theViewsSayWhatTheSiteHolds() throws {
    let other = try place()
    try other.read { db in
      let kinds = try String.fetchAll(db, sql: "SELECT kind FROM accounts_v1 ORDER BY account_id")
      #expect(kinds == ["site-user", "portal-only"])
      let rights = try Row.fetchAll(
        db, sql: "SELECT email, kind, name, by_hand FROM rights_v1 WHERE suspended = 0")
      #expect(
        rights.map { "\($0[0] as String) \($0[1] as String) \($0[2] as String)" } == [
          "a@x license jira"
        ])
    }
  }

  @Test func aStoreOfVersionOneIsBroughtUpToDateAndKeepsItsSite() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/usher.db"
    let old = try DatabaseQueue(path: path)
    try old.writeWithoutTransaction { db in try db.execute(sql: versionOne) }
    try old.close()
    let store = try SiteDatabase(path: path)
    let account = try #require(try store.account(id: 7))
    #expect(account.email == "ada@x" && account.person == "p1" && account.mark.isEmpty)
    #expect(account.holdings == [Holding(Right(.license, "jira"), Givers(rule: "staff"))])
    let site = try store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
    #expect(site.generation == 4 && site.lineage == "l" && site.seatsTaken == ["jira": 1])
    #expect(try store.runs(last: 9).isEmpty && store.verifyAudit(expecting: nil).faults.isEmpty)
    // Opened again, it is an ordinary store.
    #expect(try SiteDatabase(path: path).account(id: 7) == account)
  }

  /// A folder with a store that SQL has made an older one.
  private func olderStore(_ sql: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let path = folder.path + "/usher.db"
    _ = try SiteDatabase(path: path)
    try DatabaseQueue(path: path).write { try $0.execute(sql: sql) }
    return folder
  }

  @Test func aStoreOfVersionFiveKeepsWhatAccountsHold() throws {
    let folder = try olderStore(
      """
      \(undoingVersionSix)
      INSERT INTO account (id, email, email_key, name, mark_hand, deactivated_by) VALUES
        (1, 'a@x', 'a@x', 'A', NULL, NULL), (2, 'b@x', 'b@x', 'B', 'root', 'sync'),
        (3, 'c@x', 'c@x', 'C', NULL, NULL);
      INSERT INTO rights (id, kind, name, key, taken) VALUES (11, 'license', 'jira', 'jira', 1),
        (2, 'group', 'G', 'g', 1);
      INSERT INTO holding VALUES (1, 11, 'staff', NULL, NULL, 0), (1, 2, 'staff', 'root', NULL, 0),
        (2, 2, NULL, NULL, 'old.csv', 1);
      PRAGMA user_version = 5
      """)
    let path = folder.path + "/usher.db"
    let store = try SiteDatabase(path: path)
    let jira = Right(.license, "jira"), group = Right(.group, "G")
    #expect(
      try store.accounts(ids: [1, 2, 3]).map(\.holdings) == [
        [
          Holding(jira, Givers(rule: "staff")), Holding(group, Givers(rule: "staff", hand: "root")),
        ],
        [Holding(group, Givers(imported: "old.csv"), isSuspended: true)],
        [],
      ])
    let rows = try DatabaseQueue(path: path).read { db in
      try Row.fetchAll(
        db,
        sql:
          "SELECT account_id, name, by_rule, by_hand, by_import, suspended FROM rights_v1 ORDER BY 1, 2"
      ).map { row in
        (0..<6).map {
          String.fromDatabaseValue(row[$0]) ?? (row[$0] as Int64?).map(String.init) ?? "-"
        }
        .joined(separator: " ")
      }
    }
    #expect(rows == ["1 G staff root - 0", "1 jira staff - - 0", "2 G - - old.csv 1"])
    #expect(
      try store.site(name: "acme", policy: SitePolicy(ceilings: [:])).totals.activeAccounts == 2)
    // What the schema keeps, it keeps in a store of that age, too.
    let error = #expect(throws: DatabaseError.self) {
      try DatabaseQueue(path: path).write {
        try $0.execute(sql: "UPDATE account SET mark_rule = 'r' WHERE id = 1")
      }
    }
    #expect(error?.message?.contains("R6") == true)
  }

  @Test(arguments: [6, 7])
  func anOlderStoreHasItsMirrorByTheHashesOfKeys(version: Int) throws {
    let columns = version == 6 ? "directory, kind, key" : "key, directory, kind"
    let folder = try olderStore(
      """
      DROP INDEX mirror_groups; CREATE UNIQUE INDEX mirror_by_key ON mirror_key (\(columns));
      INSERT INTO mirror VALUES ('corporate', '', '', '', '', 0);
      INSERT INTO mirror_entry VALUES (5, x'', x'');
      INSERT INTO mirror_members VALUES (5, x'000102030405060708090a0b0c0d0e0f');
      INSERT INTO mirror_key VALUES (5, 'corporate', 1, 'g', 0, 9);
      WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 1209)
        INSERT INTO mirror_key SELECT i, 'corporate', 0, 'p' || i, 0, i FROM n;
      INSERT INTO mirror_entry SELECT entry, x'', x'' FROM mirror_key WHERE kind = 0;
      PRAGMA user_version = \(version)
      """)
    let path = folder.path + "/usher.db"
    let store = try SiteDatabase(path: path)
    #expect(
      try store.mirrorHashes(of: "corporate", kind: .group, keys: ["g"]) == [
        WideHash(high: 0x0001_0203_0405_0607, low: 0x0809_0a0b_0c0d_0e0f)
      ])
    var groups: [UInt64] = []
    try store.mirrorFingerprints(of: "corporate", kind: .group) { groups.append($1) }
    #expect(groups == [9])
    let asked = (0..<1300).map { "p\($0)" } + ["g"]
    #expect(
      try store.mirrorKeys(of: "corporate", kind: .person, among: asked, hashes: [])
        == Set((10..<1210).map { "p\($0)" }))
    let indexes = "SELECT sql FROM sqlite_master WHERE tbl_name = 'mirror_key' ORDER BY name"
    let other = try TemporaryFolder()
    let fresh = other.path + "/usher.db"
    _ = try SiteDatabase(path: fresh)
    func ask(_ path: String) throws -> [String] {
      try DatabaseQueue(path: path).read { try String.fetchAll($0, sql: indexes) }
    }
    #expect(try ask(path) == ask(fresh))
    #expect(try ask(fresh).count == 2)
  }

  @Test func aStoreOfVersionFourKeepsItsMirror() throws {
    let folder = try olderStore(
      """
      \(undoingVersionSix) \(undoingVersionFive)
      INSERT INTO mirror VALUES ('corporate', '', '', '', '', 0);
      INSERT INTO mirror_entry VALUES (5, x'', x'000102030405060708090a0b0c0d0e0f');
      INSERT INTO mirror_key VALUES (5, 'corporate', 1, 'g', 0, 9);
      INSERT INTO person (id, settled) VALUES ('p1', 7);
      INSERT INTO evidence VALUES ('corporate', '{"people": 3, "groups": 0, "peopleSelected": 3,
        "personValues": {}, "groupValues": {}, "versions": {}, "bookmark": [1, 2], "fullReadAt": 0,
        "version": 1, "fullVersion": 1, "needsMemberOf": true}');
      PRAGMA user_version = 4
      """)
    let path = folder.path + "/usher.db"
    let store = try SiteDatabase(path: path)
    #expect(try store.mirrorDescription(of: "corporate") != nil)
    let evidence = try #require(try store.readEvidence(of: "corporate"))
    #expect(evidence.people == 3 && evidence.bookmark == nil)
    #expect(
      try store.mirrorHashes(of: "corporate", kind: .group, keys: ["g"]) == [
        WideHash(high: 0x0001_0203_0405_0607, low: 0x0809_0a0b_0c0d_0e0f)
      ])
    let person = KnownPerson(person: "p1", account: nil, settled: 7, absentSince: nil)
    #expect(try store.family(of: ["p1"], matches: []) == [person])
  }

  @Test func aStoreOfVersionTenTakesTokensAndReleases() throws {
    let folder = try olderStore(
      """
      DROP TABLE run_token; DROP TABLE held_release;
      INSERT INTO held (hash, details, held_at)
        VALUES ('abc', '{"kind": "changes", "hash": "abc", "changes": [], "causes": []}', 500);
      PRAGMA user_version = 10
      """)
    let store = try SiteDatabase(path: folder.path + "/usher.db")
    #expect(try store.run(token: "t") == nil)
    #expect(try store.heldSets().map(\.isReleased) == [false])
    try store.releaseHeld(before: 501)
    #expect(try store.heldSets().map(\.isReleased) == [true])
    let other = try TemporaryFolder()
    _ = try SiteDatabase(path: other.path + "/usher.db")
    func tables(_ path: String) throws -> [String] {
      try DatabaseQueue(path: path + "/usher.db").read {
        try String.fetchAll($0, sql: "SELECT sql FROM sqlite_master WHERE sql > '' ORDER BY name")
      }
    }
    #expect(try tables(folder.path) == tables(other.path))
  }

  @Test(arguments: [2, 3])
  func aStoreOfAnEarlierVersionIsBroughtUpToDate(version: Int) throws {
    let folder = try olderStore(
      """
      DROP TABLE mirror_block; DROP TABLE touched; DROP TABLE looked_at;
      DROP INDEX person_to_do; DROP INDEX person_due;
      \(undoingVersionSix) \(undoingVersionFive)
      ALTER TABLE mirror_entry DROP COLUMN hashes;
      INSERT INTO mirror VALUES ('corporate', '', '', '', '', 0);
      INSERT INTO person (id, settled) VALUES ('p1', 7);
      \(version == 2 ? "DROP TABLE evidence;" : "") PRAGMA user_version = \(version)
      """)
    let path = folder.path + "/usher.db"
    let store = try SiteDatabase(path: path)
    #expect(try store.readEvidence(of: "corporate") == nil)
    #expect(try store.mirrorDescription(of: "corporate") == nil)
    var people: [String] = []
    try store.people(exceptOf: []) { people.append($0.person) }
    #expect(people == ["p1"])
    // Opened again, it is an ordinary store.
    #expect(try SiteDatabase(path: path).readEvidence(of: "corporate") == nil)
  }
}

/// Takes away what version 6 brought.
private let undoingVersionSix = """
  DROP VIEW rights_v1; DROP VIEW holding; DROP TABLE giver;
  DROP TABLE mirror_members;
  ALTER TABLE site DROP COLUMN active_accounts;
  ALTER TABLE account DROP COLUMN rights; ALTER TABLE account DROP COLUMN suspended;
  CREATE TABLE holding (account INTEGER NOT NULL, right_id INTEGER NOT NULL, by_rule TEXT, by_hand TEXT,
    by_import TEXT, suspended INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (account, right_id)) STRICT, WITHOUT ROWID;
  CREATE INDEX account_active ON account (id) WHERE deactivated_by IS NULL;
  CREATE VIEW rights_v1 AS SELECT account, right_id, by_rule, by_hand, by_import, suspended FROM holding;
  CREATE TRIGGER portal_only_is_given_nothing BEFORE INSERT ON holding
    WHEN (SELECT mark_hand FROM account WHERE id = NEW.account) IS NOT NULL AND NEW.suspended = 0
    BEGIN SELECT raise(ABORT, 'R6'); END;
  CREATE TRIGGER portal_only_gets_nothing_back BEFORE UPDATE OF suspended ON holding
    BEGIN SELECT raise(ABORT, 'R6'); END;
  CREATE TRIGGER holders_are_not_marked BEFORE UPDATE OF mark_rule ON account
    WHEN EXISTS (SELECT 1 FROM holding WHERE account = NEW.id) BEGIN SELECT raise(ABORT, 'R6'); END;
  CREATE TRIGGER new_holders_are_not_marked BEFORE INSERT ON account
    WHEN EXISTS (SELECT 1 FROM holding WHERE account = NEW.id) BEGIN SELECT raise(ABORT, 'R6'); END;
  """

/// Takes away what version 5 brought.
private let undoingVersionFive = """
  DROP INDEX person_by_match; DROP INDEX person_joined; DROP INDEX run_block_accounts;
  DROP INDEX person_directory;
  ALTER TABLE run_block DROP COLUMN first_account;
  ALTER TABLE run_block DROP COLUMN last_account;
  ALTER TABLE person DROP COLUMN directory; ALTER TABLE person DROP COLUMN match_key;
  ALTER TABLE person DROP COLUMN joined;
  """

/// The tables of version 1 with one account.
private let versionOne = """
  PRAGMA journal_mode = WAL;
  CREATE TABLE site (id INTEGER PRIMARY KEY CHECK (id = 1), lineage TEXT NOT NULL,
    generation INTEGER NOT NULL, transition TEXT NOT NULL, hash_seed INTEGER NOT NULL) STRICT;
  CREATE TABLE account (id INTEGER PRIMARY KEY, email TEXT NOT NULL, email_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL, username TEXT, mark_rule TEXT, mark_hand TEXT, mark_import TEXT,
    deactivated_by TEXT, email_verified INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TABLE rights (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0, UNIQUE (kind, key)) STRICT;
  CREATE TABLE holding (account INTEGER NOT NULL, right_id INTEGER NOT NULL, by_rule TEXT, by_hand TEXT,
    by_import TEXT, suspended INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (account, right_id)) STRICT, WITHOUT ROWID;
  CREATE TRIGGER accounts_stay BEFORE DELETE ON account BEGIN SELECT raise(ABORT, 'no'); END;
  CREATE TRIGGER rights_stay BEFORE DELETE ON rights BEGIN SELECT raise(ABORT, 'no'); END;
  CREATE TABLE person (id TEXT PRIMARY KEY, account INTEGER UNIQUE, settled INTEGER, absent_since INTEGER)
    STRICT, WITHOUT ROWID;
  CREATE TABLE run (id INTEGER PRIMARY KEY, command TEXT NOT NULL) STRICT;
  CREATE TABLE run_block (run INTEGER NOT NULL) STRICT;
  CREATE TABLE run_count (run INTEGER NOT NULL) STRICT;
  CREATE TABLE hold (person TEXT PRIMARY KEY) STRICT;
  CREATE TABLE waiting (product TEXT NOT NULL) STRICT;
  CREATE TABLE leaving (account INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE mirror (directory TEXT PRIMARY KEY) STRICT;
  CREATE TABLE mirror_key (entry INTEGER PRIMARY KEY, directory TEXT, kind INTEGER, key TEXT) STRICT;
  CREATE TABLE mirror_entry (id INTEGER PRIMARY KEY) STRICT;
  CREATE UNIQUE INDEX mirror_by_key ON mirror_key (directory, kind, key);
  INSERT INTO site VALUES (1, 'l', 4, 'before', 99);
  INSERT INTO account (id, email, email_key, name) VALUES (7, 'ada@x', 'ada@x', 'Ada');
  INSERT INTO rights VALUES (1, 'license', 'jira', 'jira', 1);
  INSERT INTO holding (account, right_id, by_rule) VALUES (7, 1, 'staff');
  INSERT INTO person VALUES ('p1', 7, 5, NULL);
  PRAGMA application_id = 1433626738; PRAGMA user_version = 1;
  """
