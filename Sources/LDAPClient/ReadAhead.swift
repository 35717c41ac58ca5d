import DirectoryModel
import Foundation
import Ports

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

  private enum Item: Sendable {
    case batch(EntryBatch)
    case end(ReadSummary)
  }

  /// In the order in which they are read.
  private var parts: ArraySlice<Part>
  /// By bytes; once it is full, the server is held back.
  private let items: Handover<Item>
  private let thread: Meanwhile<Void>

  /// - Parameter entries: about so many are expected. The more, the longer it takes until they are asked for.
  init(
    _ parts: [Part], over connection: LDAPConnection, expecting entries: Int, limiter: LoadLimiter
  ) {
    self.parts = parts[...]
    let items = Handover<Item>(most: min(64_000_000, max(4_000_000, entries * 64)))
    self.items = items
    // Handed over to the thread: whoever has it here waits for the thread's end before using it again.
    nonisolated(unsafe) let connection = connection
    thread = Meanwhile {
      items.end(
        Result {
          for part in parts {
            var reader = SearchReader(
              connection: connection, search: part.search, base: part.base,
              pageSize: part.pageSize, isStream: part.isStream, limiter: limiter)
            let summary = try reader.read { try items.put(.batch(copy $0), size: $0.size) }
            try items.put(.end(summary), size: 0)
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
      switch try items.next() {
      case .batch(let batch): try deliver(batch)
      case .end(let part):
        summary += part
        parts.removeFirst()
      case nil: throw CancellationError()
      }
    }
    return summary
  }

  /// Reads no further. Returns when the thread is done with the connection.
  func stop() {
    items.stop()
    _ = try? thread.value()
  }
}
