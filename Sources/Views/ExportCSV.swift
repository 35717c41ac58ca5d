import SiteModel

/// Accounts as CSV, in the form that `usher import` reads back.
package enum ExportCSV {
  package static let header = CSVText.row([
    "email", "name", "username", "kind", "portal_only", "active", "email_verified", "licenses",
    "groups", "directory_id",
  ])

  package static func row(of account: Account, transition: Site.Transition) -> String {
    let held = account.holdings.filter { !$0.isSuspended }.map(\.right).sorted()
    func names(_ kind: Right.Kind) -> String {
      held.filter { $0.kind == kind }.map { escape($0.name) }.joined(separator: ";")
    }
    return CSVText.row([
      account.email, account.name, account.username ?? "", account.kindName(transition),
      account.isPortalOnly ? "true" : "false", account.isActive ? "true" : "false",
      account.isEmailVerified ? "true" : "false", names(.license), names(.group),
      account.person ?? "",
    ])
  }

  /// A `;` inside a name is written `\;`.
  private static func escape(_ name: String) -> String {
    name.replacing("\\", with: "\\\\").replacing(";", with: "\\;")
  }
}
