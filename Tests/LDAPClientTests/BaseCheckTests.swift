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

  @Test func aBaseThatIsNoNameChecksNothing() {
    var check = BaseCheck("<GUID=0123>")
    var name = "uid=ada,dc=x"
    #expect(name.withUTF8 { check.holds(UnsafeRawBufferPointer($0)) })
  }
}
