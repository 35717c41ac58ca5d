import Foundation
import Synchronization

/// What threads hand to another one, in order. So much waits to be taken that neither side waits for the other without need,
/// and no more, so that it does not fill the memory.
package final class Handover<Item: Sendable>: Sendable {
  /// The other side hands on, or takes, nothing more.
  package struct Stopped: Error {}

  private struct State {
    var items: [(item: Item, size: Int)] = []
    var size = 0
    var isStopped = false
    /// How it ended; nil: it goes on.
    var end: Result<Void, any Error>?
  }

  private let most: Int
  private let state = Mutex(State())
  /// Counts what waits, and the end.
  private let news = DispatchSemaphore(value: 0)
  /// Signalled whenever something was taken.
  private let room = DispatchSemaphore(value: 0)

  /// - Parameter most: the sizes of what waits come to no more, unless one item alone does.
  package init(most: Int) { self.most = most }

  /// Waits for room where there is none.
  package func put(_ item: Item, size: Int = 1) throws(Stopped) {
    while true {
      let isTaken: Bool? = state.withLock { state in
        if state.isStopped { return nil }
        guard state.items.isEmpty || state.size + size <= most else { return false }
        state.items.append((item, size))
        state.size += size
        return true
      }
      guard let isTaken else {
        room.signal()  // Others may wait, too.
        throw Stopped()
      }
      if isTaken { break }
      room.wait()
    }
    news.signal()
  }

  /// The next item, which is waited for; nil after the last one.
  /// - Throws: why there is no last one.
  package func next() throws -> Item? {
    news.wait()
    return try take()
  }

  /// The next item; nil where none waits.
  package func nextIfReady() throws -> Item? {
    news.wait(timeout: .now()) == .success ? try take() : nil
  }

  private func take() throws -> Item? {
    let taken = try state.withLock { state -> Item? in
      if !state.items.isEmpty {
        let first = state.items.removeFirst()
        state.size -= first.size
        return first.item
      }
      news.signal()  // The end stays the end.
      if state.isStopped { throw Stopped() }
      try state.end?.get()
      return nil
    }
    room.signal()
    return taken
  }

  /// Says that nothing follows, after what still waits.
  package func end(_ result: Result<Void, any Error> = .success(())) {
    state.withLock { $0.end = $0.end ?? result }
    news.signal()
  }

  /// Ends it for both sides; what waits counts for nothing.
  package func stop() {
    state.withLock { state in
      state.isStopped = true
      state.items = []
    }
    room.signal()
    news.signal()
  }
}
