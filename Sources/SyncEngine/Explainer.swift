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
      entries += try planner.entries(of: who, ids: ids, now: now, into: &findings)
    }
    if ids == nil, planners.count > 1 {
      // The same person may be in other directories, too.
      let family = try store.family(
        of: entries.map(\.person), matches: entries.compactMap(\.entitlement.match)
      ).map(\.person).filter { id in !entries.contains { $0.person == id } }
      for planner in planners where !family.isEmpty {
        entries += try planner.entries(of: who, ids: family, now: now, into: &findings)
      }
    }
    let order = planners.map(\.directory)
    entries.sort {
      order.firstIndex(of: $0.directory) ?? 0 < order.firstIndex(of: $1.directory) ?? 0
    }
    if account == nil, entries.isEmpty { throw NobodyFits(who: who) }
    let wanted = account?.person ?? entries.first?.person ?? who
    let plan =
      (try? plan(planners.map { _ in .mirror }, only: wanted, now: now, into: &findings).verdict
        .plan)
      ?? Plan.empty(site: desk.siteName, now: now)
    return Explanation(
      entries: entries, account: account, plan: plan,
      pins: try store.pins().map(\.pin).filter { $0.account == account?.id })
  }
}

extension Planner {
  /// Entries of the mirror.
  /// - Parameter ids: those with these ids; nil: the first whose email, id or DN is `who`.
  fileprivate func entries(
    of who: String, ids: [String]?, now: Int64, into findings: inout Findings
  ) throws -> [Explanation.Entry] {
    let key = emailKey(who)
    var source: any DirectorySource = try MirrorSource(
      mirror: store, directory: directory, mapping: mapping)
    var evaluator = try mirrorReader(now).evaluator(&source, into: &findings)
    var found: [Explanation.Entry] = []
    func look(_ batch: borrowing EntryBatch, _ search: Int) {
      for entry in 0..<batch.count where ids != nil || found.isEmpty {
        let id = evaluator.id(of: entry, in: batch, search: search)
        let dn = String(decoding: batch.dn(of: entry), as: UTF8.self)
        let isWanted =
          ids.map { id.map($0.contains) ?? false }
          ?? (id == key || dn.lowercased() == key
            || evaluator.emails(of: entry, in: batch, search: search).contains {
              emailKey($0) == key
            })
        if isWanted {
          found.append(explained(&evaluator, entry, batch, search, id: id, dn: dn))
        }
      }
    }
    for search in mapping.searches.indices {
      try store.readMirror(
        of: directory, kind: .person, search: search, slots: evaluator.slots, keys: ids
      ) { look($0, search) }
    }
    return found
  }

  private func explained(
    _ evaluator: inout PersonEvaluator, _ entry: Int, _ batch: borrowing EntryBatch,
    _ search: Int, id: String?, dn: String
  ) -> Explanation.Entry {
    let name = batch.name(of: entry)
    let set = evaluator.groups(of: entry, in: batch, name: name)
    return Explanation.Entry(
      directory: directory, person: id ?? dn, dn: dn,
      exclusion: evaluator.exclusion(entry, of: batch, name: name, groups: set, search: search),
      attributes: evaluator.slots.names.enumerated().compactMap { slot, name in
        let values = batch.values(of: entry, slot: slot, withOptions: true).map {
          String(validating: $0, as: UTF8.self) ?? DirectoryID.text(of: $0)
        }
        return values.isEmpty ? nil : .init(name: name, values: values.sorted())
      },
      groups: evaluator.paths(of: set),
      rules: evaluator.trace(entry, of: batch, name: name, groups: set),
      entitlement: evaluator.evaluate(
        entry, of: batch, name: name, groups: set, id: id, fingerprint: 0, search: search))
  }
}
