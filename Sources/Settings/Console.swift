/// The web console of `usher serve`: where it listens, and who may do what there.
package struct Console: Sendable, Hashable {
  /// nil: there is no console.
  package let listens: Address?
  /// Where people reach it, for links in messages; nil: as it listens.
  package let url: String?
  /// By role the directory groups, by cn or DN, whose members have it.
  package let groups: [Role: [String]]
  /// Who may sign in; empty: the members of these groups, wherever they are in their directory.
  package let searches: [Search]
  /// Whose word counts for the address of a visitor (X-Forwarded-For); empty: nobody's.
  package let proxies: [AddressRange]
  /// Whether what one approver approves waits for a second one.
  package let needsSecondApprover: Bool
  /// A certificate and its key, both PEM.
  package let tls: Identity?
  package let tokens: [Token]

  /// Selects people who may sign in.
  package struct Search: Sendable, Hashable {
    /// The directory in which it looks; nil: in each.
    package let directory: String?
    /// DNs; the empty one means everything that the server holds.
    package let bases: [String]
    /// As in RFC 4515; nil: everybody.
    package let filter: String?

    package init(directory: String? = nil, bases: [String], filter: String? = nil) {
      self.directory = directory
      self.bases = bases
      self.filter = filter
    }
  }

  package struct Address: Sendable, Hashable {
    package let host: String
    /// 0: any that is free.
    package let port: Int

    package init(host: String, port: Int) {
      self.host = host
      self.port = port
    }

    package var isLoopback: Bool {
      host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }

    package var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
  }

  package struct Identity: Sendable, Hashable {
    package let certificatePath: String
    package let keyPath: String
  }

  /// A bearer token for the JSON API; known by its SHA-256 only, as hexadecimal digits.
  package struct Token: Sendable, Hashable {
    package let name: String
    package let role: Role
    package let sha256: String

    package init(name: String, role: Role, sha256: String) {
      self.name = name
      self.role = role
      self.sha256 = sha256
    }
  }

  package init(
    listens: Address?, url: String? = nil, groups: [Role: [String]] = [:],
    searches: [Search] = [], proxies: [AddressRange] = [], needsSecondApprover: Bool = false,
    tls: Identity? = nil,
    tokens: [Token] = []
  ) {
    self.listens = listens
    self.url = url
    self.groups = groups
    self.searches = searches
    self.proxies = proxies
    self.needsSecondApprover = needsSecondApprover
    self.tls = tls
    self.tokens = tokens
  }

  /// Where people reach it; nil: nowhere, or not known beforehand.
  package var link: String? {
    if let url { return url.hasSuffix("/") ? String(url.dropLast()) : url }
    guard let listens, listens.port > 0 else { return nil }
    return "\(tls == nil ? "http" : "https")://\(listens.text)"
  }

  package static let standard = Console(listens: Address(host: "127.0.0.1", port: 8480))
}

/// What somebody may do in the console; each may what those before may.
package enum Role: String, Sendable, Hashable, CaseIterable, Comparable {
  /// Sees everything.
  case viewer
  /// Makes previews, starts syncs, and changes single accounts by hand.
  case `operator`
  /// Approves what was held back, applies previews, and changes many accounts at once.
  case approver

  package static func < (left: Role, right: Role) -> Bool {
    (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
  }
}
