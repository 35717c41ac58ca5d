import SiteModel

/// Holds the time of a sync against that of the one before: grace periods, pins and the journal's length depend on a right
/// clock, and what they cause cannot all be taken back.
package enum ClockCheck: Sendable, Hashable {
  case right
  /// The clock stands so many seconds before the last sync.
  case behind(seconds: Int64)
  /// Since the last sync the clock has gone so many seconds more than the machine has run.
  case ahead(seconds: Int64)
  /// So many seconds have passed since the last sync: what only time causes waits for the next one.
  case afterPause(seconds: Int64)

  private static let mostBehindSeconds: Int64 = 600
  private static let mostAheadSeconds: Int64 = 3600
  /// Shorter than a weekend, and longer than from one day's sync to the next day's.
  private static let pauseSeconds: Int64 = 2 * 86_400

  /// - Parameter last: the clock of the last sync; nil: there was none.
  package init(_ now: SyncClock, since last: SyncClock?) {
    guard let last else {
      self = .right
      return
    }
    let passed = now.wallSeconds - last.wallSeconds
    if passed < -Self.mostBehindSeconds {
      self = .behind(seconds: -passed)
      return
    }
    if !now.boot.isEmpty, now.boot == last.boot {
      let run = now.bootSeconds - last.bootSeconds
      if passed - run > Self.mostAheadSeconds {
        self = .ahead(seconds: passed - run)
        return
      }
    }
    // A site that is synced once a week waits for one sync at most.
    self =
      passed > Self.pauseSeconds && !last.isTimePutOff ? .afterPause(seconds: passed) : .right
  }
}

extension GuardDesk {
  /// What has to be approved before a sync by this clock; nil where it is right, or approved.
  /// - Parameter last: the clock of the last sync.
  package func held(
    _ check: ClockCheck, since last: SyncClock?, now: Int64
  ) throws -> HeldSet? {
    let cause: String
    switch check {
    case .right, .afterPause: return nil
    case .behind(let seconds):
      cause = "the clock stands \(Self.length(seconds)) before the last sync"
    case .ahead(let seconds):
      cause =
        "since the last sync the clock has gone \(Self.length(seconds)) more than the machine has run"
    }
    let direction = if case .behind = check { "behind" } else { "ahead" }
    let held = HeldSet(
      kind: .clock, hash: hash(["clock", direction, String(last?.wallSeconds ?? 0)]), changes: [],
      causes: [cause])
    return try approved(now: now, kind: .clock).contains { $0.hash == held.hash } ? nil : held
  }

  private static func length(_ seconds: Int64) -> String {
    switch seconds {
    case ..<7200: "\(seconds / 60) minutes"
    case ..<172_800: "\(seconds / 3600) hours"
    default: "\(seconds / 86_400) days"
    }
  }
}
