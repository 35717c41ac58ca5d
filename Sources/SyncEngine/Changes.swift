import Diagnostics
import DirectoryModel
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
    mapping.personSearches + (mapping.usesGroups ? [mapping.groupSearch()].compactMap(\.self) : [])
  }

  /// A mark to read changes from; nil where the source tells none, or knows entries by other ids than the mapping.
  func bookmark(_ source: inout any DirectorySource) throws -> [UInt8]? {
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
    guard reads != .full, let before = try store.readEvidence(of: directory),
      let bookmark = before.bookmark, !before.needsMemberOf || !mapping.usesGroups,
      reads == .delta || now - before.fullReadAt < Self.daySeconds,
      try store.mirrorDescription(of: directory)?.asksTheSame(as: description) == true
    else { return nil }
    if try refuseLag(of: &source, since: before.versions, now: now) { return nil }
    let approved = try approvedReads(now: now)
    do {
      var update = MirrorUpdate(hash: hash, mapping: mapping)
      for kind in [MirrorKind.person, .group] {
        try store.mirrorFingerprints(of: directory, kind: kind) { update.add(kind, $0, $1) }
      }
      try store.updateMirror(of: directory, description: description) { writer in
        let changes = try source.changes(searches, since: bookmark) { search, batch in
          try update.take(search, batch, writer)
        }
        guard let changes else { throw NeedsFullRead() }
        try update.finish(changes, writer)
        try readGroups(of: update.arrivedNames, from: &source, into: &update, writer)
        var evidence = before
        evidence.people += update.people.difference
        evidence.groups += update.groups.difference
        evidence.bookmark = changes.bookmark
        evidence.reader = try source.reader()
        evidence.versions = try versions(of: update.changedNames, and: before, in: &source)
        try believe(
          evidence, peopleRead: update.people.count, since: before,
          people: update.people.countBefore, groups: update.groups.countBefore, approved: approved)
        try writer.keep(evidence)
      }
    } catch is NeedsFullRead {
      return nil
    } catch let doubtful as DoubtfulRead { throw try refused(doubtful, now: now) }
    return try read(.mirror, now: now, into: &findings)
  }

  /// Reads the groups of entries that bear a new name: servers that keep names in groups in step do so without
  /// telling the groups as changed.
  private func readGroups(
    of names: [String], from source: inout any DirectorySource, into update: inout MirrorUpdate,
    _ writer: any MirrorWriter
  ) throws {
    guard mapping.usesGroups, let all = mapping.groupSearch() else { return }
    var rest = names[...]
    while !rest.isEmpty {
      let some = rest.prefix(50)
      rest = rest.dropFirst(50)
      let members = some.flatMap { name in
        ["member", "uniqueMember"].map { Filter.equal($0, Array(name.utf8)) }
      }
      let search = DirectorySearch(
        bases: all.bases, scope: all.scope, filter: .and([all.filter, .or(members)]),
        slots: all.slots, subject: .groups)
      _ = try source.read(search) { try update.take(mapping.searches.count, $0, writer) }
    }
  }

  private func read(
    _ origin: Origin, now: Int64, into findings: inout Findings
  ) throws -> DirectoryReading {
    var none: (any DirectorySource)?
    return try read(origin, keeping: &none, now: now, into: &findings)
  }
}

private struct NeedsFullRead: Error {}

/// Writes changes into the mirror.
private struct MirrorUpdate {
  /// The entries of one kind by their ids, with their fingerprints.
  struct Entries {
    fileprivate(set) var fingerprints: [String: UInt64] = [:]
    fileprivate(set) var countBefore = 0
    fileprivate var delivered: Set<String> = []

    var count: Int { fingerprints.count }
    var difference: Int { count - countBefore }
  }

  private(set) var people = Entries()
  private(set) var groups = Entries()
  /// Names of a few entries that are new or changed.
  private(set) var changedNames: [String] = []
  /// Names that the mirror had not, of people and groups.
  private(set) var arrivedNames: [String] = []
  private let hash: ByteHash
  private let personID: Int?
  private let groupID: Int?
  private let membership: Set<Int>
  /// The number of the groups' search.
  private let groupSearch: Int

  init(hash: ByteHash, mapping: CompiledMapping) {
    self.hash = hash
    let slots = mapping.personSlots
    personID = slots.slot(of: mapping.searches[0].account.id)
    groupID = mapping.groups?.id.flatMap { mapping.groupSearch()?.slots.slot(of: $0) }
    membership = Set([slots.slot(of: "memberOf")].compactMap(\.self))
    groupSearch = mapping.searches.count
  }

  mutating func add(_ kind: MirrorKind, _ key: String, _ fingerprint: UInt64) {
    if kind == .person {
      people.fingerprints[key] = fingerprint
      people.countBefore += 1
    } else {
      groups.fingerprints[key] = fingerprint
      groups.countBefore += 1
    }
  }

  mutating func take(
    _ search: Int, _ batch: borrowing EntryBatch, _ writer: any MirrorWriter
  ) throws {
    let isGroup = search == groupSearch
    for entry in 0..<batch.count {
      let ids = (isGroup ? groupID : personID).map { batch.values(of: entry, slot: $0) } ?? []
      // Somebody without an id is held by a full read.
      guard ids.count == 1, let id = ids.first, !id.isEmpty else { throw NeedsFullRead() }
      let key = DirectoryID.text(of: id)
      let print = batch.fingerprint(of: entry, hash: hash, apart: isGroup ? [] : membership)
      let fingerprint = isGroup ? print.kept : hash.combine(print.kept, print.apart)
      let before = isGroup ? groups.fingerprints[key] : people.fingerprints[key]
      if isGroup {
        groups.fingerprints[key] = fingerprint
        groups.delivered.insert(key)
      } else {
        people.fingerprints[key] = fingerprint
        people.delivered.insert(key)
      }
      guard before != fingerprint else { continue }
      let kind = isGroup ? MirrorKind.group : .person
      let name = String(decoding: batch.dn(of: entry), as: UTF8.self)
      if try before == nil || writer.name(kind, key: key) != name { arrivedNames.append(name) }
      if !isGroup, changedNames.count < 5 {
        changedNames.append(name)
      }
      try writer.write(
        kind, key: key, search: 0, isNew: before == nil,
        fingerprint: fingerprint, entry: batch.stored(entry))
    }
  }

  /// Takes out who is gone.
  mutating func finish(_ changes: DirectoryChanges, _ writer: any MirrorWriter) throws {
    for search in changes.gone.indices {
      let isGroup = search == groupSearch
      var entries = isGroup ? groups : people
      var gone = changes.gone[search]
      if let present = changes.present[search] {
        gone.formUnion(entries.fingerprints.keys.filter { !present.contains($0) })
      }
      for key in gone.subtracting(entries.delivered)
      where entries.fingerprints.removeValue(forKey: key) != nil {
        try writer.remove(isGroup ? .group : .person, key: key)
      }
      if isGroup { groups = entries } else { people = entries }
    }
  }
}
