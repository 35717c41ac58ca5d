import Foundation
import Ports
import Settings
import SiteModel
import SiteStore
import Views

/// What the syncs that the service started came to: for the console, `/readyz`, the metrics, and the people of `notify`.
extension Service {
  /// So many syncs in a row find the site held by others before people are told.
  private static let busyTries = 3

  func ended(_ running: RunningSync) {
    guard let status = running.program.status else { return }
    sync = nil
    let outcome: Timetable.Outcome =
      switch ExitStatus(rawValue: status) {
      case .busy: .busy
      case .heldBack: .done
      default: status == 0 ? .done : .failed
      }
    let result = SyncResult(
      status: status, running: running,
      journal: status == 0 || outcome == .busy ? .success(nil) : journal(of: running))
    busyCount = outcome == .busy ? busyCount + 1 : 0
    if let words = result.silentEnd { terminal.warn(words.message) }
    tellOfSilence(result)
    correctMetrics(result)
    courier.wake()
    house.note {
      $0.lastExit = status
      $0.committedRun = result.committed?.run
      $0.ends[status, default: 0] += 1
      if outcome == .done { $0.unready = nil }
      if let words = result.silentEnd { $0.unready = words.message }
    }
    timetable.note(outcome, began: running.began, isFull: running.isFull, now: Self.now)
    let word =
      "The sync ended with exit code \(status)" + (next.map { "; the next begins at \($0)" } ?? "")
    manager.tell("STATUS=\(word)")
    terminal.say("\(word).")
  }

  /// What the store says of a sync that failed, which it may have done after its commit.
  /// - Returns: a failure where the store cannot be asked.
  private func journal(of running: RunningSync) -> Result<SyncResult.Committed?, Failure> {
    do {
      let known = house.configuration
      guard FileManager.default.fileExists(atPath: known.site.storePath) else {
        return .success(nil)
      }
      let session = Session(
        terminal: terminal.hushed, configuration: known, command: "serve", now: Self.now)
      let store = try session.store()
      guard let run = try store.run(token: running.token) else { return .success(nil) }
      var changes: [ChangeKind: Int] = [:]
      try store.entries(of: run.id) { changes[$0.kind, default: 0] += 1 }
      return .success((run.id, changes))
    } catch { return .failure(Failure(error)) }
  }

  /// Tells people of a sync that came to no word of its own: it was ended by a signal, could not read whom to tell, or
  /// found the site held by others again and again.
  private func tellOfSilence(_ result: SyncResult) {
    let known = house.configuration
    guard let notices = known.notices else { return }
    var failure = result.silentEnd
    if result.status == ExitStatus.badConfiguration.rawValue {
      do { _ = try Session.configuration(options, terminal.hushed) } catch {
        failure = (Failure(error).message, "usher check says where")
      }
    } else if busyCount >= Self.busyTries {
      failure = (
        "another run holds the site, and syncs wait for it",
        "the file \(known.site.storePath).lock names its process; end it if it hangs"
      )
    }
    guard let failure else { return }
    var notice = SyncNotice(
      site: known.site.name, at: result.running.began, link: known.console.link)
    notice.exitCode = result.status
    notice.failure = failure
    notice.run = result.committed?.run
    notice.changes = result.committed?.changes ?? [:]
    let session = Session(
      terminal: terminal, configuration: known, command: "serve", now: Self.now)
    Messenger(notices, session).tell(notice)
  }

  /// Writes how a sync ended that has not written it itself.
  private func correctMetrics(_ result: SyncResult) {
    let site = house.configuration.site.name
    let text = Session.load(metrics) ?? ""
    let began = result.running.began
    if SyncMetrics.says(text, exitCode: result.status, site: site, since: began) { return }
    let new = SyncMetrics.text(
      text, endedWith: result.status, site: site, startedAt: began,
      appliedAt: result.committed == nil ? nil : began)
    if !SyncRecord.replace(metrics, with: new) { terminal.warn("\(metrics) cannot be written") }
  }
}

/// How a sync ended that the service started.
struct SyncResult {
  /// A run with how many changes of each kind it made.
  typealias Committed = (run: Int64, changes: [ChangeKind: Int])

  /// The exit code, or 128 and the signal that ended it.
  let status: Int32
  let running: RunningSync
  /// What it had committed; nil: nothing, or it has told so itself.
  let journal: Result<Committed?, Failure>

  var committed: Committed? { (try? journal.get()) ?? nil }

  /// What is said of a sync that a signal ended, so that it could say nothing itself; nil for another.
  var silentEnd: (message: String, remedy: String?)? {
    guard status > 128 else { return nil }
    let end =
      running.isStopped
      ? "the sync was not done within \(running.limitSeconds) s and was stopped"
      : "the sync was ended by signal \(status - 128)"
    let remedy =
      running.isStopped
      ? "usher check --connect says whether the directories answer; deadline.run in usher.yaml allows more time"
      : nil
    return switch journal {
    case .success(let run?): ("\(end), after it had applied run \(run.run)", remedy)
    case .success(nil): ("\(end). Nothing was changed", remedy)
    case .failure(let failure):
      (
        "\(end), and whether it changed something is not known: \(failure.message)",
        "usher runs shows its run if there is one"
      )
    }
  }
}
