import Crypto
import Diagnostics
import DirectoryModel
import Foundation
import Mapping
import Ports
import Reconciliation
import SiteModel

/// One directory of a site: reading it, its mirror, and what its mapping says of its people.
package struct Planner {
  package typealias Store = SiteStoring & MirrorStoring

  let desk: GuardDesk
  let directory: String
  let mapping: CompiledMapping
  let store: any Store
  let hash: ByteHash
  /// Stands for the mapping's files and the catalogue: what people get depends on nothing else of ours.
  let mappingDigest: String
  let reads: ReadMode
  /// Whether everything is read this time, whatever `reads` says; changes can be told from then on.
  let readsEverything: Bool
  /// After so long everything is read again.
  let fullAtMostSeconds: Int64
  /// The moment up to which time has its consequences, in seconds since 1970; nil: that of the plan.
  let agingNow: Int64?
  /// Its number in the configuration, and the names of the others.
  package let number: UInt8
  let others: [String]
  /// Whether there are other directories, or once were, so that it matters which one shows a person.
  let isOneOfSeveral: Bool
  let progress: (String) -> Void

  /// - Parameters:
  ///   - directory: the directory's name in the configuration.
  ///   - number: its place there, from 0.
  ///   - others: the names of the other directories of the site.
  ///   - isOneOfSeveral: there are others, or the store knows of some.
  ///   - hashSeed: the store's.
  ///   - reads: everything, or what changed.
  ///   - readsEverything: everything this time.
  ///   - fullAtMostSeconds: after so long everything is read again.
  ///   - agingNow: the moment up to which time has its consequences; nil: that of the plan.
  ///   - progress: told how far a read is.
  package init(
    desk: GuardDesk, directory: String, number: UInt8 = 0, others: [String] = [],
    isOneOfSeveral: Bool = false, mapping: CompiledMapping, store: any Store, hashSeed: UInt64,
    reads: ReadMode = .auto, readsEverything: Bool = false, fullAtMostSeconds: Int64 = 86_400,
    agingNow: Int64? = nil,
    progress: @escaping (String) -> Void
  ) {
    self.number = number
    self.others = others
    self.isOneOfSeveral = isOneOfSeveral
    self.desk = desk
    self.directory = directory
    self.mapping = mapping
    self.store = store
    hash = ByteHash(seed: hashSeed)
    mappingDigest = Self.digest(
      mapping, policy: desk.policy, directory: isOneOfSeveral ? directory : nil)
    self.reads = reads
    self.readsEverything = readsEverything
    self.fullAtMostSeconds = fullAtMostSeconds
    self.agingNow = agingNow
    self.progress = progress
  }

  /// Where a plan's people come from.
  package enum Origin {
    case directory(any DirectorySource)
    /// The directory, for a mapping that is only tried: the mirror stays as it is.
    case trial(any DirectorySource)
    case mirror

    var isMirror: Bool { if case .mirror = self { true } else { false } }
  }

  /// Plans for a site whose only directory this is; see `SitePlanner.plan`.
  ///
  /// - Throws: `ReadFailure` when the directory cannot be believed, `MappingFaults`, `StoreFailure`.
  package func plan(
    _ origin: Origin, only: String? = nil, now: Int64, into findings: inout Findings
  ) throws -> Guard.Verdict {
    try SitePlanner([self]).plan([origin], only: only, now: now, into: &findings).verdict
  }

  /// This mapping as it is kept for later.
  package var accepted: AcceptedMapping {
    var hash = SHA256()
    for source in mapping.sources { hash.update(data: Array(source.text.utf8) + [0]) }
    return AcceptedMapping(
      directory: directory, digest: hash.finalize().hexadecimal, path: mapping.path,
      files: mapping.sources.map { .init(path: $0.path, text: $0.text) })
  }

  /// Whether another mapping was in force so far.
  var isNew: Bool {
    get throws { try store.acceptedMapping(of: directory)?.digest != accepted.digest }
  }

  /// What applying a plan accepts: this mapping and the groups that its rules mean; nil where neither is new.
  func acceptance(_ binding: GroupBinding?) throws -> Memory.Acceptance? {
    let own = accepted
    let groups = binding?.ids ?? [:]
    let known = try store.acceptedMapping(of: directory)
    if known?.digest == own.digest, try store.ruleGroups(of: directory) == groups { return nil }
    return Memory.Acceptance(mapping: own, ruleGroups: groups)
  }

  /// Which state of the mirror a reading looked at; nil where somebody was in it whom the to-do list cannot name.
  func lookedAt(_ origin: Origin, _ reading: DirectoryReading) throws -> LookedAt? {
    if case .trial = origin { return nil }
    let entitlements = reading.entitlements
    guard reading.doubled.isEmpty, entitlements.indices.allSatisfy(entitlements.hasID),
      let version = try reading.version ?? store.readEvidence(of: directory)?.version
    else { return nil }
    return LookedAt(directory: directory, version: version, salt: reading.stateSalt)
  }

  /// Directory groups of rules that nobody is in, but for those that were approved in the last 24 hours.
  func emptyGroups(_ reading: DirectoryReading, now: Int64) throws -> [World.EmptyGroup] {
    guard let evaluator = reading.evaluator, !reading.entitlements.isEmpty else { return [] }
    var approved: Set<String>?
    return try evaluator.binding.uses.compactMap { use in
      var count = evaluator.groups.memberCount(of: use.group) ?? 0
      if count == 0, reading.version == nil {
        // Read from the mirror, groups come without their members.
        let keys = try store.mirrorHashes(of: directory, kind: .group, keys: [use.id]).count
        count = keys - (evaluator.groups.hasSecurityID(use.group) ? 1 : 0)
      }
      if count > 0 { return nil }
      if approved == nil {
        approved = Set(try desk.approved(now: now, kind: .group).flatMap { $0.changes.map(\.pair) })
      }
      let group = World.EmptyGroup(
        rule: use.rule, name: use.name, id: use.id, directory: directory)
      return approved?.contains(group.change.pair) == true ? nil : group
    }
  }

  func replacedGroups(_ binding: GroupBinding?) -> [HeldChange] {
    (binding?.lost ?? []).filter { $0.successor != nil }.sorted { $0.name < $1.name }.map { loss in
      HeldChange(
        pair: "\(directory)\n\(loss.name)\n\(loss.id)\n\(loss.successor ?? "")", email: loss.id,
        name: loss.name, what: "is now \(loss.successorDN ?? "") (\(loss.successor ?? ""))")
    }
  }

  /// Counts up with each release in which the same mapping and entry may give another entitlement or decision, so that
  /// everybody is evaluated again.
  private static let evaluationVersion = 3

  /// - Parameter directory: where there are several, since who is remembered of each is another matter then.
  private static func digest(
    _ mapping: CompiledMapping, policy: SitePolicy, directory: String?
  ) -> String {
    var hash = SHA256()
    hash.update(data: Array("evaluation \(evaluationVersion)\n".utf8))
    if let directory { hash.update(data: Array("directory \(directory)\n".utf8)) }
    for source in mapping.sources { hash.update(data: Array(source.text.utf8) + [0]) }
    for (name, ceiling) in policy.ceilings.sorted(by: { $0.key < $1.key }) {
      let own = policy.ownedByRules.contains(name) ? " own" : ""
      hash.update(data: Array("\(name)=\(ceiling.map(String.init) ?? "")\(own)\n".utf8))
    }
    for name in policy.protectedGroups.sorted() + policy.protectedAccounts.sorted() {
      hash.update(data: Array("protect \(name)\n".utf8))
    }
    return hash.finalize().hexadecimal
  }

  /// Why the mapping makes people portal-only, by directory id, as the directory was last read.
  package func portalOnlyWishes(
    now: Int64, into findings: inout Findings
  ) throws -> [String: String] {
    var source: any DirectorySource = try MirrorSource(
      mirror: store, directory: directory, mapping: mapping)
    let reading = try whileMirrorStays {
      try mirrorReader(now).read(
        &source, index: PersonIndex(hash: hash), groupFingerprints: [:], writer: nil,
        into: &findings)
    }
    let entitlements = reading.entitlements
    var wishes: [String: String] = [:]
    for number in entitlements.indices where entitlements.isActive(number) {
      guard let rule = entitlements.portalOnly(number) else { continue }
      let reference = mapping.references[rule]
      wishes[entitlements.person(number)] =
        "\(reference.name) (\(reference.file):\(reference.line))"
    }
    return wishes
  }

  // MARK: Reading

  /// - Parameter kept: gets the directory, still open; nil where the mirror was read.
  func read(
    _ origin: Origin, keeping kept: inout (any DirectorySource)?, now: Int64,
    into findings: inout Findings
  ) throws -> DirectoryReading {
    var source: any DirectorySource
    switch origin {
    case .directory(var opened):
      defer { kept = opened }
      return try Self.read(&opened, since: try lastRead()) { source in
        try readChanges(&source, now: now, into: &findings)
          ?? readToMirror(&source, now: now, into: &findings)
      }
    case .trial(let opened): source = opened
    case .mirror:
      source = try MirrorSource(mirror: store, directory: directory, mapping: mapping)
      if let touched = try readTouched(now: now, into: &findings) { return touched }
    }
    var reader = origin.isMirror ? try mirrorReader(now) : try reader(now)
    reader.evaluatesEverybody = try origin.isMirror && isNew
    return try Self.read(&source, since: try lastRead()) {
      try reader.read(
        &$0, index: known(), groupFingerprints: [:], writer: nil, into: &findings)
    }
  }

  /// Reads; where a server fails in mid-way, anew from the next one, for parts of two servers fit nowhere.
  /// - Parameter last: how the last complete read went; nil: nobody knows.
  /// - Throws: the `ReadFailure` with the reason of each server.
  static func read<Value>(
    _ source: inout any DirectorySource, since last: LastRead? = nil,
    _ body: (inout any DirectorySource) throws -> Value
  ) throws -> Value {
    source.mayBeginAnew(true)
    defer { source.mayBeginAnew(false) }
    var failures: [ReadFailure] = []
    while true {
      source.beginRead(lastSeconds: last?.seconds, lastEntries: last?.entries)
      do { return try body(&source) } catch let failure as ReadFailure {
        switch failure.isOfServer ? source.failOver() : .none {
        case .pages: continue
        case .nextServer: failures.append(failure)
        case .none: throw ReadFailure.all(failures + [failure])
        }
      }
    }
  }

  /// How the last complete read went.
  struct LastRead {
    let seconds: Double?
    /// nil: the mapping asks for something else since.
    let entries: Int?
  }

  private func lastRead() throws -> LastRead? {
    guard let evidence = try store.readEvidence(of: directory) else { return nil }
    let isSame =
      try store.mirrorDescription(of: directory)?
      .asksTheSame(as: MirrorDescription(mapping, readAt: 0)) == true
    return LastRead(
      seconds: evidence.readSeconds, entries: isSame ? evidence.people + evidence.groups : nil)
  }

  /// What is remembered of each person, and how many people there were.
  private struct Remembered: Sendable {
    let index: PersonIndex
    let people: Int
  }

  private func known() throws -> PersonIndex {
    try Self.remembered(of: directory, exceptOf: others, hash, comparable: nil, in: store).index
  }

  /// How many people are added to an index at a time.
  private static let together = 500

  /// - Parameter isSame: whether what comes can be compared with the mirror's entries; nil: the mirror is not brought up to
  ///   date.
  private static func remembered(
    of directory: String, exceptOf others: [String], _ hash: ByteHash, comparable isSame: Bool?,
    in store: any Store
  ) throws -> Remembered {
    var index = PersonIndex(
      hash: hash, expecting: try store.readEvidence(of: directory)?.people ?? 0)
    var mirrored = 0
    if let isSame {
      // First, so that people lie in the order in which they come.
      var some: [(hash: WideHash, fingerprint: UInt64)] = []
      try store.mirrorFingerprints(of: directory, kind: .person) { key, fingerprint in
        mirrored += 1
        if isSame { some.append((hash.wide(key), fingerprint)) }
        if some.count == together {
          index.addMirrored(some)
          some.removeAll(keepingCapacity: true)
        }
      }
      index.addMirrored(some)
    }
    var some: [(hash: WideHash, state: KnownState, absent: String?)] = []
    try store.states(exceptOf: others) { key, state in
      let absent = state.isAbsent ? String(decoding: key, as: UTF8.self) : nil
      some.append((hash.wide(key), state, absent))
      if some.count == together {
        index.add(some)
        some.removeAll(keepingCapacity: true)
      }
    }
    index.add(some)
    for person in try pinned(in: store) where others.isEmpty || index.isKnown(person) {
      index.unsettle(person)
    }
    return Remembered(index: index, people: max(index.accountCount, mirrored))
  }

  /// People whose accounts have pins.
  func pinned() throws -> [String] { try Self.pinned(in: store) }

  private static func pinned(in store: any Store) throws -> [String] {
    try store.accounts(ids: store.pins().map(\.pin.account)).compactMap(\.person)
  }

  private func readToMirror(
    _ source: inout any DirectorySource, now: Int64, into findings: inout Findings
  ) throws -> DirectoryReading {
    let start = ContinuousClock.now
    let description = MirrorDescription(mapping, readAt: now)
    // Asked for something else, the mirror is written anew.
    let isSame = try store.mirrorDescription(of: directory)?.asksTheSame(as: description) == true
    var before = try store.readEvidence(of: directory)
    let counts = (
      last: max(before?.version ?? 0, try store.touched(of: directory).lookedAt?.version ?? 0),
      full: before?.fullVersion
    )
    let seen = try refuseLag(of: &source, since: before?.versions ?? [:], now: now).versions
    if !isSame { before = nil }
    if before?.isLimited == true { source.expectLimits() }
    let approved = try approvedReads(now: now)
    let bookmark = try reads == .full ? nil : bookmark(&source)
    var reader = try reader(now)
    reader.expectedPeople = before?.people ?? 0
    let remembered = store.meanwhile { [directory, others, hash] in
      try Self.remembered(of: directory, exceptOf: others, hash, comparable: isSame, in: $0)
    }
    var peopleBefore = 0
    func index() throws -> PersonIndex {
      let made = try remembered.take()
      peopleBefore = made.people
      return made.index
    }
    var groups: [String: UInt64] = [:]
    try store.mirrorFingerprints(of: directory, kind: .group) {
      groups[String(decoding: $0, as: UTF8.self)] = $1
    }
    var reading: DirectoryReading?
    do {
      try store.fillMirror(of: directory, description: description) { writer in
        var new = try reader.read(
          &source, index: index(), groupFingerprints: isSame ? groups : [:], writer: writer,
          into: &findings)
        var evidence = try evidence(of: new, from: &source, since: before, knowing: seen)
        evidence.bookmark = bookmark
        evidence.fullReadAt = now
        evidence.readSeconds = (ContinuousClock.now - start) / .seconds(1)
        evidence.isLimited = source.isLimited ? true : nil
        evidence.needsMemberOf = new.evaluator?.groups.memberOfAdds ?? true
        let isApproved = try believe(
          evidence, peopleRead: new.peopleRead, since: before?.highest(at: now),
          people: peopleBefore, groups: groups.count, gone: try gone(new.index, writer),
          approved: approved)
        evidence.follow(isApproved ? nil : before, at: now)
        let gone = try new.index.goneFromMirror { tell in
          for key in try writer.keys(.person) { tell(key) }
        }
        for key in gone { try writer.remove(.person, key: key) }
        let isNew = writer.changes > 0 || counts.full == nil
        evidence.version = counts.last + (isNew ? 1 : 0)
        evidence.fullVersion = isNew ? evidence.version : counts.full ?? 0
        try writer.keep(evidence)
        new.version = evidence.version
        reading = new
      }
    } catch let doubtful as DoubtfulRead {
      throw try refused(doubtful, since: before, now: now)
    }
    guard let reading else { throw ReadFailure("the directory \(directory) was not read") }
    return reading
  }

  func reader(_ now: Int64) throws -> DirectoryReader {
    DirectoryReader(
      mapping: mapping, mappingFingerprint: hash.value(of: Array(mappingDigest.utf8)), hash: hash,
      now: agingNow ?? now, name: directory, directory: number,
      remembered: try rememberedGroups(now: now),
      protectedGroups: desk.policy.protectedGroups, progress: progress)
  }

  /// Reads the mirror, which changes may have brought up to date.
  /// - Parameter forSome: members of groups are added afterwards, of those people who are looked at, see `addMembers`. Where a
  ///   `memberOf` says more than groups do, that does not find all groups of groups, and everybody's are read.
  func mirrorReader(_ now: Int64, forSome: Bool = false) throws -> DirectoryReader {
    var reader = try reader(now)
    reader.usesMemberOf = try store.readEvidence(of: directory)?.needsMemberOf ?? true
    let usesMemberOf =
      reader.usesMemberOf || mapping.groupSearch()?.slots.slot(of: "memberOf") != nil
    if !forSome || usesMemberOf { reader.members = { try store.mirrorMembers(of: directory) } }
    return reader
  }

  /// The directory groups that rules mean, less those that somebody said are others now (R22).
  private func rememberedGroups(now: Int64) throws -> [String: String] {
    var groups = try store.ruleGroups(of: directory)
    for held in try desk.approved(now: now, kind: .group) {
      for change in held.changes where groups[change.name] == change.email {
        groups[change.name] = nil
      }
    }
    return groups
  }

  // MARK: Settled people

  /// Decides about people whom the read passed over, since nothing of theirs changed.
  func evaluate(
    _ people: [String], in reading: inout DirectoryReading, now: Int64
  ) throws -> Entitlements {
    var added = Entitlements()
    guard !people.isEmpty, var evaluator = reading.evaluator else { return added }
    let salt = reading.stateSalt
    let reader = try reader(now)
    if reading.isPartial { try addMembers(of: people, to: &evaluator) }
    for search in mapping.searches.indices {
      try store.readMirror(
        of: directory, kind: .person, search: search, slots: evaluator.slots, keys: people
      ) { batch in
        for entry in 0..<batch.count {
          let person = reader.evaluate(
            entry, of: batch, search: search, salt: salt, &evaluator, into: &added)
          if let person {
            reading.index.evaluate(reading.index.row(of: reading.index.wide(person)))
          }
        }
      }
    }
    return added
  }

  /// Who is remembered and did not come, see `PersonIndex.unseen`.
  func unseen(_ reading: DirectoryReading) throws -> (
    withAccount: [String], withoutAccount: [String]
  ) {
    try reading.index.unseen { tell in try store.people(exceptOf: others) { tell($0.person) } }
  }

  /// Notes which of these people are in the mirror, where not everybody was looked at: whoever is not on the to-do
  /// list and is there is present.
  func see(_ people: [String], in reading: inout DirectoryReading) throws {
    guard reading.isPartial else { return }
    let others = people.filter { !reading.index.isSeen($0) }
    if others.isEmpty { return }
    for key in try store.mirrorKeys(of: directory, kind: .person, among: others, hashes: [])
    where !reading.index.isKnown(key) {
      _ = reading.index.see(reading.index.row(of: reading.index.wide(key)))
    }
  }

  func warnings(_ reading: DirectoryReading) -> [String] {
    let found =
      (reading.evaluator?.binding.warnings ?? []).sorted()
      + (reading.evaluator?.refused ?? []).sorted()
    if reading.referrals == 0 { return found }
    return found + [
      "the directory refers to other servers in \(reading.referrals) places; they were not followed, and whoever is there is not in this plan"
    ]
  }
}
