import DirectoryModel
import SiteModel

extension PersonEvaluator {
  /// What the rules that match somebody come to.
  struct Ruling {
    let outcome: Entitlement.Outcome
    var doubts: [Doubt] = []
    var denied: Set<Right> = []
    /// Whether a rule gives anything; otherwise the mapping's `otherwise` decides.
    var isByRule = true
  }

  /// What the matching rules together give.
  mutating func makeRuling(
    _ matched: [Int], _ entry: Int, _ batch: EntryBatch, _ set: GroupSet
  ) -> Ruling {
    var grants: [Grant] = []
    swap(&grants, &lastGrants)
    defer { swap(&grants, &lastGrants) }
    grants.removeAll(keepingCapacity: true)
    var portalOnly: Int?
    var doubts: [Doubt] = []
    beginPerson()
    var isEntitled = false
    for index in matched {
      let bound = rules[index]
      if bound.rule.portalOnly { portalOnly = portalOnly ?? index }
      if bound.rule.givesSomething { isEntitled = true }
      let rights = rights(of: bound, entry, batch, set)
      for right in rights where isFirst(right) { grants.append(Grant(right, rule: index)) }
      if bound.makesGroups,
        rights.contains(where: { $0.kind == .group && NameLimits.isTooLong($0.name) })
      {
        doubts.append(.excessiveGroups(bound.rule.reference))
      }
    }
    let denied = Set(matched.flatMap { rules[$0].rule.deny })
    if !denied.isEmpty { grants.removeAll { denied.contains($0.right) } }
    // Only templates make them.
    let nameless = grants.filter { $0.right.hiddenCharacter != nil }.map {
      Doubt.unusableName($0.right, of: rules[$0.rule].rule.reference)
    }
    if !nameless.isEmpty { grants.removeAll { $0.right.hiddenCharacter != nil } }
    guard isEntitled else {
      return Ruling(outcome: withoutRule, doubts: doubts, denied: denied, isByRule: false)
    }
    // A copy is as large as it has to be.
    let own = grants.withUnsafeBufferPointer { Array($0) }
    let resolved = mapping.conflicts.resolve(portalOnly, own, mapping.references)
    return Ruling(
      outcome: resolved.outcome, doubts: resolved.doubts + nameless + doubts, denied: denied)
  }

  private var withoutRule: Entitlement.Outcome {
    switch mapping.otherwise {
    case .portalOnly: .account(portalOnly: mapping.otherwiseRule, grants: [])
    case .unlicensed: .account(portalOnly: nil, grants: [])
    case .nothing: .nothing
    case .leaver: .leaver
    }
  }

  /// The licenses and groups that one rule gives to one person.
  mutating func rights(
    of bound: BoundRule, _ entry: Int, _ batch: EntryBatch, _ set: GroupSet
  ) -> [Right] {
    let rule = bound.rule
    if rule.groups.isEmpty { return rule.licenses }
    if rule.eachGroup == nil {
      return rule.licenses + ordered(groups(of: bound, nil, entry, batch))
    }
    var given: [Right] = []
    given.reserveCapacity(set.members.count)
    for group in set.members where chooses(bound.number, group) {
      if bound.readsPerson {
        for choice in choices(bound, group) { given += groups(of: bound, choice, entry, batch) }
      } else {
        let known = groupRights[bound.number][Int(group)]
        if let known {
          given += allGroupRights[known]
        } else {
          let own = choices(bound, group).flatMap { groups(of: bound, $0, entry, batch) }
          groupRights[bound.number][Int(group)] =
            allGroupRights.count..<allGroupRights.count + own.count
          allGroupRights += own
          given += own
        }
      }
    }
    return rule.licenses.isEmpty ? ordered(given) : rule.licenses + ordered(given)
  }

  /// In the order of their names, each once.
  private func ordered(_ rights: consuming [Right]) -> [Right] {
    if rights.count < 2 { return rights }
    rights.sort { $0.precedes($1) }
    var count = 1
    for index in 1..<rights.count where rights[index] != rights[count - 1] {
      rights[count] = rights[index]
      count += 1
    }
    rights.removeLast(rights.count - count)
    return rights
  }

  /// The groups that a rule's templates make of one person, or of a person and one of the directory groups.
  private mutating func groups(
    of bound: BoundRule, _ choice: GroupChoice?, _ entry: Int, _ batch: EntryBatch
  ) -> [Right] {
    var names: [String] = []
    func person(_ name: String) -> [String] {
      slots.slot(of: name).map { batch.texts(of: entry, slot: $0) } ?? []
    }
    for template in bound.rule.groups {
      let before = names.count
      let made = template.rendered { scope, name in
        guard let choice, scope == nil else { return person(name) }
        if let number = Int(name) {
          return choice.caught.indices.contains(number) ? [choice.caught[number]] : []
        }
        return groups.entries.slots.slot(of: name).map {
          groups.entries.texts(of: choice.group, slot: $0)
        } ?? []
      }
      names += made.count > NameLimits.namesOfTemplate ? [Self.tooManyNames] : made
      if !template.isLiteral { refuseProtected(&names, from: before, bound.rule) }
    }
    return names.map { NameLimits.cut($0.trimmed) }.filter { !$0.isEmpty }.map { Right(.group, $0) }
  }

  /// What is made of a template that gives too many names: one name that is too long, so that the person is held.
  private static let tooManyNames = String(repeating: "…", count: NameLimits.characters + 1)
}

extension PersonEvaluator {
  /// The rules that match somebody, and those of them without which the person would have something else.
  package mutating func decisions(
    _ entry: Int, of batch: EntryBatch, groups set: GroupSet
  ) -> (matched: [Int], decisive: Set<Int>) {
    let matched = self.matched(entry, of: batch, groups: set)
    var decisive: Set<Int> = []
    var given: Set<Right> = []
    var isMarked = false
    for index in matched {
      let rights = rights(of: rules[index], entry, batch, set)
      if rights.contains(where: { given.insert($0).inserted }) { decisive.insert(index) }
      if rules[index].rule.portalOnly, !isMarked {
        isMarked = true
        decisive.insert(index)
      }
    }
    for index in matched where rules[index].rule.deny.contains(where: given.contains) {
      decisive.insert(index)
    }
    return (matched, decisive)
  }

  /// R22: a template never produces a protected group.
  private mutating func refuseProtected(_ names: inout [String], from start: Int, _ rule: Rule) {
    if protectedGroups.isEmpty { return }
    for index in names.indices[start...].reversed() {
      let name = names[index].trimmed
      guard protectedGroups.contains(Right.key(.group, name)) else { continue }
      names.remove(at: index)
      refused.insert(
        "the rule `\(rule.reference.name)` (\(rule.reference.file):\(rule.reference.line)) would produce the protected group \(name) by a template; nobody gets it"
      )
    }
  }
}

extension Rule {
  /// A rule that only denies entitles nobody.
  var givesSomething: Bool { portalOnly || !licenses.isEmpty || !groups.isEmpty }
}

extension CompiledMapping {
  /// The number of the reference that stands for `otherwise: portal-only`.
  var otherwiseRule: Int { references.count - 2 }
}
