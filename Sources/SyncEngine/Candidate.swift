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

  /// What stands for the id of an entry that has none.
  static func key(ofName name: [UInt8]) -> String {
    "dn:" + String(decoding: name, as: UTF8.self)
  }

  func isPerson(
    _ entry: Int, of batch: borrowing EntryBatch, _ evaluator: PersonEvaluator
  ) -> Bool {
    evaluator.selects(entry, of: batch, groups: groups, search: search)
  }

  /// - Parameter id: the directory id, where it is known already.
  func evaluate(
    _ entry: Int, of batch: borrowing EntryBatch, _ evaluator: inout PersonEvaluator,
    id: String? = nil
  ) -> Entitlement {
    evaluator.evaluate(
      entry, of: batch, groups: groups,
      id: id ?? evaluator.id(of: entry, in: batch, search: search), fingerprint: state,
      search: search)
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
