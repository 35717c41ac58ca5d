import ArgumentParser
import Foundation
import Ports
import Reconciliation
import SiteModel
import SyncEngine
import Views

/// What a sync comes to, for whoever wants to know: Prometheus's textfile collector, and the people of `notify`.
final class SyncRecord {
  private let file: String?
  private var metrics: SyncMetrics?
  private var notice: SyncNotice?
  private var messenger: Messenger?
  /// Whether `usher serve` sends the notices.
  private let isServed: Bool

  init(file: String?, isServed: Bool) {
    self.file = file
    self.isServed = isServed
  }

  /// Runs the sync and writes the file, however it ends. Notices go out last, when the site is free again.
  func keeping(_ sync: () throws -> Void) throws {
    var status: Int32 = 0
    do { try sync() } catch let exit as ExitCode { status = exit.rawValue }
    // A sync that found the site held says nothing of it, and the other one writes the file.
    if status != ExitStatus.busy.rawValue {
      if let file { write(status, to: file) }
      if var notice {
        notice.exitCode = status
        messenger?.tell(notice)
      }
    }
    // Nobody waits for the end of a plan of millions of changes.
    let done = metrics
    metrics = nil
    _ = Meanwhile { withExtendedLifetime(done) {} }
    if !isServed { messenger?.send() }
    if status != 0 { throw ExitCode(status) }
  }

  private func write(_ status: Int32, to file: String) {
    var metrics =
      metrics ?? SyncMetrics(site: "", startedAt: Int64(Date().timeIntervalSince1970))
    metrics.exitCode = status
    if !Self.replace(file, with: metrics.text) {
      StandardError.write("warning: \(file) cannot be written\n")
    }
  }

  /// Whoever reads the file finds the old one or the new one, never a part.
  /// - Returns: false where it cannot be written.
  static func replace(_ file: String, with text: String) -> Bool {
    let partial = "\(file).\(getpid())"
    let isWritten =
      FileManager.default.createFile(
        atPath: partial, contents: Data(text.utf8), attributes: [.posixPermissions: 0o644])
      && chmod(partial, 0o644) == 0 && rename(partial, file) == 0
    if !isWritten { unlink(partial) }
    return isWritten
  }

  func begin(_ session: Session) {
    notice = SyncNotice(
      site: session.configuration.site.name, at: session.now,
      link: session.configuration.console.link)
    messenger = session.configuration.notices.map { Messenger($0, session) }
    metrics = SyncMetrics(site: session.configuration.site.name, startedAt: session.now)
  }

  func note(lastSync: Int64?) { metrics?.appliedAt = lastSync }

  func planning(_ body: () throws -> SitePlanner.Outcome) throws -> SitePlanner.Outcome {
    let start = ContinuousClock.now
    let outcome = try body()
    let read = outcome.readTime / .seconds(1)
    metrics?.stages = [
      ("read", read), ("plan", (ContinuousClock.now - start) / .seconds(1) - read),
    ]
    let exceeded = Set(outcome.verdict.excesses.map(\.consequence))
    metrics?.plan = outcome.verdict.plan
    notice?.peopleHeld = outcome.verdict.plan.holds.count
    notice?.unread = outcome.failures.map(\.directory)
    metrics?.limits = Consequence.allCases.map { ($0.rawValue, exceeded.contains($0)) }
    metrics?.unreadDirectories = outcome.failures.count
    return outcome
  }

  func note(held: HeldSet) { notice?.held.append(held) }

  func note(_ failure: Failure) { notice?.failure = (failure.message, failure.remedy) }

  /// - Parameter body: applies the plan, and calls its argument as soon as it is committed.
  func applying<Value>(
    at now: Int64, _ body: ((AppliedRun) -> Void) throws -> Value
  ) throws -> Value {
    let start = ContinuousClock.now
    return try body { applied in
      notice?.run = applied.head.run
      notice?.changes = applied.written
      metrics?.stages.append(("apply", (ContinuousClock.now - start) / .seconds(1)))
      metrics?.appliedAt = now
    }
  }
}
