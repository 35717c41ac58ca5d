import ArgumentParser
import Foundation
import Ports
import Reconciliation
import SiteModel
import SyncEngine
import Views

struct Runs: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "runs",
    abstract: "Prints the history of runs, or one run with its changes.")

  @OptionGroup var common: CommonOptions
  @Argument(help: "A run by its number.") var number: Int64?
  @Option(help: "How many runs, the latest first.") var last = 20
  @Option(help: "table, csv or json.") var format: ListTable.Format = .table
  @Flag(help: "Check the audit chain instead.") var verify = false
  @Option(help: "With --verify: a head that was written elsewhere, as RUN:LINK.") var head: String?

  func validate() throws {
    if head != nil, !verify { throw ValidationError("--head goes with --verify.") }
    if last < 1 { throw ValidationError("--last is at least 1.") }
    if let head, Self.parse(head) == nil {
      throw ValidationError("--head is a run and its link: 12:3f9c…")
    }
  }

  private static func parse(_ head: String) -> AuditHead? {
    let parts = head.split(separator: ":")
    guard parts.count == 2, let run = Int64(parts[0]), parts[1].count == 64 else { return nil }
    return AuditHead(run: run, link: parts[1].lowercased())
  }

  func run() throws {
    try Session.run(common, "runs") { session in
      let store = try session.existingStore()
      if verify {
        return report(
          try store.verifyAudit(expecting: head.flatMap(Self.parse)), session.terminal)
      }
      guard let id = number else {
        let table = AccountLists.runs(try store.runs(last: last))
        session.terminal.print(
          try table.text(format, empty: "No runs yet.", style: session.terminal.output))
        return nil
      }
      guard let run = try store.run(id) else { throw GuardDesk.OrderFault.noRun(id) }
      session.terminal.print(
        "Run \(run.id): \(run.command), \(timeText(run.startedAt)), by \(run.user)")
      session.terminal.print(
        "Read \(run.peopleRead.of("person", "people")) and \(run.groupsRead.of("directory group", "directory groups")); site generation \(run.generation)"
      )
      if !run.planHash.isEmpty { session.terminal.print("Plan \(run.planHash)") }
      session.terminal.print("Link \(run.link)")
      if let undoes = run.undoes { session.terminal.print("Takes back run \(undoes)") }
      if let undoneBy = run.undoneBy { session.terminal.print("Taken back by run \(undoneBy)") }
      var emails: [Int64: String] = [:]
      try store.allAccounts { emails[$0.id] = $0.email }
      session.terminal.print("\(run.changes.of("change", "changes"))\(run.changes > 0 ? ":" : "")")
      try store.entries(of: id) { entry in
        session.terminal.print(
          "  \((emails[entry.account] ?? "account \(entry.account)").shown): \(EntryText.text(entry))"
        )
      }
      return nil
    }
  }

  private func report(_ report: AuditReport, _ terminal: Terminal) -> ExitStatus? {
    for fault in report.faults { terminal.print("\(terminal.output.red("fault")): \(fault)") }
    if report.faults.isEmpty {
      terminal.print(
        "The journal is as it was written: \(report.runs.of("run", "runs")), \(report.changes.of("change", "changes")). The store's file is whole, and the accounts are as the journal says."
      )
    }
    if !report.faults.isEmpty {
      terminal.say("    → \(Failure.wayBack)")
    }
    if report.unkeyed > 0 {
      terminal.print(
        "\(report.unkeyed.of("run was", "runs were")) written without a key: whoever may write the store could have made them anew. Set audit.key in the configuration."
      )
    }
    if let head = report.head { terminal.print("Head \(head.run):\(head.link)") }
    return report.faults.isEmpty ? nil : .failed
  }
}

struct Undo: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "undo",
    abstract: "Takes one run back, except what has changed since.",
    discussion:
      "Shows the plan first. Accounts that the run created are deactivated. The next sync does again what the directory and the mapping still ask for."
  )

  @OptionGroup var common: CommonOptions
  @OptionGroup var hand: HandOptions
  @Argument(help: "A run by its number: usher runs.") var number: Int64

  func run() throws {
    try Session.runHoldingSite(common, "undo") { session, store in
      let result = try session.desk(store).undoing(number, by: session.user, now: session.now)
      for refusal in result.refusals {
        session.terminal.warn("left as it is: \(refusal.email): \(refusal.reason)")
      }
      if result.plan.isEmpty { throw GuardDesk.OrderFault.allHasChanged(since: number) }
      try session.confirmAndApply(
        result, to: store, yes: hand.yes, preview: hand.preview, undoes: number)
      return nil
    }
  }
}

struct Erase: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "erase",
    abstract: "Blanks a person's data in the site and in the journal, for good.",
    discussion:
      "For deactivated accounts whose person is gone from the directory. The account stays, without name, email, rights and pins; the audit chain still verifies."
  )

  @OptionGroup var common: CommonOptions
  @Flag(help: "Do not ask.") var yes = false
  @Argument(help: "An email, an account id or a directory id.") var who: String

  func run() throws {
    try Session.runHoldingSite(common, "erase") { session, store in
      let account = try store.accounts([who])[0]
      if account.isActive {
        throw Failure(
          .failed, "\(account.email) is active. Nothing was changed",
          remedy: "usher deactivate \(account.email)")
      }
      if let person = account.person, account.absentSince == nil {
        if try session.mirroredName(person, in: store) != nil {
          throw Failure(
            .failed,
            "\(account.email) is still in the directory, which would bring the person back. Nothing was changed",
            remedy: "remove the entry there, or exclude it in the mapping, and sync")
        }
      }
      guard
        session.terminal.confirms(
          "Erase \(account.name) <\(account.email)>? This cannot be taken back.", yes: yes)
      else {
        session.terminal.say("Nothing was changed.")
        return nil
      }
      let head = try store.erase(account: account.id, run: session.record("account \(account.id)"))
      session.terminal.say("Erased account \(account.id), run \(head.run).")
      try session.finish(head, in: store)
      return nil
    }
  }
}
