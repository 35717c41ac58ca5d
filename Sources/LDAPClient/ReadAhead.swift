import DirectoryModel
import Foundation
import Ports
import Synchronization

/// Reads searches one after the other on a thread of its own, so that neither the server waits for us nor we for it. What comes
/// is handed on in order. Nobody else uses the connection meanwhile.
final class ReadAhead {
  /// A search under one base.
  struct Part: Sendable {
    let search: DirectorySearch
    let base: String
    let pageSize: Int?
    let isStream: Bool
  }

  /// In the order in which they are read.
  private var parts: ArraySlice<Part>
  private let queue: Queue

  /// - Parameter entries: about so many are expected. The more, the longer it takes until they are asked for.
  init(
    _ parts: [Part], over connection: LDAPConnection, expecting entries: Int, limiter: LoadLimiter
  ) {
    self.parts = parts[...]
    queue = Queue(most: min(64_000_000, max(4_000_000, entries * 64)))
    // Handed over to the thread: whoever has it here waits for the thread's end before using it again.
    nonisolated(unsafe) let connection = connection
    Thread.detachNewThread { [queue] in
      queue.end(
        with: Result {
          for part in parts {
            var reader = SearchReader(
              connection: connection, search: part.search, base: part.base,
              pageSize: part.pageSize, isStream: part.isStream, limiter: limiter)
            let summary = try reader.read { try queue.put(.batch(copy $0), size: $0.size) }
            try queue.put(.end(summary), size: 0)
          }
        })
    }
  }

  deinit { stop() }

  /// Whether a search is the next one.
  func isNext(_ search: DirectorySearch) -> Bool { parts.first?.search == search }

  /// Whether something is still to be handed on.
  var isMore: Bool { !parts.isEmpty }

  /// Hands on what comes of the next search, to its end.
  /// - Throws: what reading threw, and what `deliver` throws.
  func read(_ deliver: (borrowing EntryBatch) throws -> Void) throws -> ReadSummary {
    let search = parts.first?.search
    var summary = ReadSummary()
    while isMore, parts.first?.search == search {
      switch try queue.next() {
      case .batch(let batch): try deliver(batch)
      case .end(let part):
        summary.entries += part.entries
        summary.referrals += part.referrals
        parts.removeFirst()
      }
    }
    return summary
  }

  /// Reads no further. Returns when the thread is done with the connection.
  func stop() {
    queue.stop()
    queue.waitForEnd()
  }

  private enum Item: Sendable {
    case batch(EntryBatch)
    case end(ReadSummary)
  }

  private struct Stopped: Error {}

  /// What came and waits to be handed on.
  private final class Queue: Sendable {
    /// So many bytes may wait; then the server is held back.
    private let most: Int

    private struct State {
      var items: [(item: Item, size: Int)] = []
      var size = 0
      var isStopped = false
      /// How reading ended; nil: it goes on.
      var outcome: Result<Void, any Error>?
    }

    private let state = Mutex(State())
    /// Counts what waits, and the end.
    private let news = DispatchSemaphore(value: 0)
    /// Signalled whenever something was handed on.
    private let room = DispatchSemaphore(value: 0)
    private let isOver = DispatchSemaphore(value: 0)

    init(most: Int) { self.most = most }

    func put(_ item: Item, size: Int) throws {
      while true {
        let isTaken = try state.withLock { state in
          if state.isStopped { throw Stopped() }
          guard state.items.isEmpty || state.size + size <= most else { return false }
          state.items.append((item, size))
          state.size += size
          return true
        }
        if isTaken { break }
        room.wait()
      }
      news.signal()
    }

    func next() throws -> Item {
      news.wait()
      let item = try state.withLock { state in
        guard !state.items.isEmpty else {
          news.signal()  // The end stays the end.
          try state.outcome?.get()
          throw Stopped()
        }
        let first = state.items.removeFirst()
        state.size -= first.size
        return first.item
      }
      room.signal()
      return item
    }

    func end(with outcome: Result<Void, any Error>) {
      state.withLock { $0.outcome = outcome }
      news.signal()
      isOver.signal()
    }

    func stop() {
      state.withLock { $0.isStopped = true }
      room.signal()
    }

    func waitForEnd() {
      isOver.wait()
      isOver.signal()
    }
  }
}
