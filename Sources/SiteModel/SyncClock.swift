/// What the clocks of the machine showed at a sync, to tell a clock that was set wrong from time that has passed.
package struct SyncClock: Sendable, Hashable {
  /// Stands for one boot of the machine; empty: not known.
  package let boot: String
  /// Seconds since that boot, with the time in which the machine slept.
  package let bootSeconds: Int64
  /// Seconds since 1970.
  package let wallSeconds: Int64
  /// Whether what only time causes was left to the next sync.
  package var isTimePutOff = false

  package init(boot: String, bootSeconds: Int64, wallSeconds: Int64) {
    self.boot = boot
    self.bootSeconds = bootSeconds
    self.wallSeconds = wallSeconds
  }
}
