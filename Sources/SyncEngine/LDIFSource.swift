import DirectoryModel
import Ports

/// An LDIF file as a directory: everything that a server would do of a search is done here.
package struct LDIFSource: DirectorySource {
  private let path: String
  /// Made by the first search; all that follow read the same bytes.
  private var snapshot: LDIFSnapshot?

  package init(path: String) { self.path = path }

  package mutating func read(
    _ search: DirectorySearch, deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> ReadSummary {
    let snapshot = try self.snapshot ?? LDIFSnapshot(path: path)
    self.snapshot = snapshot
    let summary = try read(snapshot, search, deliver)
    // Whoever writes slowly may have written the rest meanwhile.
    try snapshot.refuseChange()
    return summary
  }

  private func read(
    _ snapshot: LDIFSnapshot, _ search: DirectorySearch,
    _ deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> ReadSummary {
    let bases = search.bases.compactMap { DistinguishedName($0) }
    var seen = [Bool](repeating: false, count: bases.count)
    // The filter may name attributes that nobody asked for; they are read and left out again.
    let wide = AttributeSlots(search.slots.names + search.filter.attributes)
    let extra = Array(search.slots.count..<wide.count)
    let filter: CompiledFilter
    do {
      filter = try CompiledFilter(search.filter, slots: wide, membership: false)
    } catch {
      throw ReadFailure(
        "the filter \(search.filter.text) cannot be evaluated on a file: \(error.message)")
    }
    var reader = LDIFReader(snapshot.bytes)
    var entry = EntryBatch(slots: wide)
    var batch = EntryBatch(slots: search.slots)
    var summary = ReadSummary()
    do {
      while try reader.appendEntry(to: &entry) {
        defer { entry.removeAll() }
        let dn = entry.dn(of: 0)
        guard let name = DistinguishedName(dn) else {
          throw ReadFailure(
            "\(path): not a distinguished name: \(String(decoding: dn, as: UTF8.self))")
        }
        for index in bases.indices where name.isWithin(bases[index]) { seen[index] = true }
        guard bases.contains(where: { isInScope(name, $0, search.scope) }),
          filter.matches(0, of: entry)
        else { continue }
        batch.appendEntry(0, of: entry, leavingOut: extra)
        summary.entries += 1
        if batch.isFull {
          try deliver(batch)
          batch.removeAll()
        }
      }
    } catch let fault as LDIFFault {
      throw ReadFailure("\(path):\(fault.line): \(fault.message)")
    }
    if let missing = seen.firstIndex(of: false) {
      throw ReadFailure(
        "the base \(search.bases[missing]) does not exist in \(path)",
        remedy: "check `base` in the mapping")
    }
    if !batch.isEmpty { try deliver(batch) }
    return summary
  }

  private func isInScope(
    _ name: DistinguishedName, _ base: DistinguishedName, _ scope: DirectorySearch.Scope
  ) -> Bool {
    switch scope {
    case .base: name == base
    case .one: name.isChild(of: base)
    case .subtree: name.isWithin(base)
    }
  }
}
