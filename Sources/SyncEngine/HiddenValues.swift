import DirectoryModel
import Mapping
import Ports

/// What an entry has lost may be hidden from us, for example by a changed access rule. Entries that did not change still
/// show it then only in the mirror: a few of them are read again, and what half of them lack is taken for hidden.
extension Planner {
  /// So many unchanged entries are read again.
  private static let sampleSize = 20

  /// - Returns: whether only a complete read can tell what the directory shows.
  func isHidden(
    _ losses: MirrorUpdate.Losses, from source: inout any DirectorySource,
    _ writer: any MirrorWriter
  ) throws -> Bool {
    for slot in losses.people.sorted() {
      let hasValue: @Sendable (MirroredEntry) -> Bool = {
        $0.entry.withUnsafeBytes(EntryBatch.storedSlots).contains(slot)
      }
      if try lack(
        .person, mapping.personSearches[0], losses, writer, hasValue, from: &source,
        {
          entry, batch, _ in !batch.has(entry, slot)
        })
      {
        return true
      }
    }
    guard let search = mapping.usedGroupSearch else { return false }
    for slot in losses.groups.sorted() {
      let hasValue: @Sendable (MirroredEntry) -> Bool = {
        $0.entry.withUnsafeBytes(EntryBatch.storedSlots).contains(slot)
      }
      if try lack(
        .group, search, losses, writer, hasValue, from: &source,
        {
          entry, batch, _ in !batch.has(entry, slot)
        })
      {
        return true
      }
    }
    guard losses.members else { return false }
    let membership = DirectoryGroups.MembershipSlots(search.slots)
    // Small groups tell as much as large ones.
    return try lack(
      .group, search, losses, writer, { 1...1000 ~= $0.hashes.count }, from: &source
    ) { [hash] entry, batch, mirrored in
      DirectoryGroups.memberKeys(of: entry, in: batch, membership, hash).count
        < mirrored.hashes.count
    }
  }

  /// Whether half of a few unchanged entries lack what the mirror has of them.
  /// - Parameters:
  ///   - isWanted: chooses the entries, by what the mirror has.
  ///   - lacks: asked of each that the directory shows; those that it does not show lack everything.
  private func lack(
    _ kind: MirrorKind, _ search: DirectorySearch, _ losses: MirrorUpdate.Losses,
    _ writer: any MirrorWriter, _ isWanted: @escaping @Sendable (MirroredEntry) -> Bool,
    from source: inout any DirectorySource,
    _ lacks: (Int, borrowing EntryBatch, MirroredEntry) -> Bool
  ) throws -> Bool {
    let attribute = kind == .person ? mapping.searches[0].account.id : mapping.groups?.id
    guard let attribute, let slot = search.slots.slot(of: attribute) else { return false }
    let sample = try sample(kind, losses, writer, isWanted)
    if sample.isEmpty { return false }
    var complete = 0
    let asked = DirectorySearch(
      bases: search.bases, scope: search.scope,
      filter: .and([
        search.filter,
        .or(sample.keys.sorted().map { .equal(attribute, DirectoryID.bytes(of: $0, attribute)) }),
      ]), slots: search.slots, subject: search.subject)
    _ = try source.read(asked) { batch in
      for entry in 0..<batch.count {
        guard let id = batch.values(of: entry, slot: slot).first,
          let mirrored = sample[DirectoryID.text(of: id)]
        else { continue }
        if !lacks(entry, batch, mirrored) { complete += 1 }
      }
    }
    return (sample.count - complete) * 2 >= sample.count
  }

  /// Unchanged entries, those of the branches in which something was lost before others.
  private func sample(
    _ kind: MirrorKind, _ losses: MirrorUpdate.Losses, _ writer: any MirrorWriter,
    _ isWanted: @escaping @Sendable (MirroredEntry) -> Bool
  ) throws -> [String: MirroredEntry] {
    let changed = losses.changed[kind] ?? []
    let branches = DirectoryBranches(bases: mapping.searches[0].users.bases)
    let lost = losses.branches
    let near = try writer.entries(kind, most: Self.sampleSize) { key, entry in
      isWanted(entry) && !changed.contains(key)
        && lost.contains(entry.entry.withUnsafeBytes { branches.branch(ofStored: $0) })
    }
    let found =
      near.isEmpty
      ? try writer.entries(kind, most: Self.sampleSize) { key, entry in
        isWanted(entry) && !changed.contains(key)
      } : near
    return Dictionary(found.map { ($0.key, $0.entry) }, uniquingKeysWith: { first, _ in first })
  }
}
