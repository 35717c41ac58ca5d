import Diagnostics
import DirectoryModel
import Mapping
import Ports
import SiteModel

/// Answers why from the mirror: the entry, its groups, rule by rule, the account, and what is pending.
extension Planner {
  /// - Parameter who: an email, an account id or a directory id.
  /// - Throws: `NobodyFits`, and what planning throws.
  package func explain(
    _ who: String, now: Int64, into findings: inout Findings
  ) throws -> Explanation {
    let key = emailKey(who)
    let account = try store.account(who)
    var source: any DirectorySource = try MirrorSource(
      mirror: store, directory: directory, mapping: mapping)
    let reader = try mirrorReader(now)
    var evaluator = try reader.evaluator(&source, into: &findings)
    var found: Found?
    func look(_ batch: borrowing EntryBatch, _ search: Int) {
      for entry in 0..<batch.count where found == nil {
        let id = evaluator.id(of: entry, in: batch, search: search)
        let dn = String(decoding: batch.dn(of: entry), as: UTF8.self)
        let isWanted =
          account?.person.map { $0 == id }
          ?? (id == key || dn.lowercased() == key
            || evaluator.emails(of: entry, in: batch, search: search).contains {
              emailKey($0) == key
            })
        if isWanted { found = Found(&evaluator, entry, batch, search, id: id, dn: dn) }
      }
    }
    let keys = account?.person.map { [$0] }
    for search in mapping.searches.indices {
      try store.readMirror(
        of: directory, kind: .person, search: search, slots: evaluator.slots, keys: keys
      ) { look($0, search) }
    }
    if account == nil, found == nil { throw NobodyFits(who: who) }
    let wanted = found?.id ?? found?.dn ?? account?.person ?? who
    let plan =
      (try? self.plan(.mirror, only: wanted, now: now, into: &findings).plan)
      ?? Plan.empty(site: desk.siteName, now: now)
    return Explanation(
      person: found.map { $0.id ?? $0.dn }, dn: found?.dn, account: account,
      exclusion: found?.exclusion, attributes: found?.attributes ?? [], groups: found?.groups ?? [],
      rules: found?.rules ?? [], entitlement: found?.entitlement, plan: plan,
      pins: try store.pins().map(\.pin).filter { $0.account == account?.id })
  }

  private struct Found {
    let id: String?
    let dn: String
    let exclusion: String?
    let attributes: [Explanation.Attribute]
    let groups: [Explanation.GroupPath]
    let rules: [Explanation.RuleTrace]
    let entitlement: Entitlement

    init(
      _ evaluator: inout PersonEvaluator, _ entry: Int, _ batch: borrowing EntryBatch,
      _ search: Int, id: String?, dn: String
    ) {
      let name = batch.name(of: entry)
      let set = evaluator.groups(of: entry, in: batch, name: name)
      self.id = id
      self.dn = dn
      exclusion = evaluator.exclusion(entry, of: batch, name: name, groups: set, search: search)
      attributes = evaluator.slots.names.enumerated().compactMap { slot, name in
        let values = batch.values(of: entry, slot: slot, withOptions: true).map {
          String(validating: $0, as: UTF8.self) ?? DirectoryID.text(of: $0)
        }
        return values.isEmpty ? nil : .init(name: name, values: values.sorted())
      }
      groups = evaluator.paths(of: set)
      rules = evaluator.trace(entry, of: batch, name: name, groups: set)
      entitlement = evaluator.evaluate(
        entry, of: batch, name: name, groups: set, id: id, fingerprint: 0, search: search)
    }
  }
}
