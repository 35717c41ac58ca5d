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
    #expect(faults.count == 3, "\(edited.output)")
    #expect(edited.output.contains("active accounts are counted, and there are"))
    #expect(edited.output.contains("has another email than its last change in the journal gave it"))
    #expect(edited.output.contains("is active, and by the journal it was deactivated last"))
  }

  /// What the store's own checks cannot find, since each value could be one.
  @Test(arguments: [
    ("name = 'Eve'", "has another name than its last change in the journal gave it"),
    ("username = 'eve'", "has another username than its last change in the journal gave it"),
    ("email = 'Ada@acme.example'", "has another email than its last change in the journal gave it"),
    ("rights = NULL", "does not hold what the journal says"),
    (
      "rights = replace(rights, ':', ':1')", "does not hold what the journal says"
    ),
    ("rights = NULL, mark_hand = 'root'", "is not marked as the journal says"),
  ])
  func anAccountThatIsNotAsTheJournalSaysIsAFault(change: String, fault: String) throws {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.folder.write(Company.ldif(), to: "acme.ldif")
    #expect(try place.usher("sync").status == 0)
    try edit(place, "INSERT INTO giver (id, hand) SELECT '1' || id, 'eve' FROM giver")
    #expect(try place.usher("runs", "--verify").status == 0)
    try edit(place, "UPDATE account SET \(change) WHERE email = 'ada@acme.example'")
    let edited = try place.usher("runs", "--verify")
    #expect(edited.status == 1)
    #expect(edited.output.contains(fault), "\(edited.output)")
    #expect(edited.errors.contains("put a backup in its place"), "\(edited.errors)")
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
