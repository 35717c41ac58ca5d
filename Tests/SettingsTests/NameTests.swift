import Diagnostics
import Settings
import Testing

private func read(_ site: String, _ extra: String = "") -> (
  configuration: Configuration?, faults: [String]
) {
  var findings = Findings()
  let text = """
    site: { store: "sqlite:usher.db", \(site) }
    directories: [{ name: corporate, ldif: acme.ldif, mapping: acme.yaml }]
    \(extra)
    """
  let configuration = ConfigurationReader.read(text, path: "/etc/usher/usher.yaml", into: &findings)
  return (configuration, findings.all.map(\.message))
}

/// Names in the configuration.
@Suite struct NameTests {
  @Test(arguments: [
    (#"name: "a\u200Bcme""#, "`name` holds the character U+200B, which nobody sees in a name"),
    (
      #"name: acme, licenses: { "jira\t": {} }"#,
      "a license holds the character U+0009, which nobody sees in a name"
    ),
    (
      #"name: acme, protect: { groups: ["site\u202Eadmins"] }"#,
      "`groups` holds the character U+202E, which nobody sees in a name"
    ),
    (
      #"name: acme, licenses: { "jira ": {}, jira: { seats: 3 } }"#,
      "the license `jira` stands twice in the catalogue"
    ),
  ])
  func aNameThatCannotBeToldFromAnotherIsAFault(site: String, message: String) {
    #expect(read(site).faults == [message])
  }

  @Test func namesAreTakenWithoutWhiteSpaceAtTheirEnds() {
    let (configuration, faults) = read(
      #"name: acme, licenses: { " jira ": {} }, protect: { groups: ["Site-Admins "] }"#,
      #"console: { viewers: ["staff "], tokens: [] }"#)
    #expect(faults.isEmpty)
    #expect(configuration?.site.protectedGroups == ["Site-Admins"])
    #expect(configuration?.site.licenses.keys.sorted() == ["jira"])
    #expect(configuration?.console.groups == [.viewer: ["staff"]])
    #expect(
      read("name: acme", "console: { approvers: [\"a\\u0000b\"] }").faults == [
        "`approvers` holds the character U+0000, which nobody sees in a name"
      ])
  }
}
