import SiteStore

/// A sync that `usher serve` has started.
struct RunningSync {
  let program: StartedProgram
  /// In seconds since 1970.
  let began: Int64
  let isFull: Bool
  /// The run that it commits is found by this in the store.
  let token: String
  /// How long it may take, as `deadline.run` said when it began.
  let limitSeconds: Int
  /// When it is sent the next signal. Time in which the machine sleeps does not count.
  var deadline: SuspendingClock.Instant
  /// Whether it was past its deadline and was sent a signal.
  var isStopped = false
  /// Kept open meanwhile.
  private let store: SiteDatabase?

  init(
    program: StartedProgram, began: Int64, isFull: Bool, token: String, limitSeconds: Int,
    store: SiteDatabase?
  ) {
    self.program = program
    self.began = began
    self.isFull = isFull
    self.token = token
    self.limitSeconds = limitSeconds
    self.store = store
    deadline = .now + .seconds(limitSeconds + Self.marginSeconds(of: limitSeconds))
  }

  /// How long a sync that gives up at its deadline has to say so: a tenth of its time, from 2 s to 60 s.
  private static func marginSeconds(of limit: Int) -> Int { max(2, min(60, limit / 10)) }
}
