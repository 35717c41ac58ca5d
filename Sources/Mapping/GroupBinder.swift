import Diagnostics
import DirectoryModel

/// Finds the directory groups that rules name. A name that no group bears, or that two bear, is a
/// fault (R22).
struct GroupBinder {
  let groups: DirectoryGroups
  let now: Int64
  var findings: Findings
  private(set) var tests: [CompiledFilter.GroupTest: Set<Int32>] = [:]

  init(groups: DirectoryGroups, now: Int64, findings: Findings) {
    self.groups = groups
    self.now = now
    self.findings = findings
  }

  mutating func bind(
    _ rule: Rule, number: Int, slots: AttributeSlots
  ) throws(FilterFault) -> PersonEvaluator.BoundRule {
    var when: CompiledFilter?
    if case .filter(let filter) = rule.when {
      let compiled = try CompiledFilter(
        filter.value, slots: slots, membership: true, now: now)
      resolve(compiled.groupTests, at: filter.position)
      when = compiled
    }
    var each: CompiledFilter?
    if case .filter(let filter) = rule.eachGroup {
      each = try CompiledFilter(
        filter, slots: groups.entries.slots, membership: false, now: now)
    }
    let members = rule.memberOf.flatMap { find($0.value, at: $0.position) }
    let readsPerson = rule.groups.contains {
      !$0.attributes(scope: rule.eachGroup == nil ? nil : "person").isEmpty
    }
    return PersonEvaluator.BoundRule(
      number: number, rule: rule, when: when, memberOf: Set(members), each: each,
      readsPerson: readsPerson)
  }

  mutating func resolve(_ wanted: [CompiledFilter.GroupTest], at position: SourcePosition) {
    for test in wanted where tests[test] == nil {
      switch test {
      case .any: break
      case .named(let name): tests[test] = Set(find(name, at: position))
      case .matching(let initial, let any, let final):
        tests[test] = Set(
          (0..<groups.count).filter { group in
            groups.names(of: group).contains { CompiledFilter.contains($0, initial, any, final) }
          }.map(Int32.init))
      }
    }
  }

  private mutating func find(_ name: String, at position: SourcePosition) -> [Int32] {
    let found = groups.groups(named: name)
    if found.isEmpty {
      let known = (0..<groups.count).flatMap { group in
        groups.names(of: group).map { String(decoding: $0, as: UTF8.self) }
      }
      findings.error(
        "the directory has no group `\(name)` among those that search.groups selects", at: position,
        hint: nearest(name.lowercased(), among: known).map { "did you mean `\($0)`?" })
    } else if found.count > 1 {
      findings.error(
        "two directory groups bear the name `\(name)`: \(found.map { groups.dn(of: $0) }.sorted().joined(separator: " and "))",
        at: position, hint: "name the group by its DN")
    }
    return found.map(Int32.init)
  }
}
