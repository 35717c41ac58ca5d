import Diagnostics

/// Turns the text of `usher.yaml` into a configuration and reports every fault in it at once.
package struct ConfigurationReader {
  private let path: String
  var findings: Findings

  /// - Parameter path: the file; the paths that it names are relative to its folder.
  /// - Returns: nil when there are errors; `findings` holds them.
  package static func read(
    _ text: String, path: String, into findings: inout Findings
  ) -> Configuration? {
    var reader = ConfigurationReader(path: path, findings: findings)
    let configuration = reader.configuration(text)
    findings = reader.findings
    return findings.hasErrors ? nil : configuration
  }

  private init(path: String, findings: Findings) {
    self.path = path
    self.findings = findings
  }

  private mutating func configuration(_ text: String) -> Configuration? {
    guard let root = YAMLDocument.read(text, file: path, into: &findings),
      let map = MapReader(
        root, what: "the configuration",
        known: [
          "site", "directories", "limits", "deadline", "mapping-changes", "journal", "audit",
          "schedule",
          "notify", "console",
        ],
        into: &findings)
    else { return nil }
    let site = map.required("site", "name, store and licenses", into: &findings).flatMap {
      self.site($0)
    }
    let directories = map.required("directories", "where people are read from", into: &findings)
      .flatMap { self.directories($0) }
    let limits = map["limits"].flatMap { self.limits($0) } ?? .standard
    let deadline = map["deadline"].flatMap { runDeadline($0) }
    let changes = map["mapping-changes"].flatMap {
      $0.word("`mapping-changes`", as: Configuration.MappingChanges.self, into: &findings)
    }
    let keep = map["journal"].flatMap {
      MapReader($0, what: "`journal`", known: ["keep"], into: &findings)?["keep"]
    }.flatMap { node -> Int? in
      let seconds = node.seconds("`keep`", into: &findings)
      if let seconds, seconds < 2 * 86_400 {
        findings.error(
          "`keep` must be at least 2d: limits look back over a day", at: node.position)
      }
      return seconds
    }
    let audit = map["audit"].flatMap { node in
      MapReader(node, what: "`audit`", known: ["key"], into: &findings)?
        .required("key", "{ file: … } or { env: … }", into: &findings)
    }.flatMap { secret($0, what: "key", example: "key: { file: audit-key }") }
    let console = map["console"].flatMap { self.console($0) } ?? .standard
    if let node = map["console"] { check(console, at: node, of: directories ?? []) }
    guard let site, let directories else { return nil }
    return Configuration(
      path: path, site: site, directories: directories, limits: limits,
      runSeconds: deadline ?? 3600, mappingChanges: changes ?? .review,
      journalKeepSeconds: Int64(keep ?? 2 * 365 * 86_400), auditKey: audit,
      schedule: map["schedule"].flatMap { schedule($0) } ?? .standard,
      console: console,
      notices: map["notify"].flatMap { notices($0) })
  }

  // MARK: The site

  private mutating func site(_ node: YAMLNode) -> Configuration.Site? {
    guard
      let map = MapReader(
        node, what: "`site`",
        known: ["name", "store", "root-url", "portal-url", "licenses", "protect"],
        into: &findings)
    else { return nil }
    let name = map.required("name", "the site's name in plans", into: &findings).flatMap {
      shownName($0)
    }
    let store = map.required("store", "for example sqlite:usher.db", into: &findings).flatMap {
      storePath($0)
    }
    let (licenses, owned) = map["licenses"].map { catalogue($0) } ?? ([:], [])
    let protect = map["protect"].flatMap {
      MapReader($0, what: "`protect`", known: ["groups", "accounts"], into: &findings)
    }
    let groups = protect?["groups"]?.names("`groups`", into: &findings) ?? []
    let accounts = protect?["accounts"]?.strings("`accounts`", into: &findings) ?? []
    let rootURL = map["root-url"].flatMap { $0.string("`root-url`", into: &findings) }
    let portalURL = map["portal-url"].flatMap { $0.string("`portal-url`", into: &findings) }
    guard let name, let store else { return nil }
    return Configuration.Site(
      name: name, storePath: store, rootURL: rootURL, portalURL: portalURL, licenses: licenses,
      ownedByRules: owned, protectedGroups: groups, protectedAccounts: accounts)
  }

  /// As it is written, also with white space at its ends: the store remembers people by the name of their directory.
  private mutating func shownName(_ node: YAMLNode) -> String? {
    guard let text = node.string("`name`", into: &findings) else { return nil }
    return node.refusesName(text, "`name`", into: &findings) ? nil : text
  }

  private mutating func storePath(_ node: YAMLNode) -> String? {
    guard let text = node.string("`store`", into: &findings) else { return nil }
    let prefix = "sqlite:"
    if text.hasPrefix(prefix), text.count > prefix.count {
      return resolved(String(text.dropFirst(prefix.count)))
    }
    findings.error(
      "`store` must be an SQLite file", at: node.position, hint: "for example sqlite:usher.db")
    return nil
  }

  private enum Ownership: String, CaseIterable { case given, all }

  /// The licenses with their ceilings, and those about which the rules alone decide.
  private mutating func catalogue(_ node: YAMLNode) -> ([String: Int?], Set<String>) {
    guard case .map(let pairs, _) = node.value else {
      findings.error(
        "`licenses` must be a map of products", at: node.position,
        hint: "for example licenses: { jira-software: { seats: 250 } }")
      return ([:], [])
    }
    var licenses: [String: Int?] = [:]
    var owned: Set<String> = []
    for pair in pairs {
      guard let name = pair.key.name("a license", into: &findings) else { continue }
      if licenses[name] != nil {
        findings.error(
          "the license `\(name)` stands twice in the catalogue", at: pair.key.position,
          hint: "white space at the ends of a name does not count")
      }
      guard !pair.value.isEmpty else {
        licenses.updateValue(nil, forKey: name)
        continue
      }
      let map = MapReader(
        pair.value, what: "the license `\(name)`", known: ["seats", "own"], into: &findings)
      let own = map?["own"].flatMap { $0.word("`own`", as: Ownership.self, into: &findings) }
      if own == .all { owned.insert(name) }
      let seats = map?["seats"].flatMap { $0.int("`seats`", in: 0...Int.max, into: &findings) }
      licenses.updateValue(seats, forKey: name)
    }
    return (licenses, owned)
  }

  // MARK: The directories

  private mutating func directories(_ node: YAMLNode) -> [Configuration.Directory]? {
    guard case .list(let items, _) = node.value, !items.isEmpty else {
      findings.error(
        "`directories` must be a list", at: node.position, hint: "begin with `- name: …`")
      return nil
    }
    var directories: [Configuration.Directory] = []
    for item in items {
      guard let directory = directory(item) else { continue }
      if directories.contains(where: { $0.name == directory.name }) {
        findings.error(
          "two directories are named `\(directory.name)`", at: item.position,
          hint: "give each a name of its own; people are remembered by it")
      }
      directories.append(directory)
    }
    return directories
  }

  private mutating func directory(_ node: YAMLNode) -> Configuration.Directory? {
    guard
      let map = MapReader(
        node, what: "a directory",
        known: [
          "name", "url", "ldif", "bind", "tls", "read", "full-at-most", "timeout", "connections",
          "rate", "entries-at-most", "canaries", "mapping",
        ], into: &findings)
    else { return nil }
    let name = map.required("name", "the directory's name in plans", into: &findings).flatMap {
      shownName($0)
    }
    let mapping = map.required("mapping", "the mapping file", into: &findings).flatMap {
      $0.string("`mapping`", into: &findings)
    }
    let reads = map["read"].flatMap {
      $0.word("`read`", as: Configuration.Reads.self, into: &findings)
    }
    let fullAtMost = map["full-at-most"].flatMap { longestBetweenCompleteReads($0) }
    guard let location = location(map), let name, let mapping else { return nil }
    return Configuration.Directory(
      name: name, location: location, reads: reads ?? .auto,
      fullAtMostSeconds: fullAtMost ?? 86_400, mappingPath: resolved(mapping))
  }

  private mutating func longestBetweenCompleteReads(_ node: YAMLNode) -> Int? {
    guard let seconds = node.seconds("`full-at-most`", into: &findings) else { return nil }
    if !(1...7 * 86_400 ~= seconds) {
      findings.error(
        "`full-at-most` must be at most 7d", at: node.position,
        hint: "what changes cannot tell is found by complete reads alone")
    }
    return seconds
  }

  private mutating func location(_ map: MapReader) -> Configuration.Location? {
    if let ldif = map["ldif"] {
      for key in [
        "url", "bind", "tls", "timeout", "connections", "rate", "entries-at-most", "canaries",
      ]
      where map[key] != nil {
        findings.error(
          "`\(key)` has no meaning beside `ldif`", at: map[key]?.position ?? ldif.position,
          hint: "keep either the file or the server")
      }
      return ldif.string("`ldif`", into: &findings).map { .file(path: resolved($0)) }
    }
    guard let url = map.required("url", "ldaps://server, or `ldif:` and a file", into: &findings)
    else { return nil }
    if url.items.isEmpty {
      findings.error(
        "`url` names no server", at: url.position, hint: "for example ldaps://ldap.acme.example")
    }
    let urls = url.items.compactMap { serverURL($0) }
    let bind = map["bind"].flatMap { self.bind($0) }
    let tls = map["tls"].flatMap {
      MapReader(
        $0, what: "`tls`", known: ["ca", "clear-text", "certificate", "key"], into: &findings)
    }
    let ca = tls?["ca"].flatMap { $0.string("`ca`", into: &findings) }.map(resolved)
    let clearText = tls?["clear-text"].flatMap { $0.bool("`clear-text`", into: &findings) } ?? false
    let certificate = tls?["certificate"].flatMap { $0.string("`certificate`", into: &findings) }
    let key = tls?["key"].flatMap { $0.string("`key`", into: &findings) }
    if let tls = map["tls"], (certificate == nil) != (key == nil) {
      findings.error("`certificate` and `key` belong together", at: tls.position)
    }
    let timeout = map["timeout"].flatMap { node in
      node.seconds("`timeout`", into: &findings).map { max(1, $0) }
    }
    let canaries = map["canaries"]?.strings("`canaries`", into: &findings) ?? []
    let connections = map["connections"].flatMap {
      $0.int("`connections`", in: 1...16, into: &findings)
    }
    let mostEntries = map["entries-at-most"].flatMap {
      $0.int("`entries-at-most`", in: 1...1_000_000_000, into: &findings)
    }
    guard !urls.isEmpty else { return nil }
    return .server(
      Configuration.Server(
        urls: urls, bind: bind, caPath: ca, certificatePath: certificate.map(resolved),
        keyPath: key.map(resolved), allowsClearText: clearText, timeoutSeconds: timeout ?? 30,
        connections: connections ?? 1, rate: rate(map["rate"]), mostEntries: mostEntries,
        canaries: canaries))
  }

  private mutating func rate(_ node: YAMLNode?) -> Configuration.Rate {
    let map = node.flatMap {
      MapReader($0, what: "`rate`", known: ["searches", "entries"], into: &findings)
    }
    return Configuration.Rate(
      searches: map?["searches"].flatMap {
        $0.int("`searches`", in: 1...1_000_000, into: &findings)
      },
      entries: map?["entries"].flatMap {
        $0.int("`entries`", in: 1...1_000_000_000, into: &findings)
      })
  }

  private mutating func serverURL(_ node: YAMLNode) -> String? {
    guard let text = node.string("`url`", into: &findings) else { return nil }
    let scheme = text.prefix { $0 != ":" }.lowercased()
    guard ["ldap", "ldaps", "ldapi"].contains(scheme), text.dropFirst(scheme.count).hasPrefix("://")
    else {
      findings.error(
        "`url` must begin with ldaps://, ldap:// or ldapi://", at: node.position,
        hint: "for example ldaps://ldap.acme.example")
      return nil
    }
    let rest = text.dropFirst(scheme.count + 3)
    if rest.contains(where: { "?@ ".contains($0) }) || rest.dropLast().contains("/") {
      findings.error(
        "`url` is a server only: no base, no filter, no user", at: node.position,
        hint: "base and filter stand in the mapping, the user under `bind`")
      return nil
    }
    return scheme + text.dropFirst(scheme.count)
  }

  private enum SASL: String, CaseIterable { case external, gssapi }

  private mutating func bind(_ node: YAMLNode) -> Configuration.Bind? {
    guard
      let map = MapReader(
        node, what: "`bind`", known: ["dn", "password", "sasl"], into: &findings)
    else { return nil }
    if let sasl = map["sasl"] {
      for key in ["dn", "password"] where map[key] != nil {
        findings.error(
          "`\(key)` has no meaning beside `sasl`", at: map[key]?.position ?? sasl.position,
          hint: "the certificate or the ticket says who signs in")
      }
      switch sasl.word("`sasl`", as: SASL.self, into: &findings) {
      case .external: return .external
      case .gssapi: return .gssapi
      case nil: return nil
      }
    }
    let dn = map.required("dn", "who signs in", into: &findings).flatMap {
      $0.string("`dn`", into: &findings)
    }
    let password = map.required("password", "{ file: … } or { env: … }", into: &findings).flatMap {
      secret($0)
    }
    guard let dn, let password else { return nil }
    return .simple(dn: dn, password: password)
  }

  mutating func secret(
    _ node: YAMLNode, what: String = "password",
    example: String = "password: { file: bind-password }"
  ) -> SecretSource? {
    guard case .map = node.value,
      let map = MapReader(node, what: "`\(what)`", known: ["file", "env"], into: &findings)
    else {
      findings.error(
        "a \(what) does not stand in the configuration", at: node.position,
        hint: "write it into a file of mode 0600 and name the file: \(example)")
      return nil
    }
    if let both = map["env"], map["file"] != nil {
      findings.error("either `file` or `env` says where the \(what) is", at: both.position)
      return nil
    }
    if let file = map["file"] {
      return file.string("`file`", into: &findings).map { .file(path: resolved($0)) }
    }
    return map.required("env", "or `file`", into: &findings).flatMap {
      $0.string("`env`", into: &findings)
    }.map { .environment(name: $0) }
  }

  // MARK: Limits

  private mutating func limits(_ node: YAMLNode) -> Configuration.Limits? {
    var limits = Configuration.Limits.standard
    let names = limits.max.keys.sorted()
    guard
      let map = MapReader(
        node, what: "`limits`", known: names + ["free-below", "on-limit"], into: &findings)
    else { return nil }
    for name in names {
      guard let node = map[name],
        let limit = MapReader(
          node, what: "`\(name)`", known: ["percent", "max"], into: &findings)
      else { continue }
      if let max = limit["max"].flatMap({ $0.int("`max`", in: 0...Int.max, into: &findings) }) {
        limits.max[name] = max
      }
      if let percent = limit["percent"] {
        if let value = percent.text.flatMap(Double.init), (0...100).contains(value) {
          limits.percent[name] = value
        } else {
          findings.error("`percent` must be a number from 0 to 100", at: percent.position)
        }
      }
    }
    if let free = map["free-below"] {
      limits.freeBelow = free.int("`free-below`", in: 0...Int.max, into: &findings) ?? 5
    }
    if let onLimit = map["on-limit"] {
      limits.onLimit =
        onLimit.word("`on-limit`", as: Configuration.Limits.OnLimit.self, into: &findings)
        ?? .holdPeople
    }
    return limits
  }

  private mutating func runDeadline(_ node: YAMLNode) -> Int? {
    let run = MapReader(node, what: "`deadline`", known: ["run"], into: &findings)?["run"]
    guard let run, let seconds = run.seconds("`run`", into: &findings) else { return nil }
    if seconds == 0 {
      findings.error(
        "`run` must be at least 1s", at: run.position, hint: "for example deadline: { run: 60m }")
    }
    return seconds
  }

  func resolved(_ name: String) -> String {
    if name.hasPrefix("/") { return name }
    return path.lastIndex(of: "/").map { String(path[...$0]) + name } ?? name
  }
}
