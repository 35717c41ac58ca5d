/// The site in one SQLite file: accounts, what they hold, the people behind them, the journal, and the mirror
/// of the directory. All SQL is in this room; it decides nothing and plans nothing.

import DirectoryModel
import Foundation
import GRDB
import Ports
import SiteModel

/// An open store. One type owns the schema; every write is one transaction.
package final class SiteDatabase: SiteStoring, MirrorStoring {
  let queue: DatabaseQueue
  let path: String
  let audit: AuditKey
  /// All accounts with the lineage of the site, where they are expected to be asked for.
  var allAccounts: Meanwhile<([Account], String)>?
  /// Writes the mirror; nil where nobody does.
  var mirrorThread: MirrorThread?
  /// Brings the mirror from the log into the file, while others write.
  var checkpoint: Meanwhile<Void>?
  /// What an empty store held, while its file is filled and lets nobody read.
  var asItWas: DatabaseQueue?
  /// Whether the file is written without a log, see `leaveLog`; a new one is.
  var isWithoutLog = false

  /// Opens a store, or creates it; an older one is brought up to date.
  /// - Parameter audit: the key of the journal's chain.
  /// - Throws: `StoreFailure` for a file that is not ours, is newer, or cannot be used.
  package init(path: String, audit: AuditKey = .none) throws {
    self.path = path
    self.audit = audit
    let isNew = !FileManager.default.fileExists(atPath: path)
    let before = isNew ? umask(0o077) : nil
    defer { if let before { umask(before) } }
    do {
      queue = try Self.connect(path)
      let found = try queue.read { db in
        (
          application: try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0,
          version: try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0,
          tables: try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0,
          isLogged: try String.fetchOne(db, sql: "PRAGMA journal_mode") == "wal"
        )
      }
      if found.tables == 0, isNew || found.application == 0 {
        try queue.write { try Schema.create($0) }
        isWithoutLog = true
      } else if found.application != Schema.applicationID {
        throw StoreFailure.notOurs(path: path)
      } else if found.version > Schema.version {
        throw StoreFailure.newerVersion(
          path: path, found: found.version, known: Schema.version)
      } else if found.version < Schema.version {
        try queue.write { try Schema.migrate($0, from: found.version) }
      }
      // A backup that was put in the place of the store has none yet; while somebody fills it, it has none.
      if found.tables > 0, !found.isLogged {
        do { try writeAheadLog() } catch DatabaseError.SQLITE_BUSY {}
      }
    } catch let error as DatabaseError {
      throw StoreFailure(error, path: path)
    }
  }

  /// The last connection that is closed takes the log away.
  deinit {
    try? finishMirror()
    try? checkpoint?.value()
    returnToLog()
  }

  package func meanwhile<Value: Sendable>(
    _ ask: @escaping @Sendable (any SiteStoring & MirrorStoring) throws -> Value
  ) -> Meanwhile<Value> {
    // An empty store answers at once, and whoever fills it must be alone with it.
    if (try? isEmpty()) == true {
      let answer = Result { try ask(self) }
      return Meanwhile { try answer.get() }
    }
    returnToLog()
    let (path, audit) = (path, audit)
    return Meanwhile { try ask(SiteDatabase(path: path, audit: audit)) }
  }

  static func connect(_ path: String) throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.busyMode = .timeout(10)
    // References are kept by triggers that let nothing be deleted, which costs an insert nothing.
    configuration.foreignKeysEnabled = false
    configuration.prepareDatabase { db in
      db.add(function: Self.folded)
      db.add(function: Self.fits)
      // A run writes pages more than once; they go over from the log into the file when it is closed, or from 32 MB on.
      // Without a log, taking away the journal is the commit: EXTRA has the folder know of it.
      try db.execute(
        sql:
          "PRAGMA synchronous = EXTRA; PRAGMA cache_size = -4000; PRAGMA wal_autocheckpoint = 8000")
    }
    return try DatabaseQueue(path: path, configuration: configuration)
  }

  /// Writes a copy as of one moment, while others read and write; it is there whole or not at all.
  /// - Throws: `StoreFailure` also where there is something under the copy's name.
  package func backUp(to copy: String) throws {
    let partial = copy + ".partial"
    unlink(partial)
    let before = umask(0o077)
    defer { umask(before) }
    do { try queue.vacuum(into: partial) } catch let error as DatabaseError {
      unlink(partial)
      throw StoreFailure(error, path: copy)
    }
    defer { unlink(partial) }
    guard link(partial, copy) == 0 else {
      throw StoreFailure.unusable(path: copy, reason: String(cString: strerror(errno)))
    }
  }

  /// The key of this store's hashes, see `ByteHash`.
  package func hashSeed() throws -> UInt64 {
    try read { try Self.hashSeed($0) }
  }

  private static func hashSeed(_ db: Database) throws -> UInt64 {
    UInt64(bitPattern: try Int64.fetchOne(db, sql: "SELECT hash_seed FROM site") ?? 0)
  }

  static func hash(_ db: Database) throws -> ByteHash { ByteHash(seed: try hashSeed(db)) }

  // MARK: Errors

  func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try Self.reporting(path) { try (asItWas ?? queue).read(body) }
  }

  func write<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try finishMirror()
    return try Self.reporting(path) { try Self.write(over: queue, body) }
  }

  static func write<Value>(
    over queue: DatabaseQueue, _ body: (Database) throws -> Value
  ) throws -> Value {
    try queue.writeWithoutTransaction { db in
      var value: Value?
      try db.inTransaction(.immediate) {
        value = try body(db)
        return .commit
      }
      guard let value else {
        throw DatabaseError(resultCode: .SQLITE_ABORT, message: "nothing was written")
      }
      return value
    }
  }

  static func reporting<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as DatabaseError {
      throw StoreFailure(error, path: path)
    } catch is RowDecodingError {
      throw StoreFailure.damaged(path: path, reason: "a row holds a value of another type")
    } catch is DecodingError {
      throw StoreFailure.damaged(path: path, reason: "a row holds a text that nobody wrote")
    }
  }
}

extension StoreFailure {
  init(_ error: DatabaseError, path: String) {
    switch error.resultCode {
    case .SQLITE_NOTADB: self = .notOurs(path: path)
    case .SQLITE_CORRUPT:
      self = .damaged(path: path, reason: error.message ?? "its pages do not fit together")
    case .SQLITE_FULL: self = .full(path: path)
    case .SQLITE_BUSY, .SQLITE_LOCKED: self = .busy(path: path, holder: nil)
    case .SQLITE_CANTOPEN:
      self = .unusable(
        path: path, reason: "it cannot be opened; does its folder exist, and may you write there?")
    case .SQLITE_READONLY, .SQLITE_PERM:
      self = .unusable(path: path, reason: "it may not be written")
    case .SQLITE_IOERR:
      self = .interrupted(path: path, reason: error.message ?? "disk I/O error")
    default:
      self = .unusable(path: path, reason: error.message ?? "\(error.resultCode)")
    }
  }
}
