import Foundation
import GRDB
import Ports
import SiteModel
import SiteStore
import TestSupport
import Testing

/// What happens where a store's file was damaged or edited.
@Suite struct DamageTests {
  private func edit(_ path: String, _ sql: String) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON; PRAGMA writable_schema = ON")
      try db.execute(sql: sql)
    }
    try queue.close()
  }

  /// Takes the types from a table as a damaged page would: what is in its rows may be anything then.
  private func loosen(_ path: String, _ table: String, _ sql: String) throws {
    try edit(
      path,
      "UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '') WHERE name = '\(table)'")
    try edit(path, sql)
  }

  @Test func aValueOfAnotherTypeIsAFailureOfTheStoreAndEndsNothing() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.db"
    _ = try SiteDatabase(path: path).transition()
    try loosen(path, "site", "UPDATE site SET generation = 'many'")
    let store = try SiteDatabase(path: path)
    #expect(
      throws: StoreFailure.damaged(path: path, reason: "a row holds a value of another type")
    ) { try store.site(name: "acme", policy: SitePolicy(ceilings: [:])) }
  }

  @Test func aTransitionThatIsNeitherIsDamage() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.db"
    _ = try SiteDatabase(path: path).transition()
    try edit(path, "UPDATE site SET transition = 'befort'")
    let store = try SiteDatabase(path: path)
    let failure = StoreFailure.damaged(
      path: path, reason: "the site is neither before nor after the transition")
    #expect(throws: failure) { try store.transition() }
    #expect(throws: failure) { try store.site(name: "acme", policy: SitePolicy(ceilings: [:])) }
    // The check of the column finds it, too.
    let faults = try store.verifyAudit(expecting: nil).faults
    #expect(faults.contains { $0.hasPrefix("the store's file is damaged: CHECK") }, "\(faults)")
  }

  private let oneAccount = """
    INSERT INTO rights (id, kind, name, key, taken) VALUES (1, 'group', 'dev', 'dev', 1);
    INSERT INTO giver (id, rule) VALUES (1, 'r');
    INSERT INTO account (id, email, email_key, name, rights) VALUES (1, 'a@x', 'a@x', 'A', '{"1":1}');
    UPDATE site SET active_accounts = 1;
    """

  /// To pass over such a right would be to say that the account does not have it.
  @Test(arguments: [
    (#"{"9":1}"#, "name a right or a giver that is not there"),
    (#"{"1":9}"#, "name a right or a giver that is not there"), (#"{"1":1"#, "cannot be read"),
    (#"{"1":1,}"#, "cannot be read"), (#"{"1";1}"#, "cannot be read"), ("[]", "cannot be read"),
    (#"{"1":1}x"#, "cannot be read"), (#"{"99999999999999999999":1}"#, "cannot be read"),
  ])
  func rightsThatNobodyWroteAreDamage(rights: String, what: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.db"
    _ = try SiteDatabase(path: path).transition()
    try edit(path, oneAccount)
    var held: [[Holding]] = []
    try SiteDatabase(path: path).allAccounts { held.append($0.holdings) }
    #expect(held == [[Holding(Right(.group, "dev"), Givers(rule: "r"))]])
    try edit(path, "UPDATE account SET rights = '\(rights)'")
    #expect(
      throws: StoreFailure.damaged(path: path, reason: "the rights of an account \(what)")
    ) { try SiteDatabase(path: path).allAccounts { _ in } }
  }

  @Test(arguments: [
    ("UPDATE rights SET taken = 9223372036854775807", "9223372036854775807"),
    ("UPDATE site SET active_accounts = -3", "-3"),
  ])
  func countsThatCannotBeAreDamage(sql: String, count: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.db"
    _ = try SiteDatabase(path: path).transition()
    try edit(path, oneAccount + sql)
    #expect(
      throws: StoreFailure.damaged(path: path, reason: "\(count) accounts are counted")
    ) { try SiteDatabase(path: path).site(name: "acme", policy: SitePolicy(ceilings: [:])) }
  }

  @Test func countsThatAreNotThoseOfTheAccountsAreFaults() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.db"
    _ = try SiteDatabase(path: path).transition()
    try edit(path, oneAccount)
    #expect(try SiteDatabase(path: path).verifyAudit(expecting: nil).faults == [])
    try edit(path, "UPDATE rights SET taken = 2; UPDATE site SET active_accounts = 7")
    #expect(
      try SiteDatabase(path: path).verifyAudit(expecting: nil).faults == [
        "group dev is counted 2 times, and 1 accounts hold it",
        "7 active accounts are counted, and there are 1",
      ])
  }

  /// Accounts and people are found by indexes: one that does not fit its table shows an account without its person.
  @Test func anIndexThatDoesNotFitItsTableIsAFault() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.db"
    _ = try SiteDatabase(path: path).transition()
    try edit(path, oneAccount + "INSERT INTO person (id, account) VALUES ('p1', 1)")
    let index = "WHERE name = 'person_by_account'"
    try edit(path, "UPDATE sqlite_schema SET sql = sql || ' WHERE account < 0' \(index)")
    try edit(path, "REINDEX person_by_account")
    try edit(path, "UPDATE sqlite_schema SET sql = replace(sql, ' WHERE account < 0', '') \(index)")
    let faults = try SiteDatabase(path: path).verifyAudit(expecting: nil).faults
    #expect(
      faults.contains("the store's file is damaged: row 1 missing from index person_by_account"),
      "\(faults)")
  }

  @Test func aTextThatCannotBeDecodedIsDamage() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.db"
    _ = try SiteDatabase(path: path).transition()
    try edit(
      path,
      "INSERT INTO evidence VALUES ('corporate', '{'); INSERT INTO hold VALUES ('p', '{}')")
    let store = try SiteDatabase(path: path)
    let failure = StoreFailure.damaged(path: path, reason: "a row holds a text that nobody wrote")
    #expect(throws: failure) { try store.readEvidence(of: "corporate") }
    #expect(throws: failure) { try store.openQuestions() }
  }

  /// An index that leads to one row twice shows the account twice; here a view does.
  @Test func anAccountThatAnIndexShowsTwiceEndsNothing() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.db"
    _ = try SiteDatabase(path: path).transition()
    try edit(path, oneAccount)
    try edit(
      path,
      "PRAGMA legacy_alter_table = ON; ALTER TABLE account RENAME TO own; CREATE VIEW account AS SELECT * FROM own UNION ALL SELECT * FROM own"
    )
    let page = try SiteDatabase(path: path).accounts(AccountFilter(), after: nil, count: 5)
    #expect(page.total == 2 && page.accounts.first?.email == "a@x")
  }

  @Test func noRowIsReadByASubscriptThatEndsTheProcess() throws {
    let room = repositoryRoot + "/Sources/SiteStore"
    for file in try FileManager.default.contentsOfDirectory(atPath: room) {
      let text = try String(contentsOfFile: room + "/" + file, encoding: .utf8)
      for word in [" row[", "(row[", "$0[\"", "block[", "anchor[", "known[0", "last["] {
        #expect(!text.contains(word), "\(file) holds \(word)")
      }
    }
  }
}
