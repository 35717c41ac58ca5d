import DirectoryModel
import Foundation
import Ports
import SiteModel
import SyncEngine
import TestSupport
import Testing

private let mapping = """
  usher: 1
  search:
    users: { base: "ou=people,dc=x", filter: (objectClass=person) }
    groups: { base: "ou=groups,dc=x", filter: (objectClass=group), id: entryUUID }
  account: { id: entryUUID, email: mail, name: cn }
  leavers: { after: 0h }
  rules:
    - { name: staff, member-of: staff, licenses: [confluence] }
  """

private let root =
  "dn: dc=x\ndc: x\n\ndn: ou=people,dc=x\nou: people\n\ndn: ou=groups,dc=x\nou: groups\n"

private func person(_ name: String, id: String, cn: String = "P") -> String {
  "\ndn: uid=\(name),ou=people,dc=x\nobjectClass: person\nentryUUID: \(id)\nmail: \(name)@x\ncn: \(cn)\n"
}

private func group(_ name: String, id: String, _ members: String...) -> String {
  "\ndn: cn=\(name),ou=groups,dc=x\nobjectClass: group\nentryUUID: \(id)\ncn: \(name)\n"
    + members.map { "member: uid=\($0),ou=people,dc=x\n" }.joined()
}

/// An entry that comes several times in one answer. A file stands for a server that sends it so.
@Suite struct RepeatedEntryTests {
  private let whole =
    root + person("ada", id: "1") + person("bob", id: "2") + group("staff", id: "9", "ada", "bob")

  private func refusal(_ site: TestSite, _ ldif: String) throws -> String? {
    do {
      _ = try site.sync(ldif, mapping, now: 2000)
      return nil
    } catch let failure as ReadFailure { return failure.message }
  }

  @Test func theSameEntryCountsOnceHoweverOftenItComes() throws {
    let site = try TestSite()
    try site.sync(whole, mapping)
    let before = try site.export()
    let again = person("bob", id: "2") + group("staff", id: "9", "ada", "bob")
    for times in 1...3 {
      let plan = try site.sync(whole + String(repeating: again, count: times), mapping)
      #expect(plan.rows.isEmpty && plan.holds.isEmpty)
    }
    #expect(try site.export() == before)
    // In the first read likewise, and the next one finds nothing changed in the mirror.
    let other = try TestSite()
    try other.sync(whole + again + again, mapping)
    #expect(try other.export() == before)
    let version = try other.store.readEvidence(of: "corporate")?.version
    try other.sync(whole, mapping)
    #expect(try other.store.readEvidence(of: "corporate")?.version == version)
    #expect(try other.store.readEvidence(of: "corporate")?.people == 2)
  }

  @Test(arguments: [
    person("bob", id: "2", cn: "Robert"), group("staff", id: "9", "ada"),
  ])
  func anEntryThatComesAgainAndDiffersIsAFailureOfTheDirectory(again: String) throws {
    let site = try TestSite()
    try site.sync(whole, mapping)
    let before = try site.export()
    let name = again.contains("uid=bob") ? "uid=bob,ou=people,dc=x" : "cn=staff,ou=groups,dc=x"
    #expect(
      try refusal(site, whole + again)
        == "the directory corporate sent \(name) twice in one answer, and not the same")
    #expect(try site.export() == before)
  }

  @Test func twinsKeepTheirPlaceInTheMirrorWhateverCameBefore() throws {
    let site = try TestSite()
    let twins = person("eve", id: "3") + person("dan", id: "3") + group("crew", id: "8", "eve")
    try site.sync(whole + twins + group("team", id: "8", "dan"), mapping)
    let version = try site.store.readEvidence(of: "corporate")?.version
    // One more group before them moves no group to another key.
    try site.sync(
      whole + twins + group("team", id: "8", "dan") + person("dan", id: "3")
        + group("team", id: "8", "dan"), mapping)
    #expect(try site.store.readEvidence(of: "corporate")?.version == version)
  }

  /// Two servers that fail one after the other, the first at a limit of its answers before.
  private struct Failing: DirectorySource {
    var left: [(message: String, next: FailOver)]
    var reads = 0

    mutating func read(
      _ search: DirectorySearch, deliver: (borrowing EntryBatch) throws -> Void
    ) throws -> ReadSummary {
      reads += 1
      throw ReadFailure(left[0].message, remedy: "mend \(left[0].message)", isOfServer: true)
    }

    mutating func failOver() -> FailOver { left.removeFirst().next }
  }

  @Test func afterAFailoverTheReasonOfEachServerIsKept() throws {
    let site = try TestSite()
    let source = Failing(left: [
      ("ldap://a cut its answer", .pages), ("ldap://a broke off", .nextServer),
      ("ldap://b was late", .none),
    ])
    var findings = site.noFindings
    let failure = #expect(throws: ReadFailure.self) {
      _ = try site.planner(mapping).plan(.directory(source), now: 1000, into: &findings)
    }
    #expect(
      failure?.message
        == "no server could be read to the end: ldap://a broke off; ldap://b was late")
    #expect(failure?.remedy == "mend ldap://a broke off")
  }
}
