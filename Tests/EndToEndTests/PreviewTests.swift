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

  @Test func aTextThatAsksForWhatWasNotReadIsExplainedOnItsPage() throws {
    let place = try Workplace(directory: "")
    try place.configure("ldif: acme.ldif", extra: "console: { listen: 127.0.0.1:0 }")
    try place.folder.write(Company.ldif(), to: "acme.ldif")
    let served = try Served(place)
    _ = try served.printed("The sync ended with exit code 0")
    let script = """
      import re, sys, urllib.parse, urllib.request
      address, token, text = sys.argv[1:4]
      class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_): return None
      def post(path, fields, cookie=""):
        data = urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(address + path, data=data, headers={"Cookie": cookie})
        try:
          return urllib.request.build_opener(Stay).open(request)
        except urllib.error.HTTPError as error:
          return error
      cookie = post("/sign-in", {"password": token, "to": "/"}).headers["Set-Cookie"].split(";")[0]
      page = urllib.request.urlopen(urllib.request.Request(address + "/mapping", headers={"Cookie": cookie}))
      form = re.search(r'name="form_token" value="(\\w+)"', page.read().decode())[1]
      answer = post("/mapping", {"form_token": form, "directory": "corporate", "text": text}, cookie)
      print(answer.status, answer.read().decode())
      """
    let token = try place.folder.read("usher.db.token").trimmingCharacters(
      in: .whitespacesAndNewlines)
    let text = Company.mapping + "\n  - { name: new, when: (departmentNumber=5), groups: [five] }\n"
    let answer = try run(
      "/usr/bin/env", ["python3", "-c", script, served.address(), token, text])
    #expect(answer.output.hasPrefix("200 "), "\(answer.output) \(answer.errors)")
    #expect(answer.output.contains("departmentNumber"))
    #expect(answer.output.contains("it asks for something that was not read so far"))
    #expect(answer.output.contains("On the host, usher plan --mapping FILE reads it"))
    #expect(served.end().status == 0)
  }
}
