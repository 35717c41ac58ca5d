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
