import Synchronization

/// Whether the store can be read, asked at most once a second however many ask, and by one thread at a time.
final class Readiness: Sendable {
  private struct State {
    var isAsking = false
    var askedAt: Int64 = .min
    var problem: Problem?
  }

  private let state = Mutex(State())

  /// - Returns: whether whoever asks has to find out; the others take `problem` as it is.
  func begins(now: Int64) -> Bool {
    state.withLock { state in
      if state.isAsking || state.askedAt == now { return false }
      state.isAsking = true
      return true
    }
  }

  /// - Parameter problem: nil: it can be read.
  func ends(_ problem: Problem?, now: Int64) {
    state.withLock { $0 = State(askedAt: now, problem: problem) }
  }

  /// What stood against it when it was last asked.
  var problem: Problem? { state.withLock { $0.problem } }
}
