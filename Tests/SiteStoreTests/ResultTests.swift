import GRDB
import Ports
import SiteModel
import SiteStore
import TestSupport
import Testing

@_spi(Guard) import SiteModel

/// What is found again of a run by whoever started it, and what runs held.
@Suite struct ResultTests {
  private let folder: TemporaryFolder
  private let store: SiteDatabase

  init() throws {
    folder = try TemporaryFolder()
    store = try SiteDatabase(path: folder.path + "/usher.db")
  }

  private func sync(token: String?) throws -> Int64 {
    let site = try store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
    var builder = PlanBuilder(
      basis: Plan.Basis(
        site: "acme", lineage: site.lineage, generation: site.generation, mappingDigest: "",
        createdAt: 1, peopleRead: 0, groupsRead: 0), rules: [])
    let plan = builder.finish()
    return try store.apply(
      ApprovedPlan(plan, counts: [:], seal: GuardSeal()),
      run: RunRecord(
        command: "sync", user: "root", startedAt: 100, planHash: "h", token: token)
    ).head.run
  }

  @Test func aRunIsFoundByItsTokenAndNoOther() throws {
    #expect(try sync(token: nil) == 1)
    #expect(try sync(token: "second") == 2)
    #expect(try sync(token: "third") == 3)
    #expect(try store.run(token: "second")?.id == 2)
    #expect(try store.run(token: "third")?.id == 3)
    #expect(try store.run(token: "fourth") == nil)
    #expect(try store.verifyAudit(expecting: nil).faults == [])
  }

  @Test func tokensOfTheLastHundredRunsAreKept() throws {
    for number in 1...103 { _ = try sync(token: "t\(number)") }
    #expect(try store.run(token: "t3") == nil)
    #expect(try store.run(token: "t4")?.id == 4)
    let count = try DatabaseQueue(path: folder.path + "/usher.db").read {
      try Int.fetchOne($0, sql: "SELECT count(*) FROM run_token")
    }
    #expect(count == 100)
  }

  @Test func whatTheLastSyncDidNotHoldIsReleasedUntilItIsHeldAgain() throws {
    func set(_ hash: String) -> HeldSet {
      HeldSet(kind: .changes, hash: hash, changes: [], causes: [])
    }
    func held() throws -> [String: Bool] {
      Dictionary(uniqueKeysWithValues: try store.heldSets().map { ($0.set.hash, $0.isReleased) })
    }
    try store.note(set("a"), at: 1000)
    try store.note(set("b"), at: 1000)
    #expect(try held() == ["a": false, "b": false])
    try store.note(set("b"), at: 1060)
    try store.releaseHeld(before: 1060)
    #expect(try held() == ["a": true, "b": false])
    try store.note(set("a"), at: 1120)
    #expect(try held() == ["a": false, "b": false])
    try store.releaseHeld(before: 1180)
    #expect(try held() == ["a": true, "b": true])
  }
}
