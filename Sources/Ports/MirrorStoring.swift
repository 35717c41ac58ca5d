import DirectoryModel
import Foundation
import SiteModel

/// The directory as last seen: a cache, written in one transaction, deleted without loss.
package protocol MirrorStoring: AnyObject {
  /// What the mirror holds; nil when it is empty.
  func mirrorDescription(of directory: String) throws -> MirrorDescription?

  /// Which of these keys, and of the entries found under these hashes, the mirror has.
  func mirrorKeys(
    of directory: String, kind: MirrorKind, among keys: [String], hashes: [WideHash]
  ) throws -> Set<String>

  /// The hashes of entries, see `MirrorWriter.write`.
  func mirrorHashes(of directory: String, kind: MirrorKind, keys: [String]) throws -> [WideHash]

  /// Which groups are found under which hashes. Groups are numbered in the order in which `readMirror` tells them.
  func mirrorMembers(of directory: String) throws -> [DirectoryGroups.Membership]

  /// The same for some hashes.
  /// - Parameter next: told what was found, says which hashes to look for then; none: that is all.
  func mirrorMembers(
    of directory: String, hashes: [WideHash],
    next: ([DirectoryGroups.Membership]) -> [WideHash]
  ) throws -> [DirectoryGroups.Membership]

  /// What changes have touched since everybody was looked at.
  func touched(of directory: String) throws -> Touched

  /// Tells the key and the fingerprint of each of the mirror's entries; the key's bytes are borrowed for the call.
  func mirrorFingerprints(
    of directory: String, kind: MirrorKind, _ body: (UnsafeRawBufferPointer, UInt64) -> Void) throws

  /// What the last complete read looked like; nil before the first.
  func readEvidence(of directory: String) throws -> ReadEvidence?

  /// The DN of a person as last seen; nil when the mirror has nobody under this key.
  func mirroredName(of directory: String, key: String) throws -> String?

  /// Opens the one transaction in which the mirror is brought up to date.
  func updateMirror(
    of directory: String, description: MirrorDescription,
    _ body: (any MirrorWriter) throws -> Void
  ) throws

  /// The same on a thread of its own, for a read of everything: reading and planning go on while entries are written. Returns
  /// before all is committed; what is asked of the mirror, and whatever else is written, waits for that.
  func fillMirror(
    of directory: String, description: MirrorDescription,
    _ body: (any MirrorWriter) throws -> Void
  ) throws

  /// Waits until the mirror is committed.
  /// - Throws: why it could not be.
  func finishMirror() throws

  /// Reads entries back, groups in the order in which they were first seen.
  /// - Parameters:
  ///   - search: the number of the search that brought them; 0 for groups.
  ///   - keys: only these; nil for all.
  func readMirror(
    of directory: String, kind: MirrorKind, search: Int, slots: AttributeSlots, keys: [String]?,
    deliver: (borrowing EntryBatch) throws -> Void
  ) throws
}

package enum MirrorKind: Int, Sendable { case person, group }

/// Whether the mirror has an entry that is written.
package enum MirrorPlace: Sendable {
  case known, new
  /// One of the first groups of all. Who is in them is told of all together once they are written, see `MirrorWriter`.
  case first
}

/// Whom changes of the directory have touched since everybody was looked at.
package struct Touched: Sendable, Hashable {
  /// People, by key.
  package var people: Set<String> = []
  /// Members of groups, people or groups with all that is in them, by the keys of which groups know them.
  package var members: Set<WideHash> = []
  /// When everybody was looked at; nil: never.
  package var lookedAt: LookedAt?
  package init() {}
}

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
  /// Of these entries, the people of the mapping.
  package var peopleSelected = 0
  /// How many entries had a value, by attribute.
  package var personValues: [String: Int] = [:]
  package var groupValues: [String: Int] = [:]
  /// Who the server took us for.
  package var reader: String?
  /// Some entries that changed lately, by name: a server that shows them older lags behind.
  package var versions: [String: EntryVersion] = [:]
  /// Where this read stood, to ask for changes from; nil: the source does not tell changes.
  package var bookmark: Data?
  /// When everything was last read, in seconds since 1970.
  package var fullReadAt: Int64 = 0
  /// How long the last complete read took, in seconds; nil: nobody measured it.
  package var readSeconds: Double?
  /// Counts what brought something new.
  package var version: Int64 = 0
  /// The version of the last complete read that brought something new: whom it touched is not noted.
  package var fullVersion: Int64 = 0
  /// Whether `memberOf` of people says more than the members of groups do. Changes do not tell it reliably.
  package var needsMemberOf = true
  /// Whether the source cuts answers at a limit; nil: it did not.
  package var isLimited: Bool?
  /// What believed reads of the last day counted, the highest of each hour, the latest last; nil: there is none.
  package var history: [Counted]?
  package init() {}

  /// What a read counted, and when, in seconds since 1970.
  package struct Counted: Sendable, Hashable, Codable {
    package var at: Int64
    package var people: Int
    package var groups: Int
    package var peopleSelected: Int
    package var personValues: [String: Int]
    package var groupValues: [String: Int]

    /// The higher of both counts, each by itself.
    func highest(_ other: Counted) -> Counted {
      Counted(
        at: at, people: max(people, other.people), groups: max(groups, other.groups),
        peopleSelected: max(peopleSelected, other.peopleSelected),
        personValues: personValues.merging(other.personValues, uniquingKeysWith: max),
        groupValues: groupValues.merging(other.groupValues, uniquingKeysWith: max))
    }
  }

  private static let daySeconds: Int64 = 86_400
  private static let hourSeconds: Int64 = 3600

  private func isOfLastDay(_ counted: Counted, _ now: Int64) -> Bool {
    counted.at > now - Self.daySeconds && counted.at <= now
  }

  private func counted(at now: Int64) -> Counted {
    Counted(
      at: now, people: people, groups: groups, peopleSelected: peopleSelected,
      personValues: personValues, groupValues: groupValues)
  }

  /// The same evidence with the highest counts of the last 24 hours, so that many small losses are seen as one.
  package func highest(at now: Int64) -> ReadEvidence {
    var highest = self
    let counted = (history ?? []).filter { isOfLastDay($0, now) }
      .reduce(self.counted(at: now)) { $0.highest($1) }
    highest.people = counted.people
    highest.groups = counted.groups
    highest.peopleSelected = counted.peopleSelected
    highest.personValues = counted.personValues
    highest.groupValues = counted.groupValues
    return highest
  }

  /// Adds what the read before counted to the history.
  /// - Parameter before: the evidence of the last believed read; nil: the history begins anew.
  package mutating func follow(_ before: ReadEvidence?, at now: Int64) {
    guard let before else {
      history = nil
      return
    }
    var all = (before.history ?? []).filter { isOfLastDay($0, now) }
    let latest = before.counted(at: now)
    if let last = all.last, last.at / Self.hourSeconds == now / Self.hourSeconds {
      all[all.count - 1] = last.highest(latest)
    } else {
      all.append(latest)
    }
    history = all
  }
}

/// An entry as the mirror holds it.
package struct MirroredEntry: Sendable, Hashable {
  package let fingerprint: UInt64
  /// See `EntryBatch.stored`.
  package let entry: [UInt8]
  package let hashes: [WideHash]

  package init(fingerprint: UInt64, entry: [UInt8], hashes: [WideHash]) {
    self.fingerprint = fingerprint
    self.entry = entry
    self.hashes = hashes
  }
}

/// Writes into the mirror's open transaction.
package protocol MirrorWriter: AnyObject {
  /// How many entries were written or removed.
  var changes: Int { get }
  /// - Parameters:
  ///   - place: whether the mirror has something under this key.
  ///   - entry: its hashes are the keys by which groups know a person, or those of a group's members.
  func write(
    _ kind: MirrorKind, key: String, search: Int, as place: MirrorPlace, entry: MirroredEntry)
    throws
  /// The members of the first groups, in order; groups are numbered as they were written. Once one was, it has to be told.
  func write(membersOfFirst members: [DirectoryGroups.Membership]) throws
  func remove(_ kind: MirrorKind, key: String) throws
  /// An entry as it is in the mirror; nil when it is not there.
  func find(_ kind: MirrorKind, key: String) throws -> MirroredEntry?
  /// The keys of all entries.
  func keys(_ kind: MirrorKind) throws -> Set<String>
  /// Up to so many entries for which a test holds, in no particular order.
  func entries(
    _ kind: MirrorKind, most: Int,
    where isWanted: @escaping @Sendable (_ key: String, MirroredEntry) -> Bool
  ) throws -> [(key: String, entry: MirroredEntry)]
  /// How many entries bear each label.
  /// - Parameter label: gets an entry's key and its DN in UTF-8; nil leaves the entry out.
  func counts(
    _ kind: MirrorKind,
    by label: @escaping @Sendable (_ key: String, _ name: UnsafeRawBufferPointer) -> String?
  ) throws -> [String: Int]
  /// The keys of entries that were found under one of these hashes before anything was written.
  func keys(_ kind: MirrorKind, foundUnder hashes: [WideHash]) throws -> Set<String>
  /// Notes whom a change has touched, see `Touched`.
  func touch(people: Set<String>, members: Set<WideHash>, version: Int64) throws
  /// Keeps what this read looked like.
  func keep(_ evidence: ReadEvidence) throws
}
