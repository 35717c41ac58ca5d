import Foundation
import TestSupport
import Testing

@Suite struct ServeTests {
  private func place() throws -> Workplace {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.folder.write(Company.ldif(), to: "acme.ldif")
    return place
  }

  /// A sync that waits for a server's answer.
  private func hanging(on server: ScriptedServer) throws -> (Workplace, Served) {
    let place = try Workplace(
      directory: Workplace.server(server.url, clearText: true, timeout: "120s"))
    let served = try Served(place, "--verbose")
    _ = try served.printed("ldapsearch")
    return (place, served)
  }

  private func runs(_ place: Workplace) throws -> Int {
    try place.usher("runs", "--format", "csv").output.split(separator: "\n").count - 1
  }

  @Test func aNewSiteIsSyncedAtOnceAndNotAgainBeforeItsTime() throws {
    let place = try place()
    let served = try Served(place)
    let text = try served.printed("The sync ended with exit code 0; the next begins at ")
    #expect(text.contains("create-account"))
    #expect(served.end().status == 0)
    #expect(try runs(place) == 1)
    let again = try Served(place)
    _ = try again.printed("The next sync begins at ")
    #expect(again.end(SIGINT).status == 0)
    #expect(try runs(place) == 1)
  }

  @Test func aSyncThatHangsIsStoppedWithinFiveSeconds() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let proxy = try ScriptedServer.stalling(before: slapd.url)
    let (place, served) = try hanging(on: proxy)
    let end = served.end()
    // The service gives it four seconds; the rest is for a busy machine. The server would be waited for 120 s.
    #expect(end.status == 0 && end.seconds < 60, "\(end)")
    #expect(try place.folder.read("serve.err").contains("is stopped; what it has not committed"))
    // Nobody holds the site any more.
    try place.configure(Workplace.server(slapd.url, clearText: true))
    #expect(try place.usher("sync").status == 0)
  }

  @Test func aFaultyConfigurationLeavesTheScheduleAsItWas() throws {
    let place = try place()
    let served = try Served(place)
    _ = try served.printed("the next begins at ")
    try place.configure("ldif: acme.ldif", extra: "schedule: { every: never }")
    kill(served.child.pid, SIGHUP)
    let text = try served.printed("the configuration stays as it was")
    #expect(text.contains("usher.yaml:") && text.contains("must be a length of time"))
    try place.configure("ldif: acme.ldif", extra: "schedule: { every: 2h }")
    kill(served.child.pid, SIGHUP)
    _ = try served.printed("The configuration was read anew")
    #expect(served.end().status == 0)
    try place.configure("ldif: acme.ldif", extra: "schedule: { every: never }")
    #expect(try place.usher("serve").status == 65)
  }

  @Test func aSiteThatAnotherRunHoldsIsTriedAgainSoon() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let proxy = try ScriptedServer.stalling(before: slapd.url)
    let (place, holder) = try hanging(on: proxy)
    let served = try Served(place)
    let text = try served.printed("ended with exit code 75")
    #expect(text.contains("another run holds the site"))
    #expect(served.end().status == 0)
    #expect(holder.end().status == 0)
  }

  @Test func theServiceManagerHearsWhenItIsReadyAndWhenItStops() throws {
    let place = try place()
    let path = place.folder.path + "/notify"
    let listener = try Listener(path)
    let served = try Served(
      place, environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"])
    #expect(listener.next() == "READY=1")
    var heard: Set<String> = []
    while !heard.contains("WATCHDOG=1") || !heard.contains("STATUS=Syncing") {
      heard.insert(listener.next())
    }
    // Heard, not read: whoever does not listen stops a service that is watched.
    while !listener.next().contains("the next begins at ") {}
    while listener.next() != "WATCHDOG=1" {}
    kill(served.child.pid, SIGHUP)
    while listener.next() != "RELOADING=1" {}
    while listener.next() != "READY=1" {}
    #expect(served.end().status == 0)
    while listener.next() != "STOPPING=1" {}
  }
}

/// A socket as a service manager has it.
private final class Listener: Sendable {
  private let descriptor: Int32

  init(_ path: String) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let bound = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(bound == 0)
    var patience = timeval(tv_sec: 60, tv_usec: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close(descriptor) }

  /// The next message; ends the test where none comes within a minute.
  func next() -> String {
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    precondition(count > 0, "the service manager hears nothing")
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
