import ArgumentParser
import Diagnostics
import LDAPClient
import Mapping
import Ports
import Settings
import SiteModel
import SyncEngine
import Views

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Reads configuration and mapping and prints every fault in them.")

  @OptionGroup var common: CommonOptions
  @Flag(help: "Also sign in to the directory and count whom the searches select.") var connect =
    false
  @Option(help: "Check another mapping file; - reads it from standard input.") var mapping: String?
  @OptionGroup var which: DirectoryOption
  @Option(help: "How findings in mappings are printed: text, or json.") var format: Format = .text
  @OptionGroup var confinement: Confinement

  enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

  func run() throws {
    confinement.enter(megabytes: 1024, seconds: 20)
    try Session.run(common, "check") { session in
      var session = session
      session.isConfined = confinement.confined
      var findings = Findings()
      let directories =
        mapping == nil && which.directory == nil
        ? session.configuration.directories : [try session.directory(named: which.directory)]
      let mappings = directories.map {
        session.readMapping(of: $0, mapping, into: &findings)
      }
      if format == .json {
        try printReports(directories, mappings, findings, session.terminal)
        return findings.hasErrors ? .badConfiguration : nil
      }
      if !findings.all.isEmpty {
        session.terminal.print(DiagnosticText.text(of: findings, style: session.terminal.output))
      }
      guard !findings.hasErrors else {
        throw Failure(.badConfiguration, "the mapping has faults")
      }
      for case (let directory, let mapping?) in zip(directories, mappings) {
        session.terminal.print(
          "Configuration \(session.configuration.path) and mapping \(directory.mappingPath) are in order: \(mapping.rules.count.of("rule", "rules"))."
        )
        if connect {
          try self.connect(session, directory, mapping: mapping, texts: findings.texts)
        }
      }
      return nil
    }
  }

  /// One report a line for each mapping; findings of files that several extend stand in each.
  private func printReports(
    _ directories: [Configuration.Directory], _ mappings: [CompiledMapping?], _ findings: Findings,
    _ terminal: Terminal
  ) throws {
    for (directory, mapping) in zip(directories, mappings) {
      let report = MappingReport(
        mapping: directory.mappingPath, findings: findings.all,
        rules: mapping?.rules.map(\.reference) ?? [])
      terminal.print(try JSONText.of(report, isPretty: false))
    }
  }

  private func connect(
    _ session: Session, _ directory: Configuration.Directory, mapping: CompiledMapping,
    texts: Findings
  ) throws {
    var source = try session.source(directory)
    if var server = source as? LDAPDirectory {
      session.terminal.print("Signed in to \(try server.connect()).")
      let who = try server.reader()
      session.terminal.print(
        ServerText.text(of: try server.profile(), who: who, style: session.terminal.output))
      source = server
    }
    var findings = texts
    let survey = try Survey.of(
      source, mapping: mapping, now: session.now, progress: session.terminal.progress,
      into: &findings)
    session.terminal.clearProgress()
    SurveyText.write(survey, mapping: mapping, directory: directory.name, session.terminal.print)
    for impediment in try DirectorySignIn(session, CompiledMappings()).impediments(in: directory) {
      session.terminal.warn(impediment)
    }
    if survey.referrals > 0 {
      session.terminal.warn("\(survey.referrals.of("referral was", "referrals were")) not followed")
    }
  }
}

struct Explain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Says why somebody has, or lacks, each right.",
    discussion: "Answers from the mirror, that is the directory as last read.")

  @OptionGroup var common: CommonOptions
  @Argument(help: "An email, an account id or a directory id.") var who: String

  func run() throws {
    try Session.run(common, "explain") { session in
      let store = try session.existingStore()
      let (planners, texts) = try session.planners(store)
      var findings = texts
      let explanation: Explanation
      do {
        explanation = try SitePlanner(planners).explain(who, now: session.now, into: &findings)
      } catch let nobody as NobodyFits {
        return try explainAbsence(nobody, session, planners)
      }
      session.terminal.print(
        ExplanationText.text(
          of: explanation, transition: try store.transition(),
          style: session.terminal.output))
      if explanation.entries.isEmpty, let account = explanation.account {
        show((try? exclusions(of: account.email, session, planners)) ?? [], session)
      }
      return nil
    }
  }

  private func show(_ found: [(dn: String, reasons: [String])], _ session: Session) {
    for (dn, reasons) in found {
      session.terminal.print(
        "\(session.terminal.output.bold(dn.shown)) is in the directory, and no person of the mapping:"
      )
      for (number, reason) in reasons.enumerated() {
        let search = reasons.count > 1 ? "search \(number + 1): " : ""
        session.terminal.print("  \(search)\(reason.shown)")
      }
    }
  }

  /// Nobody of the mapping and no account: asks the directories themselves, which may know the entry.
  private func explainAbsence(
    _ nobody: NobodyFits, _ session: Session, _ planners: [Planner]
  ) throws -> ExitStatus? {
    let found = try exclusions(of: who, session, planners)
    if found.isEmpty { throw nobody }
    show(found, session)
    return nil
  }

  private func exclusions(
    of who: String, _ session: Session, _ planners: [Planner]
  ) throws -> [(dn: String, reasons: [String])] {
    try zip(session.configuration.directories, planners).flatMap { directory, planner in
      try planner.exclusions(of: who, in: session.source(directory), now: session.now)
    }
  }
}

struct TestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test",
    abstract: "Runs the mapping's tests, and shows what each rule matches and decides.",
    discussion:
      "Counts people as the directory was last read: a rule that matches nobody is dead, one that decides nothing is shadowed by others."
  )

  @OptionGroup var common: CommonOptions
  @Option(name: .customLong("tests"), help: "A file with more tests; may be repeated.")
  var files: [String] = []
  @Option(help: "Another mapping file; - reads it from standard input.") var mapping: String?
  @OptionGroup var which: DirectoryOption

  func run() throws {
    try Session.run(common, "test") { session in
      guard mapping == nil, which.directory == nil, files.isEmpty else {
        return try test(session, session.directory(named: which.directory)) ? nil : .failed
      }
      var passed = true
      for directory in session.configuration.directories {
        passed = try test(session, directory) && passed
      }
      return passed ? nil : .failed
    }
  }

  /// - Returns: whether all tests passed.
  private func test(_ session: Session, _ directory: Configuration.Directory) throws -> Bool {
    let (mapping, texts) = try session.mapping(of: directory, mapping)
    var findings = Findings()
    let more = files.flatMap {
      MappingReader.readTests($0, load: Session.load, into: &findings)
    }
    if findings.hasErrors {
      throw Failure(.badConfiguration, "the tests have faults", findings: findings)
    }
    let report = mapping.run(mapping.tests + more, now: session.now)
    for failure in report.failures {
      session.terminal.print(
        "\(failure.position.text): \(session.terminal.output.red("failed")): \(failure.message.shown)"
      )
    }
    show(try coverage(session, directory, mapping, texts), report, mapping, session.terminal)
    let count = mapping.tests.count + more.count
    session.terminal.print(
      "\(count - report.failures.count) passed, \(report.failures.count) failed")
    return report.failures.isEmpty
  }

  /// What rules do among the people as last read; nil where nobody was read with this mapping.
  private func coverage(
    _ session: Session, _ directory: Configuration.Directory, _ mapping: CompiledMapping,
    _ texts: Findings
  ) throws -> RuleCoverage? {
    guard let store = try? session.existingStore() else { return nil }
    var findings = texts
    return try? session.planner(store, directory, mapping: mapping)
      .coverage(now: session.now, into: &findings)
  }

  private func show(
    _ coverage: RuleCoverage?, _ report: CompiledMapping.TestReport, _ mapping: CompiledMapping,
    _ terminal: Terminal
  ) {
    guard !mapping.rules.isEmpty else { return }
    var table = ListTable(["rule", "tests", "people", "decides", "note"])
    for (number, rule) in mapping.rules.enumerated() {
      let matches = coverage?.matches[number], decides = coverage?.decides[number]
      var notes: [String] = []
      if report.matches[number] == 0 { notes.append("no test") }
      if matches == 0 { notes.append("dead: matches nobody") }
      if let matches, matches > 0, decides == 0 {
        notes.append("shadowed: other rules give it all")
      }
      table.append([
        .text("\(rule.reference.name) (\(rule.reference.file):\(rule.reference.line))"),
        .number(report.matches[number]), matches.map { .number($0) } ?? .text("-"),
        decides.map { .number($0) } ?? .text("-"), .text(notes.joined(separator: "; ")),
      ])
    }
    if let text = try? table.text(.table, style: terminal.output) { terminal.print(text) }
    if coverage == nil {
      terminal.say(
        "People are counted once usher plan or usher sync has read the directory with this mapping."
      )
    }
  }
}
