import Foundation
import TestSupport

/// A small company as LDIF, and a folder with configuration and mapping in which `usher` runs.
enum Company {
  /// - Parameter count: people besides Ada, who leads them.
  static func ldif(people count: Int = 3) -> String {
    var text = """
      dn: dc=acme,dc=example
      objectClass: domain
      dc: acme

      dn: ou=people,dc=acme,dc=example
      objectClass: organizationalUnit
      ou: people

      dn: ou=groups,dc=acme,dc=example
      objectClass: organizationalUnit
      ou: groups

      dn: cn=reader,dc=acme,dc=example
      objectClass: person
      cn: reader
      sn: reader
      userPassword: secret words

      \(person("ada", id: 0))
      """
    for index in 0..<count { text += "\n" + person("p\(index)", id: index + 1) }
    let members = (0..<count).map { "member: uid=p\($0),ou=people,dc=acme,dc=example\n" }.joined()
    text += """

      dn: cn=staff,ou=groups,dc=acme,dc=example
      objectClass: groupOfNames
      cn: staff
      entryUUID: 11111111-1111-4111-8111-999999999999
      member: uid=ada,ou=people,dc=acme,dc=example
      \(members)
      """
    return text
  }

  private static func person(_ uid: String, id: Int) -> String {
    let number = String(id)
    let tail = String(repeating: "0", count: 12 - number.count) + number
    return """
      dn: uid=\(uid),ou=people,dc=acme,dc=example
      objectClass: inetOrgPerson
      entryUUID: 11111111-1111-4111-8111-\(tail)
      uid: \(uid)
      cn: \(uid.capitalized)
      sn: \(uid.capitalized)
      mail: \(uid)@acme.example

      """
  }

  static let mapping = """
    usher: 1
    extends: openldap
    search:
      users: { base: "ou=people,dc=acme,dc=example" }
      groups: { base: "ou=groups,dc=acme,dc=example" }
    rules:
      - { name: staff, member-of: staff, licenses: [confluence], groups: [developers] }
    """
}

/// A folder in which `usher` runs.
final class Workplace: Sendable {
  let folder: TemporaryFolder

  /// - Parameter directory: the lines of the one directory, less its name and mapping.
  init(directory: String, mapping: String = Company.mapping, password: String = "secret words")
    throws
  {
    folder = try TemporaryFolder()
    try folder.write(password + "\n", to: "bind-password")
    try folder.write(mapping, to: "acme.yaml")
    try configure(directory)
  }

  func configure(_ directory: String, extra: String = "") throws {
    try folder.write(
      """
      site:
        name: acme
        store: sqlite:usher.db
        licenses: { confluence: { seats: 50 }, jira: {} }
      directories:
        - name: corporate
          mapping: acme.yaml
      \(directory.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
      \(extra.contains("console:") ? "" : "console: { listen: off }")
      \(extra)
      """, to: "usher.yaml")
  }

  /// The lines for a server with the reader's account.
  static func server(
    _ url: String, ca: String? = nil, clearText: Bool = false, timeout: String = "60s"
  ) -> String {
    """
    url: \(url)
    bind: { dn: "cn=reader,dc=acme,dc=example", password: { file: bind-password } }
    tls: { \(ca.map { "ca: \($0)" } ?? "clear-text: \(clearText)") }
    timeout: \(timeout)
    """
  }

  func usher(_ arguments: String..., environment: [String: String] = [:]) throws -> Finished {
    try run(Self.binary, arguments, in: folder.path, environment: environment)
  }

  func export() throws -> String { try usher("export").output }

  /// The program that was built with these tests.
  static var binary: String {
    let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    let beside = bundle.appendingPathComponent("usher").path
    return FileManager.default.isExecutableFile(atPath: beside)
      ? beside : repositoryRoot + "/.build/debug/usher"
  }
}
