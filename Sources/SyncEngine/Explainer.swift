import Diagnostics
import DirectoryModel
import Mapping
import Ports
import SiteModel

/// Answers why from the mirrors: the entries, their groups, rule by rule, the account, and what is pending.
extension SitePlanner {
  /// - Parameter who: an email, an account id or a directory id.
  /// - Throws: `NobodyFits`, and what planning throws.
  package func explain(
    _ who: String, now: Int64, into findings: inout Findings
  ) throws -> Explanation {
    let account = try store.account(who)
    var entries: [Explanation.Entry] = []
    let ids = try account?.person.map { try store.family(of: [$0], matches: []).map(\.person) }
    for planner in planners {
      entries += try planner.whileMirrorStays {
        try planner.entries(of: who, ids: ids, now: now, into: &findings)
      }
    }
    if ids == nil, planners.count > 1 {
      // The same person may be in other directories, too.
      let family = try store.family(
        of: entries.map(\.person), matches: entries.compactMap(\.entitlement.match)
      ).map(\.person).filter { id in !entries.contains { $0.person == id } }
      for planner in planners where !family.isEmpty {
        entries += try planner.whileMirrorStays {
          try planner.entries(of: who, ids: family, now: now, into: &findings)
        }
      }
    }
    let order = planners.map(\.directory)
    entries.sort {
      order.firstIndex(of: $0.directory) ?? 0 < order.firstIndex(of: $1.directory) ?? 0
    }
    if account == nil, entries.isEmpty { throw NobodyFits(who: who) }
    let wanted = account?.person ?? entries.first?.person ?? who
    var plan = Plan.empty(site: desk.siteName, now: now)
    if try !isSettled(entries, account, now: now) {
      plan =
        (try? self.plan(
          planners.map { _ in .mirror }, only: wanted, now: now, into: &findings
        ).verdict.plan) ?? plan
    }
    return Explanation(
      entries: entries, account: account, plan: plan,
      pins: try store.pins().map(\.pin).filter { $0.account == account?.id })
  }
}

extension SitePlanner {
  /// Whether nothing is left to do for the person behind these entries, so that there is nothing to plan.
  private func isSettled(
    _ entries: [Explanation.Entry], _ account: Account?, now: Int64
  ) throws -> Bool {
    let known = try store.family(of: entries.map(\.person), matches: [])
    let pinned = Set(try store.pins().map(\.pin.account))
    guard !entries.isEmpty, known.count == entries.count,
      account.map({ !pinned.contains($0.id) }) ?? true
    else { return false }
    return entries.allSatisfy { entry in
      known.contains { person in
        person.person == entry.person && person.settled == entry.entitlement.fingerprint
          && person.absentSince == nil && person.due.map { $0 > now } ?? true
      }
    }
  }
}

extension Planner {
  /// Entries of the mirror.
  /// - Parameter ids: those with these ids; nil: the first whose email, id or DN is `who`.
  fileprivate func entries(
    of who: String, ids: [String]?, now: Int64, into findings: inout Findings
  ) throws -> [Explanation.Entry] {
    var source: any DirectorySource = try MirrorSource(
      mirror: store, directory: directory, mapping: mapping)
    let reader = try mirrorReader(now, forSome: true)
    var evaluator = try reader.evaluator(&source, into: &findings)
    let salt = reader.salt(evaluator)
    let ids = try ids ?? self.ids(of: who, reader, evaluator)
    guard !ids.isEmpty else { return [] }
    try addMembers(of: ids, to: &evaluator)
    var found: [Explanation.Entry] = []
    for search in mapping.searches.indices {
      try store.readMirror(
        of: directory, kind: .person, search: search, slots: evaluator.slots, keys: ids
      ) { batch in
        for entry in 0..<batch.count {
          found.append(explained(&evaluator, entry, batch, search, reader, salt: salt))
        }
      }
    }
    return found
  }

  /// The keys of the first entry whose email, id or DN somebody is named by, in the mirror.
  private func ids(
    of who: String, _ reader: DirectoryReader, _ evaluator: PersonEvaluator
  ) throws -> [String] {
    let key = emailKey(who)
    if try store.mirroredName(of: directory, key: key) != nil { return [key] }
    var found: String?
    for search in mapping.searches.indices {
      try store.readMirror(
        of: directory, kind: .person, search: search, slots: evaluator.slots, keys: nil
      ) { batch in
        for entry in 0..<batch.count where found == nil {
          let isWanted =
            String(decoding: batch.dn(of: entry), as: UTF8.self).lowercased() == key
            || evaluator.emails(of: entry, in: batch, search: search).contains {
              emailKey($0) == key
            }
          if isWanted { found = reader.key(of: entry, in: batch, search: search, evaluator) }
        }
      }
    }
    return found.map { [$0] } ?? []
  }

  private func explained(
    _ evaluator: inout PersonEvaluator, _ entry: Int, _ batch: borrowing EntryBatch,
    _ search: Int, _ reader: DirectoryReader, salt: UInt64
  ) -> Explanation.Entry {
    let set = evaluator.groups(of: entry, in: batch)
    let dn = String(decoding: batch.dn(of: entry), as: UTF8.self)
    return Explanation.Entry(
      directory: directory, person: evaluator.id(of: entry, in: batch, search: search) ?? dn,
      dn: dn,
      exclusion: evaluator.exclusion(entry, of: batch, groups: set, search: search),
      attributes: evaluator.slots.names.enumerated().compactMap { slot, name in
        let values = batch.values(of: entry, slot: slot, withOptions: true).map {
          String(validating: $0, as: UTF8.self) ?? DirectoryID.text(of: $0)
        }
        return values.isEmpty ? nil : .init(name: name, values: values.sorted())
      },
      groups: evaluator.paths(of: set),
      rules: evaluator.trace(entry, of: batch, groups: set),
      entitlement: reader.evaluate(entry, of: batch, search: search, salt: salt, &evaluator))
  }
}
