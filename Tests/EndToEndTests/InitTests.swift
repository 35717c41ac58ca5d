import Foundation
import TestSupport
import Testing

/// The first hour: from an empty folder to a preview.
@Suite struct InitTests {
  private func usher(_ arguments: [String], in folder: TemporaryFolder) throws -> Finished {
    try run(Workplace.binary, arguments, in: folder.path)
  }

  private func sign(_ server: DirectoryServer, dn: String? = nil) -> [String] {
    [
      "init", "--url", server.tlsURL, "--ca", server.ca, "--bind-dn",
      dn ?? server.kind.manager.dn, "--password-file", "words",
    ]
  }

  @Test func fromAnEmptyFolderToAPreview() throws {
    let slapd = try Slapd(ldif: Company.ldif(people: 30))
    let folder = try TemporaryFolder()
    try folder.write("secret words\n", to: "words")
    let made = try usher(sign(slapd, dn: "cn=reader,dc=acme,dc=example"), in: folder)
    #expect(made.status == 0, "\(made.errors)")
    for words in [
      "server: OpenLDAP", "holds 31 people and 1 group", "rule staff: 31 people (mapping.yaml:",
      "Wrote usher.yaml and mapping.yaml", "usher plan",
    ] { #expect(made.output.contains(words), "\(made.output)") }
    let mapping = try folder.read("mapping.yaml")
    for words in [
      "extends: openldap", "base: \"ou=people,dc=acme,dc=example\"",
      "base: \"ou=groups,dc=acme,dc=example\"",
      "member-of: \"cn=staff,ou=groups,dc=acme,dc=example\"   # 31 members",
    ] { #expect(mapping.contains(words), "\(mapping)") }
    #expect(try !folder.read("usher.yaml").contains("secret words"))
    let plan = try usher(["plan"], in: folder)
    #expect(plan.status == 0 && plan.output.contains("create-account       31"), "\(plan.output)")
    let again = try usher(sign(slapd), in: folder)
    #expect(again.status == 1 && again.errors.contains("usher.yaml exists already"))
    #expect(try folder.read("mapping.yaml") == mapping)
  }

  @Test(arguments: [DirectoryServer.Kind.ds389, .samba])
  func otherServersGetTheirPreset(kind: DirectoryServer.Kind) throws {
    let site = try BranchSite("init", on: kind, rules: "  - { name: a, when: everyone }")
    try site.take(.add("Ada"), .add("Bob"), .addGroup("devs, and \"ops\"", ["Ada"]))
    let folder = try TemporaryFolder()
    try folder.write(kind.manager.password + "\n", to: "words")
    let base = site.branch.base
    let made = try usher(
      sign(DirectoryServer.shared(kind)) + ["--people", base, "--groups", base, "--site", "x"],
      in: folder)
    #expect(made.status == 0, "\(made.errors)\(made.output)")
    let mapping = try folder.read("mapping.yaml")
    #expect(mapping.contains("extends: \(site.branch.preset)"))
    #expect(mapping.contains("name: \"devs, and \\\"ops\\\"\""), "\(mapping)")
    #expect(made.output.contains("holds 2 people and 1 group"), "\(made.output)")
    let plan = try usher(["plan"], in: folder)
    #expect(plan.status == 0 && plan.output.contains("create-account"), "\(plan.errors)")
  }

  @Test func nothingIsWrittenBeforeTheServerHasAnswered() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let folder = try TemporaryFolder()
    #expect(try usher(["init"], in: folder).status == 64)
    #expect(try usher(["init", "--url", "http://x"], in: folder).status == 64)
    #expect(
      try usher(["init", "--url", slapd.tlsURL, "--bind-dn", "cn=x"], in: folder).status == 64)
    try folder.write("wrong\n", to: "words")
    let wrong = try usher(sign(slapd), in: folder)
    #expect(wrong.status == 5 && wrong.errors.contains("does not accept the password"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["words"])
  }
}
