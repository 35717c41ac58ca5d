import Diagnostics
import Reconciliation
import SiteModel
import SyncEngine
import Testing
import Views

private func read(_ text: String, catalogue: Set<String> = ["confluence", "jira-software"])
  -> (accounts: [ImportedAccount], faults: [String])
{
  var findings = Findings()
  let accounts = UserExport.read(
    Array(text.utf8), file: "x.csv", catalogue: catalogue, into: &findings)
  return (accounts, findings.all.map { "\($0.position.line): \($0.message)" })
}

extension ImportedAccount {
  fileprivate var words: String {
    "\(email) \(name) \(username ?? "-") \(isActive) \(licenses) \(groups)"
      + (isPortalOnly ? " portal-only" : "")
  }
}

@Suite struct UserExportTests {
  @Test func theExportOf2016HasALineForEachMembership() {
    let (accounts, faults) = read(
      """
      group_name,username,full_name,email,active,last_login,last_session,Jira Service Desk,Jira Software,Confluence
      group2,ada,Ada Lovelace,ada@x.example,Yes,14 Dec 2012 15:31:57,,Yes,Yes,No
      group1,ada,Ada Lovelace,Ada@X.example,Yes,14 Dec 2012 15:31:57,,Yes,Yes,No
      ,bob,"Bob ""B"", Jr.",bob@x.example,No,,,No,No,Yes
      """)
    #expect(faults.isEmpty)
    #expect(
      accounts.map(\.words) == [
        #"ada@x.example Ada Lovelace ada true ["jira-software"] ["group2", "group1"]"#,
        #"bob@x.example Bob "B", Jr. bob false ["confluence"] []"#,
      ])
  }

  @Test func namesWithHiddenCharactersAreFaultsOfTheirLines() {
    let (accounts, faults) = read(
      "email,name,username,active,groups\nada@x,\"A\u{7}da\",ada,yes,\nbob@x,Bob,bob,yes,\"dev, s\u{200B}ite-admins\"\n"
        + "eve@x,Eve,e\u{202E}ve,yes,\nd\u{AD}an@x,Dan,,yes,\nfay@x,Fay,fay,yes,\"Site-Admins , site-admins\"\n"
    )
    #expect(accounts.map(\.words) == [#"fay@x Fay fay true [] ["Site-Admins", "site-admins"]"#])
    #expect(
      faults == [
        "2: `A\u{7}da` holds the character U+0007, which nobody sees in a name",
        "3: `s\u{200B}ite-admins` holds the character U+200B, which nobody sees in a name",
        "4: `e\u{202E}ve` holds the character U+202E, which nobody sees in a name",
        "5: `d\u{AD}an@x` holds the character U+00AD, which nobody sees in a name",
      ])
  }

  @Test func laterExportsHaveCreatedAndLastActive() {
    let (accounts, faults) = read(
      "username;full_name;email;active;created;Last active in Jira Software;groups\r\n"
        + "ada;Ada;ada@x;true;2019-01-01;2020-01-01;\"a, b\"\r\n")
    #expect(faults.isEmpty)
    #expect(accounts.map(\.words) == [#"ada@x Ada ada true [] ["a", "b"]"#])
  }

  @Test func todaysExportHasGroupsInAColumnOrPivoted() {
    let list = read(
      """
      User id,User name,email,User status,Added to org,Org role,Jira Software - acme,Last seen in Confluence - acme,Groups
      557:1,Ada Lovelace,ada@x,Active,1 Jan 2024,None,User,2 Feb 2026,"jira-users, site-admins"
      557:2,Bob,bob@x,Suspended,1 Jan 2024,None,None,Never,
      """)
    #expect(list.faults.isEmpty)
    #expect(
      list.accounts.map(\.words) == [
        #"ada@x Ada Lovelace - true ["jira-software"] ["jira-users", "site-admins"]"#,
        #"bob@x Bob - false [] []"#,
      ])
    let pivoted = read(
      "User id,User name,email,User status,Group 1,Group 2\n557:1,Ada,ada@x,Active,a,b\n557:2,Bob,bob@x,Active,c,\n"
    )
    #expect(pivoted.accounts.map(\.groups) == [["a", "b"], ["c"]])
  }

  @Test func aProductThatTheCatalogueDoesNotKnowIsTold() {
    let (accounts, faults) = read(
      "User id,User name,email,User status,Jira - acme,Last seen in Jira - acme\n1,Ada,ada@x,Active,User,Never\n"
    )
    #expect(accounts.map(\.licenses) == [[]])
    #expect(faults.count == 1 && faults[0].contains("`Jira - acme` is no license of the catalogue"))
  }

  @Test func aBrokenLineIsNamedAndTheOthersAreRead() {
    let (accounts, faults) = read(
      """
      email,name,active,portal_only,email_verified,licenses,groups
      ada@x,Ada,true,false,true,confluence,
      ,Nobody,true,false,,,
      a b@x,Spaced,true,false,,,
      bob@x,Bob,perhaps,false,,,
      eve@x,Eve,true
      eve@x,Eve,true,true,,confluence,
      dan@x,Dan,true,false,,conflence,
      ADA@x,Another,true,false,,,
      eve@x,Eve,true,false,,,"g1;g\\;2"
      """)
    #expect(accounts.map(\.email) == ["ada@x", "eve@x"])
    #expect(accounts[1].groups == ["g1", "g;2"] && accounts[0].isEmailVerified == true)
    #expect(
      faults == [
        "3: the line has no email", "4: `a b@x` is not an email",
        "5: `perhaps` does not say whether the account is active",
        "6: the line has 3 cells, and the header 7",
        "7: a portal-only account holds no license and no group (R6)",
        "8: unknown license `conflence`",
        "9: the line contradicts line 2, which has the same email: one email, one account (R15)",
      ])
  }

  @Test(arguments: [
    ("", "1: the file is empty"), ("a,b\n1,2\n", "no user export that usher knows"),
    ("email,name\nada@x,\"Ada\n", "2: a quote is opened here and never closed"),
    ("email,email,name\n", "1: a column stands twice"),
  ])
  func whatIsNoUserExportIsSaid(text: String, fault: String) {
    #expect(read(text).faults.contains { $0.contains(fault) })
  }

  @Test func whatUsherExportsItReadsBack() {
    let odd = [
      "=1+1", "a;b", "a\\b", "\"q\"", "new  line", "Zoë, ß", "'quoted", "'=1", "''@", "@x", "-",
      "a,b",
    ]
    for (index, name) in odd.enumerated() {
      let account = Account(
        id: 1, email: "ada@x", name: name, username: odd[(index + 1) % odd.count],
        isEmailVerified: true,
        holdings: [
          Holding(Right(.license, "confluence"), Givers(hand: "r")),
          Holding(Right(.group, name), Givers(rule: "r")),
          Holding(Right(.group, "z \(name)"), Givers(rule: "r")),
        ])
      let (accounts, faults) = read(
        ExportCSV.header + "\n" + ExportCSV.row(of: account, transition: .before))
      #expect(faults.isEmpty, "\(name): \(faults)")
      let back = accounts.first
      #expect(back?.name == name && back?.username == account.username)
      #expect(back.map { Set($0.groups) } == [name, "z \(name)"], "\(name)")
      #expect(back?.licenses == ["confluence"] && back?.isEmailVerified == true)
    }
  }
}

@Suite struct ImportTests {
  private func one(
    _ email: String, active: Bool = true, portalOnly: Bool = false, licenses: [String] = [],
    groups: [String] = []
  ) -> ImportedAccount {
    ImportedAccount(
      email: email, name: "N", isActive: active, isPortalOnly: portalOnly, isEmailVerified: true,
      licenses: licenses, groups: groups, line: 2)
  }

  @Test func aRightThatAFileNamesTwiceIsGivenOnce() throws {
    let site = try TestSite()
    try site.bringIn([one("a@x", licenses: ["jira", "jira"], groups: ["g", "G"]), one("b@x")])
    #expect(try site.store.account("a@x")?.holdings.map(\.right.name) == ["jira", "g"])
    try site.bringIn([one("b@x", groups: ["h", "H"])])
    #expect(try site.countsRight())
    try site.carryOut(.deactivate, on: "a@x")
    #expect(try site.store.account("a@x")?.isActive == false && site.countsRight())
  }

  @Test func anImportAddsWithItselfAsGiverAndDoneAgainFindsNothing() throws {
    let site = try TestSite()
    let file = [
      one("a@x", licenses: ["jira"], groups: ["g"]), one("b@x", active: false, groups: ["g"]),
      one("c@x", portalOnly: true),
    ]
    let first = try site.bringIn(file)
    #expect(first.plan.summary == [.createAccount: 3, .grantLicense: 1, .joinGroup: 2])
    let accounts = try site.store.accounts(["a@x", "b@x", "c@x"])
    #expect(accounts[0].holdings.allSatisfy { $0.givers == Givers(imported: "x.csv") })
    #expect(accounts[0].isEmailVerified && accounts[0].person == nil)
    #expect(accounts[1].deactivatedBy == .imported && accounts[2].mark.imported == "x.csv")
    #expect(try site.bringIn(file).plan.isEmpty)
    let back = try site.bringIn([one("b@x", licenses: ["jira"])])
    #expect(back.plan.summary == [.reactivateAccount: 1, .grantLicense: 1])
  }

  @Test func r6AndR13StandAgainstAnImportForTheirAccountsOnly() throws {
    let site = try TestSite()
    try site.bringIn([one("a@x", groups: ["g"]), one("b@x", portalOnly: true), one("c@x")])
    let second = try site.bringIn([
      one("a@x", portalOnly: true), one("b@x", groups: ["g"]), one("c@x", groups: ["g"]),
    ])
    #expect(second.refusals.map(\.email) == ["a@x", "b@x"])
    #expect(second.plan.summary == [.joinGroup: 1])
    _ = try site.store.performTransition(
      run: .init(command: "t", user: "t", startedAt: 1, planHash: ""))
    #expect(try site.bringIn([one("d@x"), one("c@x", portalOnly: true)]).refusals.count == 1)
  }

  @Test func seatsThatAreNotThereAreNotTaken() throws {
    let site = try TestSite()
    site.ceilings["jira"] = 1
    let result = try site.bringIn([
      one("b@x", licenses: ["jira"]), one("a@x", licenses: ["jira"]),
    ])
    #expect(result.plan.summary == [.createAccount: 2, .grantLicense: 1])
    #expect(result.notes.count == 1)
  }
}
