import DirectoryModel
import Foundation
import Ports

/// An LDIF file as a directory: everything that a server would do of a search is done here.
package struct LDIFSource: DirectorySource {
  private let path: String

  package init(path: String) { self.path = path }

  package func read(
    _ search: DirectorySearch, deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> ReadSummary {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw ReadFailure("the LDIF file \(path) cannot be read", remedy: "check `ldif:`")
    }
    let bases = search.bases.compactMap { DistinguishedName($0) }
    var seen = [Bool](repeating: false, count: bases.count)
    let filter: CompiledFilter
    do {
      filter = try CompiledFilter(search.filter, slots: search.slots, membership: false)
    } catch {
      throw ReadFailure("the filter \(search.filter.text) cannot be evaluated on a file: \(error.message)")
    }
    var reader = LDIFReader(Array(data))
    var batch = EntryBatch(slots: search.slots)
    var summary = ReadSummary()
    do {
      while try reader.appendEntry(to: &batch) {
        let entry = batch.count - 1
        let dn = batch.dn(of: entry)
        guard let name = DistinguishedName(dn) else {
          throw ReadFailure("\(path): not a distinguished name: \(String(decoding: dn, as: UTF8.self))")
        }
        for index in bases.indices where name.isWithin(bases[index]) { seen[index] = true }
        guard bases.contains(where: { isInScope(name, $0, search.scope) }),
          filter.matches(entry, of: batch)
        else {
          batch.removeLastEntry()
          continue
        }
        summary.entries += 1
        if batch.count == 1000 {
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
