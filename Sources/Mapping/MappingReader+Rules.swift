import Diagnostics
import DirectoryModel
import SiteModel

extension MappingReader {
  private static let conditions = ["member-of", "when", "under", "each-group"]
  private static let effects = ["licenses", "groups", "portal-only", "deny"]

  /// - Parameter hasGroups: whether the mapping searches for directory groups.
  mutating func rules(_ node: YAMLNode, hasGroups: Bool) -> [Rule] {
    guard case .list(let items, _) = node.value else {
      if !node.isEmpty {
        findings.error(
          "`rules` must be a list", at: node.position, hint: "begin each rule with `- name: …`")
      }
      return []
    }
    var lines: [String: Int] = [:]
    return items.compactMap { item in
      guard let rule = rule(item, hasGroups: hasGroups) else { return nil }
      if let line = lines.updateValue(rule.reference.line, forKey: rule.reference.name.trimmed) {
        findings.error(
          "a second rule with the name `\(rule.reference.name)` (the first is in line \(line))",
          at: item.position, hint: "names appear in plans; give each rule its own")
      }
      return rule
    }
  }

  private mutating func rule(_ node: YAMLNode, hasGroups: Bool) -> Rule? {
    guard
      let map = MapReader(
        node, what: "a rule", known: ["name"] + Self.conditions + Self.effects, into: &findings)
    else { return nil }
    let name = map.required("name", "plans name the rule behind each change", into: &findings)
      .flatMap { $0.string("`name`", into: &findings) }
    if let node = map["name"], let name { _ = node.refusesName(name, "`name`", into: &findings) }
    requireBoth(map, name)
    for key in ["member-of", "each-group"] where !hasGroups {
      guard let condition = map[key] else { continue }
      findings.error(
        "`\(key)` needs directory groups, and the mapping does not search for any",
        at: condition.position, hint: "add search.groups with base and filter")
    }
    let memberOf = map["member-of"].map { groupNames($0) } ?? []
    let when = map["when"].flatMap { condition($0) }
    let each = map["each-group"].flatMap { eachGroup($0) }
    let granted = map["groups"].map { groupTemplates($0, each: each) } ?? []
    let licenses = map["licenses"].map { self.licenses($0) } ?? []
    let portalOnly = map["portal-only"].map { portalOnlyMark($0) } ?? false
    if portalOnly, !licenses.isEmpty || !granted.isEmpty {
      findings.error(
        "one rule gives portal-only and licenses or groups; a portal-only account has neither",
        at: map["portal-only"]?.position ?? node.position, hint: "make two rules of it")
    }
    guard let name else { return nil }
    return Rule(
      reference: RuleReference(name: name, file: node.position.file, line: node.position.line),
      memberOf: memberOf, when: when, under: names(map["under"], "`under`"), eachGroup: each,
      licenses: licenses, groups: granted, portalOnly: portalOnly,
      deny: map["deny"].map { denied($0) } ?? [])
  }

  /// A rule without any condition, or without effect, is a fault.
  private mutating func requireBoth(_ map: MapReader, _ name: String?) {
    let shown = name.map { "the rule `\($0)`" } ?? "a rule"
    if Self.conditions.allSatisfy({ map[$0] == nil }) {
      findings.error(
        "\(shown) has no condition", at: map.node.position,
        hint: "if it is meant for all people, write `when: everyone`")
    }
    // A condition that names nothing would be met by everybody.
    for key in ["member-of", "under"] where map[key]?.items.isEmpty == true {
      findings.error(
        "`\(key)` of \(shown) is empty", at: map[key]?.position ?? map.node.position,
        hint: "name something, or leave the key out")
    }
    if Self.effects.allSatisfy({ map[$0] == nil || map[$0]?.items.isEmpty == true }) {
      findings.error(
        "\(shown) has no effect", at: map.node.position,
        hint: "say what it gives: \(Self.effects.joined(separator: ", "))")
    }
  }

  private mutating func groupNames(_ node: YAMLNode) -> [Located<String>] {
    if isCutName(node, "`member-of`") { return [] }
    return node.items.compactMap { item in
      item.string("`member-of`", into: &findings).map {
        Located(value: $0, position: item.position)
      }
    }
  }

  private mutating func condition(_ node: YAMLNode) -> Rule.Condition? {
    if node.text == "everyone" { return .everyone }
    return filter(node, "`when`").map { .filter($0) }
  }

  private mutating func eachGroup(_ node: YAMLNode) -> Rule.EachGroup? {
    guard case .map(let pairs, _) = node.value else {
      guard let filter = filter(node, "`each-group`") else { return nil }
      if filter.value.namesMemberOf {
        findings.error(
          "`each-group` filters the attributes of directory groups; memberOf is not among them",
          at: node.position)
        return nil
      }
      guard !refuseMoment(filter.value, "`each-group`", at: node) else { return nil }
      return .filter(filter.value)
    }
    guard pairs.count == 1, let pair = pairs.first,
      let name = attribute(pair.key, "`each-group`")
    else {
      findings.error(
        "`each-group` takes a filter, or one attribute with a pattern", at: node.position,
        hint: "for example { cn: \"^APP-(.+)$\" }")
      return nil
    }
    return pattern(pair.value, "`each-group`").map { .pattern(attribute: name, $0) }
  }

  private mutating func groupTemplates(_ node: YAMLNode, each: Rule.EachGroup?) -> [Template] {
    node.items.compactMap { item in
      guard let text = item.string("`groups`", into: &findings),
        !item.refusesName(text, "`groups`", into: &findings)
      else { return nil }
      if text.trimmed.isEmpty {
        findings.error("a group needs a name", at: item.position)
        return nil
      }
      let scopes: Set<String?> = each == nil ? [nil] : [nil, "person"]
      guard let template = template(item, text, scopes: scopes) else { return nil }
      var caught = 0
      if case .pattern(_, let pattern) = each { caught = pattern.catchCount }
      if template.highestCatch > caught {
        findings.error(
          "`{\(template.highestCatch)}` is used, but the pattern catches \(caught)",
          at: item.position, hint: "a pattern catches what stands in ( )")
      }
      return template
    }
  }

  private mutating func licenses(_ node: YAMLNode) -> [Right] {
    node.items.compactMap { item in
      guard let name = item.name("`licenses`", into: &findings) else { return nil }
      if catalogue.contains(name) { return Right(.license, name) }
      findings.error(
        "unknown license `\(name)`", at: item.position,
        hint: nearest(name, among: catalogue.sorted()).map { "did you mean `\($0)`?" }
          ?? "known licenses: \(catalogue.sorted().joined(separator: ", "))")
      return nil
    }
  }

  private mutating func portalOnlyMark(_ node: YAMLNode) -> Bool {
    guard let value = node.bool("`portal-only`", into: &findings) else { return false }
    if !value {
      findings.error(
        "`portal-only: false` has no effect", at: node.position, hint: "leave the key out")
    }
    return value
  }

  private mutating func denied(_ node: YAMLNode) -> [Right] {
    node.names("`deny`", into: &findings).map {
      Right(catalogue.contains($0) ? .license : .group, $0)
    }
  }

  // MARK: Doubtful rules

  /// Warns of rules that certainly never match or add nothing.
  mutating func warnAboutRules(_ rules: [Rule], searches: [CompiledMapping.PersonSearch]) {
    let bases = searches.flatMap(\.users.bases).compactMap { DistinguishedName($0) }
    for rule in rules {
      let position = SourcePosition(
        file: rule.reference.file, line: rule.reference.line, column: 1)
      if !rule.under.isEmpty, !bases.isEmpty,
        rule.under.allSatisfy({ name in
          bases.allSatisfy { !name.isWithin($0) && !$0.isWithin(name) }
        })
      {
        findings.warning(
          "the rule `\(rule.reference.name)` can never match: its `under` lies outside of search.users",
          at: position)
      }
    }
    for (number, other) in RedundantRules(rules).found {
      let rule = rules[number].reference
      findings.warning(
        "the rule `\(rule.name)` adds nothing beyond `\(rules[other].reference.name)`",
        at: SourcePosition(file: rule.file, line: rule.line, column: 1), hint: "remove one of them")
    }
  }

  // MARK: Tests

  mutating func tests(_ node: YAMLNode) -> [MappingTest] {
    guard case .list(let items, _) = node.value else {
      findings.error("`tests` must be a list", at: node.position)
      return []
    }
    return items.compactMap { test($0) }
  }

  private mutating func test(_ node: YAMLNode) -> MappingTest? {
    guard
      let map = MapReader(node, what: "a test", known: ["person", "expect"], into: &findings),
      let person = map.required("person", "the attributes of somebody", into: &findings),
      let expect = map.required("expect", "what they should have", into: &findings),
      let pairs = person.pairs("`person`", into: &findings),
      let expected = MapReader(
        expect, what: "`expect`", known: ["licenses", "groups", "portal-only"], into: &findings)
    else { return nil }
    var attributes: [(name: String, values: [String])] = []
    var groups: [String] = []
    for pair in pairs {
      guard let name = attribute(pair.key, "an attribute") else { continue }
      let values = pair.value.strings("`\(name)`", into: &findings)
      if name.lowercased() == "memberof" {
        groups += values
      } else {
        attributes.append((name, values))
      }
    }
    return MappingTest(
      position: node.position, attributes: attributes, groups: groups,
      licenses: expected["licenses"].map { Set($0.names("`licenses`", into: &findings)) },
      siteGroups: expected["groups"].map { Set($0.names("`groups`", into: &findings)) },
      portalOnly: expected["portal-only"].flatMap { $0.bool("`portal-only`", into: &findings) })
  }
}
