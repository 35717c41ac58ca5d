import ArgumentParser
import Ports
import SiteModel
import SiteStore
import SyncEngine
import Views

struct Approve: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "approve",
    abstract: "Lets pass, for 24 hours, exactly what a run held back.",
    discussion: """
      The next sync plans anew, and passes any part of it. With --limit it opens a budget instead: so many changes pass \
      beyond that limit until a day, whatever they are.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var budget: BudgetOptions
  @Flag(help: "Do not ask.") var yes = false
  @Flag(help: "List what was held back in the last 24 hours, and the open budgets, instead.")
  var list = false
  @Argument(help: "The hash that plan or sync showed, or its first eight digits or more.")
  var hash: String?

  func validate() throws {
    if [list, hash != nil, budget.limit != nil].count(where: { $0 }) != 1 {
      throw ValidationError("Name a hash, --limit or --list.")
    }
    try budget.check()
  }

  func run() throws {
    try Session.run(common, "approve") { session in
      let store = try session.existingStore()
      if list { return try list(session, store) }
      let lease = try session.lease()
      defer { withExtendedLifetime(lease) {} }
      if let limit = budget.limit { return try budget.carryOut(limit, session, store, yes: yes) }
      let held = try session.desk(store).held(hash ?? "", now: session.now)
      show(held, session.terminal, nil)
      guard
        session.terminal.confirms("Let this pass in the next 24 hours?", yes: yes)
      else {
        session.terminal.say("Nothing was approved.")
        return nil
      }
      let head = try store.approve(held.hash, run: session.record(held.shortHash))
      session.terminal.say("Approved \(held.shortHash) until \(timeText(session.now + 86_400)).")
      try session.finish(head, in: store)
      return nil
    }
  }

  private func list(_ session: Session, _ store: SiteDatabase) throws -> ExitStatus? {
    let sets = try store.heldSets().filter { $0.heldAt > session.now - 86_400 }
    let budgets = try store.budgets().filter { $0.holds(at: session.now) }
    if sets.isEmpty, budgets.isEmpty { session.terminal.print("Nothing.") }
    for record in sets { show(record.set, session.terminal, record) }
    for budget in budgets {
      session.terminal.print(
        "\(session.terminal.output.bold(budget.kind)) up to \(budget.upTo.grouped) until \(timeText(budget.until)), by \(budget.by.shown): \(budget.reason.shown)"
      )
    }
    return nil
  }

  private func show(_ held: HeldSet, _ terminal: Terminal, _ record: HeldRecord?) {
    terminal.print(
      terminal.output.bold(held.shortHash)
        + (record?.approvedAt.map {
          " approved \(timeText($0)) by \((record?.approvedBy ?? "").shown)"
        } ?? "") + (record?.isReleased == true ? ", which the last sync did not hold any more" : "")
    )
    for cause in held.causes { terminal.print("  \(cause.shown)") }
    for change in held.changes {
      terminal.print("    \(HeldChangeText.text(change))")
    }
  }
}
