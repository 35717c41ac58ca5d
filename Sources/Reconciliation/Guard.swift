@_spi(Guard) import SiteModel

/// Checks plans against the limits, and is the only one who approves them.
package struct Guard: Sendable {
  private let limits: Limits
  private let recent: RecentChanges
  private let budgets: [UsedBudget]
  /// Pairs of account and change that somebody approved in the last 24 hours; no limit counts them.
  private let approved: Set<String>
  private let hash: @Sendable ([String]) -> String

  /// - Parameters:
  ///   - recent: the changes of the last 24 hours.
  ///   - budgets: those that are open, or were in the last 24 hours; at most one for each limit.
  ///   - approved: as `HeldChange.pair` has them.
  ///   - hash: of sorted pairs, as hexadecimal digits.
  package init(
    limits: Limits, recent: RecentChanges, budgets: [UsedBudget] = [],
    approved: Set<String> = [],
    hash: @escaping @Sendable ([String]) -> String = { "\($0.count)" }
  ) {
    self.limits = limits
    self.recent = recent
    self.budgets = budgets
    self.approved = approved
    self.hash = hash
  }

  /// A limit that a plan goes beyond.
  package struct Excess: Sendable, Hashable {
    package let consequence: Consequence
    /// The product or group, where each counts by itself.
    package let right: String?
    package let planned: Int
    package let recent: Int
    package let allowed: Int
    /// The people concerned, by directory id.
    package let people: [String]

    /// "412 deactivations planned, 50 allowed in 24 hours".
    package var text: String {
      let before = recent > 0 ? ", \(recent) made in the last 24 hours" : ""
      return
        "\(planned) \(consequence.text(right)) planned\(before); \(allowed) are allowed in 24 hours"
    }
  }

  package struct Verdict: Sendable {
    /// What may be applied; nil when the whole plan is held back.
    package let approved: ApprovedPlan?
    /// What the plan shows: the people over a limit are among its holds.
    package let plan: Plan
    package let excesses: [Excess]
    /// What the limits held back, and what approving it takes; nil mostly.
    package let held: HeldSet?
  }

  /// Makes the plan for a world, and holds whoever is over a limit or protected.
  package func plan(_ world: World) -> Verdict {
    var held: [String: Doubt] = [:]
    var found: [Excess] = []
    var changes: [HeldChange] = []
    while true {
      var plan = Reconciler(world: world, heldBack: held).plan()
      let excesses = self.excesses(of: plan, world.site)
      let kept = protected(by: world, from: plan)
      if excesses.isEmpty, kept.isEmpty {
        let set = heldSet(found, changes)
        if let set { name(set, found, in: &plan) }
        return Verdict(
          approved: approve(plan, exempt: approved), plan: plan, excesses: found, held: set)
      }
      found += excesses
      let before = held.count
      for (person, doubt) in kept { held[person] = held[person] ?? doubt }
      let over = Set(excesses.flatMap(\.people)).subtracting(held.keys)
      for excess in excesses {
        for person in excess.people { held[person] = held[person] ?? Doubt.overLimit(excess) }
      }
      changes += plan.rows.indices.filter { index in
        plan.subjects.person(plan.subject(plan.rows[index])).map(over.contains) ?? false
      }.map(plan.heldChange)
      // Holding more people cannot help when nobody new can be held.
      if limits.onLimit == .holdPlan && !excesses.isEmpty || held.count == before {
        return Verdict(
          approved: nil, plan: plan, excesses: found, held: heldSet(found, changes))
      }
    }
  }

  /// Looks again at a plan that was saved: since then other runs may have used up the limits.
  package func check(_ plan: Plan, _ site: Site) -> Verdict {
    let excesses = self.excesses(of: plan, site)
    let people = Set(excesses.flatMap(\.people))
    let changes = plan.rows.indices.filter { index in
      plan.subjects.person(plan.subject(plan.rows[index])).map(people.contains) ?? false
    }.map(plan.heldChange)
    return Verdict(
      approved: excesses.isEmpty ? approve(plan, exempt: approved) : nil, plan: plan,
      excesses: excesses, held: heldSet(excesses, changes))
  }

  /// Lets pass what somebody asked for by name and looked at; it counts against no limit. Only this room makes
  /// such results.
  package static func approve(_ result: Handwork.Result) -> ApprovedPlan {
    ApprovedPlan(result.plan, seal: GuardSeal())
  }

  private func approve(_ plan: Plan, exempt: Set<String>) -> ApprovedPlan {
    var counts: [CountedChange: Int] = [:]
    var moved: Set<Int> = []
    let people = CountedPeople(plan)
    for index in countable(plan, people) {
      let change = plan.change(at: index)
      if change.isGiverOnly { continue }
      if !exempt.isEmpty, exempt.contains(plan.pair(at: index)) { continue }
      counts[CountedChange(change, isMissing: people.isMissing(change.subject)), default: 0] += 1
      if people.hasMoved(change.subject) { moved.insert(change.subject) }
    }
    if !moved.isEmpty {
      counts[CountedChange(kind: .deactivateAccount, part: .movedOut)] = moved.count
    }
    return ApprovedPlan(plan, counts: counts, seal: GuardSeal())
  }

  /// The numbers of the changes that limits count. Of the millions of a first sync there are none.
  private func countable(_ plan: Plan, _ people: CountedPeople) -> [Int] {
    func isCounted(_ kind: ChangeKind) -> Bool {
      let all = Consequence.of(kind, isMissing: true)
      return all.contains { !$0.isGiving || !people.areAllNew }
    }
    if !plan.summary.keys.contains(where: isCounted) { return [] }
    return plan.rows.indices.filter { index in
      let kind = plan.kind(at: index)
      guard isCounted(kind) else { return false }
      guard people.someAreNew, Consequence.of(kind, isMissing: true).contains(where: \.isGiving)
      else { return true }
      return !people.isNew(plan.subject(plan.rows[index]))
    }
  }

  private func heldSet(_ excesses: [Excess], _ changes: [HeldChange]) -> HeldSet? {
    guard !excesses.isEmpty else { return nil }
    let sorted = Set(changes).sorted { $0.pair < $1.pair }
    return HeldSet(
      kind: .changes, hash: hash(sorted.map(\.pair)), changes: sorted,
      causes: excesses.map { "limit \($0.consequence.rawValue): \($0.text)" })
  }

  /// Says to everybody who is held by a limit what lets them pass.
  private func name(_ set: HeldSet, _ excesses: [Excess], in plan: inout Plan) {
    for excess in excesses {
      plan.setRemedy(
        "look at the directory and the mapping; if it is meant: usher approve \(set.shortHash)",
        of: Set(excess.people), reason: Doubt.overLimit(excess).reason)
    }
  }

  private struct Key: Hashable {
    let consequence: Consequence
    /// A product, or a group's key.
    let right: String?
  }

  private func excesses(of plan: Plan, _ site: Site) -> [Excess] {
    var subjects: [Key: [Int]] = [:]
    var names: [String: String] = [:]
    var moved: Set<Int> = []
    let people = CountedPeople(plan)
    for index in countable(plan, people) {
      let change = plan.change(at: index)
      if change.isGiverOnly { continue }
      if !approved.isEmpty, approved.contains(plan.pair(at: index)) { continue }
      if people.hasMoved(change.subject) { moved.insert(change.subject) }
      let isMissing = people.isMissing(change.subject)
      for consequence in Consequence.of(change.kind, isMissing: isMissing) {
        var right: String?
        if consequence.isPerRight,
          case .right(let name) = CountedChange(change, isMissing: isMissing).part
        {
          right = name
          names[name] = change.rightName
        }
        subjects[Key(consequence: consequence, right: right), default: []].append(change.subject)
      }
    }
    if !moved.isEmpty { subjects[Key(consequence: .movedOut, right: nil)] = moved.sorted() }
    return subjects.compactMap { key, all -> Excess? in
      guard let limit = limits.limits[key.consequence] else { return nil }
      let budget = budgets.first { $0.budget.kind == key.consequence.rawValue }
      let madeInADay = self.recent.count(key.consequence, right: key.right)
      let recent = madeInADay - (budget?.paid(key.consequence, right: key.right) ?? 0)
      let unpaid = max(0, all.count - (budget?.remaining(key.consequence, right: key.right) ?? 0))
      let total = total(key, site)
      let base = max(0, key.consequence.isGiving ? total - madeInADay : total + madeInADay)
      let allowed = max(
        limits.freeBelow(key.consequence), min(limit.max, Int(Double(base) * limit.percent / 100)))
      guard recent + unpaid > allowed else { return nil }
      return Excess(
        consequence: key.consequence, right: key.right.flatMap { names[$0] }, planned: all.count,
        recent: recent, allowed: allowed,
        people: Set(all.compactMap { plan.subjects.person($0) }).sorted())
    }.sorted {
      ($0.consequence.rawValue, $0.right ?? "") < ($1.consequence.rawValue, $1.right ?? "")
    }
  }

  private func total(_ key: Key, _ site: Site) -> Int {
    let totals = site.totals
    return switch key.consequence {
    case .creations, .deactivations, .disabled, .portalOnlyMarks, .portalOnlyUnmarks, .conversions,
      .emailChanges, .movedOut:
      totals.activeAccounts
    case .licensesGranted: key.right.flatMap { site.seatsTaken[$0] } ?? 0
    case .licensesRevoked: totals.licenses
    case .groupJoins, .groupRemovals: totals.groupMemberships
    case .removalsPerGroup: key.right.flatMap { totals.membersOfGroup[$0] } ?? 0
    }
  }
}

/// What the guard asks of the people of a plan.
private struct CountedPeople {
  private let plan: Plan
  private let missing: Set<String>
  /// People of directories whose rules gave nothing before; nil: there is one directory only.
  private let new: Set<String>?

  init(_ plan: Plan) {
    self.plan = plan
    missing = Set(plan.memory.departed.map(\.person))
    let first = plan.memory.firstGiving
    new =
      first.isEmpty || plan.memory.places.isEmpty
      ? nil
      : Set(plan.memory.places.lazy.filter { first.contains($0.directory) }.map(\.person))
  }

  var areAllNew: Bool { new == nil && someAreNew }
  var someAreNew: Bool { !plan.memory.firstGiving.isEmpty }

  func isNew(_ subject: Int) -> Bool {
    guard let new else { return someAreNew }
    return plan.subjects.person(subject).map(new.contains) ?? false
  }

  /// Whether the person is treated as gone: no entry asks for what happens to the account.
  func isMissing(_ subject: Int) -> Bool {
    !missing.isEmpty && plan.subjects.person(subject).map(missing.contains) ?? false
  }

  func hasMoved(_ subject: Int) -> Bool {
    if plan.memory.movedOut.isEmpty { return false }
    return plan.subjects.person(subject).map { plan.memory.movedOut[$0] != nil } ?? false
  }
}

extension CountedChange {
  fileprivate init(_ change: Change, isMissing: Bool) {
    let part: Part? =
      switch change.kind {
      case .leaveGroup: change.rightName.map { .right(Right.key(.group, $0)) }
      case .grantLicense: change.rightName.map { .right($0) }
      case .deactivateAccount: isMissing ? .whole : .disabled
      default: nil
      }
    self.init(kind: change.kind, part: part ?? .whole)
  }
}

extension Change {
  /// The license or group that is given or taken; nil for other kinds.
  fileprivate var rightName: String? {
    switch (kind, before, after) {
    case (.leaveGroup, .text(let name)?, _), (.revokeLicense, .text(let name)?, _),
      (.joinGroup, _, .text(let name)?), (.grantLicense, _, .text(let name)?):
      name
    default: nil
    }
  }
}

extension Doubt {
  static func overLimit(_ excess: Guard.Excess) -> Doubt {
    Doubt(
      "held by the limit \(excess.consequence.rawValue): \(excess.text)",
      remedy: "look at the directory and the mapping before approving it")
  }
}
