/// The doors of the house: what the engine needs of a directory, of the mirror and of the site, whoever
/// stands behind them. No door knows what lies behind another.

import DirectoryModel
import Foundation

/// A place that people and groups are read from: a server, a file, or the mirror.
package protocol DirectorySource {
  /// Reads everything that a search selects, in batches.
  ///
  /// Returns only after a complete answer. An entry is delivered once, or the read fails.
  /// - Parameter deliver: takes each batch in turn; the batch is reused after the call.
  /// - Throws: `ReadFailure` for anything but a complete answer; errors of `deliver` pass through.
  mutating func read(
    _ search: DirectorySearch, deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> ReadSummary

  /// Says which searches are read next, in which order, so that the source can begin to answer them.
  /// - Parameters:
  ///   - searches: at least one.
  ///   - entries: about so many are expected.
  mutating func announce(_ searches: [DirectorySearch], expecting entries: Int) throws

  /// Says that a read begins. One that takes much longer than the last complete one fails, or brings many times as much.
  /// - Parameters:
  ///   - lastSeconds: how long that took; nil: there was none.
  ///   - lastEntries: how many entries it brought; nil: nobody knows what this one brings.
  mutating func beginRead(lastSeconds: Double?, lastEntries: Int?)

  /// Says whether whoever reads begins anew where a read fails and `failOver` offers something: the source may then read in the
  /// cheapest way, even if that may not last to the end.
  mutating func mayBeginAnew(_ isAllowed: Bool)

  /// Whether the source has cut an answer at a limit, and is read in smaller parts since.
  var isLimited: Bool { get }

  /// Says that it has done so before, so that it is read in small parts from the beginning.
  mutating func expectLimits()

  /// After a failure in mid-read, goes over to another server or another way of reading; the whole read has to begin
  /// anew.
  mutating func failOver() -> FailOver

  /// Who the server takes us for (RFC 4532); nil where nobody asks or the server does not say.
  mutating func reader() throws -> String?

  /// The attribute with the id that the server gives each entry for good; nil where changes cannot be read.
  mutating func identity() throws -> String?

  /// What stands for the directory as it is, to ask for changes from later on; nil where that cannot be. Taken
  /// before a complete read, so that what changes meanwhile is told twice, not never.
  mutating func bookmark(_ searches: [DirectorySearch]) throws -> Data?

  /// Reads what has changed since a bookmark.
  /// - Parameter deliver: takes entries that are new or changed, whole, with the number of their search.
  /// - Returns: nil when only a complete read can tell; what was delivered then counts for nothing.
  mutating func changes(
    _ searches: [DirectorySearch], since bookmark: Data,
    deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges?

  /// How new entries are, by their names: later versions of an entry compare as greater. Entries that are not
  /// there, and sources without versions, are left out.
  mutating func versions(of names: [String]) throws -> [String: EntryVersion]
}

extension DirectorySource {
  package mutating func announce(_ searches: [DirectorySearch], expecting entries: Int) throws {}
  package mutating func beginRead(lastSeconds: Double?, lastEntries: Int?) {}
  package mutating func mayBeginAnew(_ isAllowed: Bool) {}
  package var isLimited: Bool { false }
  package mutating func expectLimits() {}
  package mutating func failOver() -> FailOver { .none }
  package mutating func reader() throws -> String? { nil }
  package mutating func identity() throws -> String? { nil }
  package mutating func bookmark(_ searches: [DirectorySearch]) throws -> Data? { nil }
  package mutating func changes(
    _ searches: [DirectorySearch], since bookmark: Data,
    deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges? { nil }
  package mutating func versions(of names: [String]) throws -> [String: EntryVersion] { [:] }
}

/// Where a source goes on after a failure in mid-read.
package enum FailOver: Sendable {
  /// At the same server, which has cut its answer at a limit, in smaller parts.
  case pages
  case nextServer
  case none
}

/// What has changed in a directory, beside the entries that were delivered.
package struct DirectoryChanges: Sendable, Hashable {
  /// Ids, by the search's number, of entries that it selects no more.
  package var gone: [Set<String>]
  /// Where the server tells who is there rather than who is gone: all ids of those who are.
  package var present: [Set<String>?]
  /// To go on from next time.
  package var bookmark: Data

  package init(searches: Int, bookmark: Data) {
    gone = Array(repeating: [], count: searches)
    present = Array(repeating: nil, count: searches)
    self.bookmark = bookmark
  }
}

/// How new an entry is, as its server counts.
package struct EntryVersion: Sendable, Hashable, Codable {
  /// Versions of other scales cannot be compared: an attribute, and for numbers of one server its name.
  package let scale: String
  package let value: String

  package init(scale: String, value: String) {
    self.scale = scale
    self.value = value
  }

  /// Whether this one is surely older. Values are numbers, or texts of one length in order.
  package func isOlder(than other: EntryVersion) -> Bool {
    guard scale == other.scale else { return false }
    if let own = Int64(value), let theirs = Int64(other.value) { return own < theirs }
    return value < other.value
  }
}

package struct ReadSummary: Sendable, Hashable {
  /// Search continuation references that were not followed (RFC 4511 §4.5.3).
  package var referrals = 0
  package var entries = 0
  package init() {}

  package static func += (summary: inout ReadSummary, part: ReadSummary) {
    summary.referrals += part.referrals
    summary.entries += part.entries
  }
}

/// Why a directory could not be read completely.
package struct ReadFailure: Error, Sendable, Hashable {
  /// What happened and where, as one sentence without a full stop.
  package let message: String
  package let remedy: String?
  /// Whether it is this server's fault, so that another one may do better.
  package let isOfServer: Bool
  /// Whether a search's base is not there, or may not be seen.
  package let isOfBase: Bool

  package init(
    _ message: String, remedy: String? = nil, isOfServer: Bool = false, isOfBase: Bool = false
  ) {
    self.message = message
    self.remedy = remedy
    self.isOfServer = isOfServer
    self.isOfBase = isOfBase
  }

  /// One failure that keeps the reason of each, in the order in which servers were tried.
  /// - Parameter failures: at least one.
  package static func all(_ failures: [ReadFailure]) -> ReadFailure {
    guard failures.count > 1, let last = failures.last else {
      return failures.first ?? ReadFailure("nothing was read")
    }
    return ReadFailure(
      "no server could be read to the end: " + failures.map(\.message).joined(separator: "; "),
      remedy: failures.compactMap(\.remedy).first, isOfServer: last.isOfServer,
      isOfBase: failures.allSatisfy(\.isOfBase))
  }
}
