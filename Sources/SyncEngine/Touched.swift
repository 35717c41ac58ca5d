import Diagnostics
import DirectoryModel
import Mapping
import Ports
import SiteModel

/// Looking only at those whom changes have touched, and at the to-do list: what costs time then is what changed, not
/// how many people there are. It plans what looking at everybody would plan.
extension Planner {
  /// - Returns: nil when everybody has to be looked at.
  func readTouched(now: Int64, into findings: inout Findings) throws -> DirectoryReading? {
    let touched = try store.touched(of: directory)
    guard let evidence = try store.readEvidence(of: directory), let last = touched.lookedAt,
      last.version >= evidence.fullVersion
    else { return nil }
    var source: any DirectorySource = try MirrorSource(
      mirror: store, directory: directory, mapping: mapping)
    let reader = try mirrorReader(now, forSome: true)
    var own = findings
    var evaluator = try reader.evaluator(&source, into: &own)
    let salt = reader.salt(evaluator)
    guard salt == last.salt else { return nil }
    findings = own
    let members = try everybody(in: touched.members, evaluator.groups)
    let found = try store.mirrorKeys(
      of: directory, kind: .person, among: [], hashes: Array(members))
    var reading = DirectoryReading(index: PersonIndex(hash: hash))
    var people = found.union(touched.people)
    people.formUnion(try addKnown(people, to: &reading.index, now: now))
    reading.personValues = Array(repeating: 0, count: evaluator.slots.count)
    reading.isPartial = true
    reading.stateSalt = salt
    reading.groupsRead = evaluator.groups.count
    let keys = people.sorted()
    try addMembers(of: keys, to: &evaluator)
    for search in mapping.searches.indices {
      try store.readMirror(
        of: directory, kind: .person, search: search, slots: evaluator.slots, keys: keys
      ) { batch in
        try reader.read(batch, search, &evaluator, &reading, nil)
      }
    }
    reading.peopleRead = evidence.peopleSelected
    reading.evaluator = evaluator
    progress("\(reading.entitlements.count) people touched by changes or to do")
    return reading
  }

  /// The keys of members and of all who are in groups among them.
  private func everybody(
    in members: Set<WideHash>, _ groups: DirectoryGroups
  ) throws -> Set<WideHash> {
    var all = members
    var next = members
    while !next.isEmpty {
      let inside = next.flatMap(groups.groups(withNameKey:)).map { groups.id(of: $0) }
      if inside.isEmpty { break }
      next = Set(try store.mirrorHashes(of: directory, kind: .group, keys: inside)).subtracting(all)
      all.formUnion(next)
    }
    return all
  }

  /// Adds what is remembered of these people and of those on the to-do list.
  /// - Returns: the people on the to-do list.
  private func addKnown(
    _ people: Set<String>, to index: inout PersonIndex, now: Int64
  ) throws -> Set<String> {
    let pinned = try pinned()
    var known: Set<String> = []
    try store.people(among: people.union(pinned).sorted(), toDoAt: now, exceptOf: others) {
      index.add($0)
      known.insert($0.person)
    }
    for person in pinned where others.isEmpty || index.isKnown(person) { index.unsettle(person) }
    return known
  }

  /// Adds the memberships of some people, and of the groups that they are in, to groups that were read without any.
  func addMembers(of people: [String], to evaluator: inout PersonEvaluator) throws {
    let groups = evaluator.groups
    var seen: Set<Int32> = []
    let members = try store.mirrorMembers(
      of: directory,
      hashes: store.mirrorHashes(of: directory, kind: .person, keys: people)
    ) { found in
      found.compactMap { seen.insert($0.group).inserted ? groups.nameKey(of: $0.group) : nil }
    }
    evaluator.groups.add(members)
    evaluator.groups.close()
  }
}
