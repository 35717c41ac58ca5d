import ArgumentParser
import Diagnostics
import Foundation
import Reconciliation
import SiteModel
import SyncEngine
import Views

struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Brings in accounts from a user export: previews, then applies.",
    discussion: """
      Reads Atlassian's user exports of every generation, and what usher export --format csv writes. Adds accounts, \
      licenses and groups with the import as giver, so that no sync takes them away; takes nothing away itself. \
      Lines that cannot be read are named; the others are brought in.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var hand: HandOptions
  @Argument(help: "A CSV file.") var file: String

  func run() throws {
    try Session.run(common, "import") { session in
      guard let data = FileManager.default.contents(atPath: file) else {
        throw Failure(.failed, "\(file) cannot be read")
      }
      let lease = try session.lease()
      defer { withExtendedLifetime(lease) {} }
      let store = try session.store()
      var findings = Findings()
      let accounts = UserExport.read(
        Array(data), file: file, catalogue: Set(session.configuration.site.licenses.keys),
        into: &findings)
      for fault in findings.all {
        session.terminal.say(DiagnosticText.text(of: fault, style: session.terminal.errors))
      }
      if accounts.isEmpty {
        throw Failure(.failed, "\(file) holds no account that can be brought in")
      }
      let known = try store.accounts(ofPeople: [], emails: accounts.map(\.email))
      let world = try session.desk(store).world(of: known, command: "import", now: session.now)
      let name = file.split(separator: "/").last.map(String.init) ?? file
      let result = Importing.plan(accounts, in: world, file: name)
      for note in result.notes { session.terminal.say(note.shown) }
      for refusal in result.refusals {
        session.terminal.warn("left as it is: \(refusal.email), \(refusal.reason)")
      }
      try session.confirmAndApply(
        result, to: store, yes: hand.yes, preview: hand.preview)
      let left = findings.all.count { $0.severity == .error } + result.refusals.count
      guard left > 0 else { return nil }
      session.terminal.warn(
        "\(left.of("line or account was", "lines or accounts were")) not brought in; they are named above"
      )
      return .failed
    }
  }
}
