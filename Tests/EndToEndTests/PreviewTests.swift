import Foundation
import TestSupport
import Testing

/// Previews keep no run waiting, and what the console's preview of a mapping says.
@Suite struct PreviewTests {
  @Test func aSyncGoesBeforeAPreviewWhoseDirectoryHangs() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let proxy = try ScriptedServer.stalling(before: slapd.url)
    let place = try Workplace(
      directory: Workplace.server(proxy.url, clearText: true, timeout: "120s"))
    let errors = place.folder.path + "/plan.err"
    let preview = try Child(
      Workplace.binary, ["plan", "--verbose"], in: place.folder.path,
      output: place.folder.path + "/plan.out", errors: errors)
    while try !place.folder.read("plan.err").contains("ldapsearch") { usleep(20_000) }
    try place.configure(Workplace.server(slapd.url, clearText: true))
    let sync = try place.usher("sync")
    #expect(sync.status == 0, "\(sync.errors)")
    #expect(sync.output.contains("12 changes for 4 accounts"))
    #expect(preview.wait() == 75)
    #expect(
      try place.folder.read("plan.err").contains(
        "a run needs the site and goes first: this preview was given up"))
    #expect(try place.usher("plan").output.contains("Nothing to do"))
  }

  @Test func aServerThatIsDownBehindAProxyIsNoProblemOfCertificates() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let proxy = try ScriptedServer.cutting(before: slapd.tlsURL, after: 0)
    let place = try Workplace(
      directory: Workplace.server(
        proxy.url.replacing("ldap:", with: "ldaps:"), ca: slapd.ca, timeout: "20s"))
    for isDown in [false, true] {
      if isDown { try slapd.stop() }
      let plan = try place.usher("plan")
      #expect(plan.status == 5)
      #expect(
        plan.errors.contains("the connection was closed in the handshake")
          && plan.errors.contains("is the server running, also behind a proxy")
          && !plan.errors.contains("signed by"), "\(plan.errors)")
    }
  }
}
