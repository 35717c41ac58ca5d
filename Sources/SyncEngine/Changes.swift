import Diagnostics
import DirectoryModel
import Foundation
import Mapping
import Ports

/// How a directory is read. What changed is read for so long only as `Planner.fullAtMostSeconds` says.
package enum ReadMode: String, Sendable, Hashable, CaseIterable {
  /// What changed, and everything where somebody asks for it.
  case auto
  case full
  /// What changed, and everything only where that cannot be told.
  case delta
}

/// Bringing the mirror up to date by what changed, and planning from it. Whatever the history, the site comes out as
/// by a complete read.
extension Planner {
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
      0..<fullAtMostSeconds ~= now - before.fullReadAt,
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
        if try isHidden(update.losses, from: &source, writer) { throw NeedsFullRead() }
        try readGroups(of: &update, from: &source, writer)
        var evidence = update.counted(since: before)
        evidence.bookmark = changes.bookmark
        evidence.reader = try source.reader()
        evidence.versions = try versions(
          of: update.changedNames, and: before, knowing: seen.versions, in: &source)
        let isApproved = try believe(
          evidence, peopleRead: evidence.people, since: before.highest(at: now),
          people: before.people, groups: before.groups,
          gone: try gone(update, of: before.people, writer), approved: approved)
        evidence.follow(isApproved ? nil : before, at: now)
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
    } catch let doubtful as DoubtfulRead {
      throw try refused(doubtful, since: before, now: now)
    }
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

struct NeedsFullRead: Error {}
