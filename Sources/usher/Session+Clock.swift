import Ports
import Reconciliation
import SiteModel
import SiteStore
import SyncEngine

extension Session {
  /// Holds the clock against that of the last sync. After a long pause what only time causes is put off.
  /// - Throws: where the clock looks wrong and nobody has approved it.
  mutating func checkClock(_ store: SiteDatabase) throws {
    var clock = SyncClock.ofThisMachine(at: now)
    let last = try store.syncClock()
    let check = ClockCheck(clock, since: last)
    if let held = try desk(store).held(check, since: last, now: now) {
      try store.note(held, at: now)
      throw Failure(
        .heldBack, held.causes.joined(separator: "; ") + ". Nothing was changed",
        remedy: "set the clock; if it is right: usher approve \(held.shortHash)")
    }
    if case .afterPause(let seconds) = check, let last {
      agingNow = last.wallSeconds
      clock.isTimePutOff = true
      terminal.warn(
        "the last sync was \(seconds / 3600) hours ago: what only time causes (grace periods, ended pins, conditions on {now}) waits for the next sync"
      )
    }
    self.clock = clock
  }
}
