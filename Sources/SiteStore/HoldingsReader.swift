import GRDB
import SiteModel

/// Reads what accounts hold; what many hold alike is kept once.
struct HoldingsReader {
  private static let most = 10_000
  private let db: Database
  private let givers: GiverTable
  private var rights: [Int64: Right] = [:]
  private var known: [String: [Holding]] = [:]

  init(_ db: Database) {
    self.db = db
    givers = GiverTable(db)
  }

  /// - Parameters: as `PackedRights` has them.
  /// - Returns: in the order of the rights.
  mutating func read(
    _ active: UnsafeRawBufferPointer, suspended: UnsafeRawBufferPointer
  ) throws -> [Holding] {
    if active.isEmpty, suspended.isEmpty { return [] }
    guard suspended.isEmpty, active.count < 100 else {
      return try (holdings(active) + holdings(suspended, areSuspended: true))
        .sorted { $0.right < $1.right }
    }
    let text = String(decoding: active, as: UTF8.self)
    if let found = known[text] { return found }
    let found = try holdings(active).sorted { $0.right < $1.right }
    if known.count < Self.most { known[text] = found }
    return found
  }

  private mutating func holdings(
    _ packed: UnsafeRawBufferPointer, areSuspended: Bool = false
  ) throws -> [Holding] {
    var found: [Holding] = []
    guard PackedRights.isWhole(packed) else { throw damage("cannot be read") }
    for one in PackedRights(packed).held {
      guard let right = try right(one.right), let givers = try givers.givers(one.giver) else {
        // To pass over it would be to say that the account does not have it.
        throw damage("name a right or a giver that is not there")
      }
      found.append(Holding(right, givers, isSuspended: areSuspended))
    }
    return found
  }

  private func damage(_ what: String) -> DatabaseError {
    DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the rights of an account \(what)")
  }

  private mutating func right(_ number: Int64) throws -> Right? {
    if let known = rights[number] { return known }
    let find = try db.cachedStatement(sql: "SELECT kind, name FROM rights WHERE id = ?")
    rights[number] = try Row.fetchOne(find, arguments: [number]).map { try Right($0) }
    return rights[number]
  }
}

extension Right {
  /// - Parameter row: begins with the columns `kind` and `name` of the table `rights`.
  init(_ row: Row) throws {
    self.init(try row.value(0) == "license" ? .license : .group, try row.value(1))
  }
}
