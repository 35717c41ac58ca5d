/// What was told before, so that nothing is told every fifteen minutes.
struct NoticeMemory: Codable {
  /// A failure that was told in the outage that is going on.
  struct Told: Codable {
    let exitCode: Int32
    let at: Int64
  }

  /// A failure that lasts is told again after a day.
  private static let againSeconds: Int64 = 86_400

  /// An outage is over when no sync has failed for so long; one that comes and goes is told once.
  static let quietSeconds: Int64 = 600

  /// When a hash was told, in seconds since 1970.
  var held: [String: Int64] = [:]
  /// The failures of the outage that is going on, by what tells them apart; empty: syncs work.
  private var failures: [String: Told] = [:]
  private var lastFailedAt: Int64 = 0
  /// When the queue says that syncs work again; nil: it does not.
  private var recoversAt: Int64?

  init() {}

  /// Reads also what earlier versions wrote, whose outage is told anew.
  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    held = try container.decodeIfPresent([String: Int64].self, forKey: .held) ?? [:]
    failures = try container.decodeIfPresent([String: Told].self, forKey: .failures) ?? [:]
    lastFailedAt = try container.decodeIfPresent(Int64.self, forKey: .lastFailedAt) ?? 0
    recoversAt = try container.decodeIfPresent(Int64.self, forKey: .recoversAt)
  }

  /// Notes a failure.
  /// - Parameter recoveryIsUntold: whether the queue still held the notice that syncs work again.
  /// - Returns: whether it is to be told: the first of an outage; in one that goes on another failure, but of one exit
  ///   code only every ten minutes; and once a day what lasts.
  mutating func isNewFailure(
    _ mark: String, exitCode: Int32, now: Int64, recoveryIsUntold: Bool
  ) -> Bool {
    if let due = recoversAt, due <= now, !recoveryIsUntold { failures = [:] }
    recoversAt = nil
    lastFailedAt = now
    if let told = failures[mark], now - told.at < Self.againSeconds { return false }
    let isTooSoon = failures.contains {
      $0.key != mark && $0.value.exitCode == exitCode && now - $0.value.at < Self.quietSeconds
    }
    if isTooSoon { return false }
    failures[mark] = Told(exitCode: exitCode, at: now)
    failures = failures.filter { now - $0.value.at < 2 * Self.againSeconds }
    return true
  }

  /// Notes that a sync went well.
  /// - Returns: when people are to be told that syncs work again; nil: they do all the time, or the queue has the notice.
  mutating func recovery(now: Int64) -> Int64? {
    guard !failures.isEmpty else { return nil }
    if let due = recoversAt {
      if due <= now { (failures, recoversAt) = ([:], nil) }
      return nil
    }
    // A clock that was put back must not keep an outage open.
    let due = min(lastFailedAt, now) + Self.quietSeconds
    if due <= now { failures = [:] } else { recoversAt = due }
    return due
  }

  /// Without hashes that cannot be approved any more.
  func without(olderThan moment: Int64) -> NoticeMemory {
    var copy = self
    copy.held = held.filter { $0.value >= moment }
    return copy
  }
}
