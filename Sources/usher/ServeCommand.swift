import ArgumentParser
import Console
import Foundation
import Ports
import Settings
import SiteStore

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Keeps the site in step by itself, and shows it in a web console.",
    discussion: """
      Syncs begin at the times that `schedule` says; each is a run of `usher sync` of its own and reads configuration \
      and mapping as they are then. The console, its API and /metrics listen where `console.listen` says. SIGHUP reads \
      the configuration anew, but for where it listens; SIGTERM stops within five seconds; what a sync was about to \
      change then is not changed at all.
      """)

  @OptionGroup var common: CommonOptions
  @Option(
    help: "Have each sync write what it came to into a file, for Prometheus's textfile collector.")
  var metrics: String?

  func run() throws {
    try Session.reporting(common) { terminal, _ in
      try Service(common, terminal, metrics: metrics).run()
      return nil
    }
  }
}

/// Starts syncs by the clock until it is told to stop. Everything is decided on one thread; signals and the end of a
/// sync only wake it.
final class Service {
  /// Clocks are put forward and back, and machines sleep: so often, in seconds, the time of day is looked at again.
  private static let longestWait = 20.0
  private static let killSeconds = 4.0

  let options: CommonOptions
  let terminal: Terminal
  let manager = ServiceManager()
  private let events = Events()
  /// The file of the last sync's figures.
  let metrics: String
  let house: House
  private let console: ConsoleServer?
  private let tokenFile: String?
  let courier: NoticeCourier
  var timetable: Timetable
  var sync: RunningSync?
  /// Somebody asked for a sync in the console.
  private var isWanted = false
  /// How many syncs in a row have found the site held by others.
  var busyCount = 0

  init(_ options: CommonOptions, _ terminal: Terminal, metrics: String?) throws {
    self.options = options
    self.terminal = terminal
    let configuration = try Session.configuration(options, terminal)
    self.metrics = metrics ?? configuration.site.storePath + ".metrics"
    house = House(
      configuration, path: try Session.configurationPath(options), terminal,
      metricsFile: self.metrics
    ) { [events] in events.add(.syncWanted) }
    courier = NoticeCourier(
      { [house] in NoticeQueue(storePath: house.configuration.site.storePath) },
      to: { [house] in house.configuration.notices }, warn: { [terminal] in terminal.warn($0) })
    // The same at each start.
    let name = ProcessInfo.processInfo.hostName + configuration.site.name
    let shift =
      Double(name.utf8.reduce(UInt32(5381)) { ($0 << 5) &+ $0 &+ UInt32($1) } % 1000) / 1000
    let last = try Self.last(configuration, terminal)
    timetable = Timetable(
      configuration.schedule, lastSync: last.sync, lastFull: last.full, shift: shift, in: .current)
    guard let listens = configuration.console.listens else {
      (console, tokenFile) = (nil, nil)
      return
    }
    let token = try FirstRunToken.make(configuration)
    tokenFile = token?.file
    console = try ConsoleServer(
      at: listens, house: house, firstRunToken: token?.text,
      trouble: { [terminal] in terminal.warn($0) })
  }

  /// When the site was last synced, and everything was last read.
  private static func last(
    _ configuration: Configuration, _ terminal: Terminal
  ) throws -> (sync: Int64?, full: Int64?) {
    guard FileManager.default.fileExists(atPath: configuration.site.storePath) else {
      return (nil, nil)
    }
    let session = Session(
      terminal: terminal, configuration: configuration, command: "serve", now: now)
    do {
      let store = try session.store()
      let full = try configuration.directories.map {
        try store.readEvidence(of: $0.name)?.fullReadAt ?? 0
      }
      return (try store.lastSync(), full.min())
    } catch StoreFailure.busy {
      // Somebody fills the store.
      return (nil, nil)
    }
  }

  static var now: Int64 { Int64(Date().timeIntervalSince1970) }

  func run() throws {
    let signals = [(SIGTERM, Events.Kind.stop), (SIGINT, .stop), (SIGHUP, .reload)].map {
      events.add($1, at: $0)
    }
    defer { signals.forEach { $0.cancel() } }
    if let console {
      terminal.say("The console is at \(console.address).")
      if let tokenFile {
        terminal.say(
          "Nobody is named under `console` who may sign in; until then the token in \(tokenFile) lets you in."
        )
      }
    }
    manager.tell("READY=1")
    if let next { terminal.say("The next sync begins at \(next).") }
    while true {
      let happened = events.take()
      if happened.contains(.stop) { break }
      if happened.contains(.reload) { reload() }
      if happened.contains(.syncWanted) { isWanted = true }
      if let sync, happened.contains(.syncEnded) { ended(sync) }
      if sync == nil { try startWhatIsDue() }
      stopIfLate()
      showState()
      manager.tell("WATCHDOG=1")
      events.wait(seconds: wait)
    }
    stop()
  }

  /// How long nothing has to be done, unless something happens.
  private var wait: Double {
    var seconds = Self.longestWait
    if let watchdog = manager.watchdogSeconds { seconds = min(seconds, watchdog / 2) }
    if let sync { return max(0.05, min(seconds, (sync.deadline - .now) / .seconds(1))) }
    guard case .nothing(let until) = timetable.due(now: Self.now) else { return 0 }
    return max(0.05, min(seconds, Double(until) - Date().timeIntervalSince1970))
  }

  // MARK: Syncs

  private func startWhatIsDue() throws {
    var due = timetable.due(now: Self.now)
    if isWanted, due != .full { due = .sync }
    isWanted = false
    guard due == .sync || due == .full else { return }
    var words = ["sync", "--config", try Session.configurationPath(options)]
    if due == .full { words.append("--full") }
    let token = UUID().uuidString
    words += ["--metrics", metrics, "--run-token", token]
    if options.quiet { words.append("--quiet") }
    if options.verbose { words.append("--verbose") }
    if options.log != .text { words += ["--log", options.log.rawValue] }
    manager.tell("STATUS=Syncing")
    let store = house.storeToKeepOpen()
    let program = try StartedProgram("/proc/self/exe", words) { [events] in events.add(.syncEnded) }
    sync = RunningSync(
      program: program, began: Self.now, isFull: due == .full, token: token,
      limitSeconds: house.configuration.runSeconds, store: store)
  }

  /// Ends a sync that is past its deadline: by SIGTERM, and after four seconds by SIGKILL.
  private func stopIfLate() {
    guard let late = sync, SuspendingClock.now >= late.deadline else { return }
    if !late.isStopped {
      let reason = "the sync was not done within \(late.limitSeconds) s and is being stopped"
      terminal.warn(reason)
      house.note { $0.unready = reason }
    }
    late.program.send(late.isStopped ? SIGKILL : SIGTERM)
    sync?.isStopped = true
    sync?.deadline = .now + .seconds(Self.killSeconds)
  }

  /// Tells the console what is going on.
  private func showState() {
    var until: Int64?
    if case .nothing(let moment) = timetable.due(now: Self.now) { until = moment }
    house.note {
      $0.nextSync = until
      $0.syncingSince = sync?.began
    }
  }

  /// When the next sync begins, in local time; nil: now.
  var next: String? {
    guard case .nothing(let until) = timetable.due(now: Self.now) else { return nil }
    let format = ISO8601DateFormatter()
    format.timeZone = .current
    return format.string(from: Date(timeIntervalSince1970: TimeInterval(until)))
  }

  // MARK: Signals

  private func reload() {
    manager.tell("RELOADING=1")
    do {
      let configuration = try Session.configuration(options, terminal)
      timetable.schedule = configuration.schedule
      house.configuration = configuration
      terminal.say("The configuration was read anew.")
    } catch {
      terminal.report(Failure(error))
      terminal.warn("the configuration stays as it was")
    }
    manager.tell("READY=1")
  }

  /// A sync that is stopped in its transaction changes nothing.
  private func stop() {
    manager.tell("STOPPING=1")
    console?.stop()
    house.stop()
    if let tokenFile { unlink(tokenFile) }
    guard let program = sync?.program, program.status == nil else { return }
    terminal.warn("the sync that is under way is stopped; what it has not committed is not changed")
    program.send(SIGTERM)
    let deadline = Date(timeIntervalSinceNow: Self.killSeconds)
    while program.status == nil, Date() < deadline {
      _ = events.take()
      events.wait(seconds: deadline.timeIntervalSinceNow)
    }
    program.send(SIGKILL)
  }
}
