import Diagnostics
import DirectoryModel
import Foundation
import Mapping
import Ports

/// How a directory is read.
package enum ReadMode: String, Sendable, Hashable, CaseIterable {
  /// What changed, and everything once a day.
  case auto
  case full
  /// What changed, and everything only where that cannot be told.
  case delta
}

/// Bringing the mirror up to date by what changed, and planning from it. Whatever the history, the site comes out as
/// by a complete read.
extension Planner {
  private static let daySeconds: Int64 = 86_400

  /// What is read, the people's searches first, then the groups'.
  private var searches: [DirectorySearch] {
    mapping.personSearches + [mapping.usedGroupSearch].compactMap(\.self)
  }

  /// A mark to read changes from; nil where the source tells none, or knows entries by other ids than the mapping.
  func bookmark(_ source: inout any DirectorySource) throws -> Data? {
    guard mapping.searches.count == 1, let identity = try source.identity()?.lowercased() else {
      return nil
    }
    let ids =
      mapping.searches.map(\.account.id) + (mapping.usesGroups ? [mapping.groups?.id ?? ""] : [])
    return ids.allSatisfy { $0.lowercased() == identity } ? try source.bookmark(searches) : nil
  }

  /// - Returns: nil when everything has to be read.
  func readChanges(
    _ source: inout any DirectorySource, now: Int64, into findings: inout Findings
  ) throws -> DirectoryReading? {
    let description = MirrorDescription(mapping, readAt: now)
    guard reads != .full, !readsEverything, let before = try store.readEvidence(of: directory),
      let bookmark = before.bookmark, !before.needsMemberOf || !mapping.usesGroups,
      reads == .delta || now - before.fullReadAt < Self.daySeconds,
      try store.mirrorDescription(of: directory)?.asksTheSame(as: description) == true
    else { return nil }
    let seen = try refuseLag(of: &source, since: before.versions, now: now)
    if seen.isBehind { return nil }
    let approved = try approvedReads(now: now)
    do {
      var update = MirrorUpdate(hash: hash, mapping: mapping)
      try store.updateMirror(of: directory, description: description) { writer in
        let changes = try source.changes(searches, since: bookmark) { search, batch in
          try update.take(search, batch, writer)
        }
        guard let changes else { throw NeedsFullRead() }
        try update.finish(changes, writer)
        try readGroups(of: &update, from: &source, writer)
        var evidence = before
        evidence.people += update.peopleDifference
        evidence.peopleSelected += update.peopleDifference
        evidence.groups += update.groupsDifference
        evidence.bookmark = changes.bookmark
        evidence.reader = try source.reader()
        evidence.versions = try versions(
          of: update.changedNames, and: before, knowing: seen.versions, in: &source)
        try believe(
          evidence, peopleRead: evidence.people, since: before, people: before.people,
          groups: before.groups, approved: approved)
        if writer.changes > 0 { evidence.version += 1 }
        try writer.touch(
          people: update.touchedPeople, members: update.touchedMembers, version: evidence.version)
        try writer.keep(evidence)
      }
      let reading = try read(.mirror, now: now, into: &findings)
      try believe(reading, since: before, approved: approved)
      return reading
    } catch is NeedsFullRead {
      return nil
    } catch let doubtful as DoubtfulRead { throw try refused(doubtful, now: now) }
  }

  /// Reads the groups of entries that bear a new name: servers that keep names in groups in step do so without
  /// telling the groups as changed. That goes for the groups that hold the name now, and for those of which the mirror
  /// says so, from somebody who had the name before.
  private func readGroups(
    of update: inout MirrorUpdate, from source: inout any DirectorySource,
    _ writer: any MirrorWriter
  ) throws {
    guard let all = mapping.usedGroupSearch else { return }
    func read(_ filters: [Filter]) throws {
      var rest = filters[...]
      while !rest.isEmpty {
        let search = DirectorySearch(
          bases: all.bases, scope: all.scope,
          filter: .and([all.filter, .or(Array(rest.prefix(100)))]), slots: all.slots,
          subject: .groups)
        rest = rest.dropFirst(100)
        _ = try source.read(search) { try update.take(mapping.searches.count, $0, writer) }
      }
    }
    let names = update.arrivedNames, keys = update.arrivedKeys
    try read(
      names.flatMap { name in
        ["member", "uniqueMember"].map { Filter.equal($0, Array(name.utf8)) }
      })
    guard let id = mapping.groups?.id else { return }
    try read(
      writer.keys(.group, foundUnder: keys).sorted().map {
        .equal(id, DirectoryID.bytes(of: $0, id))
      })
  }

  private func read(
    _ origin: Origin, now: Int64, into findings: inout Findings
  ) throws -> DirectoryReading {
    var none: (any DirectorySource)?
    return try read(origin, keeping: &none, now: now, into: &findings)
  }
}

private struct NeedsFullRead: Error {}

/// Writes changes into the mirror, and notes whom they touch.
private struct MirrorUpdate {
  /// How many entries came and went, by kind.
  private(set) var peopleDifference = 0
  private(set) var groupsDifference = 0
  /// Names of a few entries that are new or changed.
  private(set) var changedNames: [String] = []
  /// Names that the mirror had not, of people and groups.
  private(set) var arrivedNames: [String] = []
  /// The keys by which groups know these names.
  private(set) var arrivedKeys: [WideHash] = []
  private(set) var touchedPeople: Set<String> = []
  private(set) var touchedMembers: Set<WideHash> = []
  private var delivered: [MirrorKind: Set<String>] = [:]
  private let hash: ByteHash
  private let personID: Int?
  private let groupID: Int?
  private let memberOf: [Int]
  private let ownSlots: DirectoryGroups.PersonSlots
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
    membership = DirectoryGroups.MembershipSlots(
      mapping.groupSearch()?.slots ?? AttributeSlots([]))
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
      delivered[kind, default: []].insert(key)
      let new = mirrored(kind, entry, batch)
      let old = try writer.find(kind, key: key)
      guard old?.fingerprint != new.fingerprint else { continue }
      let name = String(decoding: batch.dn(of: entry), as: UTF8.self)
      if old.flatMap({ $0.entry.withUnsafeBytes(EntryBatch.storedName) }) != name {
        arrivedNames.append(name)
        arrivedKeys.append(batch.nameKey(of: entry, hash))
      }
      if kind == .person {
        touchedPeople.insert(key)
        if changedNames.count < 5 { changedNames.append(name) }
        peopleDifference += old == nil ? 1 : 0
      } else {
        touchMembers(old, new)
        groupsDifference += old == nil ? 1 : 0
      }
      try writer.write(kind, key: key, search: 0, as: old == nil ? .new : .known, entry: new)
    }
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
      for key in gone.subtracting(delivered[kind] ?? []) {
        guard let old = try writer.find(kind, key: key) else { continue }
        try writer.remove(kind, key: key)
        if kind == .person {
          touchedPeople.insert(key)
          peopleDifference -= 1
        } else {
          touchedMembers.formUnion(old.hashes)
          groupsDifference -= 1
        }
      }
    }
  }
}
