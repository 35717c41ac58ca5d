import Foundation
import TestSupport
import Testing

/// Access rules that hide something while changes are read.
@Suite struct HiddenValueTests {
  private static let mapping = """
    usher: 1
    extends: openldap
    search:
      users: { base: "ou=people,dc=acme,dc=example" }
      groups: { base: "ou=groups,dc=acme,dc=example" }
    rules:
      - { name: staff, when: (employeeType=staff), licenses: [confluence] }
      - { name: members, member-of: staff, groups: [developers] }
    leavers: { after: 0h }
    """

  private func place(
    syncProvider: String, read: String
  ) throws -> (slapd: Slapd, place: Workplace) {
    let ldif = Company.ldif(people: 40).replacing(
      "objectClass: inetOrgPerson\n", with: "objectClass: inetOrgPerson\nemployeeType: staff\n")
    let slapd = try Slapd(ldif: ldif, settings: ["SYNCPROV": syncProvider])
    let place = try Workplace(
      directory: Workplace.server(slapd.url, clearText: true) + "\nread: \(read)",
      mapping: Self.mapping)
    #expect(try place.usher("sync").status == 0)
    // The first read of changes needs a complete one before it.
    #expect(try place.usher("sync").status == 0)
    return (slapd, place)
  }

  private func hide(_ attribute: String?, on slapd: Slapd) throws {
    let rules =
      (attribute.map { ["to attrs=\($0) by * none"] } ?? [])
      + ["to attrs=userPassword by anonymous auth by * none", "to * by * read"]
    let lines = rules.enumerated().map { "olcAccess: {\($0)}\($1)" }.joined(separator: "\n")
    try slapd.modify(
      "dn: olcDatabase={2}mdb,cn=config\nchangetype: modify\nreplace: olcAccess\n\(lines)\n")
  }

  private func rename(_ people: Range<Int>, on slapd: Slapd, to name: String) throws {
    try slapd.modify(
      people.map {
        "dn: uid=p\($0),ou=people,dc=acme,dc=example\nchangetype: modify\nreplace: sn\nsn: \(name)\n"
      }.joined(separator: "\n"))
  }

  @Test(arguments: ["0", "1"], ["auto", "delta"])
  func anAttributeThatBecomesHiddenTakesNothingAway(syncProvider: String, read: String) throws {
    let (slapd, place) = try place(syncProvider: syncProvider, read: read)
    let before = try place.export()
    #expect(before.components(separatedBy: "\"licenses\":[\"confluence\"]").count == 42)
    try hide("employeeType", on: slapd)
    try rename(0..<3, on: slapd, to: "Other")
    for _ in 0..<2 {
      // The second one finds no new change, and does not believe what the first one refused.
      let sync = try place.usher("sync")
      #expect(
        sync.status == 5 && sync.errors.contains("employeeType of 0 people"),
        "\(sync.output)\(sync.errors)")
      #expect(try place.export() == before)
    }
    try hide(nil, on: slapd)
    let mended = try place.usher("sync")
    #expect(mended.status == 0 && mended.output.contains("Nothing to do"), "\(mended.output)")
    #expect(try place.export() == before)
  }

  @Test(arguments: ["mail", "member"])
  func whatIsHiddenHoldsNobodyForLong(attribute: String) throws {
    let (slapd, place) = try place(syncProvider: "1", read: "auto")
    let before = try place.export()
    try hide(attribute, on: slapd)
    if attribute == "mail" {
      try rename(0..<3, on: slapd, to: "Other")
    } else {
      try slapd.modify(
        "dn: cn=staff,ou=groups,dc=acme,dc=example\nchangetype: modify\nreplace: description\ndescription: d\n"
      )
    }
    let sync = try place.usher("sync")
    #expect(sync.status == (attribute == "mail" ? 5 : 3), "\(sync.output)\(sync.errors)")
    #expect(try place.export() == before)
    try hide(nil, on: slapd)
    // Something of the group has to change, for rules of access are not told.
    try slapd.modify(
      "dn: cn=staff,ou=groups,dc=acme,dc=example\nchangetype: modify\nreplace: description\ndescription: e\n"
    )
    let mended = try place.usher("sync")
    #expect(mended.status == 0 && mended.output.contains("Nothing to do"), "\(mended.output)")
    #expect(try place.export() == before)
  }

  @Test func whoReallyLosesAnAttributeLosesWhatItGave() throws {
    let (slapd, place) = try place(syncProvider: "1", read: "auto")
    try slapd.modify(
      "dn: uid=p0,ou=people,dc=acme,dc=example\nchangetype: modify\ndelete: employeeType\n")
    let sync = try place.usher("sync", "-v")
    #expect(sync.status == 0, "\(sync.errors)")
    #expect(sync.output.contains("revoke-license       1"), "\(sync.output)")
    // A few others were read again, and not everybody.
    let everybody = sync.errors.split(separator: "\n").filter {
      $0.contains("'(objectClass=inetOrgPerson)'") && !$0.contains("sync=ro")
    }
    #expect(everybody.isEmpty && sync.errors.contains("(|(entryUUID="), "\(sync.errors)")
  }
}
