import ArgumentParser
import Diagnostics
import LDAPClient
import Mapping
import SiteModel
import SyncEngine
import Views

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reads configuration and mapping and prints every fault in them.")

  @OptionGroup var common: CommonOptions
  @Flag(help: "Also sign in to the directory and count whom the searches select.") var connect =
    false

  func run() throws {
    try Session.run(common, "check") { session in
      var findings = Findings()
      let mapping = session.readMapping(into: &findings)
      if !findings.all.isEmpty {
        session.terminal.print(DiagnosticText.text(of: findings, style: session.terminal.output))
      }
      guard let mapping else {
        throw Failure(.badConfiguration, "the mapping has faults")
      }
      session.terminal.print(
        "Configuration \(session.configuration.path) and mapping \(session.configuration.directory.mappingPath) are in order: \(mapping.rules.count.of("rule", "rules"))."
      )
      if connect { try self.connect(session, mapping: mapping, texts: findings.texts) }
      return nil
    }
  }

  private func connect(_ session: Session, mapping: CompiledMapping, texts: Findings) throws {
    var source = try session.source()
    if var directory = source as? LDAPDirectory {
      session.terminal.print("Signed in to \(try directory.connect()).")
      source = directory
    }
    var findings = texts
    let survey = try Survey.of(
      source, mapping: mapping, now: session.now, progress: session.terminal.progress,
      into: &findings)
    session.terminal.clearProgress()
    session.terminal.print(
      "The directory \(session.configuration.directory.name) holds \(survey.people.of("person", "people")) and \(survey.groups.of("group", "groups")) for this mapping."
    )
    if survey.referrals > 0 {
      session.terminal.warn("\(survey.referrals.of("referral was", "referrals were")) not followed")
    }
  }
}

struct Explain: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says why somebody has, or lacks, each right.",
    discussion: "Answers from the mirror, that is the directory as last read.")

  @OptionGroup var common: CommonOptions
  @Argument(help: "An email, an account id or a directory id.") var who: String

  func run() throws {
    try Session.run(common, "explain") { session in
      let (mapping, texts) = try session.mapping()
      let store = try session.existingStore()
      let planner = try session.planner(store, mapping: mapping)
      var findings = texts
      let explanation = try planner.explain(who, now: session.now, into: &findings)
      session.terminal.print(
        ExplanationText.text(
          of: explanation, transition: try session.desk(store).site().transition,
          style: session.terminal.output))
      return nil
    }
  }
}

struct TestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test", abstract: "Runs the tests that stand in the mapping file.")

  @OptionGroup var common: CommonOptions

  func run() throws {
    try Session.run(common, "test") { session in
      let (mapping, _) = try session.mapping()
      let failures = mapping.testFailures()
      for failure in failures {
        session.terminal.print(
          "\(failure.position.text): \(session.terminal.output.red("failed")): \(failure.message.shown)"
        )
      }
      session.terminal.print(
        "\(mapping.tests.count - failures.count) passed, \(failures.count) failed")
      return failures.isEmpty ? nil : .failed
    }
  }
}
