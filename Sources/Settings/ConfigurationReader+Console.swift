import Diagnostics

/// The keys of `console`.
extension ConfigurationReader {
  mutating func console(_ node: YAMLNode) -> Console? {
    guard
      let map = MapReader(
        node, what: "`console`",
        known: [
          "listen", "url", "proxies", "viewers", "operators", "approvers", "search",
          "second-approver", "tls",
          "tokens",
        ], into: &findings)
    else { return nil }
    let listens = map["listen"].map { address($0) } ?? Console.standard.listens
    let url = map["url"].flatMap { webURL($0, "`url`") }
    var groups: [Role: [String]] = [:]
    for role in Role.allCases {
      let key = "\(role.rawValue)s"
      groups[role] = map[key].map { $0.names("`\(key)`", into: &findings) }
    }
    let second = map["second-approver"].flatMap {
      $0.bool("`second-approver`", into: &findings)
    }
    let tls = map["tls"].flatMap { identity($0) }
    if let listens, !listens.isLoopback, tls == nil, url?.hasPrefix("https:") != true {
      findings.error(
        "`console` would be reachable from elsewhere without TLS",
        at: map["listen"]?.position ?? node.position,
        hint:
          "give it `tls: { certificate: …, key: … }`, or, behind a proxy that does TLS, `url: https://…`"
      )
    }
    return Console(
      listens: listens, url: url, groups: groups,
      searches: map["search"].map { $0.items.compactMap { signInSearch($0) } } ?? [],
      proxies: map["proxies"].map { proxies($0) } ?? [],
      needsSecondApprover: second ?? false, tls: tls,
      tokens: map["tokens"].map { tokens($0) } ?? [])
  }

  /// Who may sign in: a search, or a filter alone.
  private mutating func signInSearch(_ node: YAMLNode) -> Console.Search? {
    guard case .map = node.value else {
      return node.string("`search`", into: &findings).map {
        Console.Search(bases: [""], filter: $0)
      }
    }
    guard
      let map = MapReader(
        node, what: "`search`", known: ["directory", "base", "filter"], into: &findings)
    else { return nil }
    return Console.Search(
      directory: map["directory"].flatMap { $0.string("`directory`", into: &findings) },
      bases: map["base"].map { $0.strings("`base`", into: &findings) } ?? [""],
      filter: map["filter"].flatMap { $0.string("`filter`", into: &findings) })
  }

  private mutating func proxies(_ node: YAMLNode) -> [AddressRange] {
    node.strings("`proxies`", into: &findings).compactMap { text in
      if let range = AddressRange(text) { return range }
      findings.error(
        "`proxies` holds \(text), which is no address", at: node.position,
        hint: "for example 127.0.0.1, 10.0.0.0/8, or \"2001:db8::/32\"")
      return nil
    }
  }

  /// With several directories, it has to be certain of which one a group or a search is.
  mutating func check(
    _ console: Console, at node: YAMLNode, of directories: [Configuration.Directory]
  ) {
    let names = Set(directories.map(\.name))
    for search in console.searches {
      guard let name = search.directory, !names.contains(name) else { continue }
      findings.error(
        "`search` names the directory \(name), which is not configured", at: node.position,
        hint: nearest(name, among: names.sorted()).map { "did you mean `\($0)`?" })
    }
    let isUncertain = console.groups.values.joined().contains {
      !$0.contains("=") && Console.Group($0, of: names).directory == nil
    }
    if directories.count > 1, isUncertain {
      findings.error(
        "with several directories, `console` names its groups by DN", at: node.position,
        hint:
          "or with the directory before it: 'corporate\\it'. Whoever runs another directory could make a group of the same name"
      )
    }
  }

  /// A host and a port; nil also for `off`.
  private mutating func address(_ node: YAMLNode) -> Console.Address? {
    guard let text = node.string("`listen`", into: &findings), text != "off" else { return nil }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let host = parts.dropLast().joined(separator: ":")
    if parts.count > 1, !host.isEmpty, let port = Int(parts[parts.count - 1]),
      (0...65_535).contains(port)
    {
      let isV6 = host.hasPrefix("[") && host.hasSuffix("]")
      if isV6 || parts.count == 2 {
        return Console.Address(host: isV6 ? String(host.dropFirst().dropLast()) : host, port: port)
      }
    }
    findings.error(
      "`listen` must be an address and a port, or off", at: node.position,
      hint: "for example 127.0.0.1:8480, or \"[::1]:8480\"")
    return nil
  }

  mutating func webURL(_ node: YAMLNode, _ what: String) -> String? {
    guard let text = node.string(what, into: &findings) else { return nil }
    let rest = ["https://", "http://"].first(where: text.hasPrefix).map { text.dropFirst($0.count) }
    if let rest, let first = rest.first, first.isLetter || first.isNumber || first == "[",
      !rest.contains(where: { $0.isWhitespace || "\"<>@".contains($0) })
    {
      return text
    }
    findings.error(
      "\(what) must begin with https:// or http:// and name a server, without a user",
      at: node.position)
    return nil
  }

  private mutating func identity(_ node: YAMLNode) -> Console.Identity? {
    guard
      let map = MapReader(node, what: "`tls`", known: ["certificate", "key"], into: &findings)
    else { return nil }
    let certificate = map.required("certificate", "a PEM file", into: &findings).flatMap {
      $0.string("`certificate`", into: &findings)
    }
    let key = map.required("key", "a PEM file", into: &findings).flatMap {
      $0.string("`key`", into: &findings)
    }
    guard let certificate, let key else { return nil }
    return Console.Identity(certificatePath: resolved(certificate), keyPath: resolved(key))
  }

  private mutating func tokens(_ node: YAMLNode) -> [Console.Token] {
    node.items.compactMap { item in
      guard
        let map = MapReader(
          item, what: "a token", known: ["name", "role", "sha256"], into: &findings)
      else { return nil }
      let name = map.required("name", "who uses it", into: &findings).flatMap {
        $0.name("`name`", into: &findings)
      }
      let role = map.required("role", "viewer, operator or approver", into: &findings).flatMap {
        $0.word("`role`", as: Role.self, into: &findings)
      }
      let digest = map.required("sha256", "as `usher token` prints it", into: &findings).flatMap {
        $0.string("`sha256`", into: &findings)
      }
      guard let name, let role, let digest else { return nil }
      guard digest.count == 64, digest.allSatisfy(\.isHexDigit) else {
        findings.error(
          "`sha256` must be 64 hexadecimal digits", at: map["sha256"]?.position ?? item.position,
          hint: "usher token makes a token and prints the line")
        return nil
      }
      return Console.Token(name: name, role: role, sha256: digest.lowercased())
    }
  }
}
