@_spi(Guard) import SiteModel

/// Checks plans against the limits, and is the only one who approves them.
package struct Guard: Sendable {
  private let limits: Limits
  private let recent: RecentChanges
  /// Pairs of account and change that somebody approved in the last 24 hours; no limit counts them.
  private let approved: Set<String>
  private let hash: @Sendable ([String]) -> String

  /// - Parameters:
  ///   - approved: as `HeldChange.pair` has them.
  ///   - hash: of sorted pairs, as hexadecimal digits.
  package init(
    limits: Limits, recent: RecentChanges, approved: Set<String> = [],
    hash: @escaping @Sendable ([String]) -> String = { "\($0.count)" }
  ) {
    self.limits = limits
    self.recent = recent
    self.approved = approved
    self.hash = hash
  }

  /// A limit that a plan goes beyond.
  package struct Excess: Sendable, Hashable {
    package let consequence: Consequence
    /// The group, where each group counts by itself.
    package let group: String?
    package let planned: Int
    package let recent: Int
    package let allowed: Int
    /// The people concerned, by directory id.
    package let people: [String]

    /// "412 deactivations planned, 50 allowed in 24 hours".
    package var text: String {
      let what =
        group.map { "removals from group \($0)" }
        ?? consequence.rawValue.split(separator: "-").joined(separator: " ")
      let before = recent > 0 ? ", \(recent) made in the last 24 hours" : ""
      return "\(planned) \(what) planned\(before); \(allowed) are allowed in 24 hours"
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
      let excesses = self.excesses(of: plan, totals: world.site.totals)
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
  package func check(_ plan: Plan, totals: Site.Totals) -> Verdict {
    let excesses = self.excesses(of: plan, totals: totals)
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
    for index in countable(plan) {
      let change = plan.change(at: index)
      if change.isGiverOnly { continue }
      if !exempt.isEmpty, exempt.contains(plan.pair(at: index)) { continue }
      counts[CountedChange(change), default: 0] += 1
      if isOfMoved(change, in: plan) { moved.insert(change.subject) }
    }
    if !moved.isEmpty {
      counts[CountedChange(kind: .deactivateAccount, group: CountedChange.movedOut)] = moved.count
    }
    return ApprovedPlan(plan, counts: counts, seal: GuardSeal())
  }

  /// The numbers of the changes that have consequences. Of the millions of a first sync none has.
  private func countable(_ plan: Plan) -> [Int] {
    if plan.summary.keys.allSatisfy({ Consequence.of($0).isEmpty }) { return [] }
    return plan.rows.indices.filter { !Consequence.of(plan.kind(at: $0)).isEmpty }
  }

  private func isOfMoved(_ change: Change, in plan: Plan) -> Bool {
    if plan.memory.movedOut.isEmpty { return false }
    return plan.subjects.person(change.subject).map { plan.memory.movedOut[$0] != nil } ?? false
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
    let group: String?
  }

  private func excesses(of plan: Plan, totals: Site.Totals) -> [Excess] {
    var subjects: [Key: [Int]] = [:]
    var names: [String: String] = [:]
    var moved: Set<Int> = []
    for index in countable(plan) {
      let change = plan.change(at: index)
      if change.isGiverOnly { continue }
      if !approved.isEmpty, approved.contains(plan.pair(at: index)) { continue }
      if isOfMoved(change, in: plan) { moved.insert(change.subject) }
      for consequence in Consequence.of(change.kind) {
        var group: String?
        if consequence == .removalsPerGroup, case .text(let name) = change.before {
          group = Right.key(.group, name)
          names[group ?? ""] = name
        }
        subjects[Key(consequence: consequence, group: group), default: []].append(change.subject)
      }
    }
    if !moved.isEmpty { subjects[Key(consequence: .movedOut, group: nil)] = moved.sorted() }
    return subjects.compactMap { key, all -> Excess? in
      guard let limit = limits.limits[key.consequence] else { return nil }
      let recent = self.recent(key)
      let allowed = allowed(limit, of: total(key, totals) + recent)
      guard recent + all.count > allowed else { return nil }
      return Excess(
        consequence: key.consequence, group: key.group.flatMap { names[$0] }, planned: all.count,
        recent: recent, allowed: allowed,
        people: Set(all.compactMap { plan.subjects.person($0) }).sorted())
    }.sorted {
      ($0.consequence.rawValue, $0.group ?? "") < ($1.consequence.rawValue, $1.group ?? "")
    }
  }

  /// Percent of the total or the number, whichever is reached first; a few always pass.
  private func allowed(_ limit: Limits.Limit, of total: Int) -> Int {
    max(limits.freeBelow, min(limit.max, Int(Double(total) * limit.percent / 100)))
  }

  private func recent(_ key: Key) -> Int {
    if let group = key.group { return recent.leftGroups[group] ?? 0 }
    if key.consequence == .movedOut { return recent.movedOut }
    return recent.byKind.filter { Consequence.of($0.key).contains(key.consequence) }.values
      .reduce(0, +)
  }

  private func total(_ key: Key, _ totals: Site.Totals) -> Int {
    switch key.consequence {
    case .deactivations, .portalOnlyMarks, .conversions, .emailChanges, .movedOut:
      totals.activeAccounts
    case .licensesRevoked: totals.licenses
    case .groupRemovals: totals.groupMemberships
    case .removalsPerGroup: key.group.flatMap { totals.membersOfGroup[$0] } ?? 0
    }
  }
}

extension CountedChange {
  init(_ change: Change) {
    var group: String?
    if change.kind == .leaveGroup, case .text(let name) = change.before {
      group = Right.key(.group, name)
    }
    self.init(kind: change.kind, group: group)
  }
}

extension Doubt {
  static func overLimit(_ excess: Guard.Excess) -> Doubt {
    Doubt(
      "held by the limit \(excess.consequence.rawValue): \(excess.text)",
      remedy: "look at the directory and the mapping before approving it")
  }
}
