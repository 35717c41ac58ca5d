import ArgumentParser
import Ports
import SiteModel
import SiteStore
import SyncEngine
import Views

/// A budget for a limit, opened or ended on the command line.
struct BudgetOptions: ParsableArguments {
  @Option(help: "Open or end a budget for this limit, for example creations.") var limit: String?
  @Option(help: "With --limit: how many may pass in all.") var upTo: Int?
  @Option(help: "With --limit: the last day on which it holds, YYYY-MM-DD (UTC).")
  var until: String?
  @Option(help: "With --limit: why.") var reason: String?
  @Flag(help: "With --limit: end its budget now.") var end = false

  func check() throws {
    let opens = upTo != nil || until != nil || reason != nil
    guard limit != nil else {
      if end || opens {
        throw ValidationError("--up-to, --until, --reason and --end go with --limit.")
      }
      return
    }
    if end {
      if opens { throw ValidationError("--end takes no --up-to, --until or --reason.") }
      return
    }
    guard let upTo, let until, let reason else {
      throw ValidationError("--limit takes --up-to, --until and --reason, or --end.")
    }
    if upTo < 1 { throw ValidationError("--up-to is at least 1.") }
    if Pin.end(of: until) == nil {
      throw ValidationError("--until is a day, written YYYY-MM-DD, not \(until)")
    }
    if reason.allSatisfy(\.isWhitespace) { throw ValidationError("--reason says why.") }
  }

  func carryOut(
    _ limit: String, _ session: Session, _ store: SiteDatabase, yes: Bool
  ) throws -> ExitStatus? {
    end ? try close(limit, session, store) : try open(limit, session, store, yes: yes)
  }

  private func close(
    _ limit: String, _ session: Session, _ store: SiteDatabase
  ) throws -> ExitStatus? {
    try session.desk(store).check(limit: limit)
    guard try store.budgets().contains(where: { $0.kind == limit && $0.holds(at: session.now) })
    else { throw GuardDesk.ApprovalFault.noBudget(limit) }
    let head = try store.endBudget(for: limit, run: session.record("limit \(limit) end"))
    session.terminal.say("The budget for the limit \(limit) has ended.")
    try session.finish(head, in: store)
    return nil
  }

  private func open(
    _ limit: String, _ session: Session, _ store: SiteDatabase, yes: Bool
  ) throws -> ExitStatus? {
    let budget = try session.desk(store).budget(
      limit, upTo: upTo ?? 0, until: until.flatMap(Pin.end) ?? 0, reason: reason ?? "",
      by: session.user, now: session.now)
    guard budget.holds(at: session.now) else {
      throw Failure(.usage, "the day \(until ?? "") is over")
    }
    guard
      session.terminal.confirms(
        "Let up to \(budget.upTo.grouped) changes pass beyond the limit \(limit) until \(timeText(budget.until))?",
        yes: yes)
    else {
      session.terminal.say("Nothing was approved.")
      return nil
    }
    let head = try store.open(
      budget, run: session.record("limit \(limit) up to \(budget.upTo) until \(until ?? "")"))
    session.terminal.say(
      "Up to \(budget.upTo.grouped) changes pass beyond the limit \(limit) until \(timeText(budget.until))."
    )
    try session.finish(head, in: store)
    return nil
  }
}
