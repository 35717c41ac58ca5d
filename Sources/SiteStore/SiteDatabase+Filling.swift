import Foundation
import GRDB
import Ports

/// Reads of everything: the mirror is written on a thread of its own, and an empty store without its log.
extension SiteDatabase {
  package func fillMirror(
    of directory: String, description: MirrorDescription,
    _ body: (any MirrorWriter) throws -> Void
  ) throws {
    try finishMirror()
    let isAlone = try Self.reporting(path) { try leaveLog() }
    if isAlone { asItWas = try Self.reporting(path) { try copyInMemory() } }
    let (path, before) = (path, checkpoint)
    let thread = MirrorThread { body in
      try Self.reporting(path) {
        let queue = try Self.connect(path)
        // Neither the disk nor the checkpoint is waited for: the log is synchronised with the first change of the site at
        // the latest, and the checkpoint goes on while the plan is made and applied.
        if !isAlone {
          try queue.writeWithoutTransaction {
            try $0.execute(sql: "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0")
          }
        }
        try Self.write(over: queue) {
          try Self.updateMirror(of: directory, description: description, in: $0, body)
        }
        return Self.checkpoint(path, after: before)
      }
    }
    do {
      try body(thread)
      try thread.finish()
    } catch {
      thread.cancel()
      asItWas = nil
      throw error
    }
    mirrorThread = thread
  }

  package func finishMirror() throws {
    guard let thread = mirrorThread else { return }
    mirrorThread = nil
    defer { asItWas = nil }
    checkpoint = try thread.wait() ?? checkpoint
  }

  private func copyInMemory() throws -> DatabaseQueue {
    let copy = try Self.connect(":memory:")
    try queue.backup(to: copy)
    return copy
  }

  /// Brings a large log into the file: whoever closes the store would have to do it alone.
  private static func checkpoint(
    _ path: String, after before: Meanwhile<Void>?
  ) -> MirrorThread.Afterwards {
    let log = try? FileManager.default.attributesOfItem(atPath: path + "-wal")
    guard let size = log?[.size] as? Int, size > 8_000_000 else { return nil }
    return Meanwhile(isPatient: true) {
      try? before?.value()
      try connect(path).writeWithoutTransaction {
        try $0.execute(sql: "PRAGMA wal_checkpoint(PASSIVE)")
      }
    }
  }
}

// MARK: The log

extension SiteDatabase {
  /// Gives up the log for an empty store: pages that are new go into the file once, instead of into the log and
  /// from there into the file. A run that ends before its time leaves a journal by which SQLite takes it back.
  /// - Returns: false where the store is not empty, or others have it open: they read on while the log is written.
  private func leaveLog() throws -> Bool {
    guard try isEmpty() else {
      returnToLog()
      return false
    }
    do {
      try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
    } catch DatabaseError.SQLITE_BUSY { return false }
    isWithoutLog = true
    return true
  }

  /// Goes back to the log, before there is another connection and before much is read. Where that fails, whoever opens the
  /// store next does.
  package func returnToLog() {
    guard isWithoutLog else { return }
    do {
      try writeAheadLog()
      isWithoutLog = false
    } catch {}
  }

  func isEmpty() throws -> Bool {
    try read {
      try Bool.fetchOne(
        $0,
        sql: """
          SELECT NOT EXISTS (SELECT 1 FROM account) AND NOT EXISTS (SELECT 1 FROM person)
            AND NOT EXISTS (SELECT 1 FROM mirror)
          """) == true
    }
  }

  func writeAheadLog() throws {
    try queue.writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA journal_mode = WAL")
      // Whoever has read in the log keeps it from being left.
      _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema")
    }
  }
}
