import SiteModel

/// What several directories say of one person makes one entitlement: the union of what their rules give, less what any
/// of them takes away. Email, name and username are the first directory's that has them.
package struct Joining {
  package struct Directory {
    package let name: String
    package let conflicts: ConflictPolicy
    /// The number of its first rule in `World.rules`.
    package let firstRule: Int

    package init(name: String, conflicts: ConflictPolicy, firstRule: Int) {
      self.name = name
      self.conflicts = conflicts
      self.firstRule = firstRule
    }
  }

  private let directories: [Directory]
  private let rules: [RuleReference]
  /// Whether an account is linked by a directory id.
  private let isLinked: (String) -> Bool

  /// - Parameters:
  ///   - directories: by number.
  ///   - rules: of all directories.
  package init(
    directories: [Directory], rules: [RuleReference], isLinked: @escaping (String) -> Bool
  ) {
    self.directories = directories
    self.rules = rules
    self.isLinked = isLinked
  }

  /// Joins entries of different directories that have one value of `account.match`.
  ///
  /// - Parameter entitlements: as each directory's mapping makes them, with its own numbers of rules. An id appears
  ///   once.
  package func join(_ entitlements: [Entitlement]) -> [Entitlement] {
    var joined: [Entitlement] = []
    var groups: [String: [Entitlement]] = [:]
    for own in entitlements {
      let entitlement = renumbered(own)
      if let match = entitlement.match, entitlement.hasID {
        groups[emailKey(match), default: []].append(entitlement)
      } else {
        joined.append(entitlement)
      }
    }
    for (_, group) in groups.sorted(by: { $0.key < $1.key }) {
      joined += group.count == 1 ? group : self.joined(group)
    }
    return joined
  }

  private func renumbered(_ entitlement: Entitlement) -> Entitlement {
    let first = directories[Int(entitlement.directory)].firstRule
    guard first > 0, case .account(let portalOnly, let grants) = entitlement.outcome else {
      return entitlement
    }
    return entitlement.with(
      .account(
        portalOnly: portalOnly.map { $0 + first },
        grants: grants.map { Grant($0.right, rule: $0.rule + first) }))
  }

  /// - Parameter group: entries with one value of `account.match`.
  private func joined(_ group: [Entitlement]) -> [Entitlement] {
    var one: [Entitlement] = []
    var rest: [Entitlement] = []
    var isAmbiguous = false
    for number in directories.indices {
      var own = group.filter { Int($0.directory) == number }.sorted { $0.person < $1.person }
      if own.count > 1 {
        // Of an entry that is disabled and its successor, the successor counts.
        rest += own.filter { !$0.isActive }
        own.removeAll { !$0.isActive }
      }
      isAmbiguous = isAmbiguous || own.count > 1
      one += own
    }
    if isAmbiguous { return rest + one.map { doubted($0, among: one) } }
    let linked = one.filter { isLinked($0.person) }
    if linked.count > 1 {
      return rest
        + one.map { entry in
          let other = linked.first { $0.person != entry.person } ?? linked[0]
          return entry.with(Doubt.severalLinked(entry.person, other: other.person))
        }
    }
    return one.count < 2 ? rest + one : rest + [union(one)]
  }

  private func doubted(_ entitlement: Entitlement, among group: [Entitlement]) -> Entitlement {
    let twins = Dictionary(grouping: group, by: \.directory).filter { $0.value.count > 1 }
    guard let directory = twins.keys.min() else { return entitlement }
    let others = twins[directory, default: []].map(\.person).filter { $0 != entitlement.person }
    return entitlement.with(
      Doubt.sharedMatch(
        entitlement.match ?? "", directory: directories[Int(directory)].name, others: others))
  }

  /// - Parameter entries: of one person, in the order of the directories, at least two.
  private func union(_ entries: [Entitlement]) -> Entitlement {
    let active = entries.filter(\.isActive)
    // What is disabled in one directory and not in another counts in the other alone.
    let counted = active.isEmpty ? entries : active
    let primary = entries.first { isLinked($0.person) } ?? counted[0]
    let (outcome, conflicts) = outcome(counted)
    return Entitlement(
      person: primary.person, directory: primary.directory,
      emails: counted.first { !$0.emails.isEmpty }?.emails ?? .none,
      names: counted.first { !$0.names.isEmpty }?.names ?? .none,
      username: counted.lazy.compactMap(\.username).first, match: primary.match,
      isActive: !active.isEmpty, outcome: outcome, isByRule: counted.contains(where: \.isByRule),
      doubts: counted.flatMap(\.doubts) + conflicts, fingerprint: primary.fingerprint,
      nextChange: primary.nextChange,
      others: entries.filter { $0.person != primary.person }
        .map(Entitlement.JoinedEntry.init))
  }

  private func outcome(_ entries: [Entitlement]) -> (Entitlement.Outcome, [Doubt]) {
    let decided = entries.filter(\.isByRule)
    guard !decided.isEmpty else {
      let all = entries.map(\.outcome)
      let account = all.first { if case .account = $0 { true } else { false } }
      return (account ?? (all.contains(.nothing) ? .nothing : .leaver), [])
    }
    let denied = entries.reduce(into: Set<Right>()) { $0.formUnion($1.denied) }
    var portalOnly: Int?
    var grants: [Grant] = []
    var seen = denied
    for case .account(let rule, let own) in decided.map(\.outcome) {
      portalOnly = portalOnly ?? rule
      for grant in own where seen.insert(grant.right).inserted { grants.append(grant) }
    }
    let policies = Set(decided.map { directories[Int($0.directory)].conflicts })
    let policy = policies.count == 1 ? policies.first ?? .hold : .hold
    // A conflict within one directory is its own mapping's, and told already.
    let isTold = decided.contains { !$0.doubts.isEmpty }
    let (outcome, doubts) = policy.resolve(portalOnly, grants, rules)
    return (outcome, isTold ? [] : doubts)
  }
}
