import Diagnostics
import DirectoryModel
import SiteModel

/// The mapping's own tests: people in words, run through the same evaluation as people of a directory.
extension CompiledMapping {
  package struct TestFailure: Sendable {
    package let position: SourcePosition
    package let message: String
  }

  /// What running tests brought: who failed, and how often each rule matched.
  package struct TestReport: Sendable {
    package let failures: [TestFailure]
    /// By the rule's number.
    package let matches: [Int]
  }

  /// Runs tests. The directory groups that rules and tests name all exist.
  /// - Parameter now: seconds since 1970, for conditions on moments.
  package func run(_ tests: [MappingTest], now: Int64) -> TestReport {
    var failures: [TestFailure] = []
    var matches = [Int](repeating: 0, count: rules.count)
    for test in tests {
      let (message, matched) = run(test, now: now)
      for rule in matched { matches[rule] += 1 }
      if let message { failures.append(TestFailure(position: test.position, message: message)) }
    }
    return TestReport(failures: failures, matches: matches)
  }

  private func run(_ test: MappingTest, now: Int64) -> (failure: String?, matched: [Int]) {
    let hash = ByteHash(seed: 0)
    let slots = personSlots
    let groupSlots = groupSearch()?.slots ?? AttributeSlots(["cn"])
    var groups = DirectoryGroups(slots: groupSlots, id: nil, nested: false, hash: hash)
    var directory = EntryBatch(slots: groupSlots)
    // A group may be named by DN in one place and by cn in another.
    let all = groupNames.union(test.groups)
    let byName = Set(all.filter { $0.contains("=") }.map(Self.cn(of:)))
    for name in all.sorted() where name.contains("=") || !byName.contains(name) {
      directory.beginEntry(dn: name.contains("=") ? name : "cn=\(name)")
      let cn = Self.cn(of: name)
      directory.appendAttribute("cn", values: [Array(cn.utf8)])
      if test.groups.contains(name) || test.groups.contains(cn) {
        directory.appendAttribute("member", values: [Array("cn=somebody".utf8)])
      }
    }
    groups.add(directory)
    groups.close()
    var findings = Findings()
    guard
      var evaluator = PersonEvaluator(
        mapping: self, slots: slots, groups: groups, now: now, into: &findings)
    else { return (findings.all.first?.message ?? "the mapping cannot be evaluated", []) }
    var person = EntryBatch(slots: slots)
    person.beginEntry(dn: "cn=somebody")
    for attribute in test.attributes {
      person.appendAttribute(attribute.name, values: attribute.values.map { Array($0.utf8) })
    }
    let set = evaluator.groups(of: 0, in: person)
    let entitlement = evaluator.evaluate(
      0, of: person, groups: set, id: "somebody", fingerprint: 0)
    return (difference(entitlement, test), evaluator.matched(0, of: person, groups: set))
  }

  /// The name in a group's DN, or the name itself.
  private static func cn(of name: String) -> String {
    guard name.contains("=") else { return name }
    return String(name.prefix { $0 != "," }.drop { $0 != "=" }.dropFirst())
  }

  private func difference(_ entitlement: Entitlement, _ test: MappingTest) -> String? {
    var grants: [Right] = []
    var isMarked = false
    if case .account(let portalOnly, let given) = entitlement.outcome {
      isMarked = portalOnly != nil
      grants = given.map(\.right)
    }
    func names(_ kind: Right.Kind) -> Set<String> {
      Set(grants.filter { $0.kind == kind }.map(\.name))
    }
    func list(_ names: Set<String>) -> String {
      names.isEmpty ? "none" : names.sorted().joined(separator: ", ")
    }
    var wrong = entitlement.doubts.map(\.reason)
    if let expected = test.licenses, expected != names(.license) {
      wrong.append("licenses are \(list(names(.license))), not \(list(expected))")
    }
    if let expected = test.siteGroups, expected != names(.group) {
      wrong.append("groups are \(list(names(.group))), not \(list(expected))")
    }
    if let expected = test.portalOnly, expected != isMarked {
      wrong.append("portal-only is \(isMarked), not \(expected)")
    }
    return wrong.isEmpty ? nil : wrong.joined(separator: "; ")
  }

  /// Every directory group that the mapping names.
  private var groupNames: Set<String> {
    var names = Set(rules.flatMap { $0.memberOf.map(\.value) })
    let filters = rules.compactMap { rule -> Filter? in
      if case .filter(let filter) = rule.when { filter.value } else { nil }
    }
    let selections = searches.flatMap {
      [$0.account.active, $0.users.exclude, $0.users.filter.evaluatedHere].compactMap(\.self)
    }
    for filter in filters + selections {
      names.formUnion(filter.groupNames)
    }
    return names
  }
}

extension Filter {
  fileprivate var groupNames: [String] {
    switch self {
    case .and(let parts), .or(let parts): parts.flatMap(\.groupNames)
    case .not(let part): part.groupNames
    case .equal(let name, let value) where name.lowercased() == "memberof":
      [String(decoding: value, as: UTF8.self)]
    default: []
    }
  }
}
