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
}

extension DirectorySource {
  package mutating func failOver() -> Bool { false }
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
