/// One account of a user export.
package struct ImportedAccount: Sendable, Hashable {
  package var email: String
  package var name: String
  package var username: String?
  package var isActive: Bool
  package var isPortalOnly: Bool
  /// nil: the file does not say.
  package var isEmailVerified: Bool?
  package var licenses: [String]
  package var groups: [String]
  /// Where it begins in the file, from 1.
  package var line: Int

  package init(
    email: String, name: String, username: String? = nil, isActive: Bool = true,
    isPortalOnly: Bool = false, isEmailVerified: Bool? = nil, licenses: [String] = [],
    groups: [String] = [], line: Int
  ) {
    self.email = email
    self.name = name
    self.username = username
    self.isActive = isActive
    self.isPortalOnly = isPortalOnly
    self.isEmailVerified = isEmailVerified
    self.licenses = licenses
    self.groups = groups
    self.line = line
  }
}
