import Foundation
import SyncEngine

/// The texts of the first configuration and mapping.
enum FirstFiles {
  struct Answers {
    var url = ""
    var bindDN: String?
    var passwordFile: String?
    var sasl: String?
    var ca: String?
    var clearText = false
    var site = "acme"
    var product = ""
    var preset = ""
    var people = ""
    var groups: String?
    var largest: [Probe.Group] = []
    /// Whether the files are the system's, under /etc, where no service may write.
    var isForSystem = false
  }

  /// A text as a YAML scalar that is nothing but this text.
  private static func quoted(_ text: String) -> String {
    "\""
      + text.map { character in
        character == "\"" || character == "\\" ? "\\\(character)" : String(character)
      }.joined() + "\""
  }

  /// The first `dc` of a name, or the first value that it has.
  static func siteName(_ base: String) -> String {
    let parts = base.lowercased().split(separator: ",").map { $0.drop { $0 == " " } }
    let domain = parts.first { $0.hasPrefix("dc=") } ?? parts.last
    let name = domain?.split(separator: "=").last.map(String.init) ?? "acme"
    return name.filter { $0.isLetter || $0.isNumber || $0 == "-" }
  }

  static func configuration(_ answers: Answers) -> String {
    var lines = ["    url: \(quoted(answers.url))"]
    if let sasl = answers.sasl { lines.append("    bind: { sasl: \(sasl) }") }
    if let dn = answers.bindDN, let file = answers.passwordFile {
      lines.append("    bind: { dn: \(quoted(dn)), password: { file: \(quoted(path(file))) } }")
    }
    if let ca = answers.ca { lines.append("    tls: { ca: \(quoted(path(ca))) }") }
    if answers.clearText {
      lines.append("    tls: { clear-text: true }   # a password without TLS")
    }
    return """
      # The site, its directory and its limits. What stands behind # is an example or the default.
      site:
        name: \(quoted(answers.site))
        store: \(answers.isForSystem ? "sqlite:/var/lib/usher/usher.db" : "sqlite:usher.db")
        # What the site can license. `seats` is a ceiling; none = unlimited.
        licenses:
          jira-software: {}
          # confluence: { seats: 250 }
        # Accounts and groups from which no sync takes anything.
        # protect: { accounts: [root@acme.example], groups: [site-admins] }
      directories:
        - name: corporate
      \(lines.joined(separator: "\n"))
          mapping: mapping.yaml
          # Entries that must be seen, or a read is not believed.
          # canaries: [\(quoted("uid=somebody,\(answers.people)"))]
          # At most so much a second, to spare the server.
          # rate: { searches: 20, entries: 50000 }
      # How much may happen in 24 hours before people are held; these are the defaults.
      # limits:
      #   deactivations: { percent: 2, max: 50 }
      #   licenses-revoked: { percent: 5, max: 200 }

      """
  }

  /// Paths in the configuration are relative to it; what was typed is relative to here.
  private static func path(_ file: String) -> String {
    file.hasPrefix("/") || !file.contains("/")
      ? file : FileManager.default.currentDirectoryPath + "/" + file
  }

  static func mapping(_ answers: Answers) -> String {
    let groups = answers.groups.map {
      """

        # Where directory groups are found. Members of member groups are members.
        groups:
          base: \(quoted($0))
      """
    }
    return """
      # Who gets what, for \(answers.product). Mappings/example.yaml explains every key.
      usher: 1
      extends: \(answers.preset)   # says which attributes are id, email and name, and who is locked out

      search:
        # Where people are found.
        users:
          base: \(quoted(answers.people))
          # exclude: (employeeType=service)\(groups ?? "")

      # Every rule that matches adds to what a person gets.
      rules:
      \(rules(answers))

      # Whoever matches no rule gets no account: portal-only | unlicensed | nothing | leaver
      otherwise: nothing
      # Who is gone from the directory: after how long, and what then.
      leavers: { after: 24h, then: deactivate }

      """
  }

  private static func rules(_ answers: Answers) -> String {
    guard !answers.largest.isEmpty else {
      return "  - name: everybody\n    when: everyone\n    licenses: [jira-software]"
    }
    var names: Set<String> = []
    let rules = answers.largest.filter { names.insert($0.name).inserted }.enumerated().map {
      number, group in
      let lines = [
        "- name: \(quoted(group.name))",
        "  member-of: \(quoted(group.dn))   # \(group.members) members",
        "  licenses: [jira-software]",
      ]
      return lines.map { (number == 0 ? "  " : "  # ") + $0 }.joined(separator: "\n")
    }
    return
      "  # The largest directory groups, as a beginning.\n" + rules.joined(separator: "\n\n")
  }

  /// A mapping that selects all that its preset takes for people and groups.
  static func probe(preset: String, people: [String], groups: [String]) -> String {
    """
    usher: 1
    extends: \(preset)
    search:
      users: { base: [\(people.map(quoted).joined(separator: ", "))] }
      groups: { base: [\(groups.map(quoted).joined(separator: ", "))] }
    otherwise: unlicensed
    """
  }
}
