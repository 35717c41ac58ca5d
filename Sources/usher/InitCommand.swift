import ArgumentParser
import Diagnostics
import Foundation
import LDAPClient
import Mapping
import Ports
import Settings
import SyncEngine
import Views

struct Init: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Looks at a directory server and writes a first configuration and mapping for it.",
    discussion:
      "Asks on a terminal for what the options leave open. Nothing is written before the server has answered, and nothing that exists is replaced."
  )

  enum SASL: String, CaseIterable, ExpressibleByArgument { case external, gssapi }

  @OptionGroup var common: CommonOptions
  @Option(help: "The server, for example ldaps://ldap.acme.example.") var url: String?
  @Option(help: "Who signs in: a DN, or user@domain for Active Directory.") var bindDN: String?
  @Option(help: "A file of mode 0600 with the password.") var passwordFile: String?
  @Option(help: "Sign in by certificate or local user (external), or by Kerberos (gssapi).")
  var sasl: SASL?
  @Flag(help: "Sign in as nobody.") var anonymous = false
  @Option(help: "A file with the authority that signed the server's certificate.") var ca: String?
  @Flag(help: "Allow a password without TLS.") var clearText = false
  @Option(help: "Where people are; otherwise it is looked for.") var people: String?
  @Option(help: "Where directory groups are; otherwise it is looked for.") var groups: String?
  @Option(help: "The site's name.") var site: String?

  func run() throws {
    try Session.reporting(common) { terminal, now in
      try write(terminal, now)
      return nil
    }
  }

  /// Where the files go: beside the configuration.
  private var configurationPath: String { common.config ?? "usher.yaml" }

  private func beside(_ name: String) -> String {
    configurationPath.lastIndex(of: "/").map { String(configurationPath[...$0]) + name } ?? name
  }

  private func write(_ terminal: Terminal, _ now: Int64) throws {
    for path in [configurationPath, beside("mapping.yaml")]
    where FileManager.default.fileExists(atPath: path) {
      throw Failure(
        .failed, "\(path) exists already, and nothing is replaced",
        remedy: "go on with usher check --connect, or choose another place: --config FILE")
    }
    var answers = FirstFiles.Answers()
    answers.isForSystem = configurationPath.hasPrefix("/etc/")
    answers.url = try url ?? terminal.ask("Server (ldaps://…)", missing: "--url")
    answers.ca = ca
    answers.clearText = clearText
    let typed = try fillSignIn(&answers, terminal)
    defer {
      if typed, !FileManager.default.fileExists(atPath: configurationPath) {
        unlink(answers.passwordFile ?? "")
      }
    }

    var session = try session(answers, terminal, now)
    guard case .server(let server) = session.configuration.directories[0].location else { return }
    var directory = try session.directory(server)
    let connected = try directory.connect()
    let profile = try directory.profile()
    terminal.print("Signed in to \(connected).")
    terminal.print(
      ServerText.text(of: profile, who: try directory.reader(), style: terminal.output))
    guard let preset = profile.preset else {
      throw Failure(
        .failed, "\(connected) is none of the servers that usher has a preset for",
        remedy:
          "write usher.yaml and a mapping as the README shows; Mappings/example.yaml has every key")
    }
    answers.product = profile.product.rawValue
    answers.preset = preset
    var source: any DirectorySource = directory
    let probe = try look(&source, answers, profile, session)
    terminal.clearProgress()
    guard let found = probe.people else {
      throw Failure(
        .directoryUnread, "no people are visible on \(connected)",
        remedy: "check the rights of who signs in, or say where they are: --people BASE")
    }
    answers.people = people ?? found.base
    answers.groups = groups ?? probe.groups?.base
    answers.largest = probe.largest
    answers.site = site ?? FirstFiles.siteName(found.base)
    try save(FirstFiles.configuration(answers), configurationPath)
    try save(FirstFiles.mapping(answers), beside("mapping.yaml"))
    session = try self.session(answers, terminal, now)
    try count(session, source)
    terminal.print("Wrote \(configurationPath) and \(beside("mapping.yaml")).")
    let config = common.config.map { " --config \($0)" } ?? ""
    terminal.print("Next, a first preview, which changes nothing: usher plan\(config)")
  }

  /// - Returns: whether a password was typed, and so written into a file.
  private func fillSignIn(
    _ answers: inout FirstFiles.Answers, _ terminal: Terminal
  ) throws -> Bool {
    if let sasl {
      answers.sasl = sasl.rawValue
      return false
    }
    if anonymous { return false }
    let dn = try bindDN ?? terminal.ask("Sign in as (DN; empty for nobody)", missing: "--bind-dn")
    if dn.isEmpty { return false }
    answers.bindDN = dn
    if let passwordFile {
      answers.passwordFile = passwordFile
      return false
    }
    let file = beside("bind-password")
    guard !FileManager.default.fileExists(atPath: file) else {
      answers.passwordFile = file
      return false
    }
    let password = try terminal.askSecretly("Password of \(dn)", missing: "--password-file")
    try save(password + "\n", file)
    answers.passwordFile = file
    return true
  }

  private func session(
    _ answers: FirstFiles.Answers, _ terminal: Terminal, _ now: Int64
  ) throws -> Session {
    var findings = Findings()
    let text = FirstFiles.configuration(answers)
    guard
      let configuration = ConfigurationReader.read(text, path: configurationPath, into: &findings)
    else {
      throw Failure(
        .usage,
        "these answers make no configuration: \(findings.all.map(\.message).joined(separator: "; "))"
      )
    }
    return Session(terminal: terminal, configuration: configuration, command: "init", now: now)
  }

  private func look(
    _ source: inout any DirectorySource, _ answers: FirstFiles.Answers, _ profile: ServerProfile,
    _ session: Session
  ) throws -> Probe {
    let contexts = profile.namingContexts.filter { context in
      ![
        "cn=configuration", "cn=schema", "dc=domaindnszones", "dc=forestdnszones", "o=ipaca",
        "cn=changelog",
      ]
      .contains { context.lowercased().hasPrefix($0) }
    }
    let text = FirstFiles.probe(
      preset: answers.preset, people: people.map { [$0] } ?? contexts,
      groups: groups.map { [$0] } ?? contexts)
    var findings = Findings()
    let mapping = MappingReader.read(
      "probe.yaml", catalogue: [], load: { $0 == "probe.yaml" ? text : nil }, into: &findings)
    guard let mapping else {
      throw Failure(
        .usage,
        "these answers make no mapping: \(findings.all.map(\.message).joined(separator: "; "))")
    }
    session.terminal.progress("people and groups are looked for")
    return try Probe.of(&source, mapping: mapping, largest: 3)
  }

  /// Counts what the new files select, as `usher check --connect` does.
  private func count(_ session: Session, _ source: any DirectorySource) throws {
    let (mapping, texts) = try session.mapping(of: session.configuration.directories[0])
    var findings = texts
    let survey = try Survey.of(
      source, mapping: mapping, now: session.now, progress: session.terminal.progress,
      into: &findings)
    session.terminal.clearProgress()
    SurveyText.write(survey, mapping: mapping, directory: "corporate", session.terminal.print)
  }

  private func save(_ text: String, _ path: String) throws {
    let before = umask(0o077)
    defer { umask(before) }
    guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8)) else {
      throw Failure(.failed, "\(path) cannot be written", remedy: "may you write there?")
    }
  }
}

extension Terminal {
  /// Asks for a line.
  /// - Parameter missing: the option that would have answered, where nobody can.
  func ask(_ question: String, missing option: String) throws -> String {
    guard isatty(0) == 1 else {
      throw Failure(.usage, "\(option) is missing", remedy: "usher init --help")
    }
    StandardError.write("\(question): ")
    return readLine()?.trimmingCharacters(in: .whitespaces) ?? ""
  }

  /// Asks for a line that is not shown.
  func askSecretly(_ question: String, missing option: String) throws -> String {
    guard isatty(0) == 1, let typed = getpass("\(question): ") else {
      throw Failure(.usage, "\(option) is missing", remedy: "usher init --help")
    }
    return String(cString: typed)
  }
}
