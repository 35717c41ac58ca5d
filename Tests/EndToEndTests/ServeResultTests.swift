import Foundation
import TestSupport
import Testing

/// What `usher serve` says of syncs that could not say it themselves.
@Suite struct ServeResultTests {
  private func place(extra: String) throws -> Workplace {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.configure("ldif: acme.ldif", extra: extra)
    try place.folder.write(Company.ldif(), to: "acme.ldif")
    return place
  }

  private func mail(_ place: Workplace) throws -> String { try place.mails().joined() }

  /// Waits until a mail holds these words.
  private func mail(_ place: Workplace, with words: String) throws -> String {
    let deadline = Date(timeIntervalSinceNow: 60)
    while try !mail(place).contains(words) {
      try #require(Date() < deadline, "no mail holds: \(words)")
      usleep(20_000)
    }
    return try mail(place)
  }

  private let notify = "notify: { email: it@acme.example, from: usher@acme.example }"

  @Test func aSyncThatIsKilledAfterItsCommitIsToldWithItsRun() throws {
    let place = try place(extra: notify)
    // A sync first says something on standard error once it has committed. It waits there while this pipe is full.
    let path = place.folder.path + "/errors"
    mkfifo(path, 0o600)
    let pipe = open(path, O_RDWR | O_NONBLOCK)
    defer { close(pipe) }
    while write(pipe, String(repeating: "x", count: 4096), 4096) > 0 {}
    let served = try Served(place, environment: place.sendmail(), errors: path)
    let sync = try served.sync()
    while try place.usher("runs", "--format", "csv").output.split(separator: "\n").count < 2 {
      usleep(50_000)
    }
    kill(sync, SIGKILL)
    var text = ""
    while !text.contains("The sync ended with exit code 137") {
      var bytes = [UInt8](repeating: 0, count: 65_536)
      let count = read(pipe, &bytes, bytes.count)
      text += String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
      usleep(10_000)
    }
    #expect(text.contains("the sync was ended by signal 9, after it had applied run 1"))
    #expect(!text.contains("Nothing was changed"))
    let metrics = try place.folder.read("usher.db.metrics")
    #expect(metrics.contains(#"usher_sync_exit_code{site="acme"} 137"#))
    #expect(metrics.contains(#"usher_sync_applied_timestamp_seconds{site="acme"} "#))
    let mail = try mail(
      place, with: "It failed: the sync was ended by signal 9, after it had applied run 1.")
    #expect(mail.contains("create-account  4"))
    #expect(served.end().status == 0)
  }

  @Test func aSyncThatIsKilledBeforeItsCommitHasChangedNothing() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let proxy = try ScriptedServer.stalling(before: slapd.url)
    let place = try Workplace(
      directory: Workplace.server(proxy.url, clearText: true, timeout: "120s"))
    let served = try Served(place, "--verbose")
    _ = try served.printed("ldapsearch")
    kill(try served.sync(), SIGKILL)
    let text = try served.printed("The sync ended with exit code 137")
    #expect(text.contains("the sync was ended by signal 9. Nothing was changed"))
    let metrics = try place.folder.read("usher.db.metrics")
    #expect(metrics.contains(#"usher_sync_exit_code{site="acme"} 137"#))
    #expect(!metrics.contains("usher_sync_applied_timestamp_seconds"))
    #expect(served.end().status == 0)
  }

  @Test func aSyncPastItsDeadlineIsEndedAndTheServiceIsNotReadyUntilOneSucceeds() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let proxy = try ScriptedServer.stalling(before: slapd.url)
    let place = try Workplace(directory: "ldif: acme.ldif")
    let token = try place.operatorToken()
    let service = """
      console: { listen: 127.0.0.1:0, tokens: [\(token.line)] }
      deadline: { run: 5s }
      \(notify)
      """
    try place.configure(
      Workplace.server(proxy.url, clearText: true, timeout: "120s"), extra: service)
    let served = try Served(place, "--verbose", environment: place.sendmail())
    _ = try served.printed("ldapsearch")
    #expect(try served.answer("/readyz") == "200 ready\n")
    // It cannot even react to SIGTERM.
    let sync = try served.sync()
    kill(sync, SIGSTOP)
    _ = try served.printed("the sync was not done within 5 s and is being stopped")
    #expect(
      try served.answer("/readyz")
        == "503 not ready: the sync was not done within 5 s and is being stopped\n")
    let text = try served.printed("The sync ended with exit code 137")
    #expect(text.contains("the sync was not done within 5 s and was stopped. Nothing was changed"))
    #expect(
      try served.answer("/readyz").hasPrefix(
        "503 not ready: the sync was not done within 5 s and was stopped. Nothing was changed"))
    try place.configure(Workplace.server(slapd.url, clearText: true), extra: service)
    try served.sync(token: token.text)
    _ = try served.printed("The sync ended with exit code 0")
    #expect(try served.answer("/readyz") == "200 ready\n")
    let mail = try mail(
      place, with: "the sync was not done within 5 s and was stopped. Nothing was changed.")
    #expect(served.end().status == 0)
    #expect(mail.contains("deadline.run in usher.yaml allows more time"))
  }

  @Test func syncsThatFindTheSiteHeldAreCountedAndTold() throws {
    let place = try place(extra: "")
    let token = try place.operatorToken()
    try place.configure(
      "ldif: acme.ldif",
      extra: "console: { listen: 127.0.0.1:0, tokens: [\(token.line)] }\n\(notify)")
    #expect(try place.usher("sync", "--quiet", environment: place.sendmail()).status == 0)
    let lock = open(place.folder.path + "/usher.db.lock", O_RDWR)
    flock(lock, LOCK_EX)
    defer { close(lock) }
    let served = try Served(place, environment: place.sendmail())
    func counted() throws -> Int {
      let line = try served.answer("/metrics", token: token.text).split(separator: "\n").first {
        $0.hasPrefix(#"usher_syncs_total{site="acme",exit_code="75"} "#)
      }
      return line.flatMap { $0.split(separator: " ").last }.flatMap { Int($0) } ?? 0
    }
    for number in 1...3 {
      #expect(try !mail(place).contains("another run holds the site"))
      try served.sync(token: token.text)
      while try counted() < number { usleep(100_000) }
    }
    #expect(
      try served.answer("/metrics", token: token.text).contains(
        #"usher_sync_exit_code{site="acme"} 75"#))
    #expect(
      try mail(place).contains("It failed: another run holds the site, and syncs wait for it."))
    #expect(served.end().status == 0)
  }

  @Test func whatIsHeldNoMoreWaitsForNoApproval() throws {
    let place = try Workplace(
      directory: "", mapping: Company.mapping + "\nleavers: { after: 0h, then: deactivate }\n")
    try place.configure(
      "ldif: acme.ldif",
      extra: """
        limits: { deactivations: { percent: 0, max: 0 }, free-below: 1 }
        schedule: { every: 1d, full: 1d }
        console: { listen: 127.0.0.1:0 }
        """)
    try place.folder.write(Company.ldif(people: 20), to: "acme.ldif")
    #expect(try place.usher("sync").status == 0)
    try place.folder.write(Company.ldif(people: 18), to: "acme.ldif")
    #expect(try place.usher("sync").status == 3)
    #expect(try place.usher("approve", "--list").output.contains("any more") == false)
    let served = try Served(place)
    #expect(try served.answer("/metrics").contains(#"usher_approvals_waiting{site="acme"} 1"#))
    try place.folder.write(Company.ldif(people: 20), to: "acme.ldif")
    // Moments are whole seconds.
    usleep(1_100_000)
    #expect(try place.usher("sync").status == 0)
    #expect(try served.answer("/metrics").contains(#"usher_approvals_waiting{site="acme"} 0"#))
    #expect(served.end().status == 0)
    let list = try place.usher("approve", "--list").output
    #expect(list.contains("which the last sync did not hold any more"))
  }
}
