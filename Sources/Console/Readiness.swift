import Synchronization

/// Whether the store can be read, asked at most once a second however many ask, and by one thread at a time.
final class Readiness: Sendable {
  private struct State {
    var askingSince: Int64?
    var askedAt: Int64 = .min
    var problem: Problem? = Problem(503, "the store has not been asked yet")
  }

  /// A store that does not answer for longer cannot be read.
  private static let patienceSeconds: Int64 = 15
  private let state = Mutex(State())

  /// - Returns: whether whoever asks has to find out; the others take `problem` as it is.
  func begins(now: Int64) -> Bool {
    state.withLock { state in
      if state.askingSince != nil || state.askedAt == now { return false }
      state.askingSince = now
      return true
    }
  }

  /// - Parameter problem: nil: it can be read.
  func ends(_ problem: Problem?, now: Int64) {
    state.withLock { $0 = State(askedAt: now, problem: problem) }
  }

  /// What stood against it when it was last asked, or stands against it since.
  func problem(now: Int64) -> Problem? {
    state.withLock { state in
      if let since = state.askingSince, now - since >= Self.patienceSeconds {
        return Problem(503, "the store does not answer")
      }
      return state.problem
    }
  }
}
