import DirectoryModel
import Mapping
import Ports

/// A first look at a directory that nobody has described yet: where its people and groups are.
package struct Probe: Sendable {
  /// Entries of one kind, and the place under which nearly all of them are.
  package struct Place: Sendable {
    package let base: String
    package let count: Int
  }

  package struct Group: Sendable {
    package let dn: String
    package let name: String
    package let members: Int
  }

  /// nil where there are none.
  package let people: Place?
  package let groups: Place?
  /// Those with the most members, the largest first.
  package let largest: [Group]

  /// - Parameters:
  ///   - mapping: says by its filters what people and groups are.
  ///   - count: how many groups are told.
  package static func of(
    _ source: inout any DirectorySource, mapping: CompiledMapping, largest count: Int
  ) throws -> Probe {
    var people = Tree()
    for search in mapping.personSearches {
      let asked = DirectorySearch(
        bases: search.bases, scope: search.scope, filter: search.filter, slots: AttributeSlots([]),
        subject: search.subject)
      _ = try source.read(asked) { batch in
        for entry in 0..<batch.count { people.add(batch.dn(of: entry)) }
      }
    }
    var groups = Tree()
    var largest: [Group] = []
    if let search = mapping.groupSearch() {
      let members = DirectoryGroups.memberAttributes
      let slots = AttributeSlots(["cn", "isCriticalSystemObject"] + members)
      let asked = DirectorySearch(
        bases: search.bases, scope: search.scope, filter: search.filter, slots: slots,
        subject: .groups)
      _ = try source.read(asked) { batch in
        for entry in 0..<batch.count {
          // The server's own groups say nothing of a company.
          if !batch.values(of: entry, slot: 1).isEmpty { continue }
          let dn = String(decoding: batch.dn(of: entry), as: UTF8.self)
          groups.add(batch.dn(of: entry))
          let own = members.indices.reduce(0) { $0 + batch.values(of: entry, slot: $1 + 2).count }
          let name = batch.values(of: entry, slot: 0).first.map {
            String(decoding: $0, as: UTF8.self)
          }
          largest.append(Group(dn: dn, name: name ?? dn, members: own))
        }
      }
    }
    largest.sort { ($1.members, $0.dn) < ($0.members, $1.dn) }
    return Probe(
      people: people.place, groups: groups.place,
      largest: Array(largest.filter { $0.members > 0 }.prefix(count)))
  }

  /// Counts entries at each place of the tree.
  private struct Tree {
    private var counts: [String: Int] = [:]
    private var written: [String: String] = [:]
    private var total = 0

    mutating func add(_ dn: ArraySlice<UInt8>) {
      total += 1
      var place = DistinguishedName.parent(of: String(decoding: dn, as: UTF8.self))
      while let above = place {
        let key = above.lowercased()
        counts[key, default: 0] += 1
        written[key] = written[key] ?? above
        place = DistinguishedName.parent(of: above)
      }
    }

    /// The deepest place with all but a twentieth of the entries; of equally deep ones the fullest.
    var place: Place? {
      let enough = counts.filter { $0.value * 20 >= total * 19 }
      let best = enough.max { left, right in
        (depth(left.key), left.value) < (depth(right.key), right.value)
      }
      return best.map { Place(base: written[$0.key] ?? $0.key, count: $0.value) }
    }

    private func depth(_ name: String) -> Int {
      var depth = 0
      var place: String? = name
      while let one = place {
        depth += 1
        place = DistinguishedName.parent(of: one)
      }
      return depth
    }
  }
}
