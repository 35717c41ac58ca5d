import Foundation
import Settings

/// Sends notices on a thread of its own, for as long as the service runs: at once, and what could not be sent again and
/// again, first after 15 seconds and in the end every ten minutes.
final class NoticeCourier: Sendable {
  private static let firstPauseSeconds = 15.0
  private static let longestPauseSeconds = 600.0

  private let news = DispatchSemaphore(value: 0)

  /// - Parameters:
  ///   - notices: whom to tell as the configuration says now; nil: nobody.
  ///   - queue: as the configuration says now.
  init(
    _ queue: @escaping @Sendable () -> NoticeQueue,
    to notices: @escaping @Sendable () -> Notices?, warn: @escaping @Sendable (String) -> Void
  ) {
    Thread.detachNewThread { [news] in
      var pause = Self.firstPauseSeconds
      while true {
        var wait = Self.longestPauseSeconds
        if let notices = notices() {
          let now = Int64(Date().timeIntervalSince1970)
          let result = NoticeSender(queue: queue(), warn: warn).send(notices, now: now)
          if let next = result.nextAt { wait = min(wait, Double(max(1, next - now))) }
          if result.failed > 0 { wait = min(wait, pause) }
          pause =
            result.failed == 0
            ? Self.firstPauseSeconds : min(Self.longestPauseSeconds, pause * 2)
        }
        _ = news.wait(timeout: .now() + wait)
      }
    }
  }

  /// Says that something new is in the queue.
  func wake() { news.signal() }
}
