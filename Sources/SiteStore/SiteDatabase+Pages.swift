import GRDB
import Ports
import SiteModel

/// Lists of accounts in parts, as pages show them.
extension SiteDatabase {
  /// `folded(TEXT)`: without letter case, as emails are compared.
  static let folded = DatabaseFunction("folded", argumentCount: 1, pure: true) { values in
    String.fromDatabaseValue(values[0]).map(emailKey)
  }

  /// `fits(TEXT, PATTERN)`: as `AccountFilter` compares.
  static let fits = DatabaseFunction("fits", argumentCount: 2, pure: true) { values in
    guard let text = String.fromDatabaseValue(values[0]),
      let pattern = String.fromDatabaseValue(values[1])
    else { return false }
    return text.matches(pattern: pattern)
  }

  package func accounts(
    _ filter: AccountFilter, after: String?, count: Int
  ) throws -> AccountPage {
    let (conditions, arguments) = try Self.conditions(filter)
    let all = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
    // One pass finds the part and counts the whole: a search by text asks every account.
    var ids: [(id: Int64, key: String)] = []
    var total = 0
    try read { db in
      let rows = try Row.fetchCursor(
        db, sql: "SELECT id, email_key FROM account \(all) ORDER BY email_key",
        arguments: arguments)
      while let row = try rows.next() {
        total += 1
        guard ids.count <= count else { continue }
        let key: String = try row.value(1)
        if let after, !after.utf8.lexicographicallyPrecedes(key.utf8) { continue }
        ids.append((try row.value(0), key))
      }
    }
    let shown = ids.prefix(count)
    var accounts = try accounts(ids: shown.map(\.id))
    // Where the table's index is damaged, an account may be there twice.
    let place = Dictionary(shown.enumerated().map { ($1.id, $0) }) { first, _ in first }
    accounts.sort { place[$0.id] ?? 0 < place[$1.id] ?? 0 }
    return AccountPage(
      accounts: accounts, total: total, next: ids.count > count ? shown.last?.key : nil)
  }

  /// SQLite folds by itself what is ASCII, that is, has as many characters as bytes.
  private static func foldedSQL(_ column: String) -> String {
    "CASE WHEN length(\(column)) = length(CAST(\(column) AS BLOB)) THEN lower(\(column)) ELSE folded(\(column)) END"
  }

  /// A filter as conditions on `account`.
  private static func conditions(
    _ filter: AccountFilter
  ) throws -> (conditions: [String], arguments: StatementArguments) {
    var conditions: [String] = []
    var arguments = StatementArguments()
    func add(_ condition: String, _ values: [String] = []) {
      conditions.append(condition)
      arguments += StatementArguments(values)
    }
    if let text = filter.text {
      let key = emailKey(text)
      add(
        "(instr(email_key, ?) > 0 OR instr(\(foldedSQL("name")), ?) > 0 OR instr(\(foldedSQL("username")), ?) > 0)",
        [key, key, key])
    }
    if let email = filter.email { add("fits(email, ?)", [email]) }
    if let name = filter.name { add("fits(name, ?)", [name]) }
    for (kind, name) in [(Right.Kind.license, filter.license), (.group, filter.group)] {
      guard let name else { continue }
      add(PackedRights.hold, [kind.rawValue, Right.key(kind, name)])
    }
    let marked = "coalesce(mark_rule, mark_hand, mark_import) IS NOT NULL"
    if let kind = filter.kind {
      add(
        kind == "portal-only"
          ? marked
          : "NOT (\(marked)) AND (SELECT transition FROM site) = '\(kind == "site-user" ? "before" : "after")'"
      )
    }
    if let isActive = filter.isActive { add("(deactivated_by IS NULL) = \(isActive ? 1 : 0)") }
    if let isLinked = filter.isLinked {
      add("(id IN (SELECT account FROM person WHERE account IS NOT NULL)) = \(isLinked ? 1 : 0)")
    }
    if let isUnassigned = filter.isUnassigned {
      add(
        """
        (deactivated_by IS NULL AND NOT (\(marked)) AND rights IS NULL) = \(isUnassigned ? 1 : 0)
        """)
    }
    if let giver = filter.givenBy {
      let column = ["rule", "hand", "import"].contains(giver) ? giver : nil
      let (mark, isGiver) =
        column.map { ("mark_\($0) IS NOT NULL", "\($0) IS NOT NULL") } ?? (
          "mark_rule = ?", "rule = ?"
        )
      // Givers are few: their numbers are looked for, as rights have them.
      add(
        """
        (\(mark) OR EXISTS (SELECT 1 FROM giver WHERE \(isGiver) AND instr(
          replace(coalesce(rights, '') || coalesce(suspended, ''), '}', ','), ':' || giver.id || ',') > 0))
        """, column == nil ? [giver, giver] : [])
    }
    return (conditions, arguments)
  }
}
