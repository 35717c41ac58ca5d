import Foundation
import TestSupport
import Testing

/// What people see and schedulers act on, from an LDIF file.
@Suite struct CommandTests {
  private func place(
    people: Int = 3, mapping: String = Company.mapping, extra: String = ""
  ) throws -> Workplace {
    let place = try Workplace(directory: "ldif: acme.ldif", mapping: mapping)
    try place.configure("ldif: acme.ldif", extra: extra)
    try place.folder.write(Company.ldif(people: people), to: "acme.ldif")
    return place
  }

  @Test func withoutAConfigurationThereIsAHint() throws {
    let empty = try TemporaryFolder()
    let result = try run(Workplace.binary, ["plan"], in: empty.path)
    #expect(result.status == 65 && result.errors.contains("--config FILE"))
    #expect(
      try run(Workplace.binary, ["plan", "--config", "none.yaml"], in: empty.path).status == 65)
    #expect(try run(Workplace.binary, ["plam"], in: empty.path).status == 64)
    #expect(try run(Workplace.binary, ["plan", "--formt", "json"], in: empty.path).status == 64)
    #expect(try run(Workplace.binary, ["--version"], in: empty.path).status == 0)
  }

  @Test func theConfigurationIsFoundInItsPlaces() throws {
    let place = try place()
    #expect(try place.usher("plan").status == 0)
    let elsewhere = try TemporaryFolder()
    let file = place.folder.path + "/usher.yaml"
    #expect(try run(Workplace.binary, ["plan", "--config", file], in: elsewhere.path).status == 0)
    #expect(
      try run(Workplace.binary, ["plan"], in: elsewhere.path, environment: ["USHER_CONFIG": file])
        .status == 0)
  }

  @Test func faultsShowPlaceLineCaretAndHint() throws {
    let place = try place(mapping: Company.mapping.replacing("licenses:", with: "licences:"))
    let check = try place.usher("check")
    #expect(check.status == 65)
    #expect(check.output.contains("acme.yaml:7:"))
    #expect(check.output.contains("^") && check.output.contains("did you mean `licenses`?"))
    #expect(try place.usher("sync").status == 65)
  }

  @Test func anotherMappingIsCheckedForPeopleAndForPrograms() throws {
    let place = try place()
    let faulty = Company.mapping.replacing("licenses:", with: "licences:")
    try place.folder.write(faulty, to: "new.yaml")
    #expect(try place.usher("check").status == 0)
    #expect(try place.usher("check", "--mapping", "new.yaml").status == 65)
    let check = try place.usher("check", "--mapping", "new.yaml", "--format", "json", "--confined")
    #expect(check.status == 65)
    #expect(check.output.split(separator: "\n").count == 1)
    #expect(check.output.contains(#""hint":"did you mean `licenses`?""#), "\(check.output)")
    #expect(check.output.contains(#""rules":[]"#) && check.output.contains(#""line":7"#))
    try place.folder.write(Company.mapping, to: "new.yaml")
    let right = try place.usher("check", "--mapping", "new.yaml", "--format", "json")
    #expect(right.status == 0 && right.output.contains(#""name":"staff""#), "\(right.output)")
  }

  @Test func whatAStrangerTypedIsBoundInMemory() throws {
    let place = try place()
    let most = "head -c 1500000000 /dev/zero | \(Workplace.binary) check --mapping -"
    let bound = try run("/bin/sh", ["-c", most + " --confined"], in: place.folder.path)
    #expect(
      bound.status > 128 || bound.output.contains("standard input cannot be read"),
      "\(bound.status) \(bound.errors) \(bound.output)")
    let text = "head -c 15000000 /dev/zero | \(Workplace.binary) check --mapping -"
    #expect(try run("/bin/sh", ["-c", text + " --confined"], in: place.folder.path).status == 65)
  }

  @Test func aPlanAsAPageShowsHostileNamesAsText() throws {
    let place = try place()
    try place.folder.write(
      Company.ldif().replacing("cn: Ada", with: "cn: <script>alert(1)</script>"), to: "acme.ldif")
    let page = try place.usher("plan", "--format", "html").output
    #expect(page.hasPrefix("<!doctype html>") && page.hasSuffix("</body></html>\n"))
    #expect(page.contains("&lt;script&gt;") && !page.contains("<script"), "\(page)")
    #expect(page.contains("create-account"))
  }

  @Test func messagesAsJSONBearOneIDPerRun() throws {
    struct Message: Decodable {
      let time: String
      let level: String
      let run: String
      let message: String
    }
    let place = try place()
    func messages(_ run: Finished) throws -> [Message] {
      try run.errors.split(separator: "\n").map {
        try JSONDecoder().decode(Message.self, from: Data($0.utf8))
      }
    }
    let first = try messages(place.usher("sync", "--log", "json"))
    #expect(first.contains { $0.message.hasPrefix("Applied: ") && $0.level == "info" })
    let second = try messages(place.usher("apply", "none", "--log", "json"))
    #expect(second.map(\.level) == ["error"])
    #expect(Set((first + second).map(\.run)).count == 2)
  }

  @Test func aPasswordInTheConfigurationIsRefusedAndNotShown() throws {
    let place = try place()
    try place.configure("url: ldaps://127.0.0.1\nbind: { dn: \"cn=a\", password: hunter2 }")
    let check = try place.usher("check")
    #expect(check.status == 65 && check.errors.contains("mode 0600"))
    #expect(!(check.errors + check.output).contains("hunter2"))
    try place.configure(Workplace.server("ldaps://127.0.0.1:1", ca: "bind-password"))
    try place.folder.write("secret", to: "bind-password", mode: 0o644)
    let open = try place.usher("sync")
    #expect(open.status == 65 && open.errors.contains("chmod 600"), "\(open.errors)")
  }

  @Test func jsonHasTheShapeOfTheContract() throws {
    let place = try place()
    let text = try place.usher("plan", "--format", "json").output
    let plan = try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(
      Set(plan.keys) == [
        "usher_plan", "site", "generation", "summary", "changes", "holds", "leaving", "seats",
      ])
    #expect(plan["usher_plan"] as? Int == 1 && plan["generation"] as? Int == 0)
    #expect(
      plan["summary"] as? [String: Int] == [
        "create-account": 4, "grant-license": 4, "join-group": 4,
      ])
    let changes = try #require(plan["changes"] as? [[String: Any]])
    #expect(changes.count == 12)
    for change in changes {
      #expect(
        Set(change.keys) == ["kind", "account", "email", "before", "after", "rule", "reason"])
      #expect(change["account"] is NSNull)
    }
    let created = try #require(changes.first { $0["kind"] as? String == "create-account" })
    #expect((created["after"] as? [String: Any])?["email"] as? String == "ada@acme.example")
    #expect((created["rule"] as? [String: Any])?["name"] as? String == "staff")
    let seats = try #require((plan["seats"] as? [String: [String: Any]])?["confluence"])
    #expect(Set(seats.keys) == ["ceiling", "now", "after", "waiting"])
    #expect(seats["ceiling"] as? Int == 50 && seats["after"] as? Int == 4)
    _ = try place.usher("sync")
    let export = try #require(
      try JSONSerialization.jsonObject(with: Data(place.export().utf8)) as? [String: Any])
    #expect(export["usher_export"] as? Int == 1)
    let accounts = try #require(export["accounts"] as? [[String: Any]])
    #expect(
      accounts.map { $0["email"] as? String } == [
        "ada@acme.example", "p0@acme.example", "p1@acme.example", "p2@acme.example",
      ])
    #expect(
      Set(accounts[0].keys) == [
        "email", "name", "username", "kind", "portal_only", "active", "email_verified", "licenses",
        "groups", "directory_id",
      ])
    #expect(accounts[0]["kind"] as? String == "site-user")
  }

  @Test func offlinePlansComeFromTheMirrorOrSayWhyNot() throws {
    let place = try place()
    #expect(try place.usher("list", "users").errors.contains("there is no site store"))
    let before = try place.usher("plan", "--offline")
    #expect(before.status == 5 && before.errors.contains("mirror of corporate is empty"))
    _ = try place.usher("sync")
    try FileManager.default.removeItem(atPath: place.folder.path + "/acme.ldif")
    #expect(try place.usher("sync").status == 5)
    #expect(try place.usher("plan", "--offline").output.contains("Nothing to do"))
  }

  @Test func onlyOnePersonIsLookedAt() throws {
    let place = try place()
    let plan = try place.usher("plan", "--only", "p1@acme.example", "--out", "one.usher")
    #expect(plan.output.contains("p1@acme.example") && !plan.output.contains("ada@"))
    #expect(try place.usher("apply", "one.usher").status == 0)
    #expect(try place.export().contains("p1@acme.example"))
    #expect(try !place.export().contains("ada@"))
    #expect(try place.usher("plan", "--only", "nobody").status == 1)
  }

  @Test func manyChangesAreSummedUpUnlessAsked() throws {
    let place = try place(people: 1200)
    let short = try place.usher("plan").output
    #expect(short.contains("changes, by kind and rule") && !short.contains("p77@"), "\(short)")
    #expect(short.split(separator: "\n").count < 40)
    #expect(try place.usher("plan", "--all").output.contains("p77@"))
  }

  @Test func listsHoldsAndTheLink() throws {
    let place = try place()
    _ = try place.usher("sync")
    let recreated = Company.ldif().replacing("8111-000000000001", with: "8111-000000000099")
    try place.folder.write(recreated, to: "acme.ldif")
    #expect(try place.usher("sync").status == 0)
    let id = "11111111-1111-4111-8111-000000000099"
    #expect(try place.usher("list", "holds").output.contains("usher link p0@acme.example \(id)"))
    #expect(try place.usher("link", "p0@acme.example", "no-such-id").status == 1)
    #expect(try place.usher("link", "nobody@acme.example", id).status == 1)
    #expect(try place.usher("link", "p0@acme.example", id).status == 0)
    #expect(try place.usher("sync").output.contains("Nothing to do"))
    #expect(try place.usher("list", "holds").output == "Nobody.\n")
    #expect(try place.usher("list", "users").output.contains("p0@acme.example"))
    #expect(try place.usher("list", "licenses").output.contains("confluence  4"))
    #expect(try place.usher("list", "groups").output.contains("developers  4"))
    #expect(try place.usher("list", "unassigned").output == "Nobody.\n")
    #expect(try place.usher("list", "nobody").status == 64)
  }

  @Test func aStalePlanIsRefusedAfterAnyOtherWrite() throws {
    let place = try place(extra: "mapping-changes: apply")
    _ = try place.usher("sync")
    try place.folder.write(Company.ldif(people: 2), to: "acme.ldif")
    try place.folder.write(Company.mapping + "\nleavers: { after: 0h }\n", to: "acme.yaml")
    #expect(try place.usher("plan", "--out", "p.usher").status == 0)
    #expect(
      try place.usher("link", "p0@acme.example", "11111111-1111-4111-8111-000000000001").status == 0
    )
    // That link said nothing new; the one below does.
    let before = try place.export()
    try place.folder.write(
      Company.ldif().replacing("8111-000000000001", with: "8111-000000000098"), to: "acme.ldif")
    _ = try place.usher("plan")
    #expect(
      try place.usher("link", "p0@acme.example", "11111111-1111-4111-8111-000000000098").status == 0
    )
    let stale = try place.usher("apply", "p.usher")
    #expect(stale.status == 4 && stale.errors.contains("stale"), "\(stale.errors)")
    #expect(try place.export() == before.replacing("8111-000000000001", with: "8111-000000000098"))
  }

  @Test func aLimitHoldsPeopleAndExitsThree() throws {
    let place = try place(people: 100, extra: "mapping-changes: apply")
    _ = try place.usher("sync")
    try place.folder.write(Company.ldif(people: 85), to: "acme.ldif")
    try place.folder.write(Company.mapping + "\nleavers: { after: 0h }\n", to: "acme.yaml")
    #expect(try place.usher("plan", "--detailed-exitcode").status == 3)
    let sync = try place.usher("sync")
    #expect(
      sync.status == 3 && sync.errors.contains("15 deactivations planned; 5 are allowed"),
      "\(sync.errors)")
    #expect(try !place.export().contains("\"active\":false"))
  }

  @Test func anotherRunIsWaitedForByNobody() throws {
    let place = try place()
    _ = try place.usher("sync")
    let marker = place.folder.path + "/held"
    let holder = try Child(
      "/usr/bin/flock",
      [
        "--no-fork", place.folder.path + "/usher.db.lock", "sh", "-c",
        "touch \(marker); exec sleep 60",
      ],
      output: "/dev/null")
    defer { holder.stop() }
    while !FileManager.default.fileExists(atPath: marker) { usleep(10_000) }
    let sync = try place.usher("sync")
    #expect(sync.status == 75 && sync.errors.contains("another run holds the site"))
  }

  @Test func aFullDiskIsSaidAndNothingIsLost() throws {
    // A full disk is a limit on the size of files here; SIGXFSZ is ignored so that writes fail instead.
    let place = try place(people: 400)
    let full = try run(
      "/bin/bash", ["-c", "trap '' XFSZ; ulimit -f 300; exec \"$0\" sync", Workplace.binary],
      in: place.folder.path)
    #expect(full.status == 1 && full.errors.contains("usher.db"), "\(full.errors)")
    #expect(try !place.export().contains("@"))
    #expect(try place.usher("sync").status == 0)
  }

  @Test func aStoreThatIsNotOursIsRefused() throws {
    let place = try place()
    try place.folder.write("hello", to: "usher.db")
    let sync = try place.usher("sync")
    #expect(
      sync.status == 1 && sync.errors.contains("is not a site store of usher"), "\(sync.errors)")
    #expect(try place.folder.read("usher.db") == "hello")
  }

  @Test func changeRecordsAreRefusedWithFileAndLine() throws {
    let place = try place()
    try place.folder.write("dn: cn=a,dc=acme,dc=example\nchangetype: delete\n", to: "acme.ldif")
    let sync = try place.usher("sync")
    #expect(
      sync.status == 5 && sync.errors.contains("acme.ldif:2: a change record"), "\(sync.errors)")
  }

  @Test func hostileNamesCannotSteerTheTerminal() throws {
    let place = try place()
    try place.folder.write(
      Company.ldif().replacing("cn: Ada", with: "cn:: QWRhG1sybQo="), to: "acme.ldif")
    #expect(try !place.usher("plan").output.contains("\u{1B}"))
  }

  @Test func theMappingsTestsRunByCommand() throws {
    let tests =
      "\ntests:\n  - person: { uid: ada, memberOf: [staff] }\n    expect: { licenses: [confluence] }\n"
    let place = try place(mapping: Company.mapping + tests)
    #expect(try place.usher("test").output.contains("1 passed, 0 failed"))
    let wrong = try self.place(
      mapping: Company.mapping + tests.replacing("[confluence]", with: "[]"))
    #expect(try wrong.usher("test").status == 1)
  }

  @Test func aSyncTellsPrometheusHoweverItEnds() throws {
    let place = try place()
    let file = place.folder.path + "/usher.prom"
    func sync() throws -> (status: Int32, lines: Set<String>) {
      let status = try place.usher("sync", "--metrics", file).status
      let text = try String(contentsOfFile: file, encoding: .utf8)
      return (status, Set(text.split(separator: "\n").map(String.init)))
    }
    let first = try sync()
    #expect(first.status == 0)
    for line in [
      "# TYPE usher_sync_exit_code gauge", #"usher_sync_exit_code{site="acme"} 0"#,
      #"usher_entries_read{site="acme",kind="person"} 4"#,
      #"usher_planned_changes{site="acme",kind="create-account"} 4"#,
      #"usher_seats_taken{site="acme",product="confluence"} 4"#,
      #"usher_seats_ceiling{site="acme",product="confluence"} 50"#,
      #"usher_limit_exceeded{site="acme",limit="deactivations"} 0"#,
      #"usher_directories_unread{site="acme"} 0"#,
    ] { #expect(first.lines.contains(line), "\(line)\n\(first.lines.sorted())") }
    let stages = first.lines.filter { $0.hasPrefix("usher_sync_stage_seconds{") }
    #expect(stages.count == 3)
    let applied = first.lines.filter { $0.hasPrefix("usher_sync_applied_timestamp_seconds{") }
    #expect(applied.count == 1)
    try place.folder.write("", to: "acme.ldif")
    let failed = try sync()
    #expect(failed.status == 5)
    #expect(failed.lines.contains(#"usher_sync_exit_code{site="acme"} 5"#))
    #expect(failed.lines.isSuperset(of: applied))
    #expect(!failed.lines.contains { $0.hasPrefix("usher_directories_unread") })
    #expect(!failed.lines.contains { $0.hasPrefix("usher_planned_changes") })
  }

  @Test func aBackupIsWholeAndAPlanSavedSinceIsStaleOnIt() throws {
    let place = try place()
    #expect(try place.usher("sync").status == 0)
    let before = try place.usher("export", "--format", "json").output
    let backup = try place.usher("backup", "copy.db")
    #expect(backup.status == 0 && backup.errors.contains("Saved to copy.db"), "\(backup.errors)")
    #expect(try place.usher("backup", "copy.db").status == 1)
    #expect(try place.usher("backup", "nowhere/copy.db").errors.contains("nowhere/copy.db"))
    #expect(try place.usher("grant", "ada@acme.example", "--license", "jira", "--yes").status == 0)
    try place.folder.write(Company.ldif(people: 4), to: "acme.ldif")
    #expect(try place.usher("plan", "--out", "p.usher").status == 0)
    #expect(try place.usher("export", "--format", "json").output != before)
    let path = place.folder.path
    let mode = try FileManager.default.attributesOfItem(atPath: path + "/copy.db")
    #expect((mode[.posixPermissions] as? NSNumber)?.intValue == 0o600)
    for end in ["", "-wal", "-shm"] {
      try? FileManager.default.removeItem(atPath: path + "/usher.db" + end)
    }
    try FileManager.default.moveItem(atPath: path + "/copy.db", toPath: path + "/usher.db")
    #expect(try place.usher("export", "--format", "json").output == before)
    #expect(try place.usher("apply", "p.usher").status == 4)
    #expect(try place.usher("runs", "--verify").status == 0)
    #expect(try place.usher("sync").output.contains("create-account"))
  }

  @Test func theUnitsRunASyncEveryQuarterOfAnHour() throws {
    let deploy = repositoryRoot + "/Deploy"
    let service = try String(contentsOfFile: deploy + "/systemd/usher.service", encoding: .utf8)
    #expect(service.contains("Type=oneshot"))
    #expect(service.contains("ExecStart=/usr/bin/usher sync --config /etc/usher/usher.yaml"))
    let served = try String(
      contentsOfFile: deploy + "/systemd/usher-serve.service", encoding: .utf8)
    #expect(served.contains("Type=notify") && served.contains("Conflicts=usher.timer"))
    #expect(served.contains("ExecStart=/usr/bin/usher serve --config /etc/usher/usher.yaml"))
    let timer = try String(contentsOfFile: deploy + "/systemd/usher.timer", encoding: .utf8)
    #expect(timer.contains("OnCalendar=*:0/15") && timer.contains("Persistent=true"))
    let cron = try String(contentsOfFile: deploy + "/cron/usher", encoding: .utf8)
    #expect(cron.contains("*/15 * * * *") && cron.contains("usher sync"))
  }
}
