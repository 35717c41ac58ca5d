import Testing

@testable import LDAPClient

@Suite struct BaseCheckTests {
  @Test(arguments: [
    ("uid=ada,ou=people,dc=x", true), ("OU=People, DC=X", true), ("uid=a\\,b,OU=People,DC=x", true),
    ("uid=ada,ou=other,dc=x", false), ("dc=x", false), ("uid=ada\\,ou=people,dc=x", false),
    ("uid=ada,ou=peopleou=people,dc=x", false), ("", false), ("no name", true),
  ])
  func anEntryLiesUnderTheBaseOrIsRefused(name: String, holds: Bool) {
    var check = BaseCheck("ou=people,dc=x")
    // The second time by a spelling that was learned.
    for _ in 1...2 {
      var name = name
      #expect(name.withUTF8 { check.holds(UnsafeRawBufferPointer($0)) } == holds)
    }
  }

  @Test func namesThatDifferByAccentsAreTheSameToActiveDirectory() {
    for (base, name, holds) in [
      ("ou=Munchen,dc=x", "cn=ada,OU=München,DC=x", true),
      ("ou=München,dc=x", "cn=ada,OU=Munchen,DC=x", true),
      ("ou=Munchen,dc=x", "cn=ada,OU=Monchen,DC=x", false),
    ] {
      var check = BaseCheck(base)
      var name = name
      #expect(name.withUTF8 { check.holds(UnsafeRawBufferPointer($0)) } == holds)
    }
  }

  @Test func aBaseThatIsNoNameChecksNothing() {
    var check = BaseCheck("<GUID=0123>")
    var name = "uid=ada,dc=x"
    #expect(name.withUTF8 { check.holds(UnsafeRawBufferPointer($0)) })
  }
}
