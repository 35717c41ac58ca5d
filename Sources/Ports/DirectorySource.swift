/// The doors of the house: what the engine needs of a directory, of the mirror and of the site, whoever
/// stands behind them. No door knows what lies behind another.

import DirectoryModel

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

  /// Leaves the server that failed in mid-read for the next one; the whole read has to begin anew.
  /// - Returns: false when there is no other.
  mutating func failOver() -> Bool

  /// Who the server takes us for (RFC 4532); nil where nobody asks or the server does not say.
  mutating func reader() throws -> String?

  /// How new entries are, by their names: later versions of an entry compare as greater. Entries that are not
  /// there, and sources without versions, are left out.
  mutating func versions(of names: [String]) throws -> [String: EntryVersion]
}

extension DirectorySource {
  package mutating func failOver() -> Bool { false }
  package mutating func reader() throws -> String? { nil }
  package mutating func versions(of names: [String]) throws -> [String: EntryVersion] { [:] }
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
}

/// Why a directory could not be read completely.
package struct ReadFailure: Error, Sendable, Hashable {
  /// What happened and where, as one sentence without a full stop.
  package let message: String
  package let remedy: String?
  /// Whether it is this server's fault, so that another one may do better.
  package let isOfServer: Bool

  package init(_ message: String, remedy: String? = nil, isOfServer: Bool = false) {
    self.message = message
    self.remedy = remedy
    self.isOfServer = isOfServer
  }
}
