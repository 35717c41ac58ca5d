/// A rule of a mapping and where it stands.
package struct RuleReference: Sendable, Hashable, Codable {
  package let name: String
  package let file: String
  package let line: Int

  package init(name: String, file: String, line: Int) {
    self.name = name
    self.file = file
    self.line = line
  }
}

/// A right and the rule that gives it; `rule` is a number into `Rulebook.rules`.
package struct Grant: Sendable, Hashable {
  package let right: Right
  package let rule: Int

  package init(_ right: Right, rule: Int) {
    self.right = right
    self.rule = rule
  }
}

/// What the mapping says one person should have.
package struct Entitlement: Sendable {
  package enum Outcome: Sendable, Hashable {
    /// An account: marked by a rule, or with these rights, or plain (R2).
    case account(portalOnly: Int?, grants: [Grant])
    /// No new account; a linked one loses what rules gave it and stays active.
    case nothing
    /// No new account; a linked one is treated as a leaver's.
    case leaver
  }

  /// The immutable id, or the DN of an entry that has none or several.
  package let person: String
  package let hasID: Bool
  /// The usable values of the first email source that has any, bytewise ascending; empty: none.
  package let emails: UsableValues
  /// Likewise of the first name source.
  package let names: UsableValues
  package let username: String?
  package let isActive: Bool
  package private(set) var outcome: Outcome
  /// Stands for the entry, its groups and the mapping, see *settled*.
  package let fingerprint: UInt64
  /// What few people have, out of the way: there is one entitlement for everybody. At most one element.
  private let rarities: [Rarity]

  private struct Rarity: Sendable {
    let match: String?
    let doubts: [Doubt]
    let nextChange: Int64?
  }

  /// What an unlinked account's username is compared with; nil mostly.
  package var match: String? { rarities.first?.match }
  /// Why the mapping itself cannot decide about this person; mostly empty.
  package var doubts: [Doubt] { rarities.first?.doubts ?? [] }
  /// When a condition on a moment answers differently for this person, in seconds since 1970; nil mostly.
  package var nextChange: Int64? { rarities.first?.nextChange }

  package init(
    person: String, hasID: Bool = true, emails: [String], names: [String] = [],
    username: String? = nil, match: String? = nil, isActive: Bool = true, outcome: Outcome,
    doubts: [Doubt] = [], fingerprint: UInt64 = 0, nextChange: Int64? = nil
  ) {
    rarities =
      match == nil && doubts.isEmpty && nextChange == nil
      ? [] : [Rarity(match: match, doubts: doubts, nextChange: nextChange)]
    self.person = person
    self.hasID = hasID
    self.emails = UsableValues(emails)
    self.names = UsableValues(names)
    self.username = username
    self.isActive = isActive
    self.outcome = outcome
    self.fingerprint = fingerprint
  }

  /// The same person with another outcome.
  package func with(_ outcome: Outcome) -> Entitlement {
    var copy = self
    copy.outcome = outcome
    return copy
  }

  /// Whether this person is to have an account that can be signed in to.
  package var wantsAccount: Bool {
    if case .account = outcome { return isActive }
    return false
  }
}

/// Values that nearly always are one; costs no array then.
package enum UsableValues: Sendable, Hashable, RandomAccessCollection {
  case none
  case one(String)
  case several([String])

  package init(_ values: [String]) {
    self = values.isEmpty ? .none : values.count == 1 ? .one(values[0]) : .several(values)
  }

  package var startIndex: Int { 0 }

  package var endIndex: Int {
    switch self {
    case .none: 0
    case .one: 1
    case .several(let values): values.count
    }
  }

  package subscript(index: Int) -> String {
    if case .one(let value) = self, index == 0 { return value }
    guard case .several(let values) = self else { return [String]()[index] }
    return values[index]
  }
}

/// Why somebody is held, and what resolves it.
package struct Doubt: Sendable, Hashable, Codable {
  package let reason: String
  /// What to do: a command, or what to change in the directory or the mapping.
  package let remedy: String

  /// Nobody can sign in with the email that the directory gives: there is none, or two share it (R15).
  package let isAboutEmail: Bool

  package init(_ reason: String, remedy: String, isAboutEmail: Bool = false) {
    self.reason = reason
    self.remedy = remedy
    self.isAboutEmail = isAboutEmail
  }
}
