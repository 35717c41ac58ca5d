import SiteModel

/// Accounts in the public format `usher_export` 1, one by one.
package enum Export {
  package static let opening = "{\"usher_export\": 1, \"accounts\": ["
  package static let closing = "]}"

  /// One account as a JSON object.
  /// - Parameter transition: before or after the site's transition, which decides the kind's name.
  package static func json(of account: Account, transition: Site.Transition) throws -> String {
    try JSONText.of(Record(account, transition), isPretty: false)
  }

  private struct Record: Encodable {
    let email: String
    let name: String
    let username: String?
    let kind: String
    let portalOnly: Bool
    let active: Bool
    let emailVerified: Bool
    let licenses: [String]
    let groups: [String]
    let directoryId: String?

    init(_ account: Account, _ transition: Site.Transition) {
      email = account.email
      name = account.name
      username = account.username
      kind = account.kindName(transition)
      portalOnly = account.isPortalOnly
      active = account.isActive
      emailVerified = account.isEmailVerified
      let held = account.holdings.filter { !$0.isSuspended }.map(\.right).sorted()
      licenses = held.filter { $0.kind == .license }.map(\.name)
      groups = held.filter { $0.kind == .group }.map(\.name)
      directoryId = account.person
    }

    enum Key: CodingKey {
      case email, name, username, kind, portalOnly, active, emailVerified, licenses, groups
      case directoryId
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(email, forKey: .email)
      try container.encode(name, forKey: .name)
      try container.encode(username, forKey: .username)
      try container.encode(kind, forKey: .kind)
      try container.encode(portalOnly, forKey: .portalOnly)
      try container.encode(active, forKey: .active)
      try container.encode(emailVerified, forKey: .emailVerified)
      try container.encode(licenses, forKey: .licenses)
      try container.encode(groups, forKey: .groups)
      try container.encode(directoryId, forKey: .directoryId)
    }
  }
}
