import ArgumentParser
import Diagnostics
import Ports
import Reconciliation
import SiteModel
import SiteStore
import SyncEngine
import Views

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Shows what a sync would change, and changes nothing.",
    discussion: "Reads the directory and brings the mirror up to date; the site stays as it is.")

  enum Format: String, CaseIterable, ExpressibleByArgument { case text, json, csv, html }

  @OptionGroup var common: CommonOptions
  @Option(help: "Save the plan for usher apply.") var out: String?
  @Option(help: "How the plan is printed: text, json, csv or html.") var format: Format = .text
  @Flag(help: "Plan from the mirror, without the directory.") var offline = false
  @Option(help: "Try another mapping file; - reads it from standard input.") var mapping: String?
  @OptionGroup var which: DirectoryOption
  @OptionGroup var confinement: Confinement
  @Option(help: "Look at one person only: an email, an account id or a directory id.") var only:
    String?
  @Flag(help: "List every change, however many there are.") var all = false
  @Flag(help: "Exit with 2 when changes are pending.") var detailedExitcode = false

  func run() throws {
    confinement.enter(megabytes: 16_384, seconds: 300)
    try Session.run(common, "plan") { session in
      var session = session
      session.isConfined = confinement.confined
      return try plan(session)
    }
  }

  private func plan(_ session: Session) throws -> ExitStatus? {
    let lease = try session.previewLease()
    defer { lease.release() }
    let store = try session.store()
    let (planners, texts) = try session.planners(store)
    if let mapping {
      return try tryOut(mapping, session, lease, store, planners, texts)
    }
    let waiting = try session.reviewed(planners, in: store, offline: offline, texts: texts).held
    let outcome = try session.plan(
      planners, session.origins(offline: offline), only: only, texts: texts)
    // The mirror is written; no run waits for whoever reads the plan.
    lease.release()
    let verdict = outcome.verdict
    let plan = verdict.plan
    if format == .text {
      PlanText(plan, all: all, style: session.terminal.output).write(session.terminal.print)
    } else {
      try write(plan, session.terminal)
    }
    if let out {
      try PlanFile.save(plan, to: out, key: store.planKey())
      session.terminal.say("Saved to \(out). Apply it with: usher apply \(out)")
    }
    try session.report(verdict, in: store)
    for held in session.joined(waiting, with: verdict, in: store) {
      try session.say(held, in: store)
      session.terminal.say("A saved plan that is applied approves the mapping, too.")
    }
    if session.report(outcome.failures) { return .directoryUnread }
    if !session.held(verdict, in: store).isEmpty || !waiting.isEmpty { return .heldBack }
    return detailedExitcode && !plan.isEmpty ? .changesPending : nil
  }

  /// Writes a plan in one of the formats for programs and browsers.
  private func write(_ plan: Plan, _ terminal: Terminal) throws {
    switch format {
    case .text, .json: terminal.print(try PlanJSON.text(of: plan))
    case .csv: PlanCSV.write(plan, terminal.print)
    case .html: PlanHTML.write(plan, terminal.print)
    }
  }

  /// What another mapping would do to the same directory: its plan against the current one's.
  private func tryOut(
    _ file: String, _ session: Session, _ lease: SiteLease, _ store: SiteDatabase,
    _ planners: [Planner], _ texts: Findings
  ) throws -> ExitStatus? {
    let tried = try session.directory(named: which.directory)
    let (other, otherTexts) = try session.mapping(of: tried, file)
    var allTexts = texts
    allTexts.merge(otherTexts)
    let outcome = try session.plan(
      planners, session.origins(offline: offline), only: only, texts: texts)
    let current = outcome.verdict.plan
    let trial = try session.planner(store, tried, mapping: other)
    let index = Int(trial.number)
    var trials = planners
    trials[index] = trial
    // The others have just been read.
    var origins = planners.map { _ in Planner.Origin.mirror }
    if !offline, !trial.canReadMirror { origins[index] = .trial(try session.source(tried)) }
    let verdict = try session.plan(trials, origins, only: only, texts: allTexts).verdict
    lease.release()
    if format == .text {
      PlanComparison(current: current, other: verdict.plan)
        .write(session.terminal.output, all: all, session.terminal.print)
    } else {
      try write(verdict.plan, session.terminal)
    }
    if let out {
      try PlanFile.save(verdict.plan, to: out, key: store.planKey())
      session.terminal.say("Saved to \(out). Apply it with: usher apply \(out)")
    }
    for excess in verdict.excesses {
      session.terminal.warn("limit \(excess.consequence.rawValue): \(excess.text)")
    }
    if session.report(outcome.failures) { return .directoryUnread }
    if !verdict.excesses.isEmpty { return .heldBack }
    return detailedExitcode && !verdict.plan.isEmpty ? .changesPending : nil
  }
}

struct Apply: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Applies a saved plan, or refuses it when the site has changed since.")

  @OptionGroup var common: CommonOptions
  @Argument(help: "A plan saved by usher plan --out.") var file: String
  @Flag(help: "Do not ask.") var yes = false

  func run() throws {
    try Session.run(common, "apply") { session in
      let store = try session.existingStore()
      let plan = try PlanFile.load(file, key: store.planKey())
      let lease = try session.lease()
      defer { withExtendedLifetime(lease) {} }
      let site = try session.desk(store).site()
      try StorePlanIsStale.check(
        plan.basis, generation: site.generation, lineage: site.lineage)
      var session = session
      try session.checkClock(store)
      let verdict = try session.desk(store).check(plan, now: session.now)
      guard let approved = verdict.approved else {
        try session.report(verdict, in: store)
        throw Failure(
          .heldBack, "the plan goes beyond the limits. Nothing was changed",
          remedy: "make a new plan: usher plan")
      }
      if !session.terminal.quiet {
        PlanText(plan, style: session.terminal.output).write(session.terminal.print)
      }
      guard
        plan.isEmpty
          || session.terminal.confirms(
            "Apply \(plan.rows.count.of("change", "changes"))?", yes: yes)
      else {
        session.terminal.say("Nothing was changed.")
        return nil
      }
      try session.apply(approved, to: store)
      return nil
    }
  }
}

struct Sync: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync",
    abstract: "Plans, guards and applies in one go: what schedulers call.")

  @OptionGroup var common: CommonOptions
  @Flag(help: "List every change, however many there are.") var all = false
  @Flag(help: "Read everything this time, whatever `read` says.") var full = false

  @Option(
    help: "Also write what the sync came to into a file, for Prometheus's textfile collector.")
  var metrics: String?

  @Option(
    help: ArgumentHelp(
      "Given by usher serve, which finds the run by it that this sync commits, and sends its notices.",
      visibility: .hidden))
  var runToken: String?

  func run() throws {
    Usher.shareHeap()
    let record = SyncRecord(file: metrics, isServed: runToken != nil)
    try record.keeping {
      try Session.run(common, "sync") { session in
        var session = session
        session.readsEverything = full
        session.runToken = runToken
        do { return try sync(session, record) } catch {
          record.note(Failure(error))
          throw error
        }
      }
    }
  }

  private func sync(_ session: Session, _ record: SyncRecord) throws -> ExitStatus? {
    record.begin(session)
    let lease = try session.lease()
    defer { withExtendedLifetime(lease) {} }
    let store = try session.store()
    try record.note(lastSync: store.lastSync())
    var session = session
    try session.checkClock(store)
    let (planners, texts) = try session.planners(store)
    let (chosen, waiting) = try session.reviewed(
      planners, in: store, offline: false, texts: texts)
    guard let chosen else {
      for held in waiting { try session.say(held, in: store) }
      throw Failure(
        .heldBack,
        "the mapping has changed, and the one that holds so far no longer fits the configuration. Nothing was changed",
        remedy: "review and apply a plan: usher plan --out FILE, usher apply FILE")
    }
    let outcome = try record.planning {
      try session.plan(chosen, session.origins(), texts: texts, waits: false)
    }
    let verdict = outcome.verdict
    for held in session.held(verdict, in: store) { record.note(held: held) }
    if !session.terminal.quiet {
      PlanText(verdict.plan, all: all, style: session.terminal.output).write(
        session.terminal.print)
    }
    guard let approved = verdict.approved else {
      try store.finishMirror()
      try session.report(verdict, in: store)
      try release(outcome, session, store)
      throw Failure(
        .heldBack, "the plan goes beyond the limits. Nothing was changed",
        remedy: "look at it with usher plan; if it is meant: usher approve HASH")
    }
    let run = try record.applying(at: session.now) { note in
      try session.apply(approved, to: store, note: note).head.run
    }
    do {
      return try conclude(outcome, waiting, planners, texts, session, record, store)
    } catch { throw Failure(error).after(run: run) }
  }

  /// Says what waits, after the run is committed.
  private func conclude(
    _ outcome: SitePlanner.Outcome, _ waiting: [HeldSet], _ planners: [Planner], _ texts: Findings,
    _ session: Session, _ record: SyncRecord, _ store: SiteDatabase
  ) throws -> ExitStatus? {
    let verdict = outcome.verdict
    try session.report(verdict, in: store)
    for held in try session.joined(waiting, changed: planners, in: store, texts: texts) {
      record.note(held: held)
      try session.say(held, in: store)
      session.terminal.warn("until then the mapping holds as it was")
    }
    try release(outcome, session, store)
    if session.report(outcome.failures) { return .directoryUnread }
    return session.held(verdict, in: store).isEmpty && waiting.isEmpty ? nil : .heldBack
  }

  /// Releases what earlier syncs held back and this one did not. While a directory is not read, that is not known.
  private func release(
    _ outcome: SitePlanner.Outcome, _ session: Session, _ store: SiteDatabase
  ) throws {
    if outcome.failures.isEmpty { try store.releaseHeld(before: session.now) }
  }
}
