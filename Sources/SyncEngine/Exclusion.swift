import DirectoryModel
import Mapping
import Ports
import SiteModel

/// Why an entry of the directory is not among the people whom the mapping's searches select.
extension Planner {
  /// Looks for somebody beyond the searches, by DN, mail, user name, name or id.
  /// - Parameter source: the directory itself; the mirror holds only what the searches brought.
  /// - Returns: for each entry that fits its DN, and for each search the first thing that left it out.
  package func exclusions(
    of who: String, in source: any DirectorySource, now: Int64
  ) throws -> [(dn: String, reasons: [String])] {
    var source = source
    let named = DistinguishedName(who).flatMap { who.contains("=") ? $0 : nil }
    let ids = mapping.searches.map(\.account.id).filter { $0.lowercased() != "objectguid" }
    let value = Array(who.utf8)
    let filter: Filter =
      named == nil
      ? .or((["mail", "uid", "cn", "sAMAccountName"] + ids).map { .equal($0, value) })
      : .present("objectClass")
    let asked = mapping.searches.flatMap { search in
      search.users.filter.attributes + (search.users.exclude?.attributes ?? [])
    }.filter { $0.lowercased() != "memberof" }
    let slots = AttributeSlots(mapping.personSlots.names + asked)
    var found: [(dn: String, reasons: [String])] = []
    _ = try source.read(
      DirectorySearch(
        bases: named == nil
          ? Set(mapping.searches.flatMap(\.users.bases).map(suffix)).sorted() : [who],
        scope: named == nil ? .subtree : .base, filter: filter, slots: slots)
    ) { batch in
      for entry in 0..<batch.count where found.count < 5 {
        let dn = String(decoding: batch.dn(of: entry), as: UTF8.self)
        let reasons = mapping.searches.map { reason($0.users, entry, batch, now: now) }
        found.append((dn, reasons))
      }
    }
    return found
  }

  /// The end of a name that stands for the whole directory: its `dc` parts, or its last part.
  private func suffix(_ base: String) -> String {
    let parts = base.split(separator: ",").map { $0.drop { $0 == " " } }
    let domain = parts.drop { !$0.lowercased().hasPrefix("dc=") }
    return (domain.isEmpty ? parts.suffix(1) : domain).joined(separator: ",")
  }

  /// The first thing of a search that leaves an entry out.
  private func reason(
    _ search: CompiledMapping.UserSearch, _ entry: Int, _ batch: borrowing EntryBatch, now: Int64
  ) -> String {
    guard let name = DistinguishedName(batch.dn(of: entry)) else { return "its name is no DN" }
    let bases = search.bases.compactMap { DistinguishedName($0) }
    guard
      bases.contains(where: { base in
        switch search.scope {
        case .subtree: name.isWithin(base)
        case .one: name.isChild(of: base)
        case .base: name == base
        }
      })
    else {
      return "outside of base \(search.bases.joined(separator: " and ")) (\(search.scope.rawValue))"
    }
    let parts: [Filter] = if case .and(let parts) = search.filter { parts } else { [search.filter] }
    for part in parts where !part.namesMemberOf {
      guard
        let compiled = try? CompiledFilter(part, slots: batch.slots, membership: false, now: now)
      else { continue }
      if !compiled.matches(entry, of: batch) {
        return "filter \(part.text) does not match\(values(of: part, entry, batch))"
      }
    }
    if let exclude = search.exclude, !exclude.namesMemberOf,
      let compiled = try? CompiledFilter(exclude, slots: batch.slots, membership: false, now: now),
      compiled.matches(entry, of: batch)
    {
      return "exclude \(exclude.text) matches\(values(of: exclude, entry, batch))"
    }
    if search.excludeUnder.contains(where: { name.isWithin($0) }) {
      return "exclude-under holds the entry's place"
    }
    return "a part that names memberOf, or nothing: the next sync will see it"
  }

  private func values(of filter: Filter, _ entry: Int, _ batch: borrowing EntryBatch) -> String {
    var texts: [String] = []
    for attribute in Set(filter.attributes).sorted() {
      guard let slot = batch.slots.slot(of: attribute) else { continue }
      let values = batch.values(of: entry, slot: slot, withOptions: true).map {
        String(validating: $0, as: UTF8.self) ?? "(binary)"
      }
      texts.append(
        values.isEmpty ? "no \(attribute)" : "\(attribute) is \(values.joined(separator: ", "))")
    }
    return texts.isEmpty ? "" : ": \(texts.joined(separator: "; "))"
  }
}
