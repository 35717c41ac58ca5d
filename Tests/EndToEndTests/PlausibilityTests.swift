import Foundation
import TestSupport
import Testing

/// Complete answers that are not believed, and what is believed of absence.
@Suite struct PlausibilityTests {
  /// The hash that a command says would approve.
  private func hash(_ errors: String) throws -> String {
    let words = errors.split(whereSeparator: \.isWhitespace)
    let place = try #require(words.lastIndex(of: "approve"), "\(errors)")
    return String(words[place + 1])
  }

  /// What is lost between two reads of a file, and how that is said.
  @Test(arguments: [
    ("people", "shows 71 people where there were 101 before"),
    ("mail:", "shows mail of 0 people where it did of 101 before"),
    ("member:", "shows member of 0 groups where it did of 3 before"),
  ])
  func whatLooksHiddenIsNotBelievedUntilSomebodySaysSo(lost: String, words: String) throws {
    let more =
      "\n"
      + ["a", "b"].map {
        "dn: cn=\($0),ou=groups,dc=acme,dc=example\nobjectClass: groupOfNames\ncn: \($0)\nentryUUID: \($0)\nmember: uid=ada,ou=people,dc=acme,dc=example\n"
      }.joined(separator: "\n")
    let whole = Company.ldif(people: 100) + more
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.configure("ldif: acme.ldif", extra: "limits: { free-below: 1000 }")
    try place.folder.write(whole, to: "acme.ldif")
    #expect(try place.usher("sync").status == 0)
    let before = try place.export()
    let now =
      lost == "people"
      ? Company.ldif(people: 70) + more
      : whole.split(separator: "\n", omittingEmptySubsequences: false)
        .filter { !$0.hasPrefix(lost) }.joined(separator: "\n")
    try place.folder.write(now, to: "acme.ldif")
    for command in ["plan", "sync"] {
      let run = try place.usher(command)
      #expect(run.status == 5, "\(run.output)")
      #expect(
        run.errors.contains(words) && run.errors.contains("Nothing was changed"), "\(run.errors)")
    }
    #expect(try place.export() == before)
    // What was read before is what offline previews go on with.
    #expect(try place.usher("plan", "--offline", "--detailed-exitcode").status == 0)
    let hash = try hash(place.usher("sync").errors)
    #expect(try place.usher("approve", "--list").output.contains(hash))
    #expect(try place.usher("approve", hash).status == 0)
    if lost == "member:" {
      // That the groups are shown without members is believed now, and what that takes away waits by itself.
      let sync = try place.usher("sync")
      #expect(sync.status == 3 && sync.errors.contains("no members any more"), "\(sync.errors)")
      #expect(try place.usher("approve", self.hash(sync.errors)).status == 0)
    }
    #expect(try place.usher("sync").status == 0)
    #expect(try place.usher("sync").status == 0)
  }

  @Test func aServerThatLagsBehindIsLeftForTheNext() throws {
    let old = try Slapd(ldif: Company.ldif())
    let new = try Slapd(ldif: Company.ldif())
    try new.modify(
      "dn: uid=p0,ou=people,dc=acme,dc=example\nchangetype: modify\nreplace: mail\nmail: new@acme.example\n"
    )
    let place = try Workplace(directory: Workplace.server(new.url, clearText: true))
    #expect(try place.usher("sync").status == 0)
    let before = try place.export()
    try place.configure(Workplace.server("[\(old.url), \(new.url)]", clearText: true))
    let both = try place.usher("sync", "-v")
    #expect(both.status == 0 && both.errors.contains("reading anew from the next server"))
    try place.configure(Workplace.server(old.url, clearText: true))
    let lagging = try place.usher("sync")
    #expect(lagging.status == 5 && lagging.errors.contains("lags behind"), "\(lagging.errors)")
    #expect(try place.export() == before)
    #expect(try place.usher("approve", hash(lagging.errors)).status == 0)
    let approved = try place.usher("sync")
    #expect(approved.status == 0 && approved.output.contains("change-email"), "\(approved.output)")
  }

  @Test(arguments: ContractTests.sources)
  func whoMovedOutOfTheSearchIsSaidSoUnderALimitOfItsOwn(kind: DirectoryServer.Kind?) throws {
    let site = try BranchSite(
      "moved", on: kind, rules: "  - { name: all, when: everyone, licenses: [confluence] }",
      more: "leavers: { after: 0h, then: deactivate }")
    let people = (0..<8).map { "p\($0)" }
    try site.take(people.map { .add($0) })
    #expect(try site.place.usher("sync").status == 0)
    try site.limit("limits: { free-below: 2, moved-out: { max: 0 } }")
    try site.take(.move("p1", to: "outside"), .delete("p2"))
    let few = try site.place.usher("sync")
    #expect(few.status == 0, "\(few.errors)")
    #expect(few.output.lowercased().contains("moved out of the search, to cn=p1,ou=outside"))
    #expect(few.output.contains("gone from the directory"), "\(few.output)")
    try site.limit(
      "limits: { free-below: 2, moved-out: { max: 0 }, deactivations: { percent: 100 }, licenses-revoked: { percent: 100 } }"
    )
    try site.take(.move("p3", to: "outside"), .move("p4", to: "outside"), .delete("p5"))
    let many = try site.place.usher("sync")
    #expect(many.status == 3, "\(many.output)\(many.errors)")
    #expect(
      many.errors.contains("2 moved out planned, 1 made in the last 24 hours; 2 are allowed"),
      "\(many.errors)")
    #expect(many.output.contains("deactivate-account   1"), "\(many.output)")
  }

  @Test func aLeaverIsNoFailureWhereOnlyTheSearchesMayBeSeen() throws {
    let rights = ["ou=people,dc=acme,dc=example", "ou=groups,dc=acme,dc=example"].map {
      "access to dn.subtree=\"\($0)\" attrs=userPassword by anonymous auth\naccess to dn.subtree=\"\($0)\" by * read"
    }
    let system = "access to attrs=userPassword by anonymous auth by * none\naccess to * by * auth"
    let slapd = try Slapd(
      ldif: Company.ldif(people: 3),
      settings: ["EXTRA_DB": (rights + [system]).joined(separator: "\n")])
    let place = try Workplace(directory: Workplace.server(slapd.url, clearText: true))
    #expect(try place.usher("sync").status == 0)
    try slapd.modify("dn: uid=p0,ou=people,dc=acme,dc=example\nchangetype: delete\n")
    let sync = try place.usher("sync")
    #expect(sync.status == 0, "\(sync.errors)")
    #expect(sync.output.contains("cannot be looked for elsewhere"), "\(sync.output)")
    #expect(sync.output.contains("leaving: 1"))
  }

  @Test func aServerThatTakesUsForNobodyIsNotRead() throws {
    let server = try ScriptedServer.anonymous()
    let place = try Workplace(directory: Workplace.server(server.url, clearText: true))
    let sync = try place.usher("sync")
    #expect(
      sync.status == 5 && sync.errors.contains("takes us for an anonymous user"), "\(sync.errors)")
  }
}
