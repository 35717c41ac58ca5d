import GRDB
import Ports
import SiteModel

/// The rights of accounts that a plan changes: read when they are first asked for, written some thousands together.
struct ChangedRights {
  struct Rights {
    var active = PackedRights()
    /// Given back while the person cannot sign in (R20).
    var suspended = PackedRights()
  }

  private static let most = 10_000
  private let db: Database
  private let find, update: RapidStatement
  private var accounts: [Int64: Rights] = [:]

  init(_ db: Database) throws {
    self.db = db
    find = try RapidStatement(db, "SELECT rights, suspended FROM account WHERE id = ?")
    update = try RapidStatement(db, "UPDATE account SET rights = ?2, suspended = ?3 WHERE id = ?1")
  }

  /// Of an account that is not there nothing is held.
  mutating func change<Result>(
    _ account: Int64, _ body: (inout Rights) throws -> Result
  ) throws -> Result {
    if accounts[account] == nil {
      if accounts.count == Self.most { try write() }
      accounts[account] = try find.first(.int(account)) { row in
        Rights(active: PackedRights(row.bytes(0)), suspended: PackedRights(row.bytes(1)))
      }
    }
    return try body(&accounts[account, default: Rights()])
  }

  /// Writes what was changed.
  mutating func write() throws {
    if accounts.isEmpty { return }
    for (account, rights) in accounts.sorted(by: { $0.key < $1.key }) {
      try update.run(.int(account), .text(rights.active.text), .text(rights.suspended.text))
      guard db.changesCount == 1 else {
        throw StorePlanIsStale(reason: "the account \(account) is not there")
      }
    }
    accounts.removeAll(keepingCapacity: true)
  }
}
