/// One search of a directory: where, what and which attributes (RFC 4511 §4.5.1).
package struct DirectorySearch: Sendable, Hashable {
  package enum Scope: String, Sendable, Hashable, CaseIterable, Codable { case subtree, one, base }

  /// Each base is searched by itself; the empty name means everything the source holds.
  package let bases: [String]
  package let scope: Scope
  /// What the source is asked for.
  package let filter: Filter
  package let slots: AttributeSlots
  /// What the search is for: people, by the search's number in the mapping, or directory groups.
  package let subject: Subject

  package enum Subject: Sendable, Hashable {
    case people(Int)
    case groups
  }

  package init(
    bases: [String], scope: Scope, filter: Filter, slots: AttributeSlots,
    subject: Subject = .people(0)
  ) {
    self.subject = subject
    self.bases = bases
    self.scope = scope
    self.filter = filter
    self.slots = slots
  }
}
