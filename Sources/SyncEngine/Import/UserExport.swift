import Diagnostics
import SiteModel

/// Reads a user export: the three generations of Atlassian's, told apart by their headers, and our own
/// `usher export --format csv`. Column names are compared without letter case, spaces and underscores.
///
/// | column | means |
/// |---|---|
/// | `email` | whose account it is; several lines of one email are one account, with the groups of all |
/// | `full_name`, `User name` (beside `User id`), `name` | the name |
/// | `username` | the legacy user name |
/// | `active` (yes, no, true, false) or `User status` (active, suspended, deactivated…) | active or not |
/// | `group_name` | one group; 2016: one line per membership |
/// | `groups`, `Group membership` | groups, separated by `,` or `;` |
/// | `Group 1`, `Group name 2` … | the pivoted form: a group's name in each |
/// | a license of the catalogue, also `Jira Software - acme` | yes, true or a role: has the license |
/// | `licenses`, `portal_only`, `kind`, `email_verified` | as our own export has them |
///
/// Every other column (ids, dates, roles, `Last seen in …`) is passed over.
package struct UserExport {
  private let file: String
  private let catalogue: [String]
  private var findings: Findings
  private var accounts: [ImportedAccount] = []
  private var byEmail: [String: Int] = [:]

  /// - Parameters:
  ///   - file: its name in messages.
  ///   - catalogue: the licenses that accounts may have.
  /// - Returns: the accounts of all lines that can be read; `findings` names the others.
  package static func read(
    _ bytes: [UInt8], file: String, catalogue: Set<String>, into findings: inout Findings
  ) -> [ImportedAccount] {
    var reader = UserExport(file: file, catalogue: catalogue.sorted(), findings: findings)
    reader.read(bytes)
    findings = reader.findings
    return reader.accounts
  }

  private init(file: String, catalogue: [String], findings: Findings) {
    self.file = file
    self.catalogue = catalogue
    self.findings = findings
  }

  private enum Column: Hashable {
    case email, name, username, active, status, group, groups, licenses, portalOnly, kind
    case verified
    case license(String)
    case other
  }

  private mutating func fault(_ line: Int, _ message: String, hint: String? = nil) {
    findings.error(message, at: SourcePosition(file: file, line: line, column: 1), hint: hint)
  }

  private mutating func read(_ bytes: [UInt8]) {
    var reader = CSVReader(bytes)
    do {
      guard let header = try reader.next() else { return fault(1, "the file is empty") }
      guard let columns = columns(header.cells) else { return }
      let isOurs = columns.contains(.verified) && columns.contains(.portalOnly)
      while let record = try reader.next() {
        if record.cells.count != columns.count {
          fault(
            record.line,
            "the line has \(record.cells.count) cells, and the header \(columns.count)")
        } else if let account = account(record, columns, isOurs: isOurs) {
          add(account)
        }
      }
    } catch {
      fault(error.line, "a quote is opened here and never closed; what follows was not read")
    }
  }

  // MARK: The header

  private mutating func columns(_ header: [String]) -> [Column]? {
    let names = header.map(Self.fold)
    let hasUserID = names.contains("userid")
    let columns = names.enumerated().map { index, name in
      column(name, header[index], hasUserID: hasUserID)
    }
    for needed: (column: Column, what: String) in [(.email, "email"), (.name, "name")]
    where !columns.contains(needed.column) {
      fault(
        1, "this is no user export that usher knows: it has no column with the \(needed.what)",
        hint:
          "known headers: group_name,username,full_name,email,active,… · User id,User name,email,User status,… · email,name,username,kind,…"
      )
      return nil
    }
    warnAboutProducts(header, columns)
    let single: [Column] = [.email, .name, .active, .status]
    for column in single where columns.count(where: { $0 == column }) > 1 {
      fault(1, "a column stands twice in the header")
      return nil
    }
    return columns
  }

  /// A product that the export knows and the catalogue does not is told, since nobody gets a license by it.
  private mutating func warnAboutProducts(_ header: [String], _ columns: [Column]) {
    let seen = Set(
      header.compactMap { name in
        ["last seen in ", "last active in "].first { name.lowercased().hasPrefix($0) }
          .map { Self.fold(String(name.dropFirst($0.count))) }
      })
    for (name, column) in zip(header, columns)
    where column == .other && seen.contains(Self.fold(name)) {
      findings.warning(
        "the product `\(name)` is no license of the catalogue; access to it is passed over",
        at: SourcePosition(file: file, line: 1, column: 1),
        hint: "known: \(catalogue.joined(separator: ", "))")
    }
  }

  private func column(_ name: String, _ written: String, hasUserID: Bool) -> Column {
    switch name {
    case "email", "emailaddress": return .email
    case "fullname", "displayname", "name": return .name
    case "username": return hasUserID ? .name : .username
    case "active": return .active
    case "userstatus", "status": return .status
    case "groupname", "group": return .group
    case "groups", "groupnames", "groupmembership", "groupmemberships": return .groups
    case "licenses": return .licenses
    case "portalonly": return .portalOnly
    case "kind": return .kind
    case "emailverified", "verifiedemail": return .verified
    default: break
    }
    for prefix in ["groupname", "group"] where name.hasPrefix(prefix) {
      if Int(name.dropFirst(prefix.count)) != nil { return .group }
    }
    // "Jira Software - acme": the product, then the site.
    let product = Self.fold(String(written.split(separator: " - ").first ?? ""))
    let known = product == "jiraservicedesk" ? "jiraservicemanagement" : product
    return catalogue.first { Self.fold($0) == known }.map { .license($0) } ?? .other
  }

  /// Small letters and digits alone.
  private static func fold(_ name: String) -> String {
    String(name.lowercased().filter { $0.isLetter || $0.isNumber })
  }

  // MARK: Lines

  private mutating func account(
    _ record: CSVReader.Record, _ columns: [Column], isOurs: Bool
  ) -> ImportedAccount? {
    var account = ImportedAccount(email: "", name: "", line: record.line)
    for (column, raw) in zip(columns, record.cells) {
      let cell = Self.plain(raw, isOurs: isOurs)
      switch column {
      case .email: account.email = cell
      case .name: account.name = cell
      case .username: account.username = cell.isEmpty ? nil : cell
      case .active, .status:
        guard let isActive = Self.isActive(cell) else {
          fault(
            record.line, "`\(cell)` does not say whether the account is active",
            hint: "known: yes, no, true, false, active, inactive, suspended, deactivated")
          return nil
        }
        account.isActive = isActive
      case .group: if !cell.isEmpty { account.groups.append(cell) }
      case .groups: account.groups += Self.list(raw, isOurs: isOurs)
      case .licenses:
        for name in Self.list(raw, isOurs: isOurs) {
          guard catalogue.contains(name) else {
            fault(
              record.line, "unknown license `\(name)`",
              hint: nearest(name, among: catalogue).map { "did you mean `\($0)`?" }
                ?? "known: \(catalogue.joined(separator: ", "))")
            return nil
          }
          account.licenses.append(name)
        }
      case .license(let name): if Self.isGranted(cell) { account.licenses.append(name) }
      case .portalOnly: if Self.isGranted(cell) { account.isPortalOnly = true }
      case .kind: if cell == "portal-only" { account.isPortalOnly = true }
      case .verified: account.isEmailVerified = cell.isEmpty ? nil : Self.isGranted(cell)
      case .other: break
      }
    }
    if let reason = obstacle(account) {
      fault(record.line, reason)
      return nil
    }
    if account.name.isEmpty { account.name = account.email }
    return account
  }

  private func obstacle(_ account: ImportedAccount) -> String? {
    let parts = account.email.split(separator: "@", omittingEmptySubsequences: false)
    if account.email.isEmpty { return "the line has no email" }
    if parts.count != 2 || parts.contains(where: \.isEmpty)
      || account.email.contains(where: \.isWhitespace)
    {
      return "`\(account.email)` is not an email"
    }
    let names = [account.email, account.name, account.username ?? ""] + account.groups
    for name in names {
      guard let hidden = name.hiddenCharacter else { continue }
      return "`\(name)` holds the character \(hidden.codePoint), which nobody sees in a name"
    }
    if account.isPortalOnly, !account.licenses.isEmpty || !account.groups.isEmpty {
      return "a portal-only account holds no license and no group (R6)"
    }
    return nil
  }

  /// Lines of one email are one account.
  private mutating func add(_ account: ImportedAccount) {
    let key = emailKey(account.email)
    guard let index = byEmail[key] else {
      byEmail[key] = accounts.count
      accounts.append(account)
      return
    }
    let first = accounts[index]
    guard first.name == account.name, first.isActive == account.isActive,
      first.username == account.username, first.isPortalOnly == account.isPortalOnly
    else {
      return fault(
        account.line,
        "the line contradicts line \(first.line), which has the same email: one email, one account (R15)"
      )
    }
    for group in account.groups
    where !first.groups.contains(where: { Right(.group, $0) == Right(.group, group) }) {
      accounts[index].groups.append(group)
    }
    for license in account.licenses where !first.licenses.contains(license) {
      accounts[index].licenses.append(license)
    }
  }

  // MARK: Cells

  /// A cell less spaces; in our own export also less the mark that keeps it from being a formula.
  private static func plain(_ cell: String, isOurs: Bool) -> String {
    let trimmed = cell.trimmed
    guard isOurs, trimmed.first == "'",
      let first = trimmed.unicodeScalars.first(where: { $0 != "'" }),
      "=+-@\t\r".unicodeScalars.contains(first)
    else { return trimmed }
    return String(trimmed.dropFirst())
  }

  /// Names in one cell; our own export writes `\;` for a `;` in a name, Atlassian's separates by `,`.
  private static func list(_ cell: String, isOurs: Bool) -> [String] {
    var names: [String] = []
    var name = ""
    var isEscaped = false
    let separators: [Character] = isOurs ? [";"] : [",", ";"]
    for character in plain(cell, isOurs: isOurs) {
      if isEscaped {
        name.append(character)
        isEscaped = false
      } else if isOurs, character == "\\" {
        isEscaped = true
      } else if separators.contains(character) {
        names.append(name)
        name = ""
      } else {
        name.append(character)
      }
    }
    return (names + [name]).map(\.trimmed).filter { !$0.isEmpty }
  }

  private static func isActive(_ word: String) -> Bool? {
    switch word.lowercased() {
    case "yes", "true", "1", "active", "invited": true
    case "no", "false", "0", "inactive", "suspended", "deactivated", "disabled", "deleted": false
    default: nil
    }
  }

  /// Whether a cell of a product says that the person has it: yes, or a role.
  private static func isGranted(_ word: String) -> Bool {
    !["", "no", "false", "0", "none", "no access", "-"].contains(word.lowercased())
  }
}
