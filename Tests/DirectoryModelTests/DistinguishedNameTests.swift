import DirectoryModel
import TestSupport
import Testing

@Suite struct DistinguishedNameTests {
  @Test(arguments: [
    ("uid=ada,ou=people,dc=acme,dc=example", "UID=Ada, OU=People ,DC=ACME,DC=example"),
    ("cn=Ada  Byron,dc=x", "cn=ada byron,DC=X"),
    ("cn=a\\,b,dc=x", "cn=A\\2cB,dc=x"),
    ("cn=\"a,b\",dc=x", "cn=a\\,b,dc=x"),
    ("cn=a+uid=b,dc=x", "UID=B+CN=A,dc=x"),
    ("commonName=a,domainComponent=x", "cn=a,dc=x"),
    ("2.5.4.3=a,dc=x", "cn=a,dc=x"),
    ("cn=a\\=b,dc=x", "cn=a=b,dc=x"),
    ("cn=Zo\u{EB},dc=x", "cn=zoe\u{308},dc=x"),
    ("cn=Zo\\c3\\ab,dc=x", "cn=ZO\u{CB},dc=x"),
    ("cn=a\\20,dc=x", "cn=a ,dc=x"),
  ])
  func namesThatMeanTheSameAreEqual(left: String, right: String) throws {
    let left = try #require(DistinguishedName(left))
    #expect(left == DistinguishedName(right))
  }

  @Test(arguments: [
    ("cn=a,dc=x", "cn=b,dc=x"), ("cn=a\\,b,dc=x", "cn=a,cn=b,dc=x"),
    ("cn=a+uid=b,dc=x", "cn=a,uid=b,dc=x"), ("cn=zoe,dc=x", "cn=zo\u{EB},dc=x"),
  ])
  func namesThatDifferAreNotEqual(left: String, right: String) throws {
    let left = try #require(DistinguishedName(left))
    #expect(left != DistinguishedName(right))
  }

  @Test(arguments: [
    "people", "cn", "=a,dc=x", "cn=,dc=x", "cn=a,,dc=x", "cn=a,", "cn=a\\4", "cn=\"\",dc=x",
  ])
  func whatIsNoNameIsRefused(text: String) {
    #expect(DistinguishedName(text) == nil)
  }

  private static let names: [(name: [UInt8], form: [UInt8])] = [
    (bytes(#"cn=\C3\ "#), bytes("cn=") + [0xC3] + bytes(#"\20"#)),
    (bytes(#"cn=" "#) + [0xFF, 0x20, 0x22], bytes(#"cn=\20"#) + [0xFF] + bytes(#"\20"#)),
    (bytes(#"cn=\20"#), bytes(#"cn=\20"#)), (bytes(#"cn=" a ""#), bytes("cn=a")),
  ]

  private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// Found by a fuzzer: a value that is no text kept a space at its end, which was lost where the form was read again.
  @Test(arguments: names)
  func theNormalisedFormIsReadAsItself(name: [UInt8], form: [UInt8]) {
    #expect(DistinguishedName.normalise(name[...]) == form)
    #expect(DistinguishedName.normalise(form[...]) == form)
  }

  /// What ends like the name before is no other name for that.
  @Test func namesOneAfterTheOtherAreWhatTheyAreAlone() {
    var random = SeededRandom(3)
    var normaliser = DistinguishedName.Normaliser()
    let firsts = [
      "uid=Ada", "cn=a\\", "cn=\"a", "CN=a+uid=b", "a", "", "uid= b ", "cn=Zo\u{EB}", "uid=c=",
    ]
    let rests = [
      ",ou=People,dc=X", ",OU=people, dc=x", ",dc=x\\,dc=y", "", ",", ",b\",dc=x",
      " ,ou=People,dc=X",
      ",commonName=y,dc=x",
    ]
    for _ in 0..<5000 {
      let text =
        (firsts.randomElement(using: &random) ?? "") + (rests.randomElement(using: &random) ?? "")
      let name = Array(text.utf8)[...]
      let found = normaliser.withNormalised(name) { Array($0) }
      #expect(found == DistinguishedName.normalise(name), "\(text)")
    }
  }

  @Test func placesInTheTree() throws {
    let base = try #require(DistinguishedName("ou=people,dc=x"))
    #expect(try #require(DistinguishedName("uid=a,ou=People,dc=X")).isWithin(base))
    #expect(try #require(DistinguishedName("OU=people,dc=x")).isWithin(base))
    #expect(try #require(DistinguishedName("uid=a,ou=q,ou=people,dc=x")).isChild(of: base) == false)
    #expect(try #require(DistinguishedName("uid=a,ou=people,dc=x")).isChild(of: base))
    // A longer name that only ends in the same letters lies elsewhere.
    #expect(!(try #require(DistinguishedName("uid=a,xou=people,dc=x")).isWithin(base)))
    #expect(!(try #require(DistinguishedName("uid=a\\,ou=people,dc=x")).isWithin(base)))
    let root = try #require(DistinguishedName(""))
    #expect(base.isWithin(root))
  }
}
