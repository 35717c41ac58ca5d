import Foundation
import TestSupport
import Testing

/// The whole site from the command line: what administrators type, and what they get wrong.
@Suite struct WholeSiteTests {
  private func place(people: Int = 3, extra: String = "", mapping: String = Company.mapping) throws
    -> Workplace
  {
    let place = try Workplace(directory: "ldif: acme.ldif", mapping: mapping)
    try place.configure("ldif: acme.ldif", extra: extra)
    try place.folder.write(Company.ldif(people: people), to: "acme.ldif")
    return place
  }

  @Test func previewApplyExplainUndoAndThePreviewIsEmpty() throws {
    let place = try place()
    #expect(try place.usher("sync").status == 0)
    // A mapping is changed by mistake, reviewed, and applied.
    try place.folder.write(
      Company.mapping.replacing("[confluence]", with: "[]"), to: "acme.yaml")
    let preview = try place.usher("plan", "--out", "p.usher")
    #expect(preview.status == 3 && preview.output.contains("revoke-license       4"))
    #expect(preview.errors.contains("alters what 4 people get"))
    #expect(try place.usher("apply", "p.usher").status == 0)
    let why = try place.usher("explain", "ada@acme.example").output
    #expect(why.contains("group developers, by staff (") && !why.contains("license confluence"))
    // The mistake is seen: the mapping is put back, and the run taken back.
    try place.folder.write(Company.mapping, to: "acme.yaml")
    #expect(try place.usher("undo", "2").status == 0)
    #expect(try place.usher("undo", "2").status == 1)
    let after = try place.usher("plan", "--detailed-exitcode")
    #expect(after.status == 0 && after.output.contains("Nothing to do"), "\(after.errors)")
    #expect(try place.usher("sync").output.contains("Nothing to do"))
    #expect(try place.usher("runs", "--verify").output.contains("The journal is as it was written"))
  }

  @Test func aServerThatIsDownStopsItsOwnPeopleOnly() throws {
    let place = try place()
    let partner = """
      usher: 1
      search: { users: { base: "dc=partner", filter: (objectClass=person) } }
      account: { id: entryUUID, email: mail, name: cn, match: uid }
      rules:
        - { name: partners, when: everyone, licenses: [jira] }
      """
    try place.folder.write(partner, to: "partner.yaml")
    try place.folder.write(
      Company.mapping.replacing("rules:", with: "account: { match: uid }\nrules:"), to: "acme.yaml")
    let person = "objectClass: person\nentryUUID: x1\nuid: ada\ncn: Ada\nmail: a@partner\n"
    try place.folder.write(
      "dn: dc=partner\nobjectClass: domain\n\ndn: cn=Ada,dc=partner\n\(person)",
      to: "partner.ldif")
    func configure(_ location: String) throws {
      let second = "- { name: partner, \(location), mapping: partner.yaml }"
      try place.configure("ldif: acme.ldif\n__", extra: "")
      let text = try place.folder.read("usher.yaml")
      try place.folder.write(text.replacing("    __", with: "  \(second)"), to: "usher.yaml")
    }
    try configure("ldif: partner.ldif")
    #expect(try place.usher("sync").status == 0)
    let shown = try place.usher("show", "ada@acme.example").output
    #expect(try place.usher("show", "x1").output == shown)
    #expect(shown.contains("cn=Ada,dc=partner (partner)") && shown.contains("jira"))
    try place.folder.write(
      Company.ldif(people: 3).replacing("mail: p1@", with: "mail: new@")
        .replacing("mail: ada@", with: "mail: lovelace@"), to: "acme.ldif")
    try configure("url: \"ldaps://127.0.0.1:9\", timeout: 2s")
    let sync = try place.usher("sync", "--quiet")
    #expect(sync.status == 5)
    #expect(sync.errors.contains("the directory partner could not be read, and its people stay"))
    let export = try place.export()
    #expect(export.contains("new@acme.example") && export.contains("ada@acme.example"))
    #expect(try place.usher("plan", "--mapping", "acme.yaml").status == 64)
    try place.folder.write(
      try place.folder.read("usher.yaml").replacing("name: partner", with: "name: corporate"),
      to: "usher.yaml")
    let twice = try place.usher("check")
    #expect(twice.status == 65 && twice.errors.contains("two directories are named `corporate`"))
  }

  @Test func aChangedMappingWaitsAndTheOldOneGoesOn() throws {
    let place = try place()
    _ = try place.usher("sync")
    try place.folder.write(Company.mapping + "\n# a comment\n", to: "acme.yaml")
    #expect(try place.usher("sync").status == 0)
    try place.folder.write(
      Company.mapping.replacing("[developers]", with: "[builders]"), to: "acme.yaml")
    try place.folder.write(Company.ldif(people: 4), to: "acme.ldif")
    let waits = try place.usher("sync")
    #expect(waits.status == 3 && waits.errors.contains("until then the mapping holds as it was"))
    // Today's joiner has an account, by the mapping that holds.
    #expect(try place.export().contains("p3@acme.example"))
    #expect(try !place.export().contains("builders"))
    let hash = try #require(waits.errors.firstMatch(of: /usher approve ([0-9a-f]{12})/)?.1)
    #expect(try place.usher("approve", "--list").output.contains("p3@acme.example"))
    #expect(try place.usher("approve", String(hash)).status == 0)
    #expect(try place.usher("approve", String(hash)).errors.contains("is approved already"))
    #expect(try place.usher("sync").status == 0)
    #expect(try place.export().contains("builders") && !place.export().contains("developers"))
    #expect(try place.usher("approve", "00000000").status == 1)
    #expect(try place.usher("approve").status == 64)
  }

  @Test func anotherMappingIsTriedOnTheSameDirectory() throws {
    let place = try place()
    _ = try place.usher("sync")
    try place.folder.write(Company.ldif(people: 4), to: "acme.ldif")
    try place.folder.write(
      Company.mapping.replacing("groups: [developers]", with: "groups: [builders]"), to: "new.yaml")
    let before = try place.export()
    let plan = try place.usher("plan", "--mapping", "new.yaml")
    #expect(
      plan.status == 0 && plan.output.contains("Caused by the mapping: 9 changes"), "\(plan.output)"
    )
    #expect(plan.output.contains("No longer done, which the current mapping would do: 1 change"))
    #expect(plan.output.contains("Caused by the directory, with either mapping: 2 changes"))
    #expect(try place.export() == before)
    #expect(try place.usher("plan", "--offline").output.contains("p3@acme.example"))
  }

  @Test func whoFitsNobodyOrSeveralIsSaid() throws {
    let place = try place()
    _ = try place.usher("sync")
    for command in ["show", "deactivate", "mark", "unmark", "reactivate", "convert", "erase"] {
      let nobody = try place.usher(command, "p9@acme.example")
      #expect(
        nobody.status == 1 && nobody.errors.contains("nobody fits p9@acme.example"), "\(command)")
    }
    #expect(try place.usher("show", "ada").errors.contains("did you mean: ada@acme.example?"))
    #expect(try place.usher("grant", "1", "--license", "hipchat").status == 64)
    #expect(try place.usher("grant", "1").status == 64)
    #expect(try place.usher("runs", "99").status == 1)
    #expect(try place.usher("undo", "99").errors.contains("there is no run 99"))
  }

  @Test func rightsByHandAreShownListedAndTakenBack() throws {
    let place = try place()
    _ = try place.usher("sync")
    let before = try place.export()
    #expect(try place.usher("grant", "p0@acme.example", "--group", "ops", "--preview").status == 0)
    #expect(try place.export() == before)
    #expect(
      try place.usher("grant", "p0@acme.example", "p1@acme.example", "--group", "ops").status == 0)
    #expect(
      try place.usher("grant", "p0@acme.example", "--group", "OPS").output.contains("Nothing to do")
    )
    let show = try place.usher("show", "p0@acme.example").output
    for part in [
      "site-user", "given by rule staff", "uid=p0,ou=people,dc=acme,dc=example", "ops", "by hand",
      "knowledge base", "sign-in", "History",
      "run 2 grant by",
    ] { #expect(show.contains(part), "\(part)") }
    #expect(
      try place.usher("list", "users", "--group", "ops", "--format", "csv").output == """
        email,name,kind,state,licenses,groups
        p0@acme.example,P0,site-user,active,confluence,"developers;ops"
        p1@acme.example,P1,site-user,active,confluence,"developers;ops"

        """)
    let json = try place.usher("list", "users", "--email", "ADA*", "--format", "json").output
    let rows = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [[String: Any]]
    #expect(rows?.count == 1 && rows?[0]["licenses"] as? [String] == ["confluence"])
    #expect(try place.usher("list", "users", "--given-by", "hand").output.contains("p0@"))
    #expect(try place.usher("list", "holds", "--email", "x").status == 64)
    // No sync takes it away, and the plan stays empty.
    #expect(try place.usher("sync").output.contains("Nothing to do"))
    #expect(try place.usher("undo", "2").status == 0)
    #expect(try place.export() == before)
  }

  @Test func pinsAreSetListedAndEnded() throws {
    let place = try place()
    _ = try place.usher("sync")
    let who = "p0@acme.example"
    let pin = ["--until", "2099-01-31", "--reason", "a project"]
    func usher(_ arguments: [String]) throws -> Finished {
      try run(Workplace.binary, arguments, in: place.folder.path)
    }
    #expect(try usher(["pin", who, "--keep", "license=confluence"] + pin).status == 0)
    #expect(try usher(["pin", who, "--portal-only"] + pin).errors.contains("contradicts"))
    #expect(try usher(["pin", who, "--keep", "license=jira"] + pin).status == 1)
    #expect(try usher(["pin", who, "--keep", "confluence"] + pin).status == 64)
    #expect(try usher(["pin", who] + pin).status == 64)
    #expect(
      try usher(["pin", who, "--ignore", "--until", "tomorrow", "--reason", "x"]).status == 64)
    #expect(
      try usher(["pin", who, "--ignore", "--until", "2001-01-01", "--reason", "x"]).status == 1)
    let list = try place.usher("list", "pins").output
    #expect(list.contains("keep license=confluence") && list.contains("2099-02-01T00:00:00Z"))
    // The rule gives it no more, and it stays.
    try place.configure("ldif: acme.ldif", extra: "mapping-changes: apply")
    try place.folder.write(Company.mapping.replacing("[confluence]", with: "[]"), to: "acme.yaml")
    #expect(try place.usher("sync").status == 0)
    #expect(try place.usher("list", "users", "--license", "confluence").output.contains(who))
    #expect(try place.usher("unpin", who).status == 0)
    #expect(try place.usher("unpin", who).errors.contains("Nothing to do"))
    #expect(try place.usher("sync").output.contains("revoke-license confluence"))
  }

  @Test func r4MarkAllUnassignedMarksExactlyThatListAndThenFindsNone() throws {
    let place = try place(
      mapping: Company.mapping.replacing("member-of: staff", with: "when: (uid=ada)")
        + "\notherwise: unlicensed\n")
    _ = try place.usher("sync")
    let list = try place.usher("list", "unassigned", "--format", "csv").output
    #expect(list.split(separator: "\n").count == 4)
    let marked = try place.usher("mark", "--all-unassigned")
    #expect(marked.output.contains("mark-portal-only     3"))
    #expect(try place.usher("list", "unassigned").output == "Nobody.\n")
    #expect(try place.usher("mark", "--all-unassigned").output.contains("Nothing to do"))
    #expect(try place.usher("mark").status == 64)
    #expect(try place.usher("list", "customers").output.contains("p2@acme.example"))
  }

  @Test func theTransitionIsPreviewedBlockedPerformedAndFinal() throws {
    let place = try place(mapping: Company.mapping + "\notherwise: unlicensed\n")
    _ = try place.usher("sync")
    _ = try place.usher(
      "import",
      try place.folder.write(
        "email,name,username\neve@x.example,Eve,eve\n", to: "x.csv"))
    _ = try place.usher("mark", "eve@x.example")
    let csv = try place.usher("transition", "--format", "csv").output
    #expect(csv.hasPrefix("email,name,old_sign_in,new_sign_in,url\n"))
    #expect(csv.contains("eve@x.example,Eve,eve,eve@x.example in the portal,"))
    // Somebody in the directory has lost the email.
    let whole = Company.ldif(people: 3)
    try place.folder.write(whole.replacing("mail: p1@acme.example\n", with: ""), to: "acme.ldif")
    _ = try place.usher("sync")
    let blocked = try place.usher("transition", "--apply")
    #expect(blocked.status == 1 && blocked.output.contains("no usable email"))
    try place.folder.write(whole, to: "acme.ldif")
    _ = try place.usher("sync")
    #expect(try place.usher("convert", "eve@x.example").status == 1)
    #expect(try place.usher("transition", "--apply").status == 0)
    #expect(try place.usher("transition", "--apply").errors.contains("Nothing to do"))
    #expect(try place.export().contains("\"kind\":\"atlassian\""))
    #expect(try place.usher("mark", "ada@acme.example").errors.contains("R13"))
    let converted = try place.usher("convert", "--all", "--email", "*@x.example")
    #expect(converted.status == 0 && converted.errors.contains("must verify the email"))
    #expect(try place.usher("undo", "7").errors.contains("R13"))
    #expect(try place.usher("sync").output.contains("Nothing to do"))
  }

  @Test func r10R11AndR12AProfileSaysHowAndWhereToSignInAndWhatCanBeRead() throws {
    let place = try place()
    _ = try place.usher("sync")
    _ = try place.usher(
      "import",
      try place.folder.write(
        "email,name,username,portal_only\neve@x.example,Eve,eve,true\n", to: "x.csv"))
    let before = try place.usher("show", "eve@x.example").output
    #expect(
      before.contains("by email at the site's root URL; from the transition on only at the portal"))
    #expect(before.contains("articles in the portal; Confluence itself needs conversion"))
    #expect(
      try place.usher("show", "ada@acme.example").output.contains(
        "articles in the portal, and Confluence"))
    _ = try place.usher("transition", "--apply")
    let after = try place.usher("show", "eve@x.example").output
    #expect(after.contains("by email at the portal\n") && after.contains("username        eve"))
    #expect(
      try place.usher("show", "ada@acme.example").output
        .contains("with Atlassian account credentials at the site's root URL"))
  }

  @Test func explainFindsTheFirstFilterThatLeftSomebodyOut() throws {
    let place = try place(
      mapping: Company.mapping.replacing(
        "users: { ",
        with: "users: { filter: (&(objectClass=inetOrgPerson)(!(uid=p1))), exclude: (uid=p2), "))
    _ = try place.usher("sync")
    let filtered = try place.usher("explain", "p1@acme.example")
    #expect(
      filtered.output.contains("filter (!(uid=p1)) does not match: uid is p1"), "\(filtered.output)"
    )
    #expect(
      try place.usher("explain", "p2@acme.example").output.contains(
        "search.users.exclude matches: (uid=p2)"))
    let outside = try place.usher("explain", "cn=reader,dc=acme,dc=example")
    #expect(
      outside.output.contains("outside of base ou=people,dc=acme,dc=example"), "\(outside.output)")
    #expect(try place.usher("explain", "nobody@nowhere").status == 1)
  }

  @Test func mappingTestsShowWhatRulesCoverAndDecide() throws {
    let place = try place(
      mapping: Company.mapping + """

          - { name: again, when: (uid=ada), licenses: [confluence] }
          - { name: dead, when: (uid=nobody), licenses: [confluence] }
        tests:
          - { person: { uid: ada, memberOf: [staff] }, expect: { licenses: [confluence] } }
        """)
    let before = try place.usher("test")
    #expect(before.status == 0 && before.output.contains("1 passed, 0 failed"))
    _ = try place.usher("sync")
    let output = try place.usher("test").output
    #expect(
      output.contains("dead: matches nobody")
        && output.contains("shadowed: other rules give it all"))
    try place.folder.write(
      "tests:\n  - { person: { uid: x }, expect: { licenses: [confluence] } }\n", to: "more.yaml")
    let more = try place.usher("test", "--tests", "more.yaml")
    #expect(more.status == 1 && more.output.contains("more.yaml:2:"))
    #expect(more.output.contains("1 passed, 1 failed"))
  }

  @Test func theAuditsHeadIsWrittenOutsideAndAWrongKeyFileIsSaid() throws {
    let place = try place(extra: "audit: { key: { file: audit-key } }")
    #expect(try place.usher("sync").errors.contains("the key file"))
    try place.folder.write("a key\n", to: "audit-key")
    let sync = try place.usher("sync")
    let head = try #require(sync.errors.firstMatch(of: /audit head (\d+:[0-9a-f]{64})/)?.1)
    #expect(try place.usher("runs", "--verify", "--head", String(head)).status == 0)
    let wrong = "1:" + String(repeating: "0", count: 64)
    #expect(try place.usher("runs", "--verify", "--head", wrong).status == 1)
    #expect(try place.usher("runs", "--head", wrong).status == 64)
  }

  @Test func onlyDeactivatedPeopleWhoAreGoneAreErased() throws {
    let place = try place(mapping: Company.mapping + "\nleavers: { after: 0h }\n")
    _ = try place.usher("sync")
    #expect(try place.usher("erase", "p2@acme.example").errors.contains("is active"))
    _ = try place.usher("deactivate", "p2@acme.example")
    #expect(try place.usher("erase", "p2@acme.example").errors.contains("still in the directory"))
    try place.folder.write(Company.ldif(people: 2), to: "acme.ldif")
    _ = try place.usher("sync")
    #expect(try place.usher("erase", "p2@acme.example").status == 0)
    #expect(try !place.export().contains("p2@acme.example"))
    #expect(try place.usher("runs", "--verify").status == 0)
  }

  @Test func aNewForestIsLinkedByAnAttribute() throws {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.folder.write(Company.ldif(people: 6), to: "acme.ldif")
    #expect(try place.usher("sync").status == 0)
    let before = try place.export()
    // Everybody has a new id; p1 and p2 became one employee number, p3 is gone.
    let new = Company.ldif(people: 6).replacing("1111-4111-8111-0", with: "2222-4222-8222-0")
      .replacing("uid: p2\n", with: "uid: p2\nuid: p1\n")
      .components(separatedBy: "\n\n").filter { !$0.contains("\nuid: p3\n") }
      .joined(separator: "\n\n")
    try place.folder.write(new, to: "acme.ldif")
    let held = try place.usher("sync")
    #expect(held.output.contains("Held: 6 people"), "\(held.output)")
    #expect(try place.export() == before)
    let preview = try place.usher("link", "--all", "--by", "uid", "--preview")
    #expect(preview.status == 0, "\(preview.errors)")
    #expect(preview.output.contains("link-account         4"), "\(preview.output)")
    #expect(preview.errors.contains("p1@acme.example stays as it is: several fit"))
    #expect(
      preview.errors.contains("p2@acme.example stays as it is: ")
        && preview.errors.contains("fits another account, too"))
    #expect(preview.errors.contains("p3@acme.example stays as it is: nobody without an account"))
    #expect(try place.export() == before)
    #expect(try place.usher("link", "--all", "--by", "uid", "--yes").status == 0)
    let sync = try place.usher("sync")
    #expect(sync.status == 0 && sync.output.contains("Held: 2 people"), "\(sync.output)")
    #expect(!sync.output.contains("create-account"))
    let again = try place.usher("link", "--all", "--by", "mail", "--preview")
    #expect(again.output.contains("link-account         2"), "\(again.output)\(again.errors)")
    for wrong in [["link"], ["link", "--all"], ["link", "1", "--by", "uid"], ["link", "1"]] {
      #expect(try run(Workplace.binary, wrong, in: place.folder.path).status == 64, "\(wrong)")
    }
  }
}
