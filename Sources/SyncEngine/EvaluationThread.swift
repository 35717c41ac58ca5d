import DirectoryModel
import Mapping
import Ports

/// Evaluates every other batch where everybody has to be evaluated. It has an evaluator of its own; the order of batches stays.
final class EvaluationThread {
  private let batches = Handover<(batch: EntryBatch, search: Int)>(most: 1)
  private let people = Handover<PreparedBatch>(most: 1)
  private let refused: Meanwhile<Set<String>>
  private var current: EntryBatch?

  init(_ evaluator: PersonEvaluator, hash: ByteHash, salt: UInt64) {
    refused = Meanwhile { [batches, people] in
      var evaluator = evaluator
      defer { people.stop() }
      while let next = try batches.next() {
        try people.put(
          PreparedBatch(next.batch, next.search, hash: hash, salt: salt, &evaluator))
      }
      return evaluator.refused
    }
  }

  deinit {
    batches.stop()
    people.stop()
  }

  /// Hands a batch over.
  /// - Returns: false when the thread has one that was not taken back.
  func takes(_ batch: borrowing EntryBatch, _ search: Int) throws -> Bool {
    if current != nil { return false }
    let own = copy batch
    current = own
    try batches.put((own, search))
    return true
  }

  /// The batch that was handed over, with what came of it, which is waited for; nil when there is none.
  func taken() throws -> (batch: EntryBatch, people: PreparedBatch)? {
    guard let batch = current, let people = try people.next() else { return nil }
    current = nil
    return (batch, people)
  }

  /// Ends the thread.
  /// - Returns: what templates would have produced of protected groups, see `PersonEvaluator.refused`.
  func end() throws -> Set<String> {
    batches.end()
    return try refused.value()
  }
}
