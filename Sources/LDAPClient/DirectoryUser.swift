import DirectoryModel

/// Somebody whom a directory knows by the name that was given. Nothing is proved until their password is.
package struct DirectoryUser: Sendable, Hashable {
  package let dn: String
  /// What to call the person.
  package let name: String
  /// The user name, as journals name them.
  package let account: String
  /// All names by which the person may sign in, in small letters.
  package let logins: Set<String>
  /// Whether the directory shows them as neither disabled nor expired.
  package let isActive: Bool
  /// The directory groups that the person is in, those of groups too: their DNs and cn.
  package let groups: [(dn: String, name: String)]

  package static func == (left: DirectoryUser, right: DirectoryUser) -> Bool {
    left.dn == right.dn
  }
  package func hash(into hasher: inout Hasher) { hasher.combine(dn) }

  /// The DN in the form in which DNs are compared.
  package var comparableDN: String { DistinguishedName.comparable(dn) }

  /// Whether the person is in a group, named by cn or DN.
  package func isMember(of group: String) -> Bool {
    if group.contains("="), let wanted = DistinguishedName(group) {
      return groups.contains { DistinguishedName($0.dn) == wanted }
    }
    return groups.contains { $0.name.lowercased() == group.lowercased() }
  }

  /// Whether an authorization identity (RFC 4513 §5.2.1.8), as a server answers *who am I*, means this person:
  /// `dn:` and their DN, or `u:` and their user name, which Active Directory writes as `u:DOMAIN\name`.
  func isMeant(by authorization: String) -> Bool {
    let parts = authorization.split(separator: ":", maxSplits: 1)
    guard parts.count == 2 else { return false }
    let value = parts[1].drop { $0 == " " }
    if parts[0].lowercased() == "dn" {
      return DistinguishedName(String(value)) == DistinguishedName(dn)
    }
    let user = value.split(separator: "\\").last.map(String.init) ?? ""
    return parts[0].lowercased() == "u" && logins.contains(user.lowercased())
  }
}

extension DistinguishedName {
  /// A DN as text in the form in which DNs are compared; what is no DN stays as it is.
  package static func comparable(_ dn: String) -> String {
    DistinguishedName(dn).map { String(decoding: $0.normalised, as: UTF8.self) } ?? dn
  }
}

/// Where people who sign in are looked for, and what has to hold for them.
package struct SignInSearch: Sendable {
  /// The empty name means everything that the server holds.
  let bases: [String]
  /// What is searched in its place on a server that does not say what it holds.
  let knownBases: [String]
  /// Selects who may sign in at all; nil: everybody.
  let filter: Filter?
  /// Selects the groups that people may be in; nil: none.
  let groups: DirectorySearch?
  /// What has to hold for a person who is not disabled.
  let active: [ActiveRule]
  /// Seconds since 1970.
  let now: Int64

  package init(
    bases: [String], knownBases: [String], filter: Filter?, groups: DirectorySearch?,
    active: [ActiveRule], now: Int64
  ) {
    self.bases = bases
    self.knownBases = knownBases
    self.filter = filter
    self.groups = groups
    self.active = active
    self.now = now
  }

  /// A filter that is true of active people, and of whom it says something.
  package struct ActiveRule: Sendable {
    let active: Filter
    /// Whom it is about: people under these names; empty: everybody.
    let bases: [DistinguishedName]
    /// Of those, whom this selects.
    let filter: Filter?

    package init(_ active: Filter, bases: [String] = [], filter: Filter? = nil) {
      self.active = active
      self.bases = bases.compactMap { DistinguishedName($0) }
      self.filter = filter
    }
  }
}
