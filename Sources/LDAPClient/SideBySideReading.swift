import DirectoryModel
import Foundation
import Ports
import Synchronization

/// Reads the bases of one search side by side, each over a connection of its own; what comes is handed on by one
/// thread, in whatever order it comes.
final class SideBySideReading: Sendable {
  /// Batches that may wait to be handed on, so that a slow reader holds the servers back and does not fill the memory.
  private static let mostWaiting = 8

  private struct State {
    var bases: [String]
    var batches: [EntryBatch] = []
    /// Threads that read.
    var running: Int
    var summary = ReadSummary()
    var failure: (any Error)?
  }

  private let state: Mutex<State>
  private let threads: Int
  /// Counts the places that are free for batches.
  private let free = DispatchSemaphore.places(mostWaiting)
  /// Counts batches and threads that have ended.
  private let news = DispatchSemaphore(value: 0)

  private struct Stopped: Error {}

  /// - Parameter connections: how many bases are read at once.
  init(bases: [String], connections: Int) {
    threads = min(connections, bases.count)
    state = Mutex(State(bases: bases, running: threads))
  }

  /// Reads to the end, or to the first failure. Returns when no thread is left.
  /// - Parameter read: reads one base, on another thread.
  func run(
    read: @escaping @Sendable (String, (borrowing EntryBatch) throws -> Void) throws -> ReadSummary,
    deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> ReadSummary {
    for _ in 0..<threads { Thread.detachNewThread { self.work(read) } }
    while let batch = next() {
      do { try deliver(batch) } catch { fail(error) }
    }
    return try state.withLock {
      if let failure = $0.failure { throw failure }
      return $0.summary
    }
  }

  private func work(
    _ read: (String, (borrowing EntryBatch) throws -> Void) throws -> ReadSummary
  ) {
    while let base = nextBase() {
      do {
        let part = try read(base) { try put(copy $0) }
        state.withLock {
          $0.summary.entries += part.entries
          $0.summary.referrals += part.referrals
        }
      } catch { fail(error) }
    }
    state.withLock { $0.running -= 1 }
    news.signal()
  }

  private func nextBase() -> String? {
    state.withLock {
      $0.failure != nil || $0.bases.isEmpty ? nil : $0.bases.removeFirst()
    }
  }

  private func put(_ batch: EntryBatch) throws {
    free.wait()
    let isStopped = state.withLock {
      if $0.failure == nil { $0.batches.append(batch) }
      return $0.failure != nil
    }
    if isStopped {
      free.signal()  // Others wait, too.
      throw Stopped()
    }
    news.signal()
  }

  /// The next batch to hand on; nil when all threads have ended.
  private func next() -> EntryBatch? {
    while true {
      news.wait()
      let (batch, isOver) = state.withLock { state -> (EntryBatch?, Bool) in
        if state.failure == nil, !state.batches.isEmpty {
          return (state.batches.removeFirst(), false)
        }
        return (nil, state.running == 0)
      }
      if let batch {
        free.signal()
        return batch
      }
      if isOver { return nil }
    }
  }

  private func fail(_ error: any Error) {
    state.withLock { if $0.failure == nil { $0.failure = error } }
    free.signal()
  }
}
