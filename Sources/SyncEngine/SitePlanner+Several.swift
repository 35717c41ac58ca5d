import Mapping
import Ports
import Reconciliation
import SiteModel

/// Who is gone of the people of all directories together, and what is remembered of those who are looked at.
extension SitePlanner {
  struct People {
    /// People with an account whom no directory shows.
    private(set) var gone: [String]
    /// People without an account of their own who are gone, and may be another entry of somebody.
    private(set) var goneEntries: [String] = []
    /// People without an account who are gone for good.
    private(set) var forgotten: [String]
    private(set) var known: [String: KnownPerson] = [:]
    /// People of directories that the configuration does not name any more.
    private(set) var ofUnknownDirectories: [String] = []
    /// Whether there are, or once were, several directories.
    let isSeveral: Bool
    /// Somebody has to be looked at again whom the to-do list does not name.
    var cannotNameAll = false
    /// Directories that could not be read, and all that the configuration names.
    private let failed: Set<String>
    private let configured: Set<String>

    init(_ shares: [Share], failed: [String]) throws {
      self.failed = Set(failed)
      configured = Set(shares.flatMap { [$0.planner.directory] + $0.planner.others } + failed)
      isSeveral = shares.contains(where: \.planner.isOneOfSeveral)
      if shares.count == 1 {
        (gone, forgotten) = try shares[0].planner.unseen(shares[0].reading)
      } else {
        var unseen: (gone: Set<String>, forgotten: Set<String>) = ([], [])
        let indexes = shares.map(\.reading.index)
        for share in shares {
          let own = try share.planner.unseen(share.reading)
          let isSeen: (String) -> Bool = { person in indexes.contains { $0.isSeen(person) } }
          unseen.gone.formUnion(own.withAccount.filter { !isSeen($0) })
          unseen.forgotten.formUnion(own.withoutAccount.filter { !isSeen($0) })
        }
        gone = unseen.gone.sorted()
        forgotten = unseen.forgotten.sorted()
      }
    }

    /// Leaves out whom a directory may still have that was not read, or that is not of the configuration any more.
    mutating func sortOut(_ store: any Planner.Store) throws {
      if gone.isEmpty, forgotten.isEmpty { return }
      add(try store.family(of: gone + forgotten, matches: []))
      var strangers: [String: Int] = [:]
      // Another directory may still show the same person.
      let unread = known.values.filter { isUnread($0) }
      let unreadLinks = Set(unread.compactMap(\.joined))
      let unreadMatches = Set(unread.compactMap(\.match))
      gone.removeAll { person in
        if unreadLinks.contains(person) { return true }
        if let match = known[person]?.match, unreadMatches.contains(match) { return true }
        guard let directory = known[person]?.directory else { return !failed.isEmpty }
        if configured.contains(directory) { return failed.contains(directory) }
        strangers[directory, default: 0] += 1
        return true
      }
      ofUnknownDirectories = strangers.sorted { $0.key < $1.key }.map { name, count in
        "\(count) people of the directory \(name), which the configuration does not name any more, stay as they are"
      }
      let candidates = forgotten
      forgotten = []
      for person in candidates {
        if known[person].map({ isUnread($0) }) ?? !failed.isEmpty { continue }
        if let link = known[person]?.joined, known[link] != nil {
          goneEntries.append(person)
        } else {
          forgotten.append(person)
        }
      }
    }

    mutating func add(_ family: [KnownPerson]) {
      for person in family { known[person.person] = person }
    }

    /// Whether a directory that could not be read may still show the person.
    func isUnread(_ person: KnownPerson) -> Bool {
      person.directory.map(failed.contains) ?? !failed.isEmpty
    }

    /// Whether a directory that could not be read was the last to show the person.
    func isOfUnread(_ person: KnownPerson) -> Bool {
      person.directory.map(failed.contains) ?? false
    }

    /// Ids that two directories bear.
    func twins(_ shares: [Share]) -> Set<String> {
      var twins: Set<String> = []
      for share in shares {
        let others = shares.filter { $0.planner.number != share.planner.number }
        let entitlements = share.reading.entitlements
        for person in entitlements.indices.lazy.map(entitlements.person)
        where others.contains(where: { $0.reading.index.isSeen(person) }) {
          twins.insert(person)
        }
      }
      return twins
    }
  }

  /// Joins what the directories say of one person, and finds out which entries of people are missing.
  func join(
    _ entitlements: Entitlements, _ people: People, _ several: inout World.Several
  ) -> Entitlements {
    let known = people.known
    let firstRules = firstRules
    let joining = Joining(
      directories: zip(planners, firstRules).map {
        .init(name: $0.directory, conflicts: $0.mapping.conflicts, firstRule: $1)
      }, rules: rules,
      isLinked: { known[$0]?.account != nil })
    var ids: Set<String> = []
    let joined = joining.join(entitlements.filter { ids.insert($0.person).inserted })
    several.names = planners.map(\.directory)
    let absent = Set(people.gone + people.goneEntries)
    let entries = Dictionary(
      grouping: known.values.filter { $0.joined != nil }, by: { $0.joined ?? "" })
    let seen = Set(joined.flatMap(\.ids))
    let unreadMatches = Set(
      known.values.filter { people.isUnread($0) && !seen.contains($0.person) }.compactMap(\.match))
    for entitlement in joined {
      let own = entitlement.ids
      // Remembered of a directory that was not read, and shown by another one, too.
      if own.contains(where: { known[$0].map(people.isOfUnread) ?? false }) {
        several.unread.insert(entitlement.person)
      }
      let link =
        own.first { known[$0]?.account != nil } ?? own.lazy.compactMap { known[$0]?.joined }.first
      let relatives = (link.map { [$0] } ?? []) + (link.flatMap { entries[$0] } ?? []).map(\.person)
      for id in Set(relatives).subtracting(own).sorted() {
        guard let entry = known[id] else { continue }
        if people.isUnread(entry) { several.unread.insert(entitlement.person) }
        let planner = planners.first { $0.directory == entry.directory }
        guard absent.contains(id) || planner == nil && entry.account != nil else { continue }
        several.missing[entitlement.person, default: []].append(
          World.MissingEntry(
            person: id, directory: entry.directory ?? "the directory", isLink: entry.account != nil,
            since: entry.absentSince, graceSeconds: planner?.mapping.leavers.afterSeconds ?? 0))
      }
      if let match = entitlement.match, unreadMatches.contains(emailKey(match)) {
        several.unread.insert(entitlement.person)
      }
      for id in own { several.absences[id] = known[id]?.absentSince }
      guard entitlement.directory > 0, entitlement.outcome == .leaver else { continue }
      several.leavers[entitlement.person] = leavers(of: Int(entitlement.directory), firstRules)
    }
    for id in people.gone {
      several.goneEntries[id] = (entries[id] ?? []).filter { absent.contains($0.person) }.map {
        World.MissingEntry(
          person: $0.person, directory: $0.directory ?? "", isLink: false, since: $0.absentSince,
          graceSeconds: 0)
      }
      guard let number = planners.firstIndex(where: { $0.directory == known[id]?.directory }),
        number > 0
      else { continue }
      several.leavers[id] = leavers(of: number, firstRules)
    }
    return Entitlements(joined)
  }

  private func leavers(of number: Int, _ firstRules: [Int]) -> World.Leavers {
    let mapping = planners[number].mapping
    return World.Leavers(policy: mapping.leavers, rule: firstRules[number] + mapping.leaversRule)
  }
}
