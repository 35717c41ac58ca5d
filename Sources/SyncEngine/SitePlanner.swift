/// The way through the house: read, map, reconcile, guard, apply. This room brings the others together; it
/// knows no server, no SQL and no screen.

import Crypto
import Diagnostics
import Mapping
import Ports
import Reconciliation
import SiteModel

/// Plans for a whole site, whose people come from one directory or several.
package struct SitePlanner {
  /// By number, in the configuration's order.
  let planners: [Planner]
  let desk: GuardDesk
  let store: any Planner.Store

  /// - Parameter planners: one for each directory, numbered in their order; at least one.
  package init(_ planners: [Planner]) {
    self.planners = planners
    desk = planners[0].desk
    store = planners[0].store
  }

  package struct Outcome {
    package let verdict: Guard.Verdict
    /// Directories that could not be read; their people stay as they are.
    package let failures: [(directory: String, failure: ReadFailure)]
    /// How long reading took; mirrors may still be written.
    package let readTime: Duration
  }

  /// What one directory brought.
  struct Share {
    let planner: Planner
    var reading: DirectoryReading
    /// The directory, still open; nil where the mirror was read.
    var source: (any DirectorySource)?
    let origin: Planner.Origin
  }

  /// Reads, maps, reconciles and guards.
  ///
  /// Brings the mirrors up to date; changes nothing else.
  /// - Parameters:
  ///   - origins: of each directory, in their order.
  ///   - only: an email, an account id or a directory id; nil for everybody.
  ///   - now: seconds since 1970.
  ///   - waits: until the mirrors are written; otherwise `finishMirror` tells whether they are, which `apply` asks, too.
  /// - Throws: `ReadFailure` when no directory can be believed, `MappingFaults`, `StoreFailure`.
  package func plan(
    _ origins: [Planner.Origin], only: String? = nil, now: Int64, waits: Bool = true,
    into findings: inout Findings
  ) throws -> Outcome {
    var used: [Account] = []
    // Mirrors are written meanwhile.
    let made = Result { try make(origins, only: only, now: now, into: &findings, &used) }
    let isMade = if case .success = made { true } else { false }
    let isWritten = Result { if waits || !isMade { try store.finishMirror() } }
    // Freed on another thread: a million accounts are as many objects.
    let accounts = consume used
    _ = Meanwhile { withExtendedLifetime(accounts) {} }
    let outcome = try made.get()
    try isWritten.get()
    return outcome
  }

  private func make(
    _ origins: [Planner.Origin], only: String?, now: Int64, into findings: inout Findings,
    _ used: inout [Account]
  ) throws -> Outcome {
    let start = ContinuousClock.now
    // By another mapping everybody is decided about anew.
    if only == nil, try planners.allSatisfy({ try $0.isNew }) { try store.expectAllAccounts() }
    let mirrors = try zip(planners, origins).filter { $1.isMirror }.map { planner, _ in
      (planner: planner, version: try planner.mirrorVersion())
    }
    var (shares, failures) = try read(origins, now: now, into: &findings)
    let readTime = ContinuousClock.now - start
    var people = try People(shares, failed: failures.map(\.directory))
    try people.sortOut(store)
    let accounts = try decide(&shares, &people, now: now)
    for mirror in mirrors { try mirror.planner.refuseMirror(changedSince: mirror.version) }
    let (movedOut, blind) = try movedOut(&shares, people, accounts)
    if let only {
      for index in shares.indices {
        try shares[index].planner.see([emailKey(only)], in: &shares[index].reading)
      }
    }
    var entitlements = Self.entitlements(of: shares)
    var several = World.Several()
    var doubled = shares.reduce(into: Set<String>()) { $0.formUnion($1.reading.doubled) }
    if people.isSeveral {
      let twins = people.twins(shares)
      doubled.formUnion(twins)
      entitlements = join(entitlements, people, &several)
      if !twins.isEmpty { people.cannotNameAll = true }
    }
    used = accounts
    let world = try world(
      of: shares, people, accounts, entitlements, doubled: doubled, movedOut: movedOut,
      warnings: warnings(shares, people, failures) + blind, several, only: only, now: now)
    // What else was read of everybody takes as much memory as the plan.
    shares = []
    return Outcome(
      verdict: try desk.planGuard(now: now).plan(world), failures: failures, readTime: readTime)
  }

  private func world(
    of shares: [Share], _ people: People, _ accounts: [Account], _ entitlements: Entitlements,
    doubled: Set<String>, movedOut: [String: String], warnings: [String],
    _ several: World.Several, only: String?, now: Int64
  ) throws -> World {
    let site = try desk.site()
    let scope = try only.map { try self.scope($0, shares, entitlements, accounts) }
    let gone = Set(people.gone)
    // Of nobody without an account it is asked; in a first run the index takes as much memory as the accounts.
    let index = accounts.isEmpty ? nil : shares[0].reading.index
    let isSeveral = people.isSeveral
    let bindings = shares.compactMap { $0.reading.evaluator?.binding }
    return World(
      site: site, accounts: accounts, entitlements: entitlements, rules: rules,
      leavers: planners[0].mapping.leavers, leaversRule: planners[0].mapping.leaversRule,
      isPresent: { isSeveral ? !gone.contains($0) : index?.isSeen($0) ?? true },
      scope: scope, doubled: doubled, forgotten: people.forgotten,
      waitingSince: try store.waitingSince(), pins: try store.pins(),
      brokenRules: bindings.reduce(into: [:]) { $0.merge($1.brokenRules) { first, _ in first } },
      brokenDenials: bindings.reduce(into: []) { $0.formUnion($1.brokenDenials) },
      emptyGroups: try shares.flatMap { try $0.planner.emptyGroups($0.reading, now: now) },
      warnings: warnings,
      accepting: only == nil
        ? try shares.compactMap { try $0.planner.acceptance($0.reading.evaluator?.binding) } : [],
      replacedGroups: shares.flatMap {
        $0.planner.replacedGroups($0.reading.evaluator?.binding)
      }, movedOut: movedOut,
      lookedAt: people.cannotNameAll
        ? [] : try shares.compactMap { try $0.planner.lookedAt($0.origin, $0.reading) },
      neverGave: Set(
        try planners.map(\.directory).filter { try !store.hasGiven($0) }),
      several: several, likelyAccounts: isSeveral ? [] : shares[0].reading.likelyAccounts,
      agingNow: planners[0].agingNow,
      basis: Plan.Basis(
        site: site.name, lineage: site.lineage, generation: site.generation,
        mappingDigest: mappingDigest, createdAt: now,
        peopleRead: shares.map(\.reading.peopleRead).reduce(0, +),
        groupsRead: shares.map(\.reading.groupsRead).reduce(0, +), only: only))
  }

  /// Where people are now who are gone from the searches, each looked for in the directory that showed them; and where
  /// nobody may look.
  private func movedOut(
    _ shares: inout [Share], _ people: People, _ accounts: [Account]
  ) throws -> (found: [String: String], warnings: [String]) {
    var found: [String: String] = [:]
    var warnings: [String] = []
    for index in shares.indices {
      let planner = shares[index].planner
      let own = people.gone.filter {
        people.known[$0]?.directory.map { $0 == planner.directory } ?? true
      }
      do {
        found.merge(
          try planner.movedOut(Set(own), of: accounts, in: &shares[index].source)
        ) { first, _ in first }
      } catch let failure as ReadFailure where failure.isOfBase {
        warnings.append(
          "who is gone from the searches of \(planner.directory) cannot be looked for elsewhere in the directory: \(failure.message)"
        )
      } catch is ReadFailure where planners.count > 1 {
        // Its people count as gone, under that limit; another directory's people do not wait for that.
        continue
      }
    }
    return (found, warnings)
  }

  /// Reads every directory; one that cannot be read stops its own people only, and the run where there is no other.
  private func read(
    _ origins: [Planner.Origin], now: Int64, into findings: inout Findings
  ) throws -> (shares: [Share], failures: [(directory: String, failure: ReadFailure)]) {
    var shares: [Share] = []
    var failures: [(directory: String, failure: ReadFailure)] = []
    for (planner, origin) in zip(planners, origins) {
      do {
        var source: (any DirectorySource)?
        let reading = try planner.read(origin, keeping: &source, now: now, into: &findings)
        shares.append(Share(planner: planner, reading: reading, source: source, origin: origin))
      } catch let failure as ReadFailure {
        failures.append((planner.directory, failure))
      }
    }
    if let failure = failures.first?.failure, shares.isEmpty {
      throw failures.count == 1
        ? failure
        : ReadFailure(
          failures.map { "\($0.directory): \($0.failure.message)" }.joined(separator: "; "),
          remedy: failure.remedy)
    }
    return (shares, failures)
  }

  /// The rules of all mappings, one directory's after another's.
  var rules: [RuleReference] { planners.flatMap(\.mapping.references) }

  /// The number of each directory's first rule.
  var firstRules: [Int] {
    planners.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.mapping.references.count) }
  }

  private var mappingDigest: String {
    guard planners.count > 1 else { return planners[0].mappingDigest }
    return desk.hash(planners.map(\.mappingDigest))
  }

  private func warnings(
    _ shares: [Share], _ people: People, _ failures: [(directory: String, failure: ReadFailure)]
  ) -> [String] {
    let isAlone = planners.count == 1
    var warnings = failures.map {
      "the directory \($0.directory) could not be read, and its people stay as they are: \($0.failure.message)"
    }
    for share in shares {
      warnings += share.planner.warnings(share.reading).map {
        isAlone ? $0 : "\(share.planner.directory): \($0)"
      }
    }
    return warnings + people.ofUnknownDirectories
  }

  // MARK: People to decide about

  /// Decides about everybody whom changes bring into play: besides the people whom the reads evaluated those whose
  /// accounts bear one of their emails, and those who may be the same person in another directory.
  /// - Returns: the accounts that the plan may touch, and the ones in its way.
  private func decide(_ shares: inout [Share], _ people: inout People, now: Int64) throws
    -> [Account]
  {
    var accounts: [Account] = []
    func add(_ found: [Account]) -> [Account] {
      // Mostly the first are all, and nobody has to be compared.
      let known = accounts.isEmpty || found.isEmpty ? [] : Set(accounts.map(\.id))
      let new = known.isEmpty ? found : found.filter { !known.contains($0.id) }
      accounts += new
      return new
    }
    func evaluate(_ wanted: [String], _ shares: inout [Share]) throws -> Entitlements {
      var added = Entitlements()
      for index in shares.indices {
        let planner = shares[index].planner
        try planner.see(wanted, in: &shares[index].reading)
        let others = shares[index].reading.index.passedOver(among: wanted)
        let found = try planner.evaluate(others, in: &shares[index].reading, now: now)
        // With nothing to add, the entitlements of all are not copied.
        if !found.isEmpty {
          shares[index].reading.entitlements.append(contentsOf: found)
          shares[index].reading.likelyAccounts += found.indices.map { _ in 0 }
          added.append(contentsOf: found)
        }
      }
      return added
    }
    var pending = Self.entitlements(of: shares)
    var gone = people.gone
    while true {
      if people.isSeveral {
        let family = try store.family(
          of: pending.indices.map(pending.person) + gone + people.goneEntries,
          matches: pending.matches)
        people.add(family)
        pending.append(contentsOf: try evaluate(family.map(\.person), &shares))
      }
      var found = add(
        try store.accounts(
          ofPeople: pending.indices.map(pending.person) + gone,
          emails: pending.indices.flatMap(pending.emails)))
      let matches = pending.matches
      if !matches.isEmpty { found += add(try store.unlinkedAccounts(usernames: matches)) }
      // What is not held twice is not copied when it grows.
      pending = Entitlements()
      pending = try evaluate(found.compactMap(\.person), &shares)
      gone = []
      if pending.isEmpty { return accounts }
    }
  }

  /// Those of one directory are not copied; they may be many.
  private static func entitlements(of shares: [Share]) -> Entitlements {
    var all = shares[0].reading.entitlements
    for share in shares.dropFirst() { all.append(contentsOf: share.reading.entitlements) }
    return all
  }

  /// The people whom a plan for some alone is about.
  private func scope(
    _ who: String, _ shares: [Share], _ entitlements: Entitlements, _ accounts: [Account]
  ) throws -> Set<String> {
    let key = emailKey(who)
    var people: Set<String> = shares.contains { $0.reading.index.isSeen(key) } ? [key] : []
    for account in try accounts + store.accounts(ofPeople: [key], emails: [key])
    where emailKey(account.email) == key || String(account.id) == who || account.person == key {
      if let person = account.person { people.insert(person) }
    }
    for entitlement in entitlements
    where entitlement.ids.contains(where: people.contains) || entitlement.ids.contains(key)
      || entitlement.emails.contains(where: { emailKey($0) == key })
    {
      people.insert(entitlement.person)
    }
    guard !people.isEmpty else { throw NobodyFits(who: who) }
    return people
  }
}
