import Foundation
import TestSupport
import Testing

/// The whole way through the house, on a real slapd.
@Suite struct ServerTests {
  @Test func previewApplyAndAgainToNoEffect() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let place = try Workplace(directory: Workplace.server(slapd.tlsURL, ca: slapd.ca))
    let check = try place.usher("check", "--connect")
    #expect(check.status == 0, "\(check.errors)")
    #expect(check.output.contains("4 people and 1 group"))
    #expect(try place.usher("plan", "--detailed-exitcode").status == 2)
    let plan = try place.usher("plan", "--out", "p.usher")
    #expect(plan.output.contains("+ create-account") && plan.output.contains("staff (acme.yaml:7)"))
    #expect(try place.usher("apply", "p.usher").status == 0)
    let again = try place.usher("sync")
    #expect(again.status == 0 && again.output.contains("Nothing to do"))
    #expect(try place.usher("plan", "--detailed-exitcode").status == 0)
    #expect(try place.usher("apply", "p.usher").status == 4)
    let explained = try place.usher("explain", "ADA@acme.example")
    for words in [
      "uid=ada,ou=people", "yes staff (acme.yaml:7)", "license confluence, given by rule staff",
      "nothing to do",
    ] {
      #expect(explained.output.contains(words), "\(explained.output)")
    }
    #expect(try place.usher("explain", "nobody@acme.example").status == 1)
  }

  @Test func aRenameAndALeaverOnARealServer() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let place = try Workplace(
      directory: Workplace.server(slapd.tlsURL, ca: slapd.ca),
      mapping: Company.mapping + "\nleavers: { after: 0h, then: deactivate }\n")
    #expect(try place.usher("sync").status == 0)
    try slapd.modify(
      """
      dn: uid=p0,ou=people,dc=acme,dc=example
      changetype: modrdn
      newrdn: uid=married
      deleteoldrdn: 1

      dn: cn=staff,ou=groups,dc=acme,dc=example
      changetype: modify
      add: member
      member: uid=married,ou=people,dc=acme,dc=example
      -
      delete: member
      member: uid=p0,ou=people,dc=acme,dc=example

      dn: uid=p1,ou=people,dc=acme,dc=example
      changetype: delete
      """)
    let sync = try place.usher("sync")
    #expect(sync.status == 0)
    for words in ["username: p0 → married", "- deactivate-account", "- revoke-license confluence"] {
      #expect(sync.output.contains(words), "\(sync.output)")
    }
    #expect(!sync.output.contains("create-account"))
    #expect(try place.usher("sync").output.contains("Nothing to do"))
  }

  @Test func startTLSIsUsedAndClearTextOnlyByAnExplicitWord() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let place = try Workplace(directory: Workplace.server(slapd.url, ca: slapd.ca))
    let startTLS = try place.usher("check", "--connect", "-v")
    #expect(startTLS.status == 0, "\(startTLS.errors)")
    #expect(startTLS.errors.contains("-ZZ"))
    #expect(!startTLS.errors.contains("without TLS"))
    try place.configure(Workplace.server(slapd.url, clearText: true))
    let clear = try place.usher("check", "--connect")
    #expect(clear.status == 0 && clear.errors.contains("travels without TLS"))
    try place.configure(Workplace.server(slapd.url.replacing("ldap:", with: "LDAP:"), ca: slapd.ca))
    #expect(try place.usher("check", "--connect", "-v").errors.contains("-ZZ"))
  }

  @Test(arguments: [false, true])
  func anUntrustedCertificateStopsBeforeThePassword(startTLS: Bool) throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let other = try Slapd(ldif: Company.ldif())
    let url = startTLS ? slapd.url : slapd.tlsURL
    let place = try Workplace(directory: Workplace.server(url, ca: other.ca))
    // Neither the environment nor a file in the home folder may talk it round.
    try place.folder.write("TLS_REQCERT never\n", to: ".ldaprc")
    let environment = ["LDAPTLS_REQCERT": "never", "HOME": place.folder.path]
    let sync = try place.usher("sync", environment: environment)
    #expect(sync.status == 5)
    #expect(
      sync.errors.contains("no TLS connection") && !sync.errors.contains("secret words"),
      "\(sync.errors)")
  }

  @Test func pagesAreReadToTheirEndWithinTheServersLimits() throws {
    // A limit on unpaged answers, and one on the size of a page.
    let slapd = try Slapd(
      ldif: Company.ldif(people: 1500), settings: ["SIZELIMIT": "500", "PAGELIMIT": "300"])
    let place = try Workplace(directory: Workplace.server(slapd.tlsURL, ca: slapd.ca))
    let sync = try place.usher("sync")
    #expect(sync.status == 0, "\(sync.errors)")
    #expect(sync.output.contains("create-account       1,501"))
    // The next one knows, and asks in pages from the beginning.
    let again = try place.usher("sync", "--full", "--verbose")
    #expect(again.output.contains("Nothing to do"), "\(again.errors)")
    #expect(!again.errors.contains("reading anew in pages") && again.errors.contains("-E pr=1000/"))
  }

  @Test func severalBasesAreReadSideBySide() throws {
    let bases = ["people", "more", "others"]
    let added = bases.dropFirst().map { name in
      """

      dn: ou=\(name),dc=acme,dc=example
      objectClass: organizationalUnit
      ou: \(name)

      """
        + (0..<600).map { number in
          """

          dn: uid=\(name)\(number),ou=\(name),dc=acme,dc=example
          objectClass: inetOrgPerson
          uid: \(name)\(number)
          cn: \(name) \(number)
          sn: \(number)
          mail: \(name)\(number)@acme.example

          """
        }.joined()
    }.joined()
    // The server cuts answers, so that each base is read anew in pages.
    let slapd = try Slapd(ldif: Company.ldif(people: 600) + added, settings: ["SIZELIMIT": "500"])
    let names = bases.map { "\"ou=\($0),dc=acme,dc=example\"" }.joined(separator: ", ")
    let mapping = Company.mapping.replacing(
      "base: \"ou=people,dc=acme,dc=example\"", with: "base: [\(names)]"
    ).replacing("member-of: staff", with: "when: everyone")
    let server = Workplace.server(slapd.tlsURL, ca: slapd.ca)
    let alone = try Workplace(directory: server, mapping: mapping)
    #expect(try alone.usher("sync").status == 0)
    let place = try Workplace(directory: server + "\nconnections: 2", mapping: mapping)
    let sync = try place.usher("sync", "--verbose")
    #expect(sync.status == 0, "\(sync.errors)")
    #expect(sync.output.contains("create-account       1,801"))
    #expect(sync.errors.components(separatedBy: "once more").count > 3)
    #expect(
      try place.usher("export", "--format", "json").output
        == alone.usher("export", "--format", "json").output)
    #expect(try place.usher("sync").output.contains("Nothing to do"))
    // One base that fails is enough.
    try place.folder.write(mapping.replacing("ou=others", with: "ou=nowhere"), to: "acme.yaml")
    try place.folder.write(
      try String(contentsOfFile: place.folder.path + "/usher.yaml", encoding: .utf8)
        + "\nmapping-changes: apply\n", to: "usher.yaml")
    let failed = try place.usher("sync")
    #expect(failed.status == 5 && failed.errors.contains("ou=nowhere"), "\(failed.errors)")
  }

  @Test func anAnswerCutShortByALimitChangesNothing() throws {
    let slapd = try Slapd(
      ldif: Company.ldif(people: 1500), settings: ["SIZELIMIT": "500", "PAGETOTAL": "1200"])
    let place = try Workplace(directory: Workplace.server(slapd.tlsURL, ca: slapd.ca))
    let sync = try place.usher("sync")
    #expect(sync.status == 5)
    #expect(
      sync.errors.contains("cut short") && sync.errors.contains("Nothing was changed"),
      "\(sync.errors)")
    #expect(try !place.export().contains("@"))
  }

  @Test func aServerThatStopsAfterTheBindEndsTheCommandInTime() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let proxy = try ScriptedServer.stalling(before: slapd.url)
    let place = try Workplace(
      directory: Workplace.server(proxy.url, clearText: true, timeout: "2s"))
    let sync = try place.usher("sync")
    #expect(sync.status == 5, "\(sync.errors)")
    #expect(sync.errors.contains("did not answer within 2 s"))
    // The deadline is 2 s and a second; the rest is for a busy machine. Without a deadline it would never end.
    #expect(sync.seconds < 60)
  }

  @Test(arguments: ["ldaps", "ldap"])
  func aServerThatNeverSpeaksEndsTheCommandInTime(scheme: String) throws {
    let slapd = try Slapd(ldif: Company.ldif())
    kill(slapd.pid, SIGSTOP)
    defer { kill(slapd.pid, SIGCONT) }
    let url = scheme == "ldaps" ? slapd.tlsURL : slapd.url
    let place = try Workplace(directory: Workplace.server(url, ca: slapd.ca) + "\n")
    try place.configure(Workplace.server(url, ca: slapd.ca, timeout: "2s"))
    let sync = try place.usher("sync")
    #expect(sync.status == 5, "\(sync.errors)")
    #expect(sync.errors.contains("did not answer within 2 s"), "\(sync.errors)")
    // The deadline is 2 s and a second; the rest is for a busy machine. Without a deadline it would never end.
    #expect(sync.seconds < 60)
  }

  @Test func checkSaysWhatTheServerIs() throws {
    for (kind, words) in [
      (DirectoryServer.Kind.slapd, ["server: OpenLDAP", "immutable id: entryUUID"]),
      (
        .ds389,
        ["server: 389 Directory Server (389 Project 389-Directory/", "immutable id: nsUniqueId"]
      ),
      (.samba, ["server: Active Directory (Samba Team", "immutable id: objectGUID"]),
    ] {
      let server = try DirectoryServer.shared(kind)
      let mapping = Company.mapping.replacing("openldap", with: Branch("", on: kind).preset)
        .replacing("- { name: staff, member-of: staff,", with: "- { name: staff, when: everyone,")
        .replacing("ou=people,dc=acme", with: "dc=acme")
      let place = try Workplace(
        directory: BranchSite.lines(server), mapping: mapping,
        password: server.kind.manager.password)
      let check = try place.usher("check", "--connect")
      for word in words + ["pages: of 1,000"] {
        #expect(check.output.contains(word), "\(check.output)\(check.errors)")
      }
    }
  }

  @Test func aReadWithoutTheCanariesIsNotBelieved() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let lines = { (canary: String) in
      Workplace.server(slapd.tlsURL, ca: slapd.ca) + "\ncanaries: [\"\(canary)\"]\n"
    }
    let place = try Workplace(directory: lines("uid=ada,ou=people,dc=acme,dc=example"))
    #expect(try place.usher("sync").status == 0)
    try slapd.modify("dn: uid=p1,ou=people,dc=acme,dc=example\nchangetype: delete\n")
    try place.configure(lines("uid=p1,ou=people,dc=acme,dc=example"))
    let sync = try place.usher("sync")
    #expect(sync.status == 5)
    #expect(
      sync.errors.contains("does not show uid=p1,ou=people,dc=acme,dc=example"), "\(sync.errors)")
  }

  @Test func aServerThatFailsInMidReadIsLeftForTheNext() throws {
    let slapd = try Slapd(ldif: Company.ldif(people: 50))
    let cut = try ScriptedServer.cutting(before: slapd.url, after: 4000)
    let place = try Workplace(
      directory: Workplace.server("[\(cut.url), \(slapd.url)]", clearText: true))
    let sync = try place.usher("sync", "-v")
    #expect(sync.status == 0, "\(sync.errors)")
    #expect(sync.errors.contains("\(cut.url) failed; reading anew from the next server"))
    #expect(sync.output.contains("create-account       51"), "\(sync.output)")
  }

  @Test func aServerThatLetsUsInAndIsBusyIsLeftForTheNext() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let busy = try ScriptedServer.answering(51, entries: 0)
    let place = try Workplace(
      directory: Workplace.server("[\(busy.url), \(slapd.url)]", clearText: true))
    let sync = try place.usher("sync", "-v")
    #expect(sync.status == 0, "\(sync.errors)")
    #expect(sync.errors.contains("\(busy.url) failed; reading anew from the next server"))
  }

  @Test func severalURLsAreTriedInOrder() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let gone = try Slapd(ldif: Company.ldif())
    try gone.stop()
    let place = try Workplace(
      directory: Workplace.server("[\(gone.tlsURL), \(slapd.tlsURL)]", ca: slapd.ca))
    let sync = try place.usher("sync", "-v")
    #expect(
      sync.status == 0 && sync.errors.contains("connected to \(slapd.tlsURL)"), "\(sync.errors)")
    let nobody = try Workplace(
      directory: Workplace.server("[\(gone.tlsURL), \(gone.url)]", ca: slapd.ca))
    let failed = try nobody.usher("sync")
    #expect(
      failed.status == 5 && failed.errors.contains(gone.tlsURL) && failed.errors.contains(gone.url))
  }

  @Test func aWrongPasswordAMissingBaseAndAnEmptyAnswerAreToldApart() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let server = Workplace.server(slapd.tlsURL, ca: slapd.ca)
    let wrong = try Workplace(directory: server, password: "not the password").usher("sync")
    #expect(
      wrong.status == 5 && wrong.errors.contains("does not accept the password"), "\(wrong.errors)")
    #expect(!wrong.errors.contains("not the password"))
    let place = try Workplace(
      directory: server, mapping: Company.mapping.replacing("ou=people", with: "ou=peple"))
    let missing = try place.usher("sync")
    #expect(
      missing.status == 5
        && missing.errors.contains("the base ou=peple,dc=acme,dc=example does not exist"),
      "\(missing.errors)")
    try place.folder.write(Company.mapping, to: "acme.yaml")
    #expect(try place.usher("sync").status == 0)
    let before = try place.export()
    try place.folder.write(
      Company.mapping.replacing("users: { ", with: "users: { exclude: (uid=*), "), to: "acme.yaml")
    try place.configure(server, extra: "mapping-changes: apply")
    let empty = try place.usher("sync")
    #expect(
      empty.status == 5 && empty.errors.contains("no people where there were 4"), "\(empty.errors)")
    #expect(try place.export() == before)
  }

  @Test func anEmptyBaseMeansAllThatTheServerHolds() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let place = try Workplace(
      directory: Workplace.server(slapd.tlsURL, ca: slapd.ca),
      mapping: Company.mapping.replacing("ou=people,dc=acme,dc=example", with: ""))
    let check = try place.usher("check", "--connect")
    #expect(check.status == 0 && check.output.contains("4 people"), "\(check.errors)")
  }

  @Test func referralsAreCountedAndNotFollowed() throws {
    let referral = """

      dn: ou=elsewhere,ou=people,dc=acme,dc=example
      objectClass: referral
      objectClass: extensibleObject
      ou: elsewhere
      ref: ldap://127.0.0.1:1/ou=elsewhere,dc=acme,dc=example

      """
    let slapd = try Slapd(ldif: Company.ldif() + referral)
    let place = try Workplace(directory: Workplace.server(slapd.tlsURL, ca: slapd.ca))
    let plan = try place.usher("plan")
    #expect(plan.status == 0, "\(plan.errors)")
    #expect(plan.output.contains("refers to other servers in 1 places"), "\(plan.output)")
  }

  @Test func aLostConnectionChangesNothing() throws {
    let slapd = try Slapd(ldif: Company.ldif(people: 400))
    for bytes in [0, 200, 5_000, 40_000] {
      let proxy = try ScriptedServer.cutting(before: slapd.url, after: bytes)
      let place = try Workplace(
        directory: Workplace.server(proxy.url, clearText: true, timeout: "5s"))
      let sync = try place.usher("sync")
      #expect(sync.status == 5, "after \(bytes): \(sync.errors)")
      #expect(try !place.export().contains("@"))
    }
  }

  /// Success with entries, but without the control that says which page was the last.
  @Test func aMissingFinalPageChangesNothing() throws {
    let server = try ScriptedServer.forgettingTheLastPage()
    let place = try Workplace(directory: Workplace.server(server.url, clearText: true))
    let sync = try place.usher("sync")
    #expect(sync.status == 5)
    #expect(
      sync.errors.contains("without saying whether that was the last page"), "\(sync.errors)")
    #expect(try !place.export().contains("@"))
  }

  @Test(arguments: [1, 2, 3, 4, 7, 8, 10, 11, 16, 18, 21, 32, 50, 51, 52, 53, 54, 80, 118])
  func anyResultCodeButSuccessChangesNothing(code: Int) throws {
    let server = try ScriptedServer.answering(code, entries: 3)
    let place = try Workplace(directory: Workplace.server(server.url, clearText: true))
    let sync = try place.usher("sync")
    #expect(sync.status == 5, "\(sync.errors)")
    #expect(sync.errors.contains("Nothing was changed"))
    #expect(try !place.export().contains("@"))
  }
}
