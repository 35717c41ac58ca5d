import Foundation
import TestSupport
import Testing

/// Syncs by a clock that is set wrong, which the clock of the last sync is made to look like.
@Suite struct WrongClockTests {
  private func set(_ change: String, in place: Workplace) throws {
    let script =
      "import sqlite3; sqlite3.connect('usher.db', isolation_level=None).execute('UPDATE sync_clock SET \(change)')"
    let done = try TestSupport.run(
      "/usr/bin/env", ["python3", "-c", script], in: place.folder.path)
    #expect(done.status == 0, "\(done.errors)")
  }

  @Test(arguments: [
    ("wall_seconds = wall_seconds + 7260", "the clock stands 2 hours before the last sync"),
    (
      "wall_seconds = wall_seconds - 360000",
      "since the last sync the clock has gone 4 days more than the machine has run"
    ),
  ])
  func aWrongClockStopsTheSyncUntilSomebodySaysThatItIsRight(change: String, words: String) throws {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.folder.write(Company.ldif(people: 3), to: "acme.ldif")
    #expect(try place.usher("sync").status == 0)
    try set(change, in: place)
    try place.folder.write(Company.ldif(people: 4), to: "acme.ldif")
    let before = try place.export()
    let sync = try place.usher("sync")
    #expect(sync.status == 3 && sync.errors.contains(words), "\(sync.errors)")
    #expect(try place.export() == before)
    let hash = try #require(
      sync.errors.split(separator: " ").last?.trimmingCharacters(in: .newlines))
    #expect(try place.usher("approve", hash, "--yes").status == 0)
    let approved = try place.usher("sync")
    #expect(
      approved.status == 0 && approved.output.contains("create-account"), "\(approved.errors)")
    #expect(try place.usher("sync").status == 0)
  }

  @Test func afterALongPauseTheSyncGoesOnWithAWarning() throws {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.folder.write(Company.ldif(people: 3), to: "acme.ldif")
    #expect(try place.usher("sync").status == 0)
    try set("wall_seconds = wall_seconds - 250000, boot_seconds = boot_seconds - 250000", in: place)
    let sync = try place.usher("sync")
    #expect(sync.status == 0 && sync.errors.contains("waits for the next sync"), "\(sync.errors)")
    #expect(try !place.usher("sync").errors.contains("waits for the next sync"))
  }
}
