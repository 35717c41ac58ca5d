import Foundation
import GRDB
import Ports
import SiteModel
import SiteStore
import TestSupport
import Testing

/// A store of version 9, in which "Site-Admins" and "Site-Admins " were two groups, is brought up to date.
@Suite struct UnitedRightsTests {
  private static let older = """
    INSERT INTO rights (id, kind, name, key, taken) VALUES
      (1, 'group', 'Site-Admins', 'site-admins', 2), (2, 'group', 'Site-Admins ', 'site-admins ', 3),
      (3, 'group', ' ops', ' ops', 1), (4, 'license', 'jira', 'jira', 1),
      (5, 'license', 'jira ', 'jira ', 0), (6, 'group', 'OPS ', 'ops ', 1);
    INSERT INTO giver (id, rule, hand, import) VALUES
      (1, 'admins', NULL, NULL), (2, NULL, 'root', NULL), (3, NULL, NULL, 'old.csv'),
      (4, 'others', NULL, NULL);
    INSERT INTO account (id, email, email_key, name, deactivated_by, rights, suspended) VALUES
      (1, 'a@x', 'a@x', 'A', NULL, '{"1":1,"2":2,"4":4}', NULL),
      (2, 'b@x', 'b@x', 'B', NULL, '{"2":3}', NULL),
      (3, 'c@x', 'c@x', 'C', NULL, '{"1":1,"2":4,"3":1,"6":2}', NULL),
      (4, 'd@x', 'd@x', 'D', 'sync', NULL, '{"1":2,"2":1,"5":3}'),
      (5, 'e@x', 'e@x', 'E', NULL, '{"4":1}', '{"5":2}');
    INSERT INTO person (id, account, settled) VALUES ('p1', 1, 7), ('p2', 2, 7), ('p9', NULL, 7);
    INSERT INTO run_count VALUES (1, 'leave-group', 'site-admins ', 4), (1, 'leave-group', 'site-admins', 2),
      (2, 'leave-group', 'site-admins ', 1), (2, 'deactivate-account', ' disabled', 5);
    INSERT INTO pin (id, account, kind, until, reason, by, since) VALUES
      (1, 1, 'keep group=Site-Admins ', 99, 'r', 'root', 0),
      (2, 2, 'keep group=Site-Admins ', 99, 'r', 'root', 0),
      (3, 2, 'keep group=Site-Admins', 98, 'r', 'root', 0);
    PRAGMA user_version = 9
    """

  private let admins = Right(.group, "Site-Admins"), ops = Right(.group, "ops")
  private let jira = Right(.license, "jira")

  private func upgraded() throws -> (folder: TemporaryFolder, path: String, before: (Int64, String))
  {
    let folder = try TemporaryFolder()
    let path = folder.path + "/usher.db"
    _ = try SiteDatabase(path: path)
    let before = try DatabaseQueue(path: path).write { db in
      try db.execute(sql: Self.older)
      let row = try #require(try Row.fetchOne(db, sql: "SELECT generation, lineage FROM site"))
      return (row[0] as Int64, row[1] as String)
    }
    return (folder, path, before)
  }

  @Test func whatAccountsHoldIsUnitedWithAllItsGivers() throws {
    let (folder, path, before) = try upgraded()
    defer { withExtendedLifetime(folder) {} }
    let store = try SiteDatabase(path: path)
    #expect(
      try store.accounts(ids: [1, 2, 3, 4, 5]).map(\.holdings) == [
        [
          Holding(jira, Givers(rule: "others")),
          Holding(admins, Givers(rule: "admins", hand: "root")),
        ],
        [Holding(admins, Givers(imported: "old.csv"))],
        [
          Holding(ops, Givers(rule: "admins", hand: "root")),
          Holding(admins, Givers(rule: "admins")),
        ],
        [
          Holding(jira, Givers(imported: "old.csv"), isSuspended: true),
          Holding(admins, Givers(rule: "admins", hand: "root"), isSuspended: true),
        ],
        [Holding(jira, Givers(rule: "admins", hand: "root"))],
      ])
    let site = try store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
    #expect(site.generation == before.0 + 1 && site.lineage != before.1)
    #expect(site.totals.membersOfGroup == ["site-admins": 3, "ops": 1])
    #expect(site.seatsTaken == ["jira": 2])
  }

  @Test func rightsStayCountsAndPinsFollow() throws {
    let (folder, path, _) = try upgraded()
    defer { withExtendedLifetime(folder) {} }
    let store = try SiteDatabase(path: path)
    let rows = try DatabaseQueue(path: path).read { db in
      try String.fetchAll(
        db, sql: "SELECT id || kind || '[' || name || '|' || key || ']' || taken FROM rights")
        + String.fetchAll(
          db, sql: "SELECT run || kind || '[' || group_key || ']' || count FROM run_count")
        + String.fetchAll(db, sql: "SELECT id || ifnull(settled, 'due') FROM person")
        + [try String.fetchOne(db, sql: "PRAGMA user_version") ?? ""]
    }
    #expect(
      rows == [
        "1group[Site-Admins|site-admins]3", "2group[Site-Admins |site-admins ]0",
        "3group[ops|ops]1", "4license[jira|jira]2", "5license[jira |jira ]0", "6group[OPS |ops ]0",
        "1leave-group[site-admins]6", "2deactivate-account[ disabled]5",
        "2leave-group[site-admins]1", "p1due", "p2due", "p97", "11",
      ])
    let pins = try store.pins().map(\.pin).sorted { $0.id < $1.id }
    #expect(pins.map(\.text) == Array(repeating: "keep group=Site-Admins", count: 3))
  }

  @Test func aStoreWithoutSuchNamesIsLeftAsItIs() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/usher.db"
    _ = try SiteDatabase(path: path)
    try DatabaseQueue(path: path).write { db in
      try db.execute(
        sql: """
          INSERT INTO rights (id, kind, name, key, taken) VALUES (1, 'group', 'Äther  A', 'äther  a', 1);
          INSERT INTO giver (id, rule) VALUES (1, 'admins');
          INSERT INTO account (id, email, email_key, name, rights) VALUES (1, 'a@x', 'a@x', 'A', '{"1":1}');
          UPDATE site SET generation = 4, lineage = 'l'; PRAGMA user_version = 9
          """)
    }
    let site = try SiteDatabase(path: path).site(name: "acme", policy: SitePolicy(ceilings: [:]))
    #expect(site.generation == 4 && site.lineage == "l")
    #expect(site.totals.groupNames == ["äther  a": "Äther  A"])
  }
}
