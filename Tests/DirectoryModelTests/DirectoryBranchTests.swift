import DirectoryModel
import Testing

@Suite struct DirectoryBranchTests {
  /// The entry, the bases, and the branch in which the entry lies.
  @Test(arguments: [
    ("uid=a,ou=people,dc=x", ["ou=people,dc=x"], "ou=people,dc=x"),
    ("uid=a,ou=Sales,ou=People,dc=x", ["ou=people,dc=x"], "ou=sales,ou=people,dc=x"),
    ("uid=a,ou=inner,ou=sales,ou=people,dc=x", ["ou=people,dc=x"], "ou=sales,ou=people,dc=x"),
    ("cn=a\\, b,ou=x\\,y,dc=x", ["dc=x"], "ou=x\\,y,dc=x"),
    ("uid=a,ou=people,dc=acme,dc=example", [""], "ou=people,dc=acme,dc=example"),
    ("uid=a,dc=x", ["dc=x"], "dc=x"),
    ("uid=a,ou=b,dc=y", ["ou=a,dc=y", "ou=b,dc=y"], "ou=b,dc=y"),
    ("", ["dc=x"], ""),
  ])
  func anEntryLiesInTheBranchBelowItsBase(name: String, bases: [String], branch: String) {
    #expect(DirectoryBranches(bases: bases).branch(of: Array(name.utf8)[...]) == branch)
  }
}
