import SiteModel
import SyncEngine
import TestSupport
import Testing

/// Conditions on moments, lists and several searches, from the directory to the site.
@Suite struct LanguageTests {
  private let ldif = """
    dn: ou=staff,dc=x
    ou: staff

    dn: uid=ada,ou=staff,dc=x
    objectClass: person
    entryUUID: 1
    uid: ada
    mail: ada@x
    cn: Ada
    contractEnd: 19700101010000Z

    dn: ou=guests,dc=x
    ou: guests

    dn: uid=bob,ou=guests,dc=x
    objectClass: guest
    employeeNumber: 77
    uid: bob
    other: bob@x
    cn: Bob

    dn: uid=eve,ou=staff,dc=x
    objectClass: person
    objectClass: guest
    entryUUID: 3
    employeeNumber: 78
    uid: eve
    mail: eve@x
    other: eve@elsewhere
    cn: Eve

    """

  private let mapping = """
    usher: 1
    search: { users: { base: "dc=x", filter: (objectClass=person) } }
    account: { id: entryUUID, email: mail, name: cn }
    otherwise: unlicensed
    rules:
      - { name: contract, when: "(!(contractEnd<={now}))", licenses: [confluence] }
    """

  @Test func somebodySettledIsActedOnWhenTheirMomentComes() throws {
    let site = try TestSite()
    #expect(try site.sync(ldif, mapping, now: 1000).summary[.grantLicense] == 2)
    #expect(try site.sync(ldif, mapping, now: 3599).isEmpty)
    let ended = try site.sync(ldif, mapping, now: 3600)
    #expect(ended.summary == [.revokeLicense: 1])
    #expect(try site.sync(ldif, mapping, now: 9000).isEmpty)
  }

  private let searches = """
    usher: 1
    search:
      users:
        - { base: "dc=x", filter: (objectClass=person) }
        - base: "dc=x"
          filter: (objectClass=guest)
          account: { id: employeeNumber, email: other }
    account: { id: entryUUID, email: mail, name: cn, username: uid }
    otherwise: unlicensed
    """

  @Test func eachSearchHasItsOwnAccountFieldsAndAnEntryBelongsToTheFirst() throws {
    let site = try TestSite()
    let plan = try site.sync(ldif, searches)
    #expect(plan.summary == [.createAccount: 3] && plan.holds.isEmpty)
    let emails = Dictionary(
      uniqueKeysWithValues: plan.subjects.map { ($0.person ?? "", $0.email) })
    #expect(emails == ["1": "ada@x", "3": "eve@x", "77": "bob@x"])
    #expect(try site.sync(ldif, searches).isEmpty)
    #expect(try site.offline(searches).isEmpty)
    // Eve leaves the first search, and becomes another person of the second: her account waits.
    let moved = ldif.replacing(
      "objectClass: person\nobjectClass: guest", with: "objectClass: guest")
    let plan2 = try site.plan(moved, searches)
    #expect(plan2.summary == [.createAccount: 1] && plan2.leaving.map(\.person) == ["3"])
    #expect(try site.offline(searches).digest == plan2.digest)
  }

  @Test func accountMatchLinksAnUnlinkedAccountByItsUsername() throws {
    let site = try TestSite()
    let imported = ImportedAccount(
      email: "old@x", name: "Ada", username: "ADA", groups: ["g"], line: 2)
    try site.bringIn([imported])
    let matching = searches.replacing("username: uid", with: "username: uid, match: uid")
    let plan = try site.sync(ldif, matching)
    #expect(plan.summary[.linkAccount] == 1 && plan.summary[.changeEmail] == 1)
    #expect(try site.store.account("ada@x")?.person == "1")
    #expect(try site.store.account("ada@x")?.holdings.map(\.right.name) == ["g"])
  }

  @Test func aListDecidesAndANewListIsAnotherMapping() throws {
    let site = try TestSite()
    let listed =
      mapping.replacing("(!(contractEnd<={now}))", with: "(uid={list.some})")
      + "\nlists: { some: some.txt }"
    site.files["some.txt"] = "ada\n"
    #expect(try site.sync(ldif, listed).summary[.grantLicense] == 1)
    site.files["some.txt"] = "ada\neve\n"
    #expect(try site.sync(ldif, listed).summary == [.grantLicense: 1])
  }
}
