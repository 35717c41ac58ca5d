import Dispatch
import Foundation
import Synchronization

/// What has happened since it was last asked.
final class Events: Sendable {
  enum Kind { case stop, reload, syncEnded, syncWanted }

  private let happened = Mutex<Set<Kind>>([])
  private let news = DispatchSemaphore(value: 0)

  /// Notes a signal from now on instead of ending by it, for as long as the source is kept.
  func add(_ kind: Kind, at number: Int32) -> any DispatchSourceSignal {
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler { self.add(kind) }
    source.resume()
    return source
  }

  func add(_ kind: Kind) {
    happened.withLock { _ = $0.insert(kind) }
    news.signal()
  }

  func take() -> Set<Kind> {
    happened.withLock { happened in
      defer { happened = [] }
      return happened
    }
  }

  /// Returns when something happens, or has happened.
  func wait(seconds: Double) { _ = news.wait(timeout: .now() + seconds) }
}
