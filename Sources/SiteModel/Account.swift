/// The site's side of the house: accounts and what they hold, what people should have, plans that
/// bring the two together, and why. It knows nothing of directories and never reads a clock.

import Foundation

/// One user of the site. A class, for hundreds of thousands are handed on without copying each; nothing of it changes.
package final class Account: Sendable {
  package let id: Int64
  package let email: String
  package let name: String
  /// Legacy, shown only (R10).
  package let username: String?
  /// Who restricted the account to the portal; empty when it is not marked.
  package let mark: Givers
  /// Who deactivated the account; nil while it is active.
  package let deactivatedBy: Deactivator?
  package let isEmailVerified: Bool
  /// Licenses and groups, the suspended ones too.
  package let holdings: [Holding]
  /// The directory's immutable id of the person whose account this is; nil while it is not linked.
  package let person: String?
  /// When the person was first not seen, in seconds since 1970; nil while they are there.
  package let absentSince: Int64?

  package init(
    id: Int64, email: String, name: String, username: String? = nil, mark: Givers = Givers(),
    deactivatedBy: Deactivator? = nil, isEmailVerified: Bool = false, holdings: [Holding] = [],
    person: String? = nil, absentSince: Int64? = nil
  ) {
    self.id = id
    self.email = email
    self.name = name
    self.username = username
    self.mark = mark
    self.deactivatedBy = deactivatedBy
    self.isEmailVerified = isEmailVerified
    self.holdings = holdings
    self.person = person
    self.absentSince = absentSince
  }

  package var isActive: Bool { deactivatedBy == nil }
  package var isPortalOnly: Bool { !mark.isEmpty }

  /// R3: active, no license, no group, not yet marked.
  package var isUnassigned: Bool {
    isActive && !isPortalOnly && holdings.allSatisfy(\.isSuspended)
  }

  package enum Deactivator: String, Sendable, Hashable {
    case sync, hand
    case imported = "import"

    /// - Parameter givers: of the change that deactivates; a rule's name or nobody's is the sync's.
    package init(_ givers: Givers?) {
      self = givers?.hand != nil ? .hand : givers?.imported != nil ? .imported : .sync
    }
  }

  package func holding(_ right: Right) -> Holding? { holdings.first { $0.right == right } }
}

extension Account: Equatable {
  package static func == (left: Account, right: Account) -> Bool {
    (left.id, left.email, left.name, left.username, left.mark, left.deactivatedBy)
      == (right.id, right.email, right.name, right.username, right.mark, right.deactivatedBy)
      && (left.isEmailVerified, left.holdings, left.person, left.absentSince)
        == (right.isEmailVerified, right.holdings, right.person, right.absentSince)
  }
}

/// Who gave a right or a mark (R17): nobody, one, or several of the three.
package struct Givers: Sendable, Hashable, Codable {
  /// The name of the mapping's rule.
  package var rule: String?
  /// The administrator.
  package var hand: String?
  /// The import's file.
  package var imported: String?

  package init(rule: String? = nil, hand: String? = nil, imported: String? = nil) {
    self.rule = rule
    self.hand = hand
    self.imported = imported
  }

  package var isEmpty: Bool { rule == nil && hand == nil && imported == nil }
  /// The sync may withdraw the right: nobody but a rule gave it.
  package var isRuleOnly: Bool { rule != nil && hand == nil && imported == nil }

  /// For messages: "rule engineering", "root by hand".
  package var text: String {
    [
      rule.map { "rule \($0)" }, hand.map { "\($0) by hand" }, imported.map { "import \($0)" },
    ].compactMap(\.self).joined(separator: ", ")
  }
}

/// Who gave a right or a mark before a change, and after it; empty: nobody, it is not there.
package struct GiversChange: Sendable, Hashable, Codable {
  package let before: Givers
  package let after: Givers

  package init(from before: Givers = Givers(), to after: Givers = Givers()) {
    self.before = before
    self.after = after
  }

  /// Givers come or go, and what they give stays.
  package var staysGiven: Bool { !before.isEmpty && !after.isEmpty }

  package var reversed: GiversChange { GiversChange(from: after, to: before) }
}

/// A right that an account has.
package struct Holding: Sendable, Hashable {
  package var right: Right
  package var givers: Givers
  /// Given back while the person cannot sign in, remembered for the day of return (R20).
  package var isSuspended: Bool

  package init(_ right: Right, _ givers: Givers, isSuspended: Bool = false) {
    self.right = right
    self.givers = givers
    self.isSuspended = isSuspended
  }
}

/// The form in which emails are compared: without regard to letter case (R15).
package func emailKey(_ email: String) -> String { folded(email) }

/// Whether two emails are one; most that are have the same bytes.
package func isSameEmail(_ left: String, _ right: String) -> Bool {
  left == right || emailKey(left) == emailKey(right)
}

/// Whether these bytes of an email are its key as they are; false also where that is not sure. Bytes are looked at without a
/// branch for each.
package func isFolded(_ bytes: UnsafeRawBufferPointer) -> Bool {
  bytes.reduce(UInt8(0)) { $0 | $1 & 0x80 | ($1 &- 0x41 < 26 ? 1 : 0) } == 0
}

/// Small letters, Unicode composed.
func folded(_ text: String) -> String {
  // Most texts are in their folded form already and are not copied.
  let isSame = text.utf8.withContiguousStorageIfAvailable { isFolded(UnsafeRawBufferPointer($0)) }
  if isSame == true { return text }
  return text.utf8.allSatisfy { $0 < 0x80 }
    ? text.lowercased()
    : text.precomposedStringWithCanonicalMapping.lowercased().precomposedStringWithCanonicalMapping
}
