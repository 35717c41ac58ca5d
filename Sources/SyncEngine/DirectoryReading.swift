import Diagnostics
import DirectoryModel
import Mapping
import Ports
import SiteModel

/// A mapping that does not fit the directory that was read, for example a group that is not there.
package struct MappingFaults: Error {
  package let findings: Findings
}

/// What one complete read brought: the people to decide about, and who was seen.
struct DirectoryReading {
  var entitlements = Entitlements()
  /// For each the id of the account that the person is remembered with; 0: none.
  var likelyAccounts: [Int32] = []
  var index: PersonIndex
  var doubled: Set<String> = []
  /// Names of people whom an earlier search selected, where there are several.
  var taken: Set<WideHash> = []
  /// Stands for the mapping and the directory groups that its rules mean.
  var stateSalt: UInt64 = 0
  /// The version of the mirror that this read brought up to date; nil: it is as the store says.
  var version: Int64?
  var peopleRead = 0
  var groupsRead = 0
  var referrals = 0
  /// Entries, and how many of them have a value, by slot.
  var personEntries = 0
  var personValues: [Int] = []
  var groupValues: [Int] = []
  /// Names of a few entries that are new or changed.
  var changedNames: [String] = []
  /// Only whom changes have touched, and the to-do list, were looked at.
  var isPartial = false
  var evaluator: PersonEvaluator?
}

/// Reads a directory once: groups, then people, batch by batch, evaluating only who is not settled, and
/// brings the mirror up to date on the way.
struct DirectoryReader {
  let mapping: CompiledMapping
  let mappingFingerprint: UInt64
  let hash: ByteHash
  /// Seconds since 1970, for conditions on moments.
  let now: Int64
  /// The directory's name, and its number, in the configuration.
  var name = ""
  var directory: UInt8 = 0
  /// Ids of directory groups by the names that rules give them.
  let remembered: [String: String]
  /// Keys of groups that no template produces.
  let protectedGroups: Set<String>
  /// Whether `memberOf` of people counts beside the members of groups.
  var usesMemberOf = true
  /// Brings the members of groups where their entries do not: the mirror's.
  var members: (() throws -> [DirectoryGroups.Membership])?
  /// About so many people are expected.
  var expectedPeople = 0
  /// Everybody will have to be evaluated, so that a second thread helps.
  var evaluatesEverybody = false
  let progress: (String) -> Void

  /// - Parameters:
  ///   - index: what is remembered of each person; fetched once the groups are there, while the source goes on with people.
  ///   - writer: the mirror's open transaction; nil while reading the mirror itself.
  func read(
    _ source: inout any DirectorySource, index: @autoclosure () throws -> PersonIndex,
    groupFingerprints: [String: UInt64],
    writer: (any MirrorWriter)?, into findings: inout Findings
  ) throws -> DirectoryReading {
    var reading = DirectoryReading(index: PersonIndex(hash: hash))
    // The source begins at once, groups first, and works while what is remembered is fetched.
    try source.announce(
      [mapping.usedGroupSearch].compactMap(\.self) + mapping.personSearches,
      expecting: expectedPeople)
    var evaluator = try evaluator(
      &source, groupFingerprints: groupFingerprints, writer: writer, &reading, into: &findings)
    reading.stateSalt = salt(evaluator)
    reading.index = try index()
    reading.personValues = Array(repeating: 0, count: mapping.personSlots.count)
    let helper =
      evaluatesEverybody
      ? EvaluationThread(evaluator, hash: hash, salt: reading.stateSalt) : nil
    for (search, asked) in mapping.personSearches.enumerated() {
      func take(_ batch: borrowing EntryBatch, _ prepared: PreparedBatch? = nil) throws {
        try read(batch, search, &evaluator, &reading, writer, prepared: prepared)
        progress("\(reading.peopleRead) people")
      }
      let summary = try source.read(asked) { batch in
        guard let helper else { return try take(batch) }
        if try helper.takes(batch, search) { return }
        // What the other thread has came first.
        let own = PreparedBatch(batch, search, hash: hash, salt: reading.stateSalt, &evaluator)
        if let earlier = try helper.taken() { try take(earlier.batch, earlier.people) }
        try take(batch, own)
      }
      if let last = try helper?.taken() { try take(last.batch, last.people) }
      reading.referrals += summary.referrals
    }
    if let helper { evaluator.refused.formUnion(try helper.end()) }
    reading.evaluator = evaluator
    return reading
  }

  /// Stands for the mapping and the directory groups that its rules mean.
  func salt(_ evaluator: PersonEvaluator) -> UInt64 {
    hash.combine(mappingFingerprint, hash.value(of: Array(evaluator.binding.text.utf8)))
  }

  /// The mapping made ready for the directory groups of a source.
  func evaluator(
    _ source: inout any DirectorySource, into findings: inout Findings
  ) throws -> PersonEvaluator {
    var reading = DirectoryReading(index: PersonIndex(hash: hash))
    return try evaluator(
      &source, groupFingerprints: [:], writer: nil, &reading, into: &findings)
  }

  private func evaluator(
    _ source: inout any DirectorySource, groupFingerprints: [String: UInt64],
    writer: (any MirrorWriter)?, _ reading: inout DirectoryReading, into findings: inout Findings
  ) throws -> PersonEvaluator {
    var groups = DirectoryGroups(
      slots: mapping.groupSearch()?.slots ?? AttributeSlots([]),
      id: mapping.groups?.id, nested: mapping.groups?.nested ?? false, hash: hash)
    if let search = mapping.usedGroupSearch {
      try readGroups(
        &source, search, into: &groups, known: groupFingerprints, writer: writer, &reading)
    }
    if let members { groups.add(try members()) }
    groups.close()
    if groupFingerprints.isEmpty { try writer?.write(membersOfFirst: groups.memberships) }
    guard
      let evaluator = PersonEvaluator(
        mapping: mapping, slots: mapping.personSlots, groups: groups, now: now,
        directory: directory, remembered: remembered, protectedGroups: protectedGroups,
        usesMemberOf: usesMemberOf,
        into: &findings)
    else { throw MappingFaults(findings: findings) }
    return evaluator
  }

  private func readGroups(
    _ source: inout any DirectorySource, _ search: DirectorySearch,
    into groups: inout DirectoryGroups, known: [String: UInt64], writer: (any MirrorWriter)?,
    _ reading: inout DirectoryReading
  ) throws {
    var unseen = known
    var seen: [String: SeenGroup] = [:]
    var values = [Int](repeating: 0, count: search.slots.count)
    let membership = DirectoryGroups.MembershipSlots(search.slots)
    let summary = try source.read(search) { received in
      let (batch, keys) = try distinct(received, in: groups, &seen)
      guard groups.size(with: batch) <= Self.mostGroupBytes else { throw tooManyGroups }
      for (entry, members) in groups.add(batch).enumerated() {
        batch.countValues(of: entry, into: &values)
        guard let writer else { continue }
        let (key, fingerprint) = keys[entry]
        let before = unseen.removeValue(forKey: key)
        if before != fingerprint {
          try writer.write(
            .group, key: key, search: 0,
            as: known.isEmpty ? .first : before == nil ? .new : .known,
            entry: MirroredEntry(
              fingerprint: fingerprint,
              entry: batch.stored(entry, leavingOut: membership.all), hashes: members))
        }
      }
      progress("\(groups.count) groups")
    }
    reading.groupsRead = groups.count
    reading.groupValues = values
    reading.referrals += summary.referrals
    for key in unseen.keys { try writer?.remove(.group, key: key) }
  }

  /// A group that came in this read.
  private struct SeenGroup {
    let fingerprint: UInt64
    let name: [UInt8]
  }

  /// What all groups and their members may take in memory, in bytes.
  private static let mostGroupBytes = 4 << 30

  private var tooManyGroups: ReadFailure {
    ReadFailure(
      "the groups of the directory \(name) take more than \(EntryLimits.megabytes(Self.mostGroupBytes)) of memory",
      remedy: "narrow `search.groups` in the mapping, or check the server")
  }

  /// The groups of a batch that did not come before, with their keys in the mirror: of groups that share an id, those that come
  /// later are known by their names, too.
  /// - Throws: `ReadFailure` where a group comes again and is not the same.
  private func distinct(
    _ batch: borrowing EntryBatch, in groups: DirectoryGroups, _ seen: inout [String: SeenGroup]
  ) throws -> (batch: EntryBatch, keys: [(key: String, fingerprint: UInt64)]) {
    var keys: [(key: String, fingerprint: UInt64)] = []
    var repeated: Set<Int> = []
    for entry in 0..<batch.count {
      var key = groups.id(of: entry, in: batch)
      let own = SeenGroup(
        fingerprint: batch.fingerprint(of: entry, hash: hash).kept, name: batch.name(of: entry))
      if let first = seen[key], first.name != own.name {
        key += " " + String(decoding: own.name, as: UTF8.self)
      }
      if let before = seen.updateValue(own, forKey: key) {
        guard before.fingerprint == own.fingerprint else {
          throw contradiction(of: batch.dn(of: entry))
        }
        repeated.insert(entry)
      } else {
        keys.append((key, own.fingerprint))
      }
    }
    if repeated.isEmpty { return (copy batch, keys) }
    var distinct = EntryBatch(slots: batch.slots)
    for entry in 0..<batch.count where !repeated.contains(entry) {
      distinct.appendEntry(entry, of: batch)
    }
    return (distinct, keys)
  }

  /// - Parameter prepared: what was worked out of the entries before; nil: nothing.
  func read(
    _ batch: borrowing EntryBatch, _ search: Int, _ evaluator: inout PersonEvaluator,
    _ reading: inout DirectoryReading, _ writer: (any MirrorWriter)?,
    prepared: PreparedBatch? = nil
  ) throws {
    var known: [Int32] = []
    for entry in 0..<batch.count {
      let candidate =
        prepared?.candidates[entry]
        ?? Candidate(entry, of: batch, search, hash: hash, salt: reading.stateSalt, &evaluator)
      try read(candidate, entry, of: batch, &evaluator, &reading, writer, prepared, &known)
    }
  }

  /// - Parameter known: the numbers of the prepared rulings in `reading`, as far as they are there.
  private func read(
    _ candidate: Candidate, _ entry: Int, of batch: borrowing EntryBatch,
    _ evaluator: inout PersonEvaluator, _ reading: inout DirectoryReading,
    _ writer: (any MirrorWriter)?, _ prepared: PreparedBatch?, _ known: inout [Int32]
  ) throws {
    let search = candidate.search
    let person = reading.index.row(of: candidate.key)
    let isTaken = search > 0 && reading.taken.contains(candidate.name)
    if try !isTaken && isRepeated(person, candidate, entry, batch, evaluator, &reading.index) {
      return
    }
    reading.personEntries += 1
    batch.countValues(of: entry, into: &reading.personValues)
    // A person of an earlier search is that one's.
    if isTaken { return }
    let id = try mirror(person, candidate, entry, batch, evaluator, &reading, writer)
    let isPerson =
      prepared.map { $0.numbers[entry] != nil } ?? candidate.isPerson(entry, of: batch, evaluator)
    if !isPerson { return }
    if mapping.searches.count > 1 { reading.taken.insert(candidate.name) }
    reading.peopleRead += 1
    let isTwin = !reading.index.see(person)
    if isTwin { reading.doubled.insert(self.key(of: entry, in: batch, search: search, evaluator)) }
    // Of entries that share an id each says by its email whose account may be its own.
    if !isTwin, reading.index.isSettled(person, with: candidate.state, at: now) { return }
    reading.index.evaluate(person)
    reading.likelyAccounts.append(reading.index.account(of: person))
    if let prepared, let number = prepared.numbers[entry] {
      reading.entitlements.append(number, of: prepared.entitlements, &known)
    } else {
      candidate.evaluate(entry, of: batch, &evaluator, id: id, into: &reading.entitlements)
    }
  }

  /// Adds what one entry entitles to, settled or not.
  /// - Returns: the person; nil when it is no person of the mapping.
  func evaluate(
    _ entry: Int, of batch: borrowing EntryBatch, search: Int, salt: UInt64,
    _ evaluator: inout PersonEvaluator, into all: inout Entitlements
  ) -> String? {
    let candidate = Candidate(entry, of: batch, search, hash: hash, salt: salt, &evaluator)
    guard candidate.isPerson(entry, of: batch, evaluator) else { return nil }
    candidate.evaluate(entry, of: batch, &evaluator, into: &all)
    return all.person(all.count - 1)
  }

  /// What one entry would entitle to, a person of the mapping or not.
  func evaluate(
    _ entry: Int, of batch: borrowing EntryBatch, search: Int, salt: UInt64,
    _ evaluator: inout PersonEvaluator
  ) -> Entitlement {
    var one = Entitlements()
    Candidate(entry, of: batch, search, hash: hash, salt: salt, &evaluator)
      .evaluate(entry, of: batch, &evaluator, into: &one)
    return one[0]
  }

  /// The key under which the mirror has an entry.
  func key(
    of entry: Int, in batch: borrowing EntryBatch, search: Int, _ evaluator: PersonEvaluator
  ) -> String {
    evaluator.id(of: entry, in: batch, search: search)
      ?? Candidate.key(ofName: batch.name(of: entry))
  }

  /// Whether the same entry came before in this read: it counts once.
  /// - Throws: `ReadFailure` where it differs from the one before.
  private func isRepeated(
    _ person: Int, _ candidate: Candidate, _ entry: Int, _ batch: borrowing EntryBatch,
    _ evaluator: PersonEvaluator, _ index: inout PersonIndex
  ) throws -> Bool {
    var found = index.repetition(person, of: candidate)
    if found == .twin {
      let row = index.row(
        of: index.wide(keyOfTwin(entry, batch, search: candidate.search, evaluator)))
      found = index.repetition(row, of: candidate)
    }
    if found == .contradiction { throw contradiction(of: batch.dn(of: entry)) }
    return found == .same
  }

  private func contradiction(of dn: ArraySlice<UInt8>) -> ReadFailure {
    ReadFailure(
      "the directory \(name) sent \(EntryLimits.shown(dn)) twice in one answer, and not the same",
      remedy: "run again, the entry may have changed meanwhile; if it stays so, check the server",
      isOfServer: true)
  }

  /// The key of an entry whose id another one bears that came before. One that came in a search before may be the same entry;
  /// from the third search on the key says so.
  private func keyOfTwin(
    _ entry: Int, _ batch: borrowing EntryBatch, search: Int, _ evaluator: PersonEvaluator
  ) -> String {
    key(of: entry, in: batch, search: search, evaluator) + " "
      + Candidate.key(ofName: batch.name(of: entry))
      + (search > 1 ? " in search \(search + 1)" : "")
  }

  /// Brings one entry's place in the mirror up to date. Entries that share an id are told apart by name.
  /// - Returns: the entry's id, where it was asked for and there is one.
  private func mirror(
    _ person: Int, _ candidate: Candidate, _ entry: Int, _ batch: borrowing EntryBatch,
    _ evaluator: PersonEvaluator, _ reading: inout DirectoryReading, _ writer: (any MirrorWriter)?
  ) throws -> String? {
    var row = person
    var key: String?
    if reading.index.isMirrored(row) {
      let own = keyOfTwin(entry, batch, search: candidate.search, evaluator)
      row = reading.index.row(of: reading.index.wide(own))
      key = own
    }
    let isNew = !reading.index.wasMirrored(row)
    guard reading.index.mirror(row, as: candidate), let writer else { return nil }
    if reading.changedNames.count < 5 {
      reading.changedNames.append(String(decoding: batch.dn(of: entry), as: UTF8.self))
    }
    let id = evaluator.id(of: entry, in: batch, search: candidate.search)
    try writer.write(
      .person, key: key ?? id ?? Candidate.key(ofName: batch.name(of: entry)),
      search: candidate.search,
      as: isNew ? .new : .known,
      entry: MirroredEntry(
        fingerprint: candidate.mirrored, entry: batch.stored(entry),
        hashes: DirectoryGroups.ownKeys(
          of: entry, in: batch, name: candidate.name, evaluator.membership, hash)))
    return id
  }
}
