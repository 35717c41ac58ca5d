import DirectoryModel
import LDAPClient
import Testing

@Suite struct ServerProfileTests {
  /// What servers say in their rootDSE, and what they are.
  @Test(arguments: [
    (
      ["objectClass": ["top", "OpenLDAProotDSE"]], ServerProfile.Product.openLDAP,
      "openldap" as String?
    ),
    (
      ["vendorName": ["389 Project"], "vendorVersion": ["389-Directory/2.3.1 B2023"]], .ds389,
      "389ds"
    ),
    (["vendorName": ["Red Hat"], "vendorVersion": ["Red Hat-Directory/12.2"]], .ds389, "389ds"),
    (
      [
        "vendorName": ["389 Project"], "vendorVersion": ["389-Directory/2.2.4"],
        "supportedExtension": ["1.3.6.1.4.1.4203.1.11.3", "2.16.840.1.113730.3.8.10.1"],
      ], .freeIPA, "freeipa"
    ),
    (
      ["supportedCapabilities": ["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670"]],
      .activeDirectory, "active-directory"
    ),
    (
      [
        "vendorName": ["Samba Team (https://www.samba.org)"],
        "supportedCapabilities": ["1.2.840.113556.1.4.800"],
      ], .activeDirectory, "active-directory"
    ),
    (["vendorName": ["Oracle Corporation"]], .other, nil),
  ])
  func aServerIsKnownByItsRootDSE(
    said: [String: [String]], product: ServerProfile.Product, preset: String?
  ) {
    var batch = EntryBatch(slots: ServerProfile.attributes)
    batch.beginEntry(dn: "")
    for (name, values) in said {
      batch.appendAttribute(name, values: values.map { Array($0.utf8) })
    }
    let profile = ServerProfile(batch, entry: 0)
    #expect(profile.product == product && profile.preset == preset)
    #expect((profile.identity == nil) == (product == .other))
  }

  @Test func pagesAreAskedForUnlessTheServerSaysItHasNone() {
    for (controls, expected) in [
      ([], true), (["1.2.3"], false), (["1.2.840.113556.1.4.319"], true),
    ] {
      var batch = EntryBatch(slots: ServerProfile.attributes)
      batch.beginEntry(dn: "")
      batch.appendAttribute("supportedControl", values: controls.map { Array($0.utf8) })
      #expect(ServerProfile(batch, entry: 0).hasPages == expected, "\(controls)")
    }
  }
}
