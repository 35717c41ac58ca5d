import GRDB
import SiteModel

/// The store's numbers for who gives rights; each combination of rule, hand and import has one.
final class GiverTable {
  private let db: Database
  private var numbers: [Givers: Int64] = [:]
  private var givers: [Int64: Givers] = [:]

  init(_ db: Database) { self.db = db }

  /// nil for a number that the store does not have.
  func givers(_ number: Int64) throws -> Givers? {
    if let known = givers[number] { return known }
    let find = try db.cachedStatement(sql: "SELECT rule, hand, import FROM giver WHERE id = ?")
    guard let row = try Row.fetchOne(find, arguments: [number]) else { return nil }
    let found = try Givers(rule: row.value(0), hand: row.value(1), imported: row.value(2))
    givers[number] = found
    return found
  }

  /// Those that are new get one; 0 for nobody.
  func number(of givers: Givers) throws -> Int64 {
    if givers.isEmpty { return 0 }
    if let known = numbers[givers] { return known }
    let values: StatementArguments = [givers.rule, givers.hand, givers.imported]
    let find = try db.cachedStatement(
      sql: "SELECT id FROM giver WHERE rule IS ? AND hand IS ? AND import IS ?")
    var number = try Int64.fetchOne(find, arguments: values)
    if number == nil {
      try db.execute(
        sql: "INSERT INTO giver (rule, hand, import) VALUES (?, ?, ?)", arguments: values)
      number = db.lastInsertedRowID
    }
    numbers[givers] = number
    return number ?? 0
  }
}
