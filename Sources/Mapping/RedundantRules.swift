import SiteModel

/// Finds rules that add nothing beyond another one: those with the same conditions that give no more.
package struct RedundantRules {
  /// Each such rule with the one that gives all of it, by number.
  package private(set) var found: [(rule: Int, other: Int)] = []
  /// How many pairs of rules were compared.
  package private(set) var comparisons = 0

  /// At most so many others are compared with one rule: warnings are for what is certain, and not for all there is.
  private static let mostComparisons = 100

  /// What a rule can share only with rules of which it may be a part.
  private enum Key: Hashable {
    case conditions(String, portalOnly: Bool)
    case gives(String, portalOnly: Bool, Effect)
  }

  private enum Effect: Hashable {
    case license(Right)
    case group(Template)
  }

  package init(_ rules: [Rule]) {
    var sharing: [Key: [Int]] = [:]
    let keys = rules.map { rule in rule.deny.isEmpty ? Self.keys(of: rule) : [] }
    for (number, keys) in keys.enumerated() {
      for key in keys { sharing[key, default: []].append(number) }
    }
    for (number, keys) in keys.enumerated() {
      // Whoever gives all of it gives its rarest effect, too.
      let rarest = keys.min { sharing[$0]?.count ?? 0 < sharing[$1]?.count ?? 0 }
      let others = rarest.flatMap { sharing[$0] } ?? []
      for other in others.prefix(Self.mostComparisons) where other != number {
        comparisons += 1
        guard rules[number].givesNoMore(than: rules[other]),
          other < number || !rules[other].givesNoMore(than: rules[number])
        else { continue }
        found.append((number, other))
        break
      }
    }
  }

  private static func keys(of rule: Rule) -> Set<Key> {
    let conditions = rule.conditionText
    let effects = rule.licenses.map(Effect.license) + rule.groups.map(Effect.group)
    return Set(
      effects.map { .gives(conditions, portalOnly: rule.portalOnly, $0) }
        + [.conditions(conditions, portalOnly: rule.portalOnly)])
  }
}

extension Rule {
  fileprivate func givesNoMore(than other: Rule) -> Bool {
    Set(licenses).isSubset(of: other.licenses) && Set(groups).isSubset(of: other.groups)
  }

  /// The same for the same conditions.
  fileprivate var conditionText: String {
    var parts = memberOf.map { "member-of \($0.value.lowercased())" }.sorted()
    switch when {
    case .everyone: parts.append("everyone")
    case .filter(let filter): parts.append(filter.value.text.lowercased())
    case nil: break
    }
    parts += under.map { "under \(String(decoding: $0.normalised, as: UTF8.self))" }.sorted()
    switch eachGroup {
    case .filter(let filter): parts.append("each \(filter.text.lowercased())")
    case .pattern(let attribute, let pattern): parts.append("each \(attribute) \(pattern.text)")
    case nil: break
    }
    return parts.joined(separator: "\n")
  }
}
