import Foundation
import Ports
import Synchronization

/// When reading has to end, after which time and how many entries. All connections to a directory share one; times are of the machine's uptime.
final class ReadDeadline: Sendable {
  private let limiter: LoadLimiter
  private let time: Mutex<ReadTime>
  private let entries: Atomic<Int>
  /// What somebody has said that one search may bring; nil: nobody did.
  private let configuredEntries: Int?

  /// A run begins, and a read.
  /// - Parameter mostEntries: what one search may bring; nil: as many as `entryLimit` says.
  init(runSeconds: Int, mostEntries: Int?, limiter: LoadLimiter) {
    self.limiter = limiter
    configuredEntries = mostEntries
    entries = Atomic(mostEntries ?? Self.entryLimit(last: nil))
    time = Mutex(
      ReadTime(runSeconds: runSeconds, at: Self.now, rateNeeds: limiter.secondsNeeded))
  }

  /// So many entries one search may bring, so that memory does not grow without end.
  var mostEntries: Int { entries.load(ordering: .relaxed) }

  /// - Parameter last: how many the last complete read brought; nil: there was none.
  static func entryLimit(last: Int?) -> Int { last.map { 100_000 + 4 * $0 } ?? 5_000_000 }

  /// Another read begins.
  /// - Parameters:
  ///   - lastSeconds: how long the last complete one took; nil: there was none.
  ///   - lastEntries: how many entries it brought.
  func beginRead(lastSeconds: Double?, lastEntries: Int?) {
    entries.store(configuredEntries ?? Self.entryLimit(last: lastEntries), ordering: .relaxed)
    time.withLock {
      $0.beginRead(lastSeconds: lastSeconds, at: Self.now, rateNeeds: limiter.secondsNeeded)
    }
  }

  /// How many seconds to wait for the next message.
  /// - Parameter most: not more than these.
  /// - Throws: `ReadFailure` where the time is up.
  func secondsToWait(most: Int, _ url: String, _ doing: String) throws -> Double {
    let time = time.withLock { $0 }
    let left = time.secondsLeft(at: Self.now, rateNeeds: limiter.secondsNeeded)
    if left.ofRun <= 0 {
      throw ReadFailure(
        "reading \(url) was not done after the \(Self.shown(time.runSeconds)) that a run may take, while \(doing)",
        remedy:
          "check the server; where the directory is so large, raise `deadline: { run: … }` in usher.yaml"
      )
    }
    if left.ofRead <= 0 {
      throw ReadFailure(
        "\(url) was still sending after the \(Self.shown(time.readSeconds)) that a read may take, while \(doing)",
        remedy:
          "check the server; a read may take 30 minutes, half of `deadline: { run: … }`, or four times as long as the last complete one",
        isOfServer: true)
    }
    return min(Double(most), left.ofRun, left.ofRead)
  }

  private static var now: Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }

  /// "90 s", "30 minutes".
  private static func shown(_ seconds: Double) -> String {
    seconds < 120 ? "\(Int(seconds)) s" : "\(Int(seconds / 60)) minutes"
  }
}

/// How long reading may still take. Moments are seconds on any clock.
package struct ReadTime: Sendable {
  /// However fast the last read was, the next one may take as long as this.
  private static let leastReadSeconds = 1800.0

  let runSeconds: Double
  private(set) var readSeconds = 0.0
  private let runEnd: Double
  private var readEnd = 0.0
  /// What the configured rate had needed when the read began.
  private var rateBefore = 0.0

  /// A run begins, and a read.
  /// - Parameter rateNeeds: seconds that the configured rate takes for all that was read so far.
  package init(runSeconds: Int, at now: Double, rateNeeds: Double) {
    self.runSeconds = Double(runSeconds)
    runEnd = now + Double(runSeconds)
    beginRead(lastSeconds: nil, at: now, rateNeeds: rateNeeds)
  }

  /// Another read begins, which may take 30 minutes, half of what a run may take, or four times as long as the last complete
  /// one, whichever is longest, and what the rate needs.
  package mutating func beginRead(lastSeconds: Double?, at now: Double, rateNeeds: Double) {
    readSeconds = max(Self.leastReadSeconds, runSeconds / 2, 4 * (lastSeconds ?? 0))
    readEnd = now + readSeconds
    rateBefore = rateNeeds
  }

  /// How many seconds are left; none or less: the time is up.
  package func secondsLeft(at now: Double, rateNeeds: Double) -> (ofRun: Double, ofRead: Double) {
    (runEnd - now, readEnd + rateNeeds - rateBefore - now)
  }
}
