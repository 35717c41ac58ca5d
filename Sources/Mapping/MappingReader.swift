import Diagnostics
import DirectoryModel
import SiteModel

/// Turns a mapping file into a compiled mapping and reports every fault in it at once.
package struct MappingReader {
  /// The licenses that the site's catalogue knows.
  let catalogue: Set<String>
  var findings: Findings
  /// The lists of the mapping by name.
  var lists: [String: [String]] = [:]
  var usedLists: Set<String> = []
  var listFiles: [SourceFile] = []

  private init(catalogue: Set<String>, findings: Findings) {
    self.catalogue = catalogue
    self.findings = findings
  }

  /// - Parameters:
  ///   - load: the text of a file; nil when there is none.
  ///   - catalogue: the licenses that rules may grant.
  /// - Returns: nil when there are errors; `findings` holds them, and warnings in any case.
  package static func read(
    _ path: String, catalogue: Set<String>, load: (String) -> String?,
    into findings: inout Findings
  ) -> CompiledMapping? {
    guard let file = MappingFile.read(path, load: load, into: &findings) else { return nil }
    var reader = MappingReader(catalogue: catalogue, findings: findings)
    let mapping = reader.mapping(file, path: path, load: load)
    findings = reader.findings
    return findings.hasErrors ? nil : mapping
  }

  /// Reads tests from a file of their own: `tests:` alone.
  package static func readTests(
    _ path: String, load: (String) -> String?, into findings: inout Findings
  ) -> [MappingTest] {
    guard let text = load(path) else {
      findings.error(
        "the tests cannot be read", at: SourcePosition(file: path, line: 1, column: 1))
      return []
    }
    guard let root = YAMLDocument.read(text, file: path, into: &findings),
      let map = MapReader(root, what: "a file of tests", known: ["tests"], into: &findings),
      let node = map.required("tests", "a list of tests", into: &findings)
    else { return [] }
    var reader = MappingReader(catalogue: [], findings: findings)
    let tests = reader.tests(node)
    findings = reader.findings
    return tests
  }

  private static let keys = [
    "usher", "extends", "search", "account", "rules", "otherwise", "conflicts", "leavers", "tests",
    "lists",
  ]

  private mutating func mapping(
    _ file: MappingFile, path: String, load: (String) -> String?
  ) -> CompiledMapping? {
    guard
      let map = MapReader(file.root, what: "the mapping", known: Self.keys, into: &findings)
    else { return nil }
    checkVersion(map)
    if let node = map["lists"] { readLists(node, load: load) }
    let search = map.required("search", "where people are found", into: &findings).flatMap {
      MapReader($0, what: "`search`", known: ["users", "groups"], into: &findings)
    }
    let searches = search?.required("users", "the search for people", into: &findings).map {
      personSearches($0, account: map["account"], root: file.root)
    }
    let groups = search?["groups"].flatMap { groupSearch($0) }
    let rules = map["rules"].map { self.rules($0, hasGroups: groups != nil) } ?? []
    let otherwise =
      map["otherwise"].map {
        $0.word("`otherwise`", as: CompiledMapping.Otherwise.self, into: &findings)
      } ?? .nothing
    let conflicts =
      map["conflicts"].map {
        $0.word("`conflicts`", as: ConflictPolicy.self, into: &findings)
      } ?? .hold
    let leavers = map["leavers"].map { self.leavers($0) } ?? .standard
    let tests = map["tests"].map { self.tests($0) } ?? []
    if rules.isEmpty, otherwise == .nothing || otherwise == .leaver, !findings.hasErrors {
      findings.warning(
        "no rule and `otherwise: \(otherwise?.rawValue ?? "nothing")`: nobody will have an account",
        at: file.root.position, hint: "add `rules:`")
    }
    warnAboutRules(rules, searches: searches ?? [])
    warnAboutLists(map["lists"])
    if groups == nil { refuseMemberOf(rules, searches ?? [], at: file.root.position) }
    guard let searches, !searches.isEmpty, let otherwise, let conflicts, let leavers else {
      return nil
    }
    func reference(_ key: String) -> RuleReference {
      let position = map[key]?.position ?? file.root.position
      return RuleReference(name: key, file: position.file, line: position.line)
    }
    return CompiledMapping(
      searches: searches, groups: groups, rules: rules, otherwise: otherwise,
      conflicts: conflicts, leavers: leavers, tests: tests,
      references: rules.map(\.reference) + [reference("otherwise"), reference("leavers")],
      sources: file.sources + listFiles, path: path)
  }

  /// Without a search for groups nobody is in any, and `(!(memberOf=…))` would be true of everybody.
  private mutating func refuseMemberOf(
    _ rules: [Rule], _ searches: [CompiledMapping.PersonSearch], at start: SourcePosition
  ) {
    var filters: [(Filter?, SourcePosition)] = searches.flatMap {
      [($0.users.filter, start), ($0.users.exclude, start), ($0.account.active, start)]
    }
    for rule in rules {
      if case .filter(let filter) = rule.when { filters.append((filter.value, filter.position)) }
    }
    for (filter, position) in filters
    where filter?.namesMemberOf == true {
      findings.error(
        "a filter names memberOf, and the mapping does not search for directory groups",
        at: position, hint: "add search.groups with base and filter")
    }
  }

  private mutating func checkVersion(_ map: MapReader) {
    guard
      let version = map.required("usher", "write `usher: 1`, the format's version", into: &findings)
    else { return }
    if version.text != "1" {
      findings.error(
        "this version of usher reads mapping format 1", at: version.position,
        hint: "write `usher: 1`")
    }
  }

  // MARK: Searches

  /// One search, or several, each with account fields of its own over the mapping's.
  private mutating func personSearches(
    _ node: YAMLNode, account: YAMLNode?, root: YAMLNode
  ) -> [CompiledMapping.PersonSearch] {
    let isList = if case .list = node.value { true } else { false }
    if isList, node.items.isEmpty {
      findings.error("`search.users` has no search", at: node.position)
    }
    return (isList ? node.items : [node]).compactMap { item in
      let own = item["account"]
      let merged = [own, account].compactMap(\.self)
      guard let first = merged.first else {
        findings.error("`account` is missing: how entries become accounts", at: root.position)
        return nil
      }
      let fields = accountFields(
        merged.count == 2 ? MappingFile.merge(first, over: merged[1]) : first)
      guard let users = userSearch(item), let fields else { return nil }
      return CompiledMapping.PersonSearch(users: users, account: fields)
    }
  }

  private mutating func userSearch(_ node: YAMLNode) -> CompiledMapping.UserSearch? {
    guard
      let map = MapReader(
        node, what: "`search.users`",
        known: ["base", "filter", "scope", "exclude", "exclude-under", "account"],
        into: &findings)
    else { return nil }
    let filter = map.required("filter", "an RFC 4515 filter", into: &findings).flatMap {
      self.filter($0, "`filter`")
    }
    let exclude = map["exclude"].flatMap { self.filter($0, "`exclude`") }
    let scope = scope(map)
    guard let bases = bases(map, scope: scope), let filter = filter?.value else { return nil }
    return CompiledMapping.UserSearch(
      bases: bases, scope: scope, filter: filter, exclude: exclude?.value,
      excludeUnder: names(map["exclude-under"], "`exclude-under`"))
  }

  private mutating func groupSearch(_ node: YAMLNode) -> CompiledMapping.GroupSearch? {
    guard
      let map = MapReader(
        node, what: "`search.groups`", known: ["base", "filter", "scope", "id", "nested"],
        into: &findings)
    else { return nil }
    if map["base"] == nil {
      // A preset's filter without a base: the site does not use directory groups.
      return nil
    }
    let filter = map.required("filter", "an RFC 4515 filter", into: &findings).flatMap {
      self.filter($0, "`filter`")
    }
    if let filter, refuseMoment(filter.value, "`filter`", at: map["filter"] ?? node) { return nil }
    let id = map["id"].flatMap { attribute($0, "`id`") }
    let nested = map["nested"].map { $0.bool("`nested`", into: &findings) ?? false } ?? false
    let scope = scope(map)
    guard let bases = bases(map, scope: scope), let filter = filter?.value else { return nil }
    return CompiledMapping.GroupSearch(
      bases: bases, scope: scope, filter: filter, id: id, nested: nested)
  }

  private mutating func bases(
    _ map: MapReader, scope: DirectorySearch.Scope
  ) -> [String]? {
    guard let node = map["base"] else {
      findings.error(
        "`base` is missing: where the search begins", at: map.node.position,
        hint: "for example base: ou=people,dc=acme,dc=example; \"\" is all that the server holds")
      return nil
    }
    if case .scalar("", plain: false) = node.value { return [""] }
    let before = findings.all.count
    let items = names(node, "`base`", texts: true)
    if items.texts.isEmpty, findings.all.count == before {
      findings.error("`base` is empty", at: node.position, hint: "write \"\" for everything")
    }
    let apart = disjoint(items.names, scope: scope).map { items.texts[$0] }
    return apart.isEmpty ? nil : apart
  }

  /// The numbers of the bases that no other one covers; a base within another would bring its entries twice.
  private func disjoint(_ bases: [DistinguishedName], scope: DirectorySearch.Scope) -> [Int] {
    bases.indices.filter { index in
      let isRepeated = bases[..<index].contains(bases[index])
      let isCovered = bases.contains { $0 != bases[index] && bases[index].isWithin($0) }
      return !isRepeated && !(isCovered && scope == .subtree)
    }
  }

  private mutating func scope(_ map: MapReader) -> DirectorySearch.Scope {
    map["scope"].flatMap {
      $0.word("`scope`", as: DirectorySearch.Scope.self, into: &findings)
    } ?? .subtree
  }

  mutating func names(_ node: YAMLNode?, _ what: String) -> [DistinguishedName] {
    names(node, what, texts: true).names
  }

  private mutating func names(_ node: YAMLNode?, _ what: String, texts: Bool) -> (
    texts: [String], names: [DistinguishedName]
  ) {
    guard let node else { return ([], []) }
    guard !isCutName(node, what) else { return ([], []) }
    var found: (texts: [String], names: [DistinguishedName]) = ([], [])
    for item in node.items {
      guard let text = item.string(what, into: &findings) else { continue }
      guard let name = DistinguishedName(text) else {
        findings.error(
          "\(what) is not a distinguished name: \(text)", at: item.position,
          hint: "for example ou=people,dc=acme,dc=example")
        continue
      }
      found.texts.append(text)
      found.names.append(name)
    }
    return found
  }

  /// `[cn=a,ou=b]` without quotes is a list of two in YAML.
  mutating func isCutName(_ node: YAMLNode, _ what: String) -> Bool {
    guard case .list(let items, flow: true) = node.value, items.count > 1 else { return false }
    let tail = items.dropFirst().first { item in
      guard case .scalar(let text, plain: true) = item.value else { return false }
      let type = text.prefix { $0 != "=" }.lowercased()
      return ["dc", "ou", "o", "c", "l", "st"].contains(type) && text.contains("=")
    }
    guard let tail else { return false }
    findings.error(
      "\(what): a distinguished name is cut at its commas", at: tail.position,
      hint: "inside [ ] a name stands in quotes: [\"cn=a,ou=b,dc=c\"]")
    return true
  }

  // MARK: Accounts

  private mutating func accountFields(_ node: YAMLNode) -> CompiledMapping.AccountFields? {
    guard
      let map = MapReader(
        node, what: "`account`", known: ["id", "email", "name", "username", "active", "match"],
        into: &findings)
    else { return nil }
    let id = map.required("id", "the attribute with a person's immutable id", into: &findings)
      .flatMap { attribute($0, "`id`") }
    let emails = map.required("email", "where the email comes from", into: &findings).map {
      sources($0, "`email`")
    }
    let names = map["name"].map { sources($0, "`name`") } ?? []
    let username = map["username"].flatMap { source($0, "`username`") }
    let active = map["active"].flatMap { filter($0, "`active`")?.value }
    let match = map["match"].flatMap { attribute($0, "`match`") }
    guard let id, let emails else { return nil }
    return CompiledMapping.AccountFields(
      id: id, emails: emails, names: names, username: username, active: active, match: match)
  }

  private mutating func sources(_ node: YAMLNode, _ what: String) -> [ValueSource] {
    node.items.compactMap { source($0, what) }
  }

  private mutating func source(_ node: YAMLNode, _ what: String) -> ValueSource? {
    if case .map = node.value, node["from"] != nil || node["match"] != nil {
      let map = MapReader(node, what: what, known: ["from", "match"], into: &findings)
      let name = map?.required("from", "an attribute", into: &findings).flatMap {
        attribute($0, "`from`")
      }
      let pattern = map?.required("match", "a regular expression", into: &findings).flatMap {
        self.pattern($0, "`match`")
      }
      guard let name, let pattern else { return nil }
      return .part(of: name, pattern)
    }
    guard let text = node.string(what, into: &findings) else { return nil }
    if text.contains("{") || text.contains("}") {
      guard let template = template(node, text, scopes: [nil]) else { return nil }
      return .template(template)
    }
    return attribute(node, what).map { .attribute($0) }
  }

  // MARK: Leavers

  private mutating func leavers(_ node: YAMLNode) -> LeaverPolicy? {
    guard
      let map = MapReader(node, what: "`leavers`", known: ["after", "then"], into: &findings)
    else { return nil }
    let standard = LeaverPolicy.standard
    let after = map["after"].map { $0.seconds("`after`", into: &findings).map(Int64.init) }
    let action = map["then"].map {
      $0.word("`then`", as: LeaverPolicy.Action.self, into: &findings)
    }
    return LeaverPolicy(
      afterSeconds: (after ?? standard.afterSeconds) ?? standard.afterSeconds,
      action: (action ?? standard.action) ?? standard.action)
  }
}
