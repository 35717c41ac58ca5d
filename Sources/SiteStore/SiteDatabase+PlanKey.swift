import Crypto
import Foundation
import GRDB

extension SiteDatabase {
  /// The secret with which saved plans are authenticated; the first call makes it. With an audit key it depends on that key, too,
  /// so that whoever only reads the store cannot make plans.
  package func planKey() throws -> Data {
    let secret = try read { try Self.planSecret($0) } ?? write { try Self.makePlanSecret($0) }
    return audit.derived(from: secret)
  }

  private static func planSecret(_ db: Database) throws -> Data? {
    guard try db.tableExists("plan_key") else { return nil }
    return try Data.fetchOne(db, sql: "SELECT secret FROM plan_key")
  }

  private static func makePlanSecret(_ db: Database) throws -> Data {
    try db.execute(sql: Schema.planKey)
    // Another run may have made it meanwhile.
    if let secret = try planSecret(db) { return secret }
    let secret = SymmetricKey(size: .bits256).withUnsafeBytes { Data($0) }
    try db.execute(sql: "INSERT INTO plan_key (id, secret) VALUES (1, ?)", arguments: [secret])
    return secret
  }
}
