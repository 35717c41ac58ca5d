import Synchronization

/// Makes guessing slow. Failures are counted by the person that is meant, however their name is spelled, by the name that
/// was typed, so that nobody learns from it which names there are, by address, and of all together.
final class Throttle: Sendable {
  enum Key: Hashable {
    /// As the directory names them.
    case person(String)
    /// The SHA-256 of what was typed.
    case name(String)
    case address(String)

    /// Whether it stands for one person: others may sign in from the same address.
    fileprivate var isOfOne: Bool {
      if case .address = self { false } else { true }
    }

    /// So many failures cost nothing.
    fileprivate var free: Int { isOfOne ? 5 : 50 }
  }

  private struct Failures {
    var count = 0
    var last: Int64 = 0
  }

  private struct State {
    var failures: [Key: Failures] = [:]
    /// How many tries all together may fail just now.
    var left = Throttle.freeForAll
    var filledAt: Int64 = 0
  }

  private static let freeForAll = 120
  /// All together get one more try in so many seconds.
  private static let refillSeconds: Int64 = 2
  private static let memorySeconds: Int64 = 900
  private static let mostKeys = 10_000

  private let state = Mutex(State())

  /// Counts a try as failed until it is taken back, so that many at once are counted, too.
  /// - Returns: how many seconds the try has to wait instead; nil: none.
  func begin(_ keys: [Key], now: Int64) -> Int64? {
    state.withLock { state in
      Self.refill(&state, now)
      if state.left == 0 { return Self.refillSeconds }
      if let wait = Self.wait(state.failures, keys, now) { return wait }
      state.left -= 1
      Self.count(keys, in: &state, now)
      return nil
    }
  }

  /// Counts a try that has begun by somebody else, too: who is meant is known later than what was typed.
  /// - Returns: how many seconds the try has to wait instead; nil: none.
  func goOn(with key: Key, now: Int64) -> Int64? {
    state.withLock { state in
      if let wait = Self.wait(state.failures, [key], now) { return wait }
      Self.count([key], in: &state, now)
      return nil
    }
  }

  private static func wait(_ failures: [Key: Failures], _ keys: [Key], _ now: Int64) -> Int64? {
    keys.compactMap { key -> Int64? in
      guard let known = failures[key], known.count >= key.free,
        now - known.last < memorySeconds
      else { return nil }
      let wait = min(memorySeconds, 1 << min(10, known.count - key.free + 1))
      return known.last + wait > now ? known.last + wait - now : nil
    }.max()
  }

  private static func count(_ keys: [Key], in state: inout State, _ now: Int64) {
    for key in keys {
      let known = state.failures[key].flatMap { now - $0.last < memorySeconds ? $0 : nil }
      state.failures[key] = Failures(count: (known?.count ?? 0) + 1, last: now)
    }
    guard state.failures.count > mostKeys else { return }
    state.failures = state.failures.filter { now - $0.value.last < memorySeconds }
    guard state.failures.count > mostKeys else { return }
    // Whoever failed least and longest ago is forgotten first.
    let kept = state.failures.sorted {
      ($0.value.count, $0.value.last) > ($1.value.count, $1.value.last)
    }
    state.failures = Dictionary(
      uniqueKeysWithValues: kept.prefix(mostKeys / 2).map { ($0.key, $0.value) })
  }

  private static func refill(_ state: inout State, _ now: Int64) {
    let more = max(0, now - state.filledAt) / refillSeconds
    guard more > 0 else { return }
    state.left = Int(min(Int64(freeForAll), Int64(state.left) + more))
    state.filledAt = now
  }

  /// What was begun was no failure.
  /// - Parameter forgets: the failures before of the person and of the name, too.
  func takeBack(_ keys: [Key], forgets: Bool = false) {
    state.withLock { state in
      state.left = min(Self.freeForAll, state.left + 1)
      for key in keys {
        if forgets, key.isOfOne {
          state.failures[key] = nil
        } else {
          state.failures[key]?.count -= 1
        }
      }
    }
  }

  /// How many people, names and addresses are remembered.
  var size: Int { state.withLock { $0.failures.count } }
}
