import ArgumentParser
import Ports
import SiteModel
import SiteStore
import SyncEngine
import Views

struct TransitionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "transition",
    abstract: "Previews, and with --apply performs, the move to Atlassian accounts.",
    discussion: """
      Every marked account becomes portal-only, every other one an Atlassian account. It cannot be taken back. \
      --format csv or json prints those whose way of signing in changes: email, name, old and new sign-in, URL.
      """)

  @OptionGroup var common: CommonOptions
  @Option(help: "table, csv or json.") var format: ListTable.Format = .table
  @Flag(help: "Perform it.") var apply = false
  @Flag(help: "Do not ask.") var yes = false

  func run() throws {
    try Session.runHoldingSite(common, "transition") { session, store in
      guard try store.transition() == .before else {
        session.terminal.say("Nothing to do: the site is after the transition.")
        return nil
      }
      var preview = TransitionPreview(
        rootURL: session.configuration.site.rootURL ?? "the site",
        portalURL: session.configuration.site.portalURL ?? "the portal",
        wishes: wishes(session, store), holds: try store.openQuestions().holds)
      try store.allAccounts { preview.add($0) }
      session.terminal.print(
        format == .table
          ? TransitionText.text(preview, session.terminal.output)
          : try TransitionText.signInChanges(preview).text(format, style: session.terminal.output))
      guard apply else { return nil }
      if !preview.obstacles.isEmpty {
        throw Failure(
          .failed,
          "\(preview.obstacles.count.of("thing stands", "things stand")) in the way of the transition. Nothing was changed",
          remedy: "put the emails in order, sync, and look again: usher transition")
      }
      guard
        session.terminal.confirms(
          "Perform the transition? It cannot be taken back.", yes: yes)
      else {
        session.terminal.say("Nothing was changed.")
        return nil
      }
      let head = try store.performTransition(run: session.record("performed"))
      session.terminal.say("The site is after the transition now, run \(head.run).")
      try session.finish(head, in: store)
      return nil
    }
  }

  /// Why the mapping makes people portal-only, as the directory was last read.
  private func wishes(_ session: Session, _ store: SiteDatabase) -> [String: String] {
    do {
      let (planners, texts) = try session.planners(store)
      var findings = texts
      return try planners.reduce(into: [:]) { wishes, planner in
        wishes.merge(
          try planner.portalOnlyWishes(now: session.now, into: &findings)
        ) { first, _ in first }
      }
    } catch {
      session.terminal.warn(
        "what the mapping says of marks is not known: \(Failure(error).message)")
      return [:]
    }
  }
}
