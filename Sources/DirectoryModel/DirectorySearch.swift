/// One search of a directory: where, what and which attributes (RFC 4511 §4.5.1).
package struct DirectorySearch: Sendable, Hashable {
  package enum Scope: String, Sendable, Hashable, CaseIterable, Codable { case subtree, one, base }

  /// Each base is searched by itself; the empty name means everything the source holds.
  package let bases: [String]
  package let scope: Scope
  /// What the source is asked for.
  package let filter: Filter
  package let slots: AttributeSlots

  package init(bases: [String], scope: Scope, filter: Filter, slots: AttributeSlots) {
    self.bases = bases
    self.scope = scope
    self.filter = filter
    self.slots = slots
  }
}
