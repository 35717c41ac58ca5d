import TestSupport
import Ports
import Reconciliation
import SiteModel
import Testing

@Suite struct LawTests {
  /// A second sync plans nothing, also when entries and values come in another order, and names and
  /// emails in other letter case and spacing.
  @Test func aSecondSyncPlansNothing() throws {
    for seed in 0..<UInt64(cases(1000)) {
      var random = SeededRandom(seed)
      let directory = RandomDirectory(&random)
      let mapping = directory.mapping(&random)
      let site = try TestSite()
      try site.sync(directory.ldif(shuffled: &random, disguised: false), mapping)
      let export = try site.export()
      for disguised in [false, true] {
        let plan = try site.sync(directory.ldif(shuffled: &random, disguised: disguised), mapping)
        #expect(plan.isEmpty, "seed \(seed): \(plan.summary)")
        #expect(try site.export() == export, "seed \(seed)")
      }
    }
  }

  /// The order in which a directory answers decides nothing.
  @Test func theOrderOfEntriesDecidesNothing() throws {
    for seed in 0..<UInt64(cases(200)) {
      var random = SeededRandom(seed)
      let directory = RandomDirectory(&random)
      let mapping = directory.mapping(&random)
      var exports: Set<String> = []
      for _ in 0..<3 {
        let site = try TestSite()
        site.ceilings["jira"] = 2
        try site.sync(directory.ldif(shuffled: &random, disguised: false), mapping)
        exports.insert(try site.export() + site.open())
      }
      #expect(exports.count == 1, "seed \(seed)")
    }
  }

  /// Incremental = from scratch: skipping settled people gives the same as deciding about everybody
  /// again, whatever happens between, previews included.
  @Test func skippingTheSettledChangesNothing() throws {
    for seed in 0..<UInt64(cases(500)) {
      var random = SeededRandom(seed)
      var directory = RandomDirectory(&random)
      let mapping = directory.mapping(&random)
      let incremental = try TestSite()
      let fromScratch = try TestSite()
      for site in [incremental, fromScratch] { site.ceilings["jira"] = 3 }
      for step in 0..<6 {
        let ldif = directory.ldif(shuffled: &random, disguised: false)
        let now = Int64(1000 + step * 2400)
        if directory.people.isEmpty { break }
        if Bool.random(using: &random) { _ = try incremental.plan(ldif, mapping, now: now) }
        let first = try incremental.sync(ldif, mapping, now: now)
        // Another mapping digest, the same meaning: nobody counts as settled.
        let second = try fromScratch.sync(ldif, mapping + "\n# \(step)\n", now: now)
        let place = "seed \(seed), step \(step)"
        #expect(first.summary == second.summary, "\(place)")
        #expect(try incremental.export() == fromScratch.export(), "\(place)")
        #expect(try incremental.open() == fromScratch.open(), "\(place)")
        #expect(try incremental.countsRight(), "\(place)")
        #expect(try incremental.faults() == [], "\(place)")
        for _ in 0..<Int.random(in: 1...3, using: &random) { directory.change(&random) }
        try interfere(with: [incremental, fromScratch], now: now, &random)
      }
    }
  }

  /// The same with two directories that share people, one of which cannot be read now and then.
  @Test func skippingTheSettledOfSeveralDirectoriesChangesNothing() throws {
    for seed in 0..<UInt64(cases(500)) {
      var random = SeededRandom(seed)
      var directories = [RandomDirectory(&random), RandomDirectory(&random)]
      let mappings = directories.map { $0.mapping(&random, joining: true) }
      let incremental = try TestSite()
      let fromScratch = try TestSite()
      for site in [incremental, fromScratch] { site.ceilings["jira"] = 3 }
      for step in 0..<6 {
        let now = Int64(1000 + step * 2400)
        let down = Int.random(in: 0..<6, using: &random)
        let shares = directories.indices.map { index -> TestSite.Share in
          let ldif = directories[index].ldif(
            shuffled: &random, disguised: false, prefix: "\(index)-")
          return ("d\(index)", index == down ? nil : ldif, mappings[index])
        }
        if directories.contains(where: \.people.isEmpty) { break }
        if Bool.random(using: &random) { _ = try incremental.plan(shares, now: now) }
        let first = try incremental.sync(shares, now: now)
        let second = try fromScratch.sync(
          shares.map { ($0.name, $0.ldif, $0.mapping + "\n# \(step)\n") }, now: now)
        let place = "seed \(seed), step \(step)"
        #expect(first.summary == second.summary, "\(place)")
        #expect(try incremental.export() == fromScratch.export(), "\(place)")
        #expect(try incremental.open() == fromScratch.open(), "\(place)")
        #expect(try incremental.plan(shares, now: now).verdict.plan.isEmpty, "\(place)")
        #expect(try incremental.faults() == [], "\(place)")
        for index in directories.indices {
          for _ in 0..<Int.random(in: 0...2, using: &random) {
            directories[index].change(&random)
          }
        }
        try interfere(with: [incremental, fromScratch], now: now, &random)
      }
    }
  }

  /// Does the same by hand to each site: an order, or a pin that ends during the next steps.
  private func interfere(
    with sites: [TestSite], now: Int64, _ random: inout SeededRandom
  ) throws {
    var emails: [String] = []
    try sites[0].store.allAccounts { emails.append($0.email) }
    guard Bool.random(using: &random), let email = emails.randomElement(using: &random) else {
      return
    }
    let orders: [Handwork.Order] = [
      .grant([Right(.group, "by-hand")]), .grant([Right(.license, "confluence")]), .deactivate,
      .reactivate, .mark, .unmark, .revoke([Right(.group, "by-hand")]),
    ]
    let kinds: [Pin.Kind] = [
      .keep(.init(Right(.license, "confluence"))), .portalOnly, .noPortalOnly, .ignore,
    ]
    let order = orders.randomElement(using: &random), kind = kinds.randomElement(using: &random)
    let length = Int64.random(in: 1...6000, using: &random)
    let isPin = Bool.random(using: &random)
    for site in sites {
      if isPin, let kind, let account = try site.store.account(email) {
        let pin = Pin(
          account: account.id, kind: kind, until: now + length, reason: "r", by: "t", since: now)
        let others = try site.store.pins().map(\.pin).filter {
          $0.account == account.id && $0.kind != kind && $0.holds(at: now)
        }
        guard
          PinCheck.obstacle(pin, account, others: others, site: try site.desk.site(), now: now)
            == nil
        else { continue }
        _ = try site.store.set(
          pin, run: RunRecord(command: "pin", user: "t", startedAt: now, planHash: ""))
      } else if let order {
        try site.carryOut(order, on: email, now: now)
      }
    }
  }

  /// What the mirror holds is what the directory said.
  @Test func planningFromTheMirrorGivesTheSamePlan() throws {
    for seed in 0..<UInt64(cases(200)) {
      var random = SeededRandom(seed)
      var directory = RandomDirectory(&random)
      let mapping = directory.mapping(&random)
      let site = try TestSite()
      try site.sync(directory.ldif(shuffled: &random, disguised: false), mapping)
      directory.change(&random)
      if directory.people.isEmpty { continue }
      let online = try site.plan(directory.ldif(shuffled: &random, disguised: false), mapping)
      let offline = try site.offline(mapping)
      #expect(online.digest == offline.digest, "seed \(seed)")
    }
  }
}
