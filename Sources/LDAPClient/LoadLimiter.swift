import Foundation
import Synchronization

/// At most so many searches and entries a second, so that a sync never troubles the server.
package final class LoadLimiter: Sendable {
  private let pace: Mutex<Pace>
  private let isUnlimited: Bool

  /// - Parameters: per second; nil: unlimited.
  package init(searches: Int? = nil, entries: Int? = nil) {
    isUnlimited = searches == nil && entries == nil
    pace = Mutex(Pace(searches: searches, entries: entries))
  }

  /// Waits until another search may be sent.
  func beforeSearch() {
    if isUnlimited { return }
    wait { $0.secondsBeforeSearch(at: $1) }
  }

  /// Waits while more has come than may come.
  /// - Parameter entries: those that came since this was last called for their search.
  func after(newEntries entries: Int) {
    if isUnlimited { return }
    wait { $0.secondsAfter(newEntries: entries, at: $1) }
  }

  /// How long what was read so far takes at this rate, at least; 0 where it is unlimited.
  var secondsNeeded: Double { isUnlimited ? 0 : pace.withLock { $0.secondsNeeded } }

  private func wait(_ body: (inout Pace, Double) -> Double) {
    let now = ProcessInfo.processInfo.systemUptime
    let seconds = pace.withLock { body(&$0, now) }
    if seconds > 0 { Thread.sleep(forTimeInterval: seconds) }
  }
}

/// When the next search may be sent and more entries be read. Moments are seconds on any clock.
package struct Pace: Sendable {
  private let searches: Int?
  private let entries: Int?
  private var nextSearch = -Double.infinity
  private var entriesEarliest = -Double.infinity
  /// How long all that was sent and read takes at this rate, at least.
  package private(set) var secondsNeeded = 0.0

  package init(searches: Int?, entries: Int?) {
    self.searches = searches
    self.entries = entries
  }

  /// How long to wait before a search, which is then taken as sent.
  package mutating func secondsBeforeSearch(at now: Double) -> Double {
    guard let searches else { return 0 }
    let start = max(now, nextSearch)
    nextSearch = start + 1 / Double(searches)
    secondsNeeded += 1 / Double(searches)
    return start - now
  }

  /// How long to wait until so many entries may have been read; the entries of a second may come at once.
  package mutating func secondsAfter(newEntries new: Int, at now: Double) -> Double {
    guard let entries else { return 0 }
    entriesEarliest = max(entriesEarliest, now) + Double(new) / Double(entries)
    secondsNeeded += Double(new) / Double(entries)
    return max(0, entriesEarliest - now - 1)
  }
}
