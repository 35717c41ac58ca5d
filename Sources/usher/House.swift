import Console
import Diagnostics
import DirectoryModel
import Foundation
import Mapping
import Ports
import Reconciliation
import Settings
import SiteModel
import SiteStore
import SyncEngine
import Synchronization
import Views

/// The house as the console sees it. Each request opens what it needs and closes it again.
final class House: ConsoleHouse {
  private struct State {
    var configuration: Configuration
    var service = ServiceState()
    /// The sheets of saved mappings, by directory.
    var sheets: [String: (key: String, sheet: MappingSheet)] = [:]
    var programs: [StartedProgram] = []
    var isTrying = false
    var isStopping = false
  }

  private let terminal: Terminal
  private let path: String
  private let metricsFile: String
  private let syncs: @Sendable () -> Void
  private let state: Mutex<State>
  private let mappings = CompiledMappings()
  /// Held while rules are counted, which is done once.
  private let counting = NSLock()

  /// - Parameters:
  ///   - path: the configuration's file.
  ///   - metricsFile: where syncs write what they came to.
  ///   - syncs: has a sync begin.
  init(
    _ configuration: Configuration, path: String, _ terminal: Terminal, metricsFile: String,
    syncs: @escaping @Sendable () -> Void
  ) {
    self.terminal = terminal
    self.path = path
    self.metricsFile = metricsFile
    self.syncs = syncs
    state = Mutex(State(configuration: configuration))
    // What was in order at the start serves people who sign in while a mapping has faults.
    for directory in configuration.directories {
      _ = mappings.mapping(
        at: directory.mappingPath, catalogue: Set(configuration.site.licenses.keys))
    }
    sweep()
  }

  var configuration: Configuration {
    get { state.withLock { $0.configuration } }
    set { state.withLock { $0.configuration = newValue } }
  }

  var service: ServiceState { state.withLock { $0.service } }

  func note(_ change: (inout ServiceState) -> Void) { state.withLock { change(&$0.service) } }

  var now: Int64 { Int64(Date().timeIntervalSince1970) }

  func syncNow() { syncs() }

  /// Ends what is being made for somebody, and what it has left behind.
  func stop() {
    let programs = state.withLock { state in
      state.isStopping = true
      return state.programs
    }
    for program in programs { program.send(SIGTERM) }
    let deadline = Date(timeIntervalSinceNow: 2)
    while !state.withLock({ $0.programs.isEmpty }), Date() < deadline { usleep(10_000) }
    sweep()
  }

  /// Removes what an end without warning has left beside the store.
  private func sweep() {
    let store = URL(fileURLWithPath: configuration.site.storePath)
    let folder = store.deletingLastPathComponent().path
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      guard name.hasPrefix(store.lastPathComponent + ".") else { continue }
      let rest = name.dropFirst(store.lastPathComponent.count + 1)
      if Self.scratchNames.contains(where: { rest.hasPrefix("\($0)-") }) {
        unlink(folder + "/" + name)
      }
    }
  }

  private static let scratchNames = ["plan", "in", "out", "err"]

  private func session() -> Session {
    Session(terminal: terminal.hushed, configuration: configuration, command: "console", now: now)
  }

  // MARK: The store

  func reading<Value>(_ body: (Office) throws -> Value) throws -> Value {
    let session = session()
    guard FileManager.default.fileExists(atPath: session.configuration.site.storePath) else {
      throw Problem(404, "there is no site store yet", remedy: "the first sync makes it")
    }
    return try body(office(session, session.store()))
  }

  /// The store, where no sync has been yet: while somebody has it open, the first one does not keep others from reading.
  func storeToKeepOpen() -> SiteDatabase? {
    guard let store = try? session().store(), (try? store.lastSync()) == nil else { return nil }
    store.returnToLog()
    return store
  }

  func holdingSite<Value>(_ body: (Office) throws -> Value) throws -> Value {
    let session = session()
    return try session.holdingSite { try body(office(session, $0)) }
  }

  private func office(_ session: Session, _ store: SiteDatabase) -> Office {
    Office(store: store, desk: session.desk(store), now: session.now)
  }

  func finish(_ head: AuditHead, in office: Office) throws {
    var session = session()
    session.terminal = terminal
    try session.finish(head, in: office.store)
  }

  func explain(_ who: String) throws -> Explanation {
    let session = session()
    let (planners, texts) = try session.planners(session.existingStore())
    var findings = texts
    return try SitePlanner(planners).explain(who, now: session.now, into: &findings)
  }

  func entries(of account: Account) throws -> [String] {
    let session = session()
    return try session.entries(of: account, in: session.existingStore())
  }

  // MARK: Signing in

  func signIn(
    _ name: String, password: String, admits: (String) throws -> Void
  ) throws -> SignInAnswer {
    try DirectorySignIn(session(), mappings).signIn(name, password: password, admits: admits)
  }

  func look(for visitor: DirectoryVisitor) throws -> DirectoryVisitor? {
    try DirectorySignIn(session(), mappings).look(for: visitor)
  }

  // MARK: Mappings

  func mapping(of name: String, text given: String?) throws -> MappingSheet {
    let session = session()
    guard let directory = session.configuration.directories.first(where: { $0.name == name }) else {
      throw Problem(404, "there is no directory \(name)")
    }
    guard let text = Session.load(directory.mappingPath) else {
      throw Problem(409, "the mapping \(directory.mappingPath) cannot be read")
    }
    if let given { return try trial(of: given, in: directory) }
    let store = try? session.existingStore()
    let version = try store?.readEvidence(of: name)?.version ?? 0
    let key = "\(version) \(Secret.digest(text))"
    if let known = state.withLock({ $0.sheets[name] }), known.key == key { return known.sheet }
    var findings = Findings()
    let mapping = session.readMapping(directory.mappingPath, text: text, into: &findings)
    var coverage: RuleCoverage?
    if let store, let mapping {
      counting.lock()
      defer { counting.unlock() }
      if let known = state.withLock({ $0.sheets[name] }), known.key == key { return known.sheet }
      var copy = findings
      coverage = try? session.planner(store, directory, mapping: mapping)
        .coverage(now: session.now, into: &copy)
    }
    let sheet = MappingSheet(
      directory: name, path: directory.mappingPath, text: text, diagnostics: findings.all,
      rules: (mapping?.rules ?? []).enumerated().map { number, rule in
        MappingSheet.Rule(
          reference: rule.reference, matches: coverage?.matches[number],
          decides: coverage?.decides[number])
      }, people: coverage?.people)
    state.withLock { $0.sheets[name] = (key, sheet) }
    return sheet
  }

  /// A text that somebody typed. It is read in a process of its own, whatever it takes.
  private func trial(
    of text: String, in directory: Configuration.Directory
  ) throws -> MappingSheet {
    let ended = try run(
      ["check", "--mapping", "-", "--directory", directory.name, "--format", "json", "--confined"],
      input: text)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let report = try? decoder.decode(MappingReport.self, from: Data(ended.output.utf8)) else {
      throw ended.problem
    }
    return MappingSheet(
      directory: directory.name, path: directory.mappingPath, text: text,
      diagnostics: report.findings,
      rules: report.rules.map { MappingSheet.Rule(reference: $0, matches: nil, decides: nil) },
      people: nil)
  }

  func tryMapping(of directory: String, text: String) throws -> String {
    guard
      try !mapping(of: directory, text: text).diagnostics.contains(where: { $0.severity == .error })
    else { throw Problem(409, "the mapping has faults") }
    let mayTry = state.withLock { state in
      defer { state.isTrying = true }
      return !state.isTrying
    }
    guard mayTry else { throw Problem(409, "another change is being tried just now") }
    defer { state.withLock { $0.isTrying = false } }
    let ended = try run(
      [
        "plan", "--offline", "--mapping", "-", "--directory", directory, "--confined", "--quiet",
      ], input: text)
    if ended.output.isEmpty { throw ended.trialProblem }
    return ended.output
  }

  // MARK: Plans

  func makePlan() throws -> MadePlan {
    let file = scratch("plan")
    defer { unlink(file) }
    let ended = try givingWay { try run(["plan", "--out", file, "--quiet"], input: "") }
    guard FileManager.default.fileExists(atPath: file) else { throw ended.problem }
    // What is approved by a hash is shown with its button.
    let remarks = ended.errors.split(separator: "\n").filter {
      $0.hasPrefix("warning: ") && !$0.contains("held back")
    }.map { $0.dropFirst(9) }
    return MadePlan(
      plan: try PlanFile.load(file, key: session().existingStore().planKey()),
      remarks: remarks.joined(separator: "\n"))
  }

  /// Runs go first: a preview that was given up for one is made anew when it has ended.
  private func givingWay(_ preview: () throws -> Ended) throws -> Ended {
    let deadline = ContinuousClock.now + .seconds(60)
    while true {
      let ended = try preview()
      guard ended.status == ExitStatus.busy.rawValue, ContinuousClock.now < deadline else {
        return ended
      }
      usleep(500_000)
    }
  }

  private struct Ended {
    let status: Int32
    let output: String
    let errors: String

    /// The same of a mapping that was tried on the mirror, for people who have only the console.
    var trialProblem: Problem {
      guard status == ExitStatus.directoryUnread.rawValue else { return problem }
      return Problem(
        409, problem.message,
        remedy:
          "the text has no faults, but it asks for something that was not read so far. On the host, usher plan --mapping FILE reads it and shows what the text would do. Once the text is saved there, a preview reads it, too, and what it changes waits for approval"
      )
    }

    /// What the command said when it failed.
    var problem: Problem {
      if status > 128 {
        return Problem(409, "this takes more memory or computing time than a trial may have")
      }
      let lines = errors.split(separator: "\n")
      let place = lines.firstIndex { $0.hasPrefix("usher: ") }
      let message = place.map { String(lines[$0].dropFirst(7)) } ?? errors
      let remedy = place.flatMap { $0 + 1 < lines.count ? lines[$0 + 1] : nil }
      return Problem(
        status == ExitStatus.directoryUnread.rawValue ? 503 : 409,
        message.hasSuffix(".") ? String(message.dropLast()) : message,
        remedy: remedy.map { $0.trimmingCharacters(in: .whitespaces) })
    }
  }

  /// Runs one of our commands in a process of its own, whose memory goes with it.
  private func run(_ words: [String], input: String) throws -> Ended {
    let files = [scratch("in"), scratch("out"), scratch("err")]
    defer { for file in files { unlink(file) } }
    guard PrivateFile.create(files[0], Data(input.utf8)) else {
      throw Failure(.failed, "\(files[0]) cannot be written")
    }
    let ended = DispatchSemaphore(value: 0)
    let program = try state.withLock { state in
      if state.isStopping { throw Problem(503, "the service is stopping") }
      let program = try StartedProgram(
        "/proc/self/exe", words + ["--config", path],
        files: [0: files[0], 1: files[1], 2: files[2]]
      ) { ended.signal() }
      state.programs.append(program)
      return program
    }
    let seconds = configuration.runSeconds
    let isLate = ended.wait(timeout: .now() + .seconds(seconds)) == .timedOut
    if isLate {
      program.send(SIGKILL)
      ended.wait()
    }
    state.withLock { $0.programs.removeAll { $0 === program } }
    if isLate {
      throw Problem(
        503, "this was not done within \(seconds) s and was stopped",
        remedy: "usher check --connect on the host says whether the directories answer")
    }
    return Ended(
      status: program.status ?? 1, output: Session.load(files[1]) ?? "",
      errors: Session.load(files[2]) ?? "")
  }

  /// A file beside the store, where we may write.
  private func scratch(_ name: String) -> String {
    "\(configuration.site.storePath).\(name)-\(getpid())-\(UInt32.random(in: 0 ... .max))"
  }

  // MARK: Metrics

  var metrics: String {
    let service = service
    var page = PrometheusPage(site: configuration.site.name)
    page.counter(
      "syncs_total", "Syncs of this service since it began, by exit code.",
      service.ends.sorted { $0.key < $1.key }.map { ([("exit_code", "\($0.key)")], "\($0.value)") })
    if configuration.notices != nil {
      let queue = NoticeQueue(storePath: configuration.site.storePath)
      page.gauge("notices_waiting", "Notices that are still to be sent.", Int64(queue.count))
    }
    page.gauge("sync_running", "1 while a sync is under way.", service.syncingSince == nil ? 0 : 1)
    if let next = service.nextSync {
      page.gauge("sync_next_timestamp_seconds", "When the next sync begins.", next)
    }
    let waiting = try? reading { try $0.desk.waiting(now: $0.now).count }
    if let waiting {
      page.gauge(
        "approvals_waiting", "What was held back in the last day and nobody has approved.",
        Int64(waiting))
    }
    return (Session.load(metricsFile) ?? "") + page.text
  }

  // MARK: What went wrong

  func record(_ text: String) { terminal.record(text) }

  func warn(_ text: String) { terminal.warn(text) }

  func problem(_ error: any Error) -> Problem {
    if let problem = error as? Problem { return problem }
    let failure = Failure(error)
    let status =
      switch (error, failure.status) {
      case (is NobodyFits, _): 404
      case (GuardDesk.ApprovalFault.unknown, _): 404
      case (_, .busy): 409
      case (_, .directoryUnread): 503
      case (is StoreFailure, _), (_, .badConfiguration): 500
      case (is Failure, _), (is GuardDesk.OrderFault, _), (is GuardDesk.ApprovalFault, _),
        (is StorePlanIsStale, _), (is SeveralFit, _):
        409
      default: 500
      }
    return Problem(status, failure.message, remedy: failure.remedy)
  }
}
