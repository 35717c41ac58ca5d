import Diagnostics
import DirectoryModel
import Mapping
import Ports
import SiteModel

/// A complete read that looks as if something were hidden or lost; it is believed once somebody says so.
struct DoubtfulRead: Error {
  let held: HeldSet
}

/// Before anybody's absence is believed, a read is held against the one before: an answer may be complete and still
/// wrong, where rights were lost, a base moved, or a replica lags behind.
extension Planner {
  /// So many may always vanish between two reads; more are doubted where they are more than a fifth.
  private static let fewEntries = 10
  private static let fewGroups = 5
  /// A branch of the directory with so many known people is looked at by itself.
  private static let branchPeople = 25

  /// A server that shows an entry older than it was seen before lags behind the one that was read then.
  /// - Returns: the entries' versions, and whether the server lags behind and somebody said that it may: what changed since
  ///   then cannot be told.
  func refuseLag(
    of source: inout any DirectorySource, since before: [String: EntryVersion], now: Int64
  ) throws -> (versions: [String: EntryVersion], isBehind: Bool) {
    let versions = try source.versions(of: before.keys.sorted())
    for (name, version) in versions.sorted(by: { $0.key < $1.key }) {
      guard let seen = before[name], version.isOlder(than: seen) else { continue }
      let cause =
        "the directory \(directory) shows \(name) as of \(version.value), and it was seen as of \(seen.value) before: this server lags behind, or was restored from a backup"
      let held = HeldSet(
        kind: .read, hash: desk.hash([directory, cause]), changes: [], causes: [cause])
      if try approvedReads(now: now).contains(held.hash) { return (versions, true) }
      try store.note(held, at: now)
      throw ReadFailure(
        cause,
        remedy: "let it catch up; if it was restored on purpose: usher approve \(held.shortHash)",
        isOfServer: true)
    }
    return (versions, false)
  }

  /// What a read looked like.
  func evidence(
    of reading: DirectoryReading, from source: inout any DirectorySource,
    since before: ReadEvidence?, knowing versions: [String: EntryVersion]
  ) throws -> ReadEvidence {
    var evidence = ReadEvidence()
    evidence.people = reading.personEntries
    evidence.peopleSelected = reading.peopleRead
    evidence.groups = reading.groupsRead
    for (name, count) in zip(mapping.personSlots.names, reading.personValues) where count > 0 {
      evidence.personValues[name] = count
    }
    for (name, count) in zip(mapping.groupSearch()?.slots.names ?? [], reading.groupValues)
    where count > 0 { evidence.groupValues[name] = count }
    evidence.reader = try source.reader()
    evidence.versions = try self.versions(
      of: reading.changedNames, and: before, knowing: versions, in: &source)
    return evidence
  }

  /// The versions of a few entries that changed last.
  /// - Parameter known: of those that changed before, as this sync has seen them already.
  func versions(
    of changed: [String], and before: ReadEvidence?, knowing known: [String: EntryVersion],
    in source: inout any DirectorySource
  ) throws -> [String: EntryVersion] {
    if changed.isEmpty, before != nil { return known }
    let older = (before?.versions.keys.sorted() ?? []).filter { !changed.contains($0) }
    return try source.versions(of: Array((changed + older).prefix(5)))
  }

  /// Known people who are not there any more, whoever came instead of them.
  struct Gone {
    /// How many of how many known people.
    var all = (gone: 0, known: 0)
    /// The same by branch of the directory.
    var branches: [String: (gone: Int, known: Int)] = [:]
  }

  /// - Parameters:
  ///   - before: with the highest counts of the last day.
  ///   - approved: hashes of doubtful reads that are true all the same.
  /// - Returns: whether the read was doubtful, and is approved.
  /// - Throws: `DoubtfulRead` unless the read is plausible or approved.
  @discardableResult
  func believe(
    _ now: ReadEvidence, peopleRead: Int, since before: ReadEvidence?, people: Int, groups: Int,
    gone: Gone, approved: Set<String>
  ) throws -> Bool {
    var causes: [String] = []
    if peopleRead == 0, people > 0 {
      causes.append(noPeople(before: before?.people ?? people))
    } else if let before, lost(before.people, now.people, few: Self.fewEntries) {
      causes.append(
        "the directory \(directory) shows \(now.people) people where there were \(before.people) before"
      )
    }
    if causes.isEmpty { causes += vanished(gone) }
    if mapping.usesGroups {
      if now.groups == 0, groups > 0 {
        causes.append(
          "the directory \(directory) shows no groups where there were \(groups) before")
      } else if let before, lost(before.groups, now.groups, few: Self.fewGroups) {
        causes.append(
          "the directory \(directory) shows \(now.groups) groups where there were \(before.groups) before"
        )
      }
    }
    if let before, causes.isEmpty {
      causes += hidden(
        before.personValues, now.personValues, "people", few: Self.fewEntries,
        gone: before.people - now.people)
      causes += hidden(
        before.groupValues, now.groupValues, "groups", few: 2, gone: before.groups - now.groups)
      if before.reader != now.reader, before.people > now.people {
        causes.append(
          "the directory \(directory) shows fewer people to \(shown(now.reader)) than to \(shown(before.reader)) before"
        )
      }
    }
    try doubt(causes, approved)
    return !causes.isEmpty
  }

  /// Says where a fifth of the known people are gone.
  private func vanished(_ gone: Gone) -> [String] {
    func isDoubtful(_ count: (gone: Int, known: Int)) -> Bool { count.gone * 5 >= count.known }
    if gone.all.gone > Self.fewEntries, isDoubtful(gone.all) {
      return [
        "the directory \(directory) shows \(gone.all.gone) of the \(gone.all.known) known people no more"
      ]
    }
    return gone.branches.sorted { $0.key < $1.key }.compactMap { branch, count in
      guard count.known >= Self.branchPeople, isDoubtful(count) else { return nil }
      return
        "the directory \(directory) shows \(count.gone) of the \(count.known) known people under \(branch) no more"
    }
  }

  /// Who is gone of those whom the mirror knew before a complete read. The mirror holds old and new entries still.
  func gone(_ index: PersonIndex, _ writer: any MirrorWriter) throws -> Gone {
    var gone = Gone()
    gone.all = index.goneFromMirrorCount
    // So few can be a fifth of no branch that is looked at.
    guard gone.all.gone * 5 >= Self.branchPeople else { return gone }
    let branches = DirectoryBranches(bases: mapping.searches.flatMap(\.users.bases))
    let counts = try writer.counts(.person) { key, name in
      index.wasMirrored(key).map { "\($0 ? "+" : "-")\(branches.branch(of: name))" }
    }
    for (label, count) in counts {
      let branch = String(label.dropFirst())
      gone.branches[branch, default: (0, 0)].known += count
      if label.hasPrefix("-") { gone.branches[branch, default: (0, 0)].gone += count }
    }
    return gone
  }

  /// Who is gone by changes that were written into the mirror.
  func gone(_ update: MirrorUpdate, of people: Int, _ writer: any MirrorWriter) throws -> Gone {
    var gone = Gone()
    gone.all = (update.goneByBranch.values.reduce(0, +), people)
    guard gone.all.gone * 5 >= Self.branchPeople else { return gone }
    let (branches, arrived) = (update.branches, update.arrivedPeople)
    let left = try writer.counts(.person) { key, name in
      arrived.contains(key) ? nil : branches.branch(of: name)
    }
    for (branch, count) in update.goneByBranch {
      gone.branches[branch] = (count, count + left[branch, default: 0])
    }
    return gone
  }

  /// Where changes were read, nobody of those who are there is a person of the mapping any more.
  func believe(
    _ reading: DirectoryReading, since before: ReadEvidence, approved: Set<String>
  ) throws {
    let isNobodyLeft =
      reading.isPartial
      ? reading.index.newlyUnseenCount >= before.peopleSelected : reading.peopleRead == 0
    guard isNobodyLeft, before.peopleSelected > 0 else { return }
    try doubt([noPeople(before: before.people)], approved)
  }

  private func noPeople(before: Int) -> String {
    "the directory \(directory) shows no people where there were \(before) before"
  }

  private func doubt(_ causes: [String], _ approved: Set<String>) throws {
    guard !causes.isEmpty else { return }
    let held = HeldSet(
      kind: .read, hash: desk.hash([directory] + causes), changes: [], causes: causes)
    if !approved.contains(held.hash) { throw DoubtfulRead(held: held) }
  }

  /// Notes what is doubted, so that it can be approved. From then on only a complete read counts that is believed or
  /// approved; it is held against what was believed before.
  /// - Parameter before: the evidence of the last read that was believed.
  func refused(
    _ doubtful: DoubtfulRead, since before: ReadEvidence?, now: Int64
  ) throws -> ReadFailure {
    try store.note(doubtful.held, at: now)
    if var believed = before, believed.bookmark != nil,
      let description = try store.mirrorDescription(of: directory)
    {
      believed.bookmark = nil
      // Changes that were not believed may be in the mirror already.
      believed.version = try store.readEvidence(of: directory)?.version ?? believed.version
      try store.updateMirror(of: directory, description: description) { try $0.keep(believed) }
    }
    return ReadFailure(
      doubtful.held.causes.joined(separator: "; "),
      remedy:
        "check the server, the searches and the rights of the bind account; if it is true: usher approve \(doubtful.held.shortHash)"
    )
  }

  /// The hashes of doubtful reads that somebody said are true, in the last 24 hours.
  func approvedReads(now: Int64) throws -> Set<String> {
    Set(try desk.approved(now: now, kind: .read).map(\.hash))
  }

  private func shown(_ reader: String?) -> String {
    reader.map { $0.isEmpty ? "an anonymous reader" : $0 } ?? "an unnamed reader"
  }

  private func lost(_ before: Int, _ now: Int, few: Int) -> Bool {
    before - now > few && (before - now) * 5 > before
  }

  /// Attributes that half of the entries which had them seem to have lost: most likely they are hidden.
  private func hidden(
    _ before: [String: Int], _ now: [String: Int], _ what: String, few: Int, gone: Int
  ) -> [String] {
    before.sorted { $0.key < $1.key }.compactMap { name, count in
      let left = now[name] ?? 0
      guard count >= few, left * 2 < count - max(0, gone) else { return nil }
      return
        "the directory \(directory) shows \(name) of \(left) \(what) where it did of \(count) before"
    }
  }

  // MARK: Moved out

  /// People who are gone from the searches, and are found elsewhere in the directory by their ids.
  /// - Returns: their names there, by directory id.
  func movedOut(
    _ absent: Set<String>, of accounts: [Account], in source: inout (any DirectorySource)?
  ) throws -> [String: String] {
    guard source != nil else { return [:] }
    let wanted = accounts.filter { account in
      account.isActive && account.person.map(absent.contains) ?? false
    }.compactMap(\.person).sorted()
    var found: [String: String] = [:]
    for attribute in Set(mapping.searches.map(\.account.id)).sorted() {
      var rest = wanted[...]
      while !rest.isEmpty {
        let some = rest.prefix(100)
        rest = rest.dropFirst(100)
        let search = DirectorySearch(
          bases: [""], scope: .subtree,
          filter: .or(some.map { .equal(attribute, DirectoryID.bytes(of: $0, attribute)) }),
          slots: AttributeSlots([attribute]))
        _ = try source?.read(search) { batch in
          for entry in 0..<batch.count {
            for value in batch.values(of: entry, slot: 0) {
              found[DirectoryID.text(of: value)] = String(
                decoding: batch.dn(of: entry), as: UTF8.self)
            }
          }
        }
      }
    }
    return found.filter { absent.contains($0.key) }
  }
}
