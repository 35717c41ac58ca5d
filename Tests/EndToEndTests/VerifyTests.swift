import Foundation
import TestSupport
import Testing

/// `usher runs --verify` on stores that were edited beside the journal.
@Suite struct VerifyTests {
  /// Edits the store as somebody with the file can. Python's SQLite is part of what the tests need anyway.
  private func edit(_ place: Workplace, _ sql: String) throws {
    let script =
      "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]); db.commit(); db.close()"
    let result = try run(
      "/usr/bin/env", ["python3", "-c", script, place.folder.path + "/usher.db", sql])
    #expect(result.status == 0, "\(result.errors)")
  }

  @Test func accountsThatDifferFromTheJournalAreFaults() throws {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.folder.write(Company.ldif(), to: "acme.ldif")
    #expect(try place.usher("sync").status == 0)
    #expect(try place.usher("deactivate", "p0@acme.example", "--yes").status == 0)
    let whole = try place.usher("runs", "--verify")
    #expect(whole.status == 0, "\(whole.output)")
    #expect(whole.output.contains("the accounts are as the journal says"))

    try edit(
      place,
      "UPDATE account SET email = 'eve@acme.example', email_key = 'eve@acme.example' WHERE email = 'ada@acme.example'"
    )
    try edit(place, "UPDATE account SET deactivated_by = NULL WHERE email = 'p0@acme.example'")
    let edited = try place.usher("runs", "--verify")
    #expect(edited.status == 1)
    let faults = edited.output.split(separator: "\n").filter { $0.hasPrefix("fault:") }
    #expect(faults.count == 2, "\(edited.output)")
    #expect(edited.output.contains("has another email than its last change in the journal gave it"))
    #expect(edited.output.contains("is active, and by the journal it was deactivated last"))
  }

  @Test func theAuditHeadIsPrintedWithQuietToo() throws {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.configure("ldif: acme.ldif", extra: "audit: { key: { file: bind-password } }")
    try place.folder.write(Company.ldif(), to: "acme.ldif")
    let sync = try place.usher("sync", "--quiet")
    #expect(sync.status == 0 && sync.output.isEmpty)
    let lines = sync.errors.split(separator: "\n")
    #expect(lines.count == 1 && lines[0].hasPrefix("audit head 1:"), "\(sync.errors)")
    let head = String(lines[0].dropFirst("audit head ".count))
    #expect(try place.usher("runs", "--verify", "--head", head).status == 0)
  }

  @Test func aStoreThatOthersMayReadIsWarnedAbout() throws {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.folder.write(Company.ldif(), to: "acme.ldif")
    #expect(try !place.usher("sync").errors.contains("everybody on this machine"))
    let store = place.folder.path + "/usher.db"
    #expect(chmod(store, 0o644) == 0)
    let open = try place.usher("list", "users")
    #expect(open.status == 0)
    #expect(
      open.errors.contains("everybody on this machine may read or write the store, \(store)")
        || open.errors.contains("everybody on this machine may read or write the store, usher.db"),
      "\(open.errors)")
    #expect(open.errors.contains("(mode 644)"))
  }
}
