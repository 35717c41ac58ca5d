import DirectoryModel

/// The directory as last seen: a cache, written in one transaction, deleted without loss.
package protocol MirrorStoring: AnyObject {
  /// What the mirror holds; nil when it is empty.
  func mirrorDescription(of directory: String) throws -> MirrorDescription?

  /// Tells the key and the fingerprint of each of the mirror's entries.
  func mirrorFingerprints(
    of directory: String, kind: MirrorKind, _ body: (String, UInt64) -> Void) throws

  /// What the last complete read looked like; nil before the first.
  func readEvidence(of directory: String) throws -> ReadEvidence?

  /// The DN of a person as last seen; nil when the mirror has nobody under this key.
  func mirroredName(of directory: String, key: String) throws -> String?

  /// Opens the one transaction in which the mirror is brought up to date.
  func updateMirror(
    of directory: String, description: MirrorDescription,
    _ body: (any MirrorWriter) throws -> Void
  ) throws

  /// Reads entries back, in the order of their keys.
  /// - Parameters:
  ///   - search: the number of the search that brought them; 0 for groups.
  ///   - keys: only these; nil for all.
  func readMirror(
    of directory: String, kind: MirrorKind, search: Int, slots: AttributeSlots, keys: [String]?,
    deliver: (borrowing EntryBatch) throws -> Void
  ) throws
}

package enum MirrorKind: Int, Sendable { case person, group }

package struct MirrorDescription: Sendable, Hashable {
  /// Base, filter and scope of what was asked, as text; empty for groups that were not read.
  package let personSearch: String
  package let groupSearch: String
  package let personAttributes: [String]
  package let groupAttributes: [String]
  /// When it was last read, in seconds since 1970.
  package let readAt: Int64

  package init(
    personSearch: String, groupSearch: String, personAttributes: [String],
    groupAttributes: [String], readAt: Int64
  ) {
    self.personSearch = personSearch
    self.groupSearch = groupSearch
    self.personAttributes = personAttributes
    self.groupAttributes = groupAttributes
    self.readAt = readAt
  }

  /// Whether the same was asked, so that entries and fingerprints can be compared.
  package func asksTheSame(as other: MirrorDescription) -> Bool {
    personSearch == other.personSearch && groupSearch == other.groupSearch
      && personAttributes == other.personAttributes
      && groupAttributes == other.groupAttributes
  }
}

/// What a complete read looked like. The next one is held against it before anybody's absence is believed.
package struct ReadEvidence: Sendable, Hashable, Codable {
  /// Entries that the searches selected.
  package var people = 0
  package var groups = 0
  /// How many entries had a value, by attribute.
  package var personValues: [String: Int] = [:]
  package var groupValues: [String: Int] = [:]
  /// Who the server took us for.
  package var reader: String?
  /// Some entries that changed lately, by name: a server that shows them older lags behind.
  package var versions: [String: EntryVersion] = [:]
  /// Where this read stood, to ask for changes from; nil: the source does not tell changes.
  package var bookmark: [UInt8]?
  /// When everything was last read, in seconds since 1970.
  package var fullReadAt: Int64 = 0
  /// Whether `memberOf` of people says more than the members of groups do. Changes do not tell it reliably.
  package var needsMemberOf = true
  package init() {}
}

/// Writes into the mirror's open transaction.
package protocol MirrorWriter: AnyObject {
  /// - Parameter isNew: the mirror has nothing under this key.
  func write(
    _ kind: MirrorKind, key: String, search: Int, isNew: Bool, fingerprint: UInt64, entry: [UInt8])
    throws
  func remove(_ kind: MirrorKind, key: String) throws
  /// The DN of an entry as it is in the mirror; nil when it is not there.
  func name(_ kind: MirrorKind, key: String) throws -> String?
  /// Keeps what this read looked like.
  func keep(_ evidence: ReadEvidence) throws
}
