import DirectoryModel
import Foundation
import Ports
import Synchronization

/// Reads the bases of one search side by side, each over a connection of its own; what comes is handed on by one
/// thread, in whatever order it comes.
final class SideBySideReading: Sendable {
  private struct State {
    var bases: [String]
    /// Threads that read.
    var running: Int
    var failure: (any Error)?
  }

  private let state: Mutex<State>
  private let threads: Int
  private let batches = Handover<EntryBatch>(most: 8)

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
    let reading = (0..<threads).map { _ in Meanwhile { self.work(read) } }
    do {
      while let batch = try batches.next() { try deliver(batch) }
    } catch { fail(error) }
    let summary = try reading.reduce(into: ReadSummary()) { $0 += try $1.value() }
    if let failure = state.withLock({ $0.failure }) { throw failure }
    return summary
  }

  private func work(
    _ read: (String, (borrowing EntryBatch) throws -> Void) throws -> ReadSummary
  ) -> ReadSummary {
    var summary = ReadSummary()
    do {
      while let base = nextBase() { summary += try read(base) { try batches.put(copy $0) } }
    } catch { fail(error) }
    let isLast = state.withLock { state in
      state.running -= 1
      return state.running == 0
    }
    if isLast { batches.end() }
    return summary
  }

  private func nextBase() -> String? {
    state.withLock {
      $0.failure != nil || $0.bases.isEmpty ? nil : $0.bases.removeFirst()
    }
  }

  /// Nobody reads on; the first failure is told.
  private func fail(_ error: any Error) {
    state.withLock { if $0.failure == nil { $0.failure = error } }
    batches.stop()
  }
}
