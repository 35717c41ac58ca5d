import ArgumentParser
import Diagnostics
import Foundation
import LDAPClient
import Mapping
import Ports
import Reconciliation
import Settings
import SiteModel
import SiteStore
import SyncEngine
import Views

/// One command at work: its configuration, and what it opens of store, mapping and directory.
struct Session {
  var terminal: Terminal
  let configuration: Configuration
  let command: String
  /// When the command began, in seconds since 1970.
  let now: Int64
  /// Whether everything is read this time, whatever `read` says.
  var readsEverything = false
  /// The moment up to which time has its consequences; nil: now. See `checkClock`.
  var agingNow: Int64?
  /// Whether a mapping from standard input may name no files but those that the saved one names.
  var isConfined = false
  /// What the clocks show, of a sync.
  var clock: SyncClock?

  /// By which `usher serve` finds the run that this command commits; nil: something else started it.
  var runToken: String?

  /// Runs a command's body and ends the process with its exit code.
  static func run(
    _ options: CommonOptions, _ command: String, _ body: (Session) throws -> ExitStatus?
  ) throws {
    try reporting(options) { terminal, now in
      let configuration = try configuration(options, terminal)
      if !configuration.usesTickets { LDAPDirectory.doWithoutTickets() }
      for warning in OpenFiles.warnings(of: configuration) { terminal.warn(warning) }
      return try body(
        Session(terminal: terminal, configuration: configuration, command: command, now: now))
    }
  }

  /// Runs what needs no configuration, and ends the process with its exit code.
  /// - Parameter body: gets the time, in seconds since 1970.
  static func reporting(
    _ options: CommonOptions, _ body: (Terminal, Int64) throws -> ExitStatus?
  ) throws {
    let terminal = Terminal(options)
    do {
      let status = try body(terminal, Int64(Date().timeIntervalSince1970))
      terminal.clearProgress()
      try StandardOutput.finish()
      if let status { throw ExitCode(status.rawValue) }
    } catch let exit as ExitCode {
      throw exit
    } catch {
      let failure = Failure(error)
      terminal.report(failure)
      throw ExitCode(failure.status.rawValue)
    }
  }

  /// Runs a command's body on an existing site while other runs are kept out.
  static func runHoldingSite(
    _ options: CommonOptions, _ command: String,
    _ body: (Session, SiteDatabase) throws -> ExitStatus?
  ) throws {
    try run(options, command) { session in
      try session.holdingSite { try body(session, $0) }
    }
  }

  // MARK: Files

  static func configuration(
    _ options: CommonOptions, _ terminal: Terminal
  ) throws -> Configuration {
    let path = try configurationPath(options)
    guard let text = load(path) else {
      throw Failure(.badConfiguration, "the configuration \(path) cannot be read")
    }
    var findings = Findings()
    guard let configuration = ConfigurationReader.read(text, path: path, into: &findings) else {
      throw Failure(
        .badConfiguration, "the configuration \(path) has faults", findings: findings)
    }
    for warning in findings.all {
      terminal.say(DiagnosticText.text(of: warning, style: terminal.errors))
    }
    for filter in configuration.console.searches.compactMap(\.filter) {
      _ = try DirectorySignIn.filter(filter)
    }
    return configuration
  }

  static func configurationPath(_ options: CommonOptions) throws -> String {
    if let given = options.config { return given }
    if let given = ProcessInfo.processInfo.environment["USHER_CONFIG"], !given.isEmpty {
      return given
    }
    let places = ["usher.yaml", "/etc/usher/usher.yaml"]
    if let found = places.first(where: FileManager.default.fileExists(atPath:)) { return found }
    throw Failure(
      .badConfiguration,
      "there is no configuration: neither ./usher.yaml nor /etc/usher/usher.yaml exists",
      remedy: "name one with --config FILE, or write usher.yaml as the README shows")
  }

  static func load(_ path: String) -> String? {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The directory that is meant.
  /// - Parameter name: as given; nil where there is only one to choose from.
  func directory(named name: String?) throws -> Configuration.Directory {
    let all = configuration.directories
    let found = name == nil && all.count == 1 ? all.first : all.first { $0.name == name }
    if let found { return found }
    let names = all.map(\.name).joined(separator: ", ")
    throw name.map { Failure(.usage, "there is no directory \($0)", remedy: "choose of: \(names)") }
      ?? Failure(.usage, "there are several directories", remedy: "--directory NAME, of: \(names)")
  }

  /// A directory's mapping, or another one to try.
  ///
  /// - Returns: the mapping, and the texts of its files for diagnostics of later stages.
  func mapping(
    of directory: Configuration.Directory, _ other: String? = nil
  ) throws -> (CompiledMapping, Findings) {
    var findings = Findings()
    let mapping = readMapping(of: directory, other, into: &findings)
    guard let mapping else {
      throw Failure(.badConfiguration, "the mapping has faults", findings: findings)
    }
    for warning in findings.all {
      terminal.say(DiagnosticText.text(of: warning, style: terminal.errors))
    }
    return (mapping, findings.texts)
  }

  func readMapping(
    of directory: Configuration.Directory, _ other: String? = nil, into findings: inout Findings
  ) -> CompiledMapping? {
    guard other == "-" else { return readMapping(other ?? directory.mappingPath, into: &findings) }
    // What comes in stands in the place of the directory's file, so that it finds what it names.
    do {
      let data = try FileHandle.standardInput.readToEnd() ?? Data()
      let text = String(decoding: data, as: UTF8.self)
      return readMapping(
        directory.mappingPath, text: text,
        naming: isConfined ? filesNamed(by: directory.mappingPath) : nil, into: &findings)
    } catch {
      findings.error(
        "standard input cannot be read",
        at: SourcePosition(file: directory.mappingPath, line: 1, column: 1))
      return nil
    }
  }

  /// - Parameters:
  ///   - text: what stands in the file's place; nil: what is in it.
  ///   - files: the only other files that it may name; nil: any.
  func readMapping(
    _ path: String, text: String? = nil, naming files: Set<String>? = nil,
    into findings: inout Findings
  ) -> CompiledMapping? {
    MappingReader.read(
      path, catalogue: Set(configuration.site.licenses.keys),
      load: { file in
        if let text, file == path { return text }
        return files.map { $0.contains(file) } ?? true ? Self.load(file) : nil
      }, into: &findings)
  }

  private func filesNamed(by path: String) -> Set<String> {
    var named: Set<String> = []
    var ignored = Findings()
    _ = MappingReader.read(
      path, catalogue: Set(configuration.site.licenses.keys),
      load: {
        named.insert($0)
        return Self.load($0)
      }, into: &ignored)
    return named
  }

  // MARK: Store and directory

  func store() throws -> SiteDatabase {
    let key = try configuration.auditKey.map { AuditKey(secret: try $0.read("key")) }
    return try SiteDatabase(path: configuration.site.storePath, audit: key ?? .none)
  }

  /// The store, for commands that would make no sense on a new one.
  func existingStore() throws -> SiteDatabase {
    let path = configuration.site.storePath
    guard FileManager.default.fileExists(atPath: path) else {
      throw Failure(
        .failed, "there is no site store \(path) yet", remedy: "usher plan and usher sync make it")
    }
    return try store()
  }

  /// Keeps other runs out until the process ends or the lease is released.
  func lease() throws -> SiteLease { try SiteLease(storePath: configuration.site.storePath) }

  /// The lease of a preview. When a run wants the site, the process ends with exit code 75: what it has written of the
  /// mirror is taken back by the store, as after any end.
  func previewLease() throws -> SiteLease {
    try SiteLease(storePath: configuration.site.storePath) { [terminal] in
      terminal.clearProgress()
      terminal.report(
        Failure(
          .busy, "a run needs the site and goes first: this preview was given up",
          remedy: "try again when the run has ended"))
      _exit(ExitStatus.busy.rawValue)
    }
  }

  /// Works on an existing site while other runs are kept out.
  func holdingSite<Value>(_ body: (SiteDatabase) throws -> Value) throws -> Value {
    let store = try existingStore()
    let lease = try lease()
    defer { withExtendedLifetime(lease) {} }
    return try body(store)
  }

  func desk(_ store: SiteDatabase) -> GuardDesk {
    GuardDesk(
      siteName: configuration.site.name, policy: policy, limits: limits, store: store)
  }

  private var policy: SitePolicy {
    let site = configuration.site
    return SitePolicy(
      ceilings: site.licenses, ownedByRules: site.ownedByRules,
      protectedAccounts: Set(site.protectedAccounts.map(emailKey)),
      protectedGroups: Set(site.protectedGroups.map { Right.key(.group, $0) }))
  }

  func planner(
    _ store: SiteDatabase, _ directory: Configuration.Directory, mapping: CompiledMapping
  ) throws -> Planner {
    let names = configuration.directories.map(\.name)
    return Planner(
      desk: desk(store), directory: directory.name,
      number: UInt8(names.firstIndex(of: directory.name) ?? 0),
      others: names.filter { $0 != directory.name },
      isOneOfSeveral: try names.count > 1 || store.knowsDirectories(), mapping: mapping,
      store: store,
      hashSeed: try store.hashSeed(), reads: ReadMode(rawValue: directory.reads.rawValue) ?? .auto,
      readsEverything: readsEverything, fullAtMostSeconds: Int64(directory.fullAtMostSeconds),
      agingNow: agingNow,
      progress: { [terminal] in terminal.progress($0) })
  }

  /// All directories with their mappings, and the mappings' texts.
  func planners(_ store: SiteDatabase) throws -> ([Planner], Findings) {
    var texts = Findings()
    let planners = try configuration.directories.map { directory in
      let (mapping, own) = try mapping(of: directory)
      texts.merge(own)
      return try planner(store, directory, mapping: mapping)
    }
    return (planners, texts)
  }

  private var limits: Limits {
    let given = configuration.limits
    var limits: [Consequence: Limits.Limit] = [:]
    for consequence in Consequence.allCases {
      if let percent = given.percent[consequence.rawValue],
        let max = given.max[consequence.rawValue]
      {
        limits[consequence] = Limits.Limit(percent: percent, max: max)
      }
    }
    return Limits(
      limits: limits, freeBelow: given.freeBelow,
      onLimit: given.onLimit == .holdPeople ? .holdPeople : .holdPlan)
  }

  /// A directory of the configuration, not yet connected.
  func source(_ directory: Configuration.Directory) throws -> any DirectorySource {
    switch directory.location {
    case .file(let path): LDIFSource(path: path)
    case .server(let server): try self.directory(server)
    }
  }

  func origins(offline: Bool = false) throws -> [Planner.Origin] {
    try configuration.directories.map { offline ? .mirror : .directory(try source($0)) }
  }

  /// - Parameter seconds: nil: as long as `timeout` says.
  func directory(
    _ server: Configuration.Server, waitsAtMost seconds: Int? = nil
  ) throws -> LDAPDirectory {
    var bind: LDAPServer.Bind?
    switch server.bind {
    case .simple(let dn, let password):
      bind = .simple(dn: dn, password: try password.read())
      if server.allowsClearText, server.urls.contains(where: { $0.hasPrefix("ldap:") }) {
        terminal.warn("the bind password travels without TLS (tls.clear-text: true)")
      }
    case .external: bind = .external
    case .gssapi: bind = .gssapi
    case nil: bind = nil
    }
    var identity: LDAPServer.ClientIdentity?
    if let certificate = server.certificatePath, let key = server.keyPath {
      identity = LDAPServer.ClientIdentity(certificatePath: certificate, keyPath: key)
    }
    return LDAPDirectory(
      server: LDAPServer(
        urls: server.urls, bind: bind, caPath: server.caPath, clientIdentity: identity,
        allowsClearText: server.allowsClearText,
        timeoutSeconds: min(server.timeoutSeconds, seconds ?? .max),
        canaries: server.canaries),
      connections: server.connections,
      limiter: LoadLimiter(searches: server.rate.searches, entries: server.rate.entries),
      runSeconds: configuration.runSeconds, mostEntries: server.mostEntries,
      log: { [terminal] in terminal.detail($0) })
  }

  /// The DN of somebody as last seen, with the directory where there are several; nil: no directory has them.
  func mirroredName(_ person: String, in store: SiteDatabase) throws -> String? {
    for directory in configuration.directories {
      guard let name = try store.mirroredName(of: directory.name, key: person) else { continue }
      return configuration.directories.count > 1 ? "\(name) (\(directory.name))" : name
    }
    return nil
  }

  /// The DNs of an account's person, as last seen.
  func entries(of account: Account, in store: SiteDatabase) throws -> [String] {
    guard let person = account.person else { return [] }
    let others = try store.family(of: [person], matches: []).filter { $0.joined == person }
      .map(\.person).sorted()
    return try ([person] + others).compactMap { try mirroredName($0, in: store) }
  }

  /// Who runs the command; the giver of what is given by hand.
  var user: String { NSUserName() }

  func record(_ plan: Plan, undoes: Int64? = nil) -> RunRecord {
    RunRecord(
      command: command, user: user, startedAt: now, planHash: plan.digest, undoes: undoes,
      clock: clock, token: runToken)
  }

  /// A run that no plan is behind.
  /// - Parameter detail: what it did, without anything of a person.
  func record(_ detail: String) -> RunRecord {
    RunRecord(
      command: "\(command) \(detail)", user: user, startedAt: now, planHash: "")
  }

  /// Applies a plan, says what was done, and lets old runs go.
  /// - Parameter note: called with what was applied, before anything else can fail.
  @discardableResult
  func apply(
    _ approved: ApprovedPlan, to store: SiteDatabase, undoes: Int64? = nil,
    note: (AppliedRun) -> Void = { _ in }
  ) throws -> AppliedRun {
    let applied = try store.apply(approved, run: record(approved.plan, undoes: undoes))
    note(applied)
    let count = applied.written.values.reduce(0, +)
    terminal.say(
      count == 0
        ? "Run \(applied.head.run): nothing was changed."
        : "Applied: \(count.of("change", "changes")), run \(applied.head.run).")
    do { try finish(applied.head, in: store) } catch {
      throw Failure(error).after(run: applied.head.run)
    }
    return applied
  }

  /// Writes the audit chain's head outside of the store, and lets old runs go.
  func finish(_ head: AuditHead, in store: any SiteStoring) throws {
    if configuration.auditKey != nil { terminal.record("audit head \(head.run):\(head.link)") }
    try store.pruneJournal(keepingSeconds: configuration.journalKeepSeconds)
  }

  /// Makes a guarded plan.
  /// - Parameters:
  ///   - texts: the mappings', for diagnostics.
  ///   - waits: see `SitePlanner.plan`.
  func plan(
    _ planners: [Planner], _ origins: [Planner.Origin], only: String? = nil, texts: Findings,
    waits: Bool = true
  ) throws -> SitePlanner.Outcome {
    var findings = texts
    let outcome = try SitePlanner(planners).plan(
      origins, only: only, now: now, waits: waits, into: &findings)
    terminal.clearProgress()
    return outcome
  }

  /// Says which directories could not be read.
  /// - Returns: whether there are any.
  func report(_ failures: [(directory: String, failure: ReadFailure)]) -> Bool {
    for (directory, failure) in failures {
      terminal.warn(
        "the directory \(directory) could not be read, and its people stay as they are: \(failure.message)"
      )
      if let remedy = failure.remedy { terminal.say("  → \(remedy)") }
    }
    return !failures.isEmpty
  }
}
