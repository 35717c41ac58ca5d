import DirectoryModel
import Mapping
import SiteModel

/// An entry before it is decided whether it is a person, and whether anything is left to do.
struct Candidate: Sendable {
  let search: Int
  /// The hash of the id, or of what stands for it.
  let key: WideHash
  /// The key by which directory groups know the entry's name.
  let name: WideHash
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
    name = evaluator.nameKey(of: entry, in: batch)
    groups = evaluator.groups(of: entry, in: batch, name: name)
    let print = batch.fingerprint(of: entry, hash: hash, apart: evaluator.membershipSlots)
    var kept = print.kept
    // The same entry found by another search may become another account.
    if search > 0 { kept = hash.combine(kept, UInt64(search)) }
    key =
      evaluator.idHash(of: entry, in: batch, search: search, hash)
      ?? hash.wide(Self.key(ofName: batch.name(of: entry)))
    mirrored = hash.combine(kept, print.apart)
    state = hash.combine(kept, groups.fingerprint, salt)
  }

  /// Stands for the entry's name in the answer to its search; another search may bring the same entry.
  var nameMark: UInt32 { UInt32(truncatingIfNeeded: name.low &+ UInt64(search)) }

  /// What stands for the id of an entry that has none.
  static func key(ofName name: [UInt8]) -> String {
    "dn:" + String(decoding: name, as: UTF8.self)
  }

  func isPerson(
    _ entry: Int, of batch: borrowing EntryBatch, _ evaluator: PersonEvaluator
  ) -> Bool {
    evaluator.selects(entry, of: batch, groups: groups, search: search)
  }

  /// Adds what the entry entitles to.
  /// - Parameters:
  ///   - id: the directory id, where it is known already.
  ///   - all: the evaluator's alone.
  func evaluate(
    _ entry: Int, of batch: borrowing EntryBatch, _ evaluator: inout PersonEvaluator,
    id: String? = nil, into all: inout Entitlements
  ) {
    evaluator.evaluate(
      entry, of: batch, groups: groups,
      id: id ?? evaluator.id(of: entry, in: batch, search: search), fingerprint: state,
      search: search, into: &all)
  }
}

/// All that can be said of a batch's entries without asking what is remembered.
struct PreparedBatch: Sendable {
  private(set) var candidates: [Candidate] = []
  /// Of each its number in `entitlements`; nil when it is no person of the mapping.
  private(set) var numbers: [Int?] = []
  private(set) var entitlements = Entitlements()

  init(
    _ batch: borrowing EntryBatch, _ search: Int, hash: ByteHash, salt: UInt64,
    _ evaluator: inout PersonEvaluator
  ) {
    for entry in 0..<batch.count {
      let candidate = Candidate(
        entry, of: batch, search, hash: hash, salt: salt, &evaluator)
      let isPerson = candidate.isPerson(entry, of: batch, evaluator)
      candidates.append(candidate)
      numbers.append(isPerson ? entitlements.count : nil)
      if isPerson { candidate.evaluate(entry, of: batch, &evaluator, into: &entitlements) }
    }
  }
}
