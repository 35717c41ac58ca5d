import DirectoryModel
import Mapping
import Ports

/// Writes changes into the mirror, and notes whom they touch and what entries have lost.
struct MirrorUpdate {
  /// Values that entries had, and have no more.
  struct Losses {
    /// Slots of people's and of groups' attributes.
    var people: Set<Int> = []
    var groups: Set<Int> = []
    /// Whether a group has fewer members.
    var members = false
    /// Branches of the directory in which entries have lost something.
    var branches: Set<String> = []
    /// The keys of entries that were told as changed.
    var changed: [MirrorKind: Set<String>] = [:]
  }

  private(set) var losses = Losses()
  /// How many entries came and went, by kind, and how many more have a value, by slot.
  private var peopleDifference = 0
  private var groupsDifference = 0
  private var personValues: [Int]
  private var groupValues: [Int]
  /// How many people went, by branch, and the keys of those who came.
  private(set) var goneByBranch: [String: Int] = [:]
  private(set) var arrivedPeople: Set<String> = []
  let branches: DirectoryBranches
  /// Names of a few entries that are new or changed.
  private(set) var changedNames: [String] = []
  /// Names that the mirror had not, of people and groups.
  private(set) var arrivedNames: [String] = []
  /// The keys by which groups know these names.
  private(set) var arrivedKeys: [WideHash] = []
  private(set) var touchedPeople: Set<String> = []
  private(set) var touchedMembers: Set<WideHash> = []
  private let hash: ByteHash
  private let personID: Int?
  private let groupID: Int?
  private let memberOf: [Int]
  private let ownSlots: DirectoryGroups.PersonSlots
  private let personNames, groupNames: [String]
  private let membership: DirectoryGroups.MembershipSlots
  /// The number of the groups' search.
  private let groupSearch: Int

  init(hash: ByteHash, mapping: CompiledMapping) {
    self.hash = hash
    let slots = mapping.personSlots
    personID = slots.slot(of: mapping.searches[0].account.id)
    groupID = mapping.groups?.id.flatMap { mapping.groupSearch()?.slots.slot(of: $0) }
    memberOf = [slots.slot(of: "memberOf")].compactMap(\.self)
    ownSlots = DirectoryGroups.PersonSlots(slots)
    let groupSlots = mapping.groupSearch()?.slots ?? AttributeSlots([])
    membership = DirectoryGroups.MembershipSlots(groupSlots)
    (personNames, groupNames) = (slots.names, groupSlots.names)
    personValues = Array(repeating: 0, count: slots.count)
    groupValues = Array(repeating: 0, count: groupSlots.count)
    branches = DirectoryBranches(bases: mapping.searches[0].users.bases)
    groupSearch = mapping.searches.count
  }

  mutating func take(
    _ search: Int, _ batch: borrowing EntryBatch, _ writer: any MirrorWriter
  ) throws {
    let kind = search == groupSearch ? MirrorKind.group : .person
    for entry in 0..<batch.count {
      let slot = kind == .group ? groupID : personID
      let ids = slot.map { batch.values(of: entry, slot: $0) } ?? []
      // Somebody without an id is held by a full read.
      guard ids.count == 1, let id = ids.first, !id.isEmpty else { throw NeedsFullRead() }
      let key = DirectoryID.text(of: id)
      losses.changed[kind, default: []].insert(key)
      let new = mirrored(kind, entry, batch)
      let old = try writer.find(kind, key: key)
      guard old?.fingerprint != new.fingerprint else { continue }
      count(kind, old, new, in: branches.branch(of: batch.dn(of: entry)))
      let name = String(decoding: batch.dn(of: entry), as: UTF8.self)
      if old.flatMap({ $0.entry.withUnsafeBytes(EntryBatch.storedName) }) != name {
        arrivedNames.append(name)
        arrivedKeys.append(batch.nameKey(of: entry, hash))
      }
      if kind == .person {
        touchedPeople.insert(key)
        if changedNames.count < 5 { changedNames.append(name) }
        peopleDifference += old == nil ? 1 : 0
        if old == nil { arrivedPeople.insert(key) }
      } else {
        touchMembers(old, new)
        groupsDifference += old == nil ? 1 : 0
      }
      try writer.write(kind, key: key, search: 0, as: old == nil ? .new : .known, entry: new)
    }
  }

  /// Counts which values an entry has gained and lost. Who is in a group is not kept by attribute, and counted alone.
  private mutating func count(
    _ kind: MirrorKind, _ old: MirroredEntry?, _ new: MirroredEntry?, in branch: String
  ) {
    let before = old?.entry.withUnsafeBytes(EntryBatch.storedSlots) ?? []
    let after = new?.entry.withUnsafeBytes(EntryBatch.storedSlots) ?? []
    let lost = before.subtracting(after)
    for slot in lost {
      if kind == .person { personValues[slot] -= 1 } else { groupValues[slot] -= 1 }
    }
    for slot in after.subtracting(before) {
      if kind == .person { personValues[slot] += 1 } else { groupValues[slot] += 1 }
    }
    // Who is gone altogether has hidden nothing of themselves.
    guard let old, let new else { return }
    if kind == .person { losses.people.formUnion(lost) } else { losses.groups.formUnion(lost) }
    let hasFewer = kind == .group && new.hashes.count < old.hashes.count
    if hasFewer { losses.members = true }
    if hasFewer || !lost.isEmpty { losses.branches.insert(branch) }
  }

  /// What a complete read would have counted.
  func counted(since before: ReadEvidence) -> ReadEvidence {
    func add(_ differences: [Int], _ names: [String], to counts: inout [String: Int]) {
      for (name, difference) in zip(names, differences) where difference != 0 {
        let count = counts[name, default: 0] + difference
        counts[name] = count > 0 ? count : nil
      }
    }
    var evidence = before
    evidence.people += peopleDifference
    evidence.peopleSelected += peopleDifference
    evidence.groups += groupsDifference
    add(personValues, personNames, to: &evidence.personValues)
    add(groupValues, groupNames, to: &evidence.groupValues)
    return evidence
  }

  /// An entry as the mirror is to hold it.
  private func mirrored(
    _ kind: MirrorKind, _ entry: Int, _ batch: borrowing EntryBatch
  ) -> MirroredEntry {
    if kind == .group {
      return MirroredEntry(
        fingerprint: batch.fingerprint(of: entry, hash: hash).kept,
        entry: batch.stored(entry, leavingOut: membership.all),
        hashes: DirectoryGroups.memberKeys(of: entry, in: batch, membership, hash))
    }
    let print = batch.fingerprint(of: entry, hash: hash, apart: memberOf)
    return MirroredEntry(
      fingerprint: hash.combine(print.kept, print.apart), entry: batch.stored(entry),
      hashes: DirectoryGroups.ownKeys(
        of: entry, in: batch, name: batch.nameKey(of: entry, hash), ownSlots, hash))
  }

  /// Of a group that is changed itself all members are touched, else who came and who went.
  private mutating func touchMembers(_ old: MirroredEntry?, _ new: MirroredEntry) {
    let before = Set(old?.hashes ?? []), after = Set(new.hashes)
    touchedMembers.formUnion(
      old?.entry == new.entry ? before.symmetricDifference(after) : before.union(after))
  }

  /// Takes out who is gone.
  mutating func finish(_ changes: DirectoryChanges, _ writer: any MirrorWriter) throws {
    for search in changes.gone.indices {
      let kind = search == groupSearch ? MirrorKind.group : .person
      var gone = changes.gone[search]
      if let present = changes.present[search] {
        let known = try writer.keys(kind)
        gone.formUnion(known.subtracting(present))
        // Somebody is there who was not told.
        guard present.isSubset(of: known) else { throw NeedsFullRead() }
      }
      for key in gone.subtracting(losses.changed[kind] ?? []) {
        guard let old = try writer.find(kind, key: key) else { continue }
        try writer.remove(kind, key: key)
        let branch = old.entry.withUnsafeBytes { branches.branch(ofStored: $0) }
        count(kind, old, nil, in: branch)
        if kind == .person {
          touchedPeople.insert(key)
          peopleDifference -= 1
          goneByBranch[branch, default: 0] += 1
        } else {
          touchedMembers.formUnion(old.hashes)
          groupsDifference -= 1
        }
      }
    }
  }
}
