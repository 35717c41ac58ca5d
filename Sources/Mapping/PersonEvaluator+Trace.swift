import DirectoryModel
import SiteModel

/// The same answers as `evaluate`, with the reason for each.
extension PersonEvaluator {
  package mutating func trace(
    _ entry: Int, of batch: EntryBatch, groups set: GroupSet
  ) -> [Explanation.RuleTrace] {
    let paths = GroupPaths(from: set.direct, in: groups)
    return rules.map { bound in
      var conditions = conditions(of: bound, entry, batch, set, paths)
      if bound.isBroken {
        conditions.append(Condition("its directory group is there", false, "gone, see R22"))
      }
      let matches = conditions.allSatisfy(\.holds)
      return Explanation.RuleTrace(
        rule: bound.rule.reference, matches: matches, conditions: conditions.map(\.text),
        effects: matches ? effects(of: bound, entry, batch, set) : [])
    }
  }

  private struct Condition {
    let holds: Bool
    let text: String
    init(_ what: String, _ holds: Bool, _ because: String = "") {
      self.holds = holds
      text = "\(what): \(holds ? "yes" : "no")\(because.isEmpty ? "" : " (\(because))")"
    }
  }

  private mutating func conditions(
    of bound: BoundRule, _ entry: Int, _ batch: EntryBatch, _ set: GroupSet, _ paths: GroupPaths
  ) -> [Condition] {
    var conditions: [Condition] = []
    if !bound.rule.memberOf.isEmpty {
      let wanted = bound.rule.memberOf.map(\.value).joined(separator: " or ")
      let path = set.members.first { bound.memberOf[Int($0)] }.map {
        names(on: paths.path(to: $0), to: $0)
      }
      let via = path.map { $0.count > 1 ? "via \($0.joined(separator: " → "))" : "" } ?? ""
      conditions.append(Condition("member-of \(wanted)", path != nil, via))
    }
    switch bound.rule.when {
    case .everyone: conditions.append(Condition("when everyone", true))
    case .filter(let filter):
      let holds = bound.when.map { matches($0, entry, batch, set) } ?? true
      conditions.append(
        Condition("when \(filter.value.text)", holds, values(of: filter.value, entry, batch)))
    case nil: break
    }
    if !bound.rule.under.isEmpty {
      let places = bound.rule.under.map { String(decoding: $0.normalised, as: UTF8.self) }
      conditions.append(
        Condition(
          "under \(places.joined(separator: " or "))", isUnder(bound.rule.under, entry, batch)))
    }
    if bound.rule.eachGroup != nil {
      let chosen = Set(choices(bound, set).map(\.group)).sorted().map { groupName(Int32($0)) }
      conditions.append(
        Condition("each-group", !chosen.isEmpty, chosen.joined(separator: ", ")))
      if chosen.isEmpty || !bound.rule.groups.isEmpty,
        let group = set.members.first(where: {
          undecidedChoices[bound.number]?.contains($0) == true
        })
      {
        conditions.append(
          Condition("its pattern can be matched with \(groupName(group))", false, "too much work"))
      }
    }
    return conditions
  }

  private func values(of filter: Filter, _ entry: Int, _ batch: EntryBatch) -> String {
    var seen: Set<String> = []
    return filter.attributes.filter { seen.insert($0.lowercased()).inserted }.compactMap { name in
      guard name.lowercased() != "memberof", let slot = slots.slot(of: name) else { return nil }
      let values = batch.texts(of: entry, slot: slot)
      return values.isEmpty ? "no \(name)" : "\(name) is \(values.joined(separator: ", "))"
    }.joined(separator: "; ")
  }

  private mutating func effects(
    of bound: BoundRule, _ entry: Int, _ batch: EntryBatch, _ set: GroupSet
  ) -> [String] {
    var effects = rights(of: bound, entry, batch, set).map { "\($0.kind.rawValue) \($0.name)" }
    if bound.rule.portalOnly { effects.append("portal-only") }
    return effects + bound.rule.deny.map { "takes away \($0.kind.rawValue) \($0.name)" }
  }

  /// The person's directory groups, each with the way that leads to it.
  package func paths(of set: GroupSet) -> [Explanation.GroupPath] {
    let paths = GroupPaths(from: set.direct, in: groups)
    return set.members.map { group in
      let names = names(on: paths.path(to: group), to: group)
      return Explanation.GroupPath(name: groupName(group), via: names.dropLast())
    }
  }

  /// The names from a direct group up to the group itself; of a long way both ends.
  private func names(on path: GroupPaths.Path?, to group: Int32) -> [String] {
    guard let path else { return [groupName(group)] }
    let between = path.leftOut > 0 ? ["… \(path.leftOut) more"] : []
    return path.first.map(groupName) + between + path.last.map(groupName)
  }

  private func groupName(_ group: Int32) -> String {
    let entries = groups.entries
    let name = entries.slots.slot(of: "cn").flatMap {
      entries.texts(of: Int(group), slot: $0).min(by: bytewise)
    }
    return name ?? groups.dn(of: Int(group))
  }
}
