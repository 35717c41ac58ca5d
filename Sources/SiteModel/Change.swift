/// What a change does. The names stand on every surface alike.
package enum ChangeKind: String, Sendable, Hashable, CaseIterable, Codable {
  case createAccount = "create-account"
  case linkAccount = "link-account"
  case updateProfile = "update-profile"
  case changeEmail = "change-email"
  case markPortalOnly = "mark-portal-only"
  case unmarkPortalOnly = "unmark-portal-only"
  case convertAccount = "convert-account"
  case grantLicense = "grant-license"
  case revokeLicense = "revoke-license"
  case joinGroup = "join-group"
  case leaveGroup = "leave-group"
  case deactivateAccount = "deactivate-account"
  case reactivateAccount = "reactivate-account"

  /// All kinds by number; plans and journals store the number.
  package static let byNumber = allCases

  /// The kind's place in `byNumber`.
  package var number: UInt8 { UInt8(Self.byNumber.firstIndex(of: self) ?? 0) }

  /// Whether the change gives a right or a mark.
  var isGift: Bool { self == .grantLicense || self == .joinGroup || self == .markPortalOnly }

  /// Releases go before everything else, so that a full pool of seats frees up first.
  package var isRelease: Bool {
    self == .revokeLicense || self == .leaveGroup || self == .deactivateAccount
  }
}

/// One change of a plan, read out of its columns.
package struct Change: Sendable, Hashable {
  package enum Value: Sendable, Hashable {
    /// A license, a group, an email or a directory id.
    case text(String)
    /// A field of the profile: `name` or `username`.
    case field(String, String?)
    case flag(Bool)
    /// A new account.
    case profile(name: String, username: String?, portalOnly: Bool)

    /// The value as journals and hashes have it; fields as `name=…`.
    package var text: String {
      switch self {
      case .text(let text): text
      case .field(let name, let text): "\(name)=\(text ?? "")"
      case .flag(let flag): flag ? "true" : "false"
      case .profile(let name, _, let portalOnly): "\(portalOnly ? "portal-only " : "")\(name)"
      }
    }
  }

  package let kind: ChangeKind
  /// The number of the person or account in `Plan.subjects`.
  package let subject: Int
  package let before: Value?
  package let after: Value?
  package let rule: RuleReference?
  package let reason: String?
  /// Who gives the right or the mark, or deactivated the account, before and after; nil for other kinds.
  package let givers: GiversChange?
  /// The right stays remembered: it is suspended with the account, or comes back with it (R20).
  package let keepsGivers: Bool

  /// A giver comes or goes, and the right or mark itself stays: no seat is taken or freed.
  package var isGiverOnly: Bool {
    !keepsGivers && givers?.staysGiven == true
  }
}
