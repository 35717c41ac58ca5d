import DirectoryModel
import Mapping
import Ports
import SiteModel

/// An entry before it is decided whether it is a person, and whether anything is left to do.
struct Candidate: Sendable {
  let search: Int
  let name: [UInt8]
  /// The hash of the id, or of what stands for it.
  let key: WideHash
  let groups: GroupSet
  /// Stands for the entry as the mirror keeps it.
  let mirrored: UInt64
  /// Stands for the entry, its groups and the mapping, see *settled*.
  let state: UInt64

  /// - Parameter salt: stands for the mapping and the directory groups that its rules mean.
  init(
    _ entry: Int, of batch: borrowing EntryBatch, _ search: Int, hash: ByteHash, salt: UInt64,
    _ evaluator: inout PersonEvaluator
  ) {
    self.search = search
    name = batch.name(of: entry)
    groups = evaluator.groups(of: entry, in: batch, name: name)
    let print = batch.fingerprint(of: entry, hash: hash, apart: evaluator.membershipSlots)
    var kept = print.kept
    // The same entry found by another search may become another account.
    if search > 0 { kept = hash.combine(kept, UInt64(search)) }
    key =
      evaluator.idHash(of: entry, in: batch, search: search, hash)
      ?? hash.wide(Array(Self.key(ofName: name).utf8))
    mirrored = hash.combine(kept, print.apart)
    state = hash.combine(kept, groups.fingerprint, salt)
  }

  /// What stands for the id of an entry that has none.
  static func key(ofName name: [UInt8]) -> String {
    "dn:" + String(decoding: name, as: UTF8.self)
  }

  func isPerson(
    _ entry: Int, of batch: borrowing EntryBatch, _ evaluator: PersonEvaluator
  ) -> Bool {
    evaluator.selects(entry, of: batch, name: name, groups: groups, search: search)
  }

  func evaluate(
    _ entry: Int, of batch: borrowing EntryBatch, _ evaluator: inout PersonEvaluator
  ) -> Entitlement {
    evaluator.evaluate(
      entry, of: batch, name: name, groups: groups,
      id: evaluator.id(of: entry, in: batch, search: search), fingerprint: state, search: search)
  }
}

/// All that can be said of an entry without asking what is remembered.
struct PreparedPerson: Sendable {
  let candidate: Candidate
  /// nil when it is no person of the mapping.
  let entitlement: Entitlement?

  init(
    _ entry: Int, of batch: borrowing EntryBatch, _ search: Int, hash: ByteHash, salt: UInt64,
    _ evaluator: inout PersonEvaluator
  ) {
    candidate = Candidate(entry, of: batch, search, hash: hash, salt: salt, &evaluator)
    entitlement =
      candidate.isPerson(entry, of: batch, evaluator)
      ? candidate.evaluate(entry, of: batch, &evaluator) : nil
  }

  static func all(
    of batch: borrowing EntryBatch, _ search: Int, hash: ByteHash, salt: UInt64,
    _ evaluator: inout PersonEvaluator
  ) -> [PreparedPerson] {
    (0..<batch.count).map {
      PreparedPerson($0, of: batch, search, hash: hash, salt: salt, &evaluator)
    }
  }
}

/// Evaluates every other batch where everybody has to be evaluated. It has an evaluator of its own; the order of batches stays.
final class EvaluationThread {
  private let batches = Handover<(batch: EntryBatch, search: Int)>(most: 1)
  private let people = Handover<[PreparedPerson]>(most: 1)
  private let refused: Meanwhile<Set<String>>
  private var current: EntryBatch?

  init(_ evaluator: PersonEvaluator, hash: ByteHash, salt: UInt64) {
    refused = Meanwhile { [batches, people] in
      var evaluator = evaluator
      defer { people.stop() }
      while let next = try batches.next() {
        try people.put(
          PreparedPerson.all(of: next.batch, next.search, hash: hash, salt: salt, &evaluator))
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
  func taken() throws -> (batch: EntryBatch, people: [PreparedPerson])? {
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
