import Diagnostics
import DirectoryModel

/// Finds the directory groups that rules name. A group is remembered by its immutable id (R22): renamed, it is still
/// found; gone, its rules match nobody through it, and say so. A name that no group ever bore, or that two
/// bear, is a fault.
struct GroupBinder {
  let groups: DirectoryGroups
  let now: Int64
  /// Ids of groups by the name that a rule gives them, from the last sync.
  let remembered: [String: String]
  var findings: Findings
  private(set) var tests: [CompiledFilter.GroupTest: Set<Int32>] = [:]
  private(set) var binding = GroupBinding()
  /// How many more missing groups get a hint: each is compared with the names of all directory groups.
  private var hintsLeft = 20

  init(
    groups: DirectoryGroups, now: Int64, remembered: [String: String], findings: Findings
  ) {
    self.groups = groups
    self.now = now
    self.remembered = remembered
    self.findings = findings
  }

  mutating func bind(
    _ rule: Rule, number: Int, slots: AttributeSlots
  ) throws(FilterFault) -> PersonEvaluator.BoundRule {
    var when: CompiledFilter?
    var isBroken = false
    if case .filter(let filter) = rule.when {
      let compiled = try CompiledFilter(
        filter.value, slots: slots, membership: true, now: now)
      isBroken = resolve(compiled.groupTests, at: filter.position, of: rule)
      when = compiled
    }
    var each: CompiledFilter?
    if case .filter(let filter) = rule.eachGroup {
      each = try CompiledFilter(
        filter, slots: groups.entries.slots, membership: false, now: now)
    }
    let members = rule.memberOf.flatMap { find($0.value, at: $0.position, of: rule) ?? [] }
    var isMeant = [Bool](repeating: false, count: rule.memberOf.isEmpty ? 0 : groups.count)
    for group in members { isMeant[Int(group)] = true }
    let readsPerson = rule.groups.contains {
      !$0.attributes(scope: rule.eachGroup == nil ? nil : "person").isEmpty
    }
    return PersonEvaluator.BoundRule(
      number: number, rule: rule, when: when, memberOf: isMeant, each: each,
      readsPerson: readsPerson, isBroken: isBroken)
  }

  /// - Parameter rule: the rule whose filter it is; nil where a missing group is a fault in any case.
  /// - Returns: whether a group is gone, so that the filter cannot be answered.
  @discardableResult
  mutating func resolve(
    _ wanted: [CompiledFilter.GroupTest], at position: SourcePosition, of rule: Rule? = nil
  ) -> Bool {
    var isBroken = false
    for test in wanted {
      switch test {
      case .any: break
      case .named(let name):
        if let found = find(name, at: position, of: rule) {
          tests[test] = Set(found)
        } else {
          isBroken = true
        }
      case .matching(let initial, let any, let final):
        tests[test] = Set(
          (0..<groups.count).filter { group in
            groups.names(of: group).contains {
              $0.withUnsafeBufferPointer { CompiledFilter.contains($0, initial, any, final) }
            }
          }.map(Int32.init))
      }
    }
    return isBroken
  }

  /// The group that a rule names; nil when it is gone.
  private mutating func find(
    _ name: String, at position: SourcePosition, of rule: Rule?
  ) -> [Int32]? {
    let found = groups.groups(named: name)
    if found.count > 1 {
      findings.error(
        "two directory groups bear the name `\(name)`: \(found.map { groups.dn(of: $0) }.sorted().joined(separator: " and "))",
        at: position, hint: "name the group by its DN")
      return []
    }
    guard let id = remembered[name] else {
      guard let group = found.first else {
        return missing(name, at: position)
      }
      return bind(name, to: group, id: groups.id(of: group), rule)
    }
    guard let group = groups.group(withID: id, likely: found) else {
      guard let rule else { return missing(name, at: position) }
      let other = found.first.map { groups.dn(of: $0) }
      binding.lose(name, id: id, successor: found.first.map { groups.id(of: $0) }, dn: other, rule)
      return nil
    }
    if found.first != group {
      let now = groups.dn(of: group)
      let another = found.isEmpty ? "" : "; another group bears the old name now"
      binding.warnings.insert(
        "the directory group `\(name)` was renamed to \(now)\(another): rules still mean it by its id; write its new name (\(position.text))"
      )
    }
    return bind(name, to: group, id: id, rule)
  }

  /// - Returns: nil where another group has the same id, so that nobody can tell which one is meant.
  private mutating func bind(
    _ name: String, to group: Int, id: String, _ rule: Rule?
  ) -> [Int32]? {
    binding.ids[name] = id
    if let rule {
      if groups.isShared(id) {
        binding.doubt(name, id: id, rule)
        return nil
      }
      binding.uses.append(
        GroupBinding.Use(rule: rule.reference.name, name: name, id: id, group: group))
    }
    return [Int32(group)]
  }

  private mutating func missing(_ name: String, at position: SourcePosition) -> [Int32] {
    var known: [String] = []
    if hintsLeft > 0 {
      hintsLeft -= 1
      known = (0..<groups.count).flatMap { group in
        groups.names(of: group).map { String(decoding: $0, as: UTF8.self) }
      }
    }
    findings.error(
      "the directory has no group `\(name)` among those that search.groups selects", at: position,
      hint: nearest(name.lowercased(), among: known).map { "did you mean `\($0)`?" })
    return []
  }
}

/// Which directory groups the rules of a mapping mean.
package struct GroupBinding: Sendable, Hashable {
  /// A group that was there at the last sync, and is not any more.
  package struct Loss: Sendable, Hashable {
    package let name: String
    package let id: String
    /// The id and DN of another group that bears the name now.
    package let successor: String?
    package let successorDN: String?
  }

  /// A rule means a group.
  package struct Use: Sendable, Hashable {
    package let rule: String
    /// As the rule writes it.
    package let name: String
    package let id: String
    /// The group's number.
    package let group: Int
  }

  package internal(set) var uses: [Use] = []
  /// Ids by the name that a rule gives them; of lost groups the old ones.
  package internal(set) var ids: [String: String] = [:]
  package private(set) var lost: Set<Loss> = []
  /// The rules that mean a lost group, by name, with the group.
  package private(set) var brokenRules: [String: String] = [:]
  /// What broken rules would take away, if it could be told from whom.
  package private(set) var brokenDenials: Set<String> = []
  package internal(set) var warnings: Set<String> = []

  mutating func lose(_ name: String, id: String, successor: String?, dn: String?, _ rule: Rule) {
    ids[name] = id
    lost.insert(Loss(name: name, id: id, successor: successor, successorDN: dn))
    brokenRules[rule.reference.name] = name
    brokenDenials.formUnion(rule.deny.map { "\($0.kind.rawValue) \($0.key)" })
    let another = dn.map { "; another group, \($0), bears its name now" } ?? ""
    warnings.insert(
      "the directory group `\(name)` of the rule `\(rule.reference.name)` is gone or no longer visible\(another): whoever has something through it is held"
    )
  }

  /// Two groups bear one id: what people have through either stays, and nobody gets anything through it.
  mutating func doubt(_ name: String, id: String, _ rule: Rule) {
    lost.insert(Loss(name: name, id: id, successor: nil, successorDN: nil))
    brokenRules[rule.reference.name] = name
    brokenDenials.formUnion(rule.deny.map { "\($0.kind.rawValue) \($0.key)" })
    warnings.insert(
      "two directory groups bear the id \(id) of `\(name)`, which the rule `\(rule.reference.name)` means: what people have through it is held until each has an id of its own"
    )
  }

  /// The same for the same groups.
  package var text: String {
    ids.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "\n")
      + lost.map { "\n-\($0.name)" }.sorted().joined()
  }
}
