import Foundation
import SiteModel

extension SyncClock {
  /// What the clocks of this machine show.
  /// - Parameter now: seconds since 1970.
  static func ofThisMachine(at now: Int64) -> SyncClock {
    let boot = FileManager.default.contents(atPath: "/proc/sys/kernel/random/boot_id")
      .map { String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines) }
    var time = timespec()
    let isKnown = clock_gettime(CLOCK_BOOTTIME, &time) == 0
    return SyncClock(
      boot: isKnown ? boot ?? "" : "", bootSeconds: Int64(time.tv_sec), wallSeconds: now)
  }
}
