/// The directory groups that were read, who is in them, and which groups are in which.
///
/// Members are found by normalised DN (`member`, `uniqueMember`, `memberOf`), by `memberUid`, and by
/// `primaryGroupID`. Filled entry by entry, then closed, then asked. Groups say by which keys their members are known,
/// people by which keys groups know them: where a key is in both, the person is in the group.
package struct DirectoryGroups: Sendable {
  /// The attributes of groups that say who is in them.
  package static let memberAttributes = ["member", "uniqueMember", "memberUid"]
  /// The attributes of people that say in which groups they are.
  package static let personAttributes = ["memberOf", "uid", "primaryGroupID"]

  /// The groups' entries less their members; group numbers are entry numbers of this batch.
  package private(set) var entries: EntryBatch
  private let hash: ByteHash
  /// For the names of groups and of people, who come one after the other.
  private var normaliser = DistinguishedName.Normaliser()
  private let idSlot: Int?
  private let nested: Bool
  private let membership: MembershipSlots

  /// By their names' keys, and by those of their members.
  private var named = KeyedGroups()
  private var members = KeyedGroups()
  /// Whether some members are known by other keys than their names'.
  private var knowsOtherKeys = false
  /// Of each group the hash of its entry, its members aside; 0: not worked out yet.
  private var fingerprints: [UInt64] = []
  /// Of each group how many members it names itself.
  private var memberCounts: [Int32] = []
  /// For each group the groups that it is a direct member of; nil: not worked out yet. What is above those is found by a
  /// walk: lists of all groups above each would be as large as the square of a cycle.
  private var knownParents: [[Int32]?] = []
  /// For each group the number of the walk that has met it last.
  private var marks: [UInt32] = []
  private var walk: UInt32 = 0
  /// Whether somebody's `memberOf` named a group that does not name them.
  package private(set) var memberOfAdds = false

  /// A key by which a group, by its number, knows a member.
  package struct Membership: Sendable, Hashable, Comparable, BitwiseCopyable {
    package let key: WideHash
    package let group: Int32

    package init(key: WideHash, group: Int32) {
      self.key = key
      self.group = group
    }

    package static func < (left: Membership, right: Membership) -> Bool {
      left.key == right.key ? left.group < right.group : left.key < right.key
    }
  }

  /// Groups by keys: filled, then closed, then asked.
  private struct KeyedGroups: Sendable {
    private(set) var pairs: [Membership] = []
    /// Where the pairs begin whose keys begin with the same bits: keys are spread evenly, so that few share a place.
    private var starts: [Int32] = []
    private var shift: UInt64 = 64

    mutating func add(_ pair: Membership) { pairs.append(pair) }

    mutating func close() { (starts, shift) = pairs.sortByHash { $0.key.high } }

    func groups(of key: WideHash) -> [Int32] {
      guard !starts.isEmpty else { return [] }
      let place = Int(key.high >> shift)
      let end = Int(starts[place + 1])
      let first = (Int(starts[place])..<end).first(after: { pairs[$0].key < key })
      var last = first
      while last < end, pairs[last].key == key { last += 1 }
      return pairs[first..<last].map(\.group)
    }
  }

  /// Where the attributes of groups stand that say who is in them.
  package struct MembershipSlots: Sendable {
    let names: [Int]
    let uid: Int?
    let sid: Int?
    /// Few: to look through them costs less than a set.
    package let all: [Int]

    package init(_ slots: AttributeSlots) {
      names = ["member", "uniqueMember"].compactMap(slots.slot(of:))
      uid = slots.slot(of: "memberUid")
      sid = slots.slot(of: "objectSid")
      all = names + [uid].compactMap(\.self)
    }
  }

  /// - Parameters:
  ///   - id: the attribute that holds a group's immutable id; nil takes its DN.
  ///   - nested: members of member groups are members.
  package init(slots: AttributeSlots, id: String?, nested: Bool, hash: ByteHash) {
    entries = EntryBatch(slots: slots)
    idSlot = id.flatMap(slots.slot(of:))
    self.nested = nested
    self.hash = hash
    membership = MembershipSlots(slots)
  }

  package var count: Int { entries.count }

  /// How many bytes the groups and their members take, about, with others added.
  package func size(with more: EntryBatch) -> Int {
    entries.size + more.size + members.pairs.count * MemoryLayout<Membership>.stride
  }

  /// Takes over the groups of a batch that was read.
  /// - Returns: of each the keys of its members.
  @discardableResult
  package mutating func add(_ batch: EntryBatch) -> [[WideHash]] {
    let first = entries.count
    entries.append(batch, leavingOut: membership.all)
    return (0..<batch.count).map { addMembers(of: $0, in: batch, Int32(first + $0)) }
  }

  private mutating func addMembers(
    of entry: Int, in batch: EntryBatch, _ group: Int32
  ) -> [WideHash] {
    named.add(Membership(key: nameKey(of: entry, in: batch), group: group))
    let keys = Self.memberKeys(of: entry, in: batch, membership, hash)
    for key in keys { members.add(Membership(key: key, group: group)) }
    memberCounts.append(Int32(keys.count - (hasSecurityID(Int(group)) ? 1 : 0)))
    if let slot = membership.uid, batch.has(entry, slot) { knowsOtherKeys = true }
    if let slot = membership.sid, batch.has(entry, slot) { knowsOtherKeys = true }
    return keys
  }

  /// Adds members of groups that were taken over without theirs, less those of groups that came since; to be closed again.
  package mutating func add(_ some: [Membership]) {
    for member in some where member.group < entries.count { members.add(member) }
    knowsOtherKeys = true
  }

  /// The keys of a group's members.
  package static func memberKeys(
    of entry: Int, in batch: EntryBatch, _ slots: MembershipSlots, _ hash: ByteHash
  ) -> [WideHash] {
    var keys: [WideHash] = []
    var normaliser = DistinguishedName.Normaliser()
    for slot in slots.names {
      _ = batch.anyValue(of: entry, slot: slot, withOptions: false) {
        if let key = normaliser.withNormalised(memberName($0), { hash.wide($0) }) {
          keys.append(key)
        }
        return false
      }
    }
    if let slot = slots.uid {
      _ = batch.anyValue(of: entry, slot: slot, withOptions: false) {
        keys.append(uidKey($0, hash))
        return false
      }
    }
    if let slot = slots.sid, let sid = batch.firstValue(of: entry, slot: slot),
      let relative = relativeID(sid)
    {
      keys.append(relativeIDKey(relative))
    }
    return keys
  }

  /// The keys by which groups know a person, or one another.
  /// - Parameter name: the key of the entry's name.
  package static func ownKeys(
    of entry: Int, in batch: EntryBatch, name: WideHash, _ slots: PersonSlots, _ hash: ByteHash
  ) -> [WideHash] {
    var keys: [WideHash] = []
    // For the name and a uid.
    keys.reserveCapacity(2)
    keys.append(name)
    addOtherKeys(of: entry, in: batch, slots, hash, to: &keys)
    return keys
  }

  /// Adds the keys beside the name's.
  private static func addOtherKeys(
    of entry: Int, in batch: EntryBatch, _ slots: PersonSlots, _ hash: ByteHash,
    to keys: inout [WideHash]
  ) {
    if let slot = slots.uid {
      _ = batch.anyValue(of: entry, slot: slot, withOptions: false) {
        keys.append(uidKey($0, hash))
        return false
      }
    }
    if let slot = slots.primaryGroup, let value = batch.firstValue(of: entry, slot: slot),
      let relative = UInt32(String(decoding: value, as: UTF8.self))
    {
      keys.append(relativeIDKey(relative))
    }
  }

  private static func uidKey(_ value: ArraySlice<UInt8>, _ hash: ByteHash) -> WideHash {
    let folded = TextFold.withFolded(value) { hash.wide(UnsafeRawBufferPointer($0)) }
    return WideHash(high: folded.high ^ 0x9E37_79B9_7F4A_7C15, low: folded.low)
  }

  private static func relativeIDKey(_ relative: UInt32) -> WideHash {
    WideHash(high: 0x9E37_79B9_7F4A_7C15, low: UInt64(relative))
  }

  /// The immutable id of a group, or its normalised DN.
  package func id(of group: Int) -> String { id(of: group, in: entries) }

  /// The same of a group that is not taken over yet.
  package func id(of entry: Int, in batch: EntryBatch) -> String {
    idSlot.flatMap { batch.firstValue(of: entry, slot: $0) }.map(DirectoryID.text(of:))
      ?? String(decoding: batch.name(of: entry), as: UTF8.self)
  }

  /// The group with an id; where several have it, the first of those that are likely, or of all.
  /// - Parameter likely: groups that are looked at before all others, which are many.
  package func group(withID id: String, likely: [Int] = []) -> Int? {
    let wanted = hash.wide(id)
    func has(_ group: Int) -> Bool {
      wanted == idValue(of: group).map { DirectoryID.wide($0, hash) } ?? nameKey(of: Int32(group))
    }
    return likely.first(where: has) ?? (0..<count).first(where: has)
  }

  /// Whether another group has the same id.
  package func isShared(_ id: String) -> Bool {
    let wanted = hash.wide(id)
    return (0..<count).count { group in
      idValue(of: group).map { DirectoryID.wide($0, hash) } == wanted
    } > 1
  }

  /// How many members a group names itself; nil where they were not read with it.
  package func memberCount(of group: Int) -> Int? {
    group < memberCounts.count ? Int(memberCounts[group]) : nil
  }

  /// Whether the group is known by a security id, which counts as a key among its members' keys.
  package func hasSecurityID(_ group: Int) -> Bool {
    membership.sid.map { entries.firstValue(of: group, slot: $0) != nil } ?? false
  }

  private func idValue(of group: Int) -> ArraySlice<UInt8>? {
    idSlot.flatMap { entries.firstValue(of: group, slot: $0) }
  }

  /// The key by which other groups know a group.
  package func nameKey(of group: Int32) -> WideHash {
    entries.nameKey(of: Int(group), hash)
  }

  /// The groups whose name has a key.
  package func groups(withNameKey key: WideHash) -> [Int] {
    named.groups(of: key).map(Int.init)
  }

  /// Call after the last group, and after members were added: makes them ready to be asked.
  package mutating func close() {
    named.close()
    members.close()
    knownParents = Array(repeating: nil, count: entries.count)
    marks = Array(repeating: 0, count: entries.count)
    fingerprints = Array(repeating: 0, count: entries.count)
  }

  /// Who is in the groups, in order; once they are closed.
  package var memberships: [Membership] { members.pairs }

  /// The groups that a group is a direct member of.
  func parents(of group: Int32) -> [Int32] {
    var found = members.groups(of: nameKey(of: group))
    if let slot = entries.slots.slot(of: "memberOf") {
      for value in entries.values(of: Int(group), slot: slot) { found += groups(namedBy: value) }
    }
    return found.distinct
  }

  /// The key of an entry's name; asked for one after the other.
  package mutating func nameKey(of entry: Int, in batch: EntryBatch) -> WideHash {
    batch.nameKey(of: entry, hash, &normaliser)
  }

  /// The groups of one person, nested ones too where asked for.
  /// - Parameters:
  ///   - name: the key of the person's name.
  ///   - slots: where `personAttributes` stand in the person's entry.
  package mutating func groups(
    of entry: Int, in batch: EntryBatch, name: WideHash, slots: PersonSlots
  ) -> GroupSet {
    var direct = members.groups(of: name)
    if knowsOtherKeys {
      var others: [WideHash] = []
      Self.addOtherKeys(of: entry, in: batch, slots, hash, to: &others)
      for key in others { direct += members.groups(of: key) }
    }
    var added: [Int32] = []
    if let slot = slots.memberOf {
      _ = batch.anyValue(of: entry, slot: slot, withOptions: false) {
        for group in groups(namedBy: $0) where !direct.contains(group) { added.append(group) }
        return false
      }
    }
    if !added.isEmpty {
      // Some servers name the groups of groups there, too, which nesting brings as well.
      let known = closed(direct.distinct).members
      if added.contains(where: { !known.contains($0) }) { memberOfAdds = true }
      direct += added
    }
    return closed(direct.distinct)
  }

  /// Where the attributes of people stand that say in which groups they are.
  package struct PersonSlots: Sendable {
    let memberOf: Int?
    let uid: Int?
    let primaryGroup: Int?

    /// - Parameter usesMemberOf: whether `memberOf` counts.
    package init(_ slots: AttributeSlots, usesMemberOf: Bool = true) {
      memberOf = usesMemberOf ? slots.slot(of: "memberOf") : nil
      uid = slots.slot(of: "uid")
      primaryGroup = slots.slot(of: "primaryGroupID")
    }
  }

  /// The groups that bear a name: a DN, or a cn without regard to letter case.
  package func groups(named name: String) -> [Int] {
    if name.contains("="), let dn = DistinguishedName(name) {
      return groups(withNameKey: hash.wide(dn.normalised))
    }
    let folded = TextFold.fold(name)
    guard let slot = entries.slots.slot(of: "cn") else { return [] }
    return (0..<count).filter {
      entries.anyValue(of: $0, slot: slot, withOptions: false) { TextFold.fold($0, is: folded) }
    }
  }

  /// The folded values of a group's cn.
  package func names(of group: Int) -> [[UInt8]] {
    guard let slot = entries.slots.slot(of: "cn") else { return [] }
    return entries.values(of: group, slot: slot).map(TextFold.fold)
  }

  /// The group's DN as the server wrote it.
  package func dn(of group: Int) -> String {
    String(decoding: entries.dn(of: group), as: UTF8.self)
  }

  /// - Parameter direct: ascending, each once.
  private mutating func closed(_ direct: [Int32]) -> GroupSet {
    let members = nested ? above(direct) : direct
    var fingerprint: UInt64 = 0
    for group in members { fingerprint &+= self.fingerprint(of: Int(group)) }
    return GroupSet(members: members, direct: direct, fingerprint: fingerprint)
  }

  private mutating func fingerprint(of group: Int) -> UInt64 {
    if fingerprints[group] == 0 {
      fingerprints[group] =
        entries.fingerprint(of: group, hash: hash, apart: membership.all).kept | 1
    }
    return fingerprints[group]
  }

  /// These groups and all that they are in, each once, by one walk upwards.
  /// - Parameter direct: ascending, each once.
  private mutating func above(_ direct: [Int32]) -> [Int32] {
    walk &+= 1
    if walk == 0 {
      marks = Array(repeating: 0, count: marks.count)
      walk = 1
    }
    var found = direct
    for group in direct { marks[Int(group)] = walk }
    var next = 0
    while next < found.count {
      let group = Int(found[next])
      if knownParents[group] == nil { knownParents[group] = parents(of: Int32(group)) }
      for parent in knownParents[group] ?? [] where marks[Int(parent)] != walk {
        marks[Int(parent)] = walk
        found.append(parent)
      }
      next += 1
    }
    if found.count > direct.count { found.sort() }
    return found
  }

  private func groups(namedBy value: ArraySlice<UInt8>) -> [Int32] {
    DistinguishedName.withNormalised(value) { named.groups(of: hash.wide($0)) } ?? []
  }

  /// The last sub-authority of a security identifier ([MS-DTYP] 2.4.2.2).
  private static func relativeID(_ sid: ArraySlice<UInt8>) -> UInt32? {
    guard sid.count >= 12 else { return nil }
    return sid.suffix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }
}

extension [Int32] {
  /// In ascending order, each once.
  fileprivate var distinct: [Int32] {
    if count < 2 { return self }
    // Mostly they are that already.
    if zip(self, dropFirst()).allSatisfy({ $0 < $1 }) { return self }
    return Array(Set(self)).sorted()
  }
}

/// The name in a member value; a uniqueMember may end in a bit string: `cn=a,dc=b#'0101'B` (RFC 4517 §3.3.21).
private func memberName(_ value: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
  guard value.last == UInt8(ascii: "B"), let mark = value.lastIndex(of: UInt8(ascii: "#")),
    mark + 1 < value.endIndex, value[mark + 1] == UInt8(ascii: "'")
  else { return value }
  return value[..<mark]
}

/// The directory groups of one person, by number, in ascending order.
package struct GroupSet: Sendable, Hashable {
  package static let none = GroupSet(members: [], direct: [], fingerprint: 0)

  /// All of them, the nested ones too.
  package let members: [Int32]
  /// Those that name the person themselves.
  package let direct: [Int32]
  /// Changes when a group is added, removed, or itself changed, its members aside.
  package let fingerprint: UInt64
}
