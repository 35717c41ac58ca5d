import Foundation
import TestSupport
import Testing

/// One story on every kind of server and on a file: the same people and the same mapping give the same plan.
@Suite struct ContractTests {
  static let sources: [DirectoryServer.Kind?] = [nil, .slapd, .ds389, .samba]

  static let rules = """
      - { name: staff, member-of: staff, licenses: [confluence] }
      - { name: engineers, member-of: engineers, licenses: [jira], groups: [developers] }
      - { name: guests, when: (title=guest), portal-only: true }
    """

  /// What a step leads to, as the summary of the plan has it.
  struct Act: Sendable {
    let name: String
    let steps: [Branch.Step]
    let expected: String
  }

  static let story: [Act] = [
    Act(
      name:
        "a first sync, with nested groups, a guest, a locked account and names that need escaping",
      steps: [
        .add("Ada"), .add("Grace, M. \"Amazing\""), .add("Żółć"), .add("Guest", title: "guest"),
        .add("Nobody"), .add("Locked"), .disable("Locked"),
        .addGroup("engineers", ["Ada", "Żółć"]),
        .addGroup("staff", ["engineers", "Grace, M. \"Amazing\"", "Locked"]),
      ],
      expected: "create-account 4, grant-license 5, join-group 2"),
    Act(name: "nothing to do", steps: [], expected: ""),
    Act(
      name: "a member leaves a nested group", steps: [.leave("Żółć", group: "engineers")],
      expected: "revoke-license 2, leave-group 1"),
    Act(
      name: "a new email", steps: [.mail("Ada", "ada.lovelace@acme.example")],
      expected: "change-email 1"),
    Act(
      name: "moved and renamed within the search: the same person",
      steps: [.move("Ada", to: "elsewhere"), .rename("Ada", to: "Ada Lovelace")],
      expected: ""),
    Act(
      name: "locked out, and back", steps: [.disable("Ada Lovelace")],
      expected: "revoke-license 2, deactivate-account 1"),
    Act(
      name: "back", steps: [.enable("Ada Lovelace")],
      expected: "reactivate-account 1, grant-license 2"),
    Act(
      name: "into a group that is in another one", steps: [.join("Nobody", group: "engineers")],
      expected: "create-account 1, grant-license 2, join-group 1"),
    Act(
      name: "deleted", steps: [.delete("Grace, M. \"Amazing\"")],
      expected: "revoke-license 1, deactivate-account 1"),
    Act(
      name: "moved out of the search", steps: [.move("Nobody", to: "outside")],
      expected: "revoke-license 2, leave-group 1, deactivate-account 1"),
    Act(
      name: "a guest becomes staff",
      steps: [.title("Guest", "staff"), .join("Guest", group: "staff")],
      expected: "unmark-portal-only 1, grant-license 1"),
  ]

  @Test(arguments: sources)
  func theSameStoryGivesTheSamePlans(on kind: DirectoryServer.Kind?) throws {
    let site = try BranchSite(
      "contract", on: kind, rules: Self.rules, more: "leavers: { after: 0h, then: deactivate }")
    for act in Self.story {
      try site.take(act.steps)
      let plan = try site.place.usher("plan", "--format", "json")
      #expect(plan.status == 0, "\(act.name): \(plan.errors)")
      #expect(try summary(plan.output) == act.expected, "\(act.name): \(plan.output)")
      let sync = try site.place.usher("sync", "-q")
      #expect(sync.status == 0, "\(act.name): \(sync.errors)")
      #expect(try summary(site.place.usher("plan", "--format", "json").output) == "", "\(act.name)")
    }
  }

  private static let domain = """
    usher: 1
    extends: active-directory
    search:
      users: { base: "ou=people,dc=acme,dc=example" }
      groups: { base: "ou=groups,dc=acme,dc=example" }
    rules:
      - { name: staff, member-of: staff, licenses: [confluence] }
    """

  @Test(arguments: [1, 2, 3])
  func membersInPartsArePutTogether(size: Int) throws {
    let server = try ScriptedServer.ranges(size, fault: "none")
    let place = try Workplace(
      directory: Workplace.server(server.url, clearText: true), mapping: Self.domain)
    let plan = try place.usher("plan", "--format", "json", "-v")
    #expect(try summary(plan.output) == "create-account 3, grant-license 3", "\(plan.errors)")
    #expect(plan.errors.contains("'member;range=0-*'") == (size < 3))
  }

  @Test(arguments: ["gap", "lost", "loop", "moving"])
  func aGapBetweenPartsIsFatal(fault: String) throws {
    let server = try ScriptedServer.ranges(2, fault: fault)
    let place = try Workplace(
      directory: Workplace.server(server.url, clearText: true), mapping: Self.domain)
    let sync = try place.usher("sync")
    #expect(sync.status == 5, "\(sync.output)")
    let words = [
      "gap": "missing", "loop": "missing", "lost": "does not answer", "moving": "changed each time",
    ]
    #expect(sync.errors.contains(words[fault] ?? "?"), "\(sync.errors)")
    #expect(try !place.export().contains("@"))
  }

  @Test func whoHasAGroupAsTheirPrimaryGroupIsAMember() throws {
    let samba = try DirectoryServer.shared(.samba)
    let place = try Workplace(
      directory: BranchSite.lines(samba),
      mapping: """
        usher: 1
        extends: active-directory
        search:
          users: { base: "cn=users,dc=acme,dc=example", filter: (sAMAccountName=reader) }
          groups: { base: "cn=users,dc=acme,dc=example" }
        account: { email: ["{sAMAccountName}@acme.example"] }
        rules:
          - { name: all, member-of: Domain Users, licenses: [confluence] }
        """, password: "Secret-words1")
    let plan = try place.usher("plan", "--format", "json")
    #expect(try summary(plan.output) == "create-account 1, grant-license 1", "\(plan.errors)")
  }

  private struct Plan: Decodable { let summary: [String: Int] }

  /// "create-account 4, grant-license 5", in the order of a plan.
  private func summary(_ json: String) throws -> String {
    let counts = try JSONDecoder().decode(Plan.self, from: Data(json.utf8)).summary
    let order = [
      "revoke-license", "leave-group", "deactivate-account", "unmark-portal-only",
      "create-account", "reactivate-account", "change-email", "update-profile",
      "mark-portal-only", "grant-license", "join-group",
    ]
    return order.compactMap { kind in counts[kind].map { "\(kind) \($0)" } }
      .joined(separator: ", ")
  }
}
