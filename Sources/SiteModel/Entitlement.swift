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
  /// Whether rules decided; otherwise the mapping's `otherwise` did.
  package let isByRule: Bool
  package let isActive: Bool
  /// The number of the directory that shows the person, in the configuration's order.
  package let directory: UInt8
  /// The usable values of the first email source that has any, bytewise ascending; empty: none.
  package let emails: UsableValues
  /// Likewise of the first name source.
  package let names: UsableValues
  package let username: String?
  package private(set) var outcome: Outcome
  /// Stands for the entry, its groups and the mapping, see *settled*.
  package let fingerprint: UInt64
  /// What `account.match` names: joins entries of several directories, and is compared with an unlinked account's
  /// username; nil mostly.
  package let match: String?
  /// Why the mapping itself cannot decide about this person; mostly empty.
  package private(set) var doubts: [Doubt]
  /// What rules take away from what other rules give; mostly empty.
  package let denied: Set<Right>
  /// When a condition on a moment answers differently for this person, in seconds since 1970; nil mostly.
  package let nextChange: Int64?
  /// The person's entries in other directories; mostly empty.
  package let others: [JoinedEntry]

  /// Another entry of the same person, in another directory.
  package struct JoinedEntry: Sendable, Hashable {
    package let person: String
    package let directory: UInt8
    package let match: String?
    package let fingerprint: UInt64
    package let nextChange: Int64?

    package init(_ entitlement: Entitlement) {
      person = entitlement.person
      directory = entitlement.directory
      match = entitlement.match
      fingerprint = entitlement.fingerprint
      nextChange = entitlement.nextChange
    }
  }

  package init(
    person: String, hasID: Bool = true, directory: UInt8 = 0, emails: UsableValues,
    names: UsableValues = .none, username: String? = nil, match: String? = nil,
    isActive: Bool = true,
    outcome: Outcome, isByRule: Bool = true, doubts: [Doubt] = [], denied: Set<Right> = [],
    fingerprint: UInt64 = 0, nextChange: Int64? = nil, others: [JoinedEntry] = []
  ) {
    self.person = person
    self.hasID = hasID
    self.directory = directory
    self.emails = emails
    self.names = names
    self.username = username
    self.match = match
    self.isActive = isActive
    self.outcome = outcome
    self.isByRule = isByRule
    self.doubts = doubts
    self.denied = denied
    self.fingerprint = fingerprint
    self.nextChange = nextChange
    self.others = others
  }

  /// The same person with another outcome.
  package func with(_ outcome: Outcome) -> Entitlement {
    var changed = self
    changed.outcome = outcome
    return changed
  }

  /// The same person, who cannot be decided about.
  package func with(_ doubt: Doubt) -> Entitlement {
    var changed = self
    changed.doubts.append(doubt)
    return changed
  }

  /// Of all entries of the person.
  package var ids: [String] { [person] + others.map(\.person) }
}

/// What happens to somebody whom one rule restricts to the portal while another gives something.
package enum ConflictPolicy: String, Sendable, CaseIterable {
  case hold, licensed
  case portalOnly = "portal-only"

  /// - Parameters:
  ///   - portalOnly: the number of the rule that restricts the person; nil: none does.
  ///   - rules: the rules by number.
  package func resolve(
    _ portalOnly: Int?, _ grants: [Grant], _ rules: [RuleReference]
  ) -> (outcome: Entitlement.Outcome, doubts: [Doubt]) {
    guard let rule = portalOnly, let first = grants.first else {
      return (.account(portalOnly: portalOnly, grants: grants), [])
    }
    switch self {
    case .licensed: return (.account(portalOnly: nil, grants: grants), [])
    case .portalOnly: return (.account(portalOnly: rule, grants: []), [])
    case .hold:
      let marker = rules[rule], giver = rules[first.rule]
      let doubt = Doubt(
        "the rule `\(marker.name)` (\(marker.file):\(marker.line)) makes this person portal-only, and `\(giver.name)` (\(giver.file):\(giver.line)) gives \(first.right.kind.rawValue) \(first.right.name)",
        remedy: "change one of the two rules, or set `conflicts:` to licensed or portal-only")
      return (.account(portalOnly: rule, grants: grants), [doubt])
    }
  }
}

/// Values that nearly always are one; costs no array then.
package enum UsableValues: Sendable, Hashable, RandomAccessCollection, ExpressibleByArrayLiteral {
  case none
  case one(String)
  case several([String])

  package init(_ values: [String]) {
    self = values.isEmpty ? .none : values.count == 1 ? .one(values[0]) : .several(values)
  }

  package init(arrayLiteral values: String...) { self.init(values) }

  package mutating func append(_ value: String) {
    switch self {
    case .none: self = .one(value)
    case .one(let first): self = .several([first, value])
    case .several(var values):
      // Held here alone, the values are not copied for each that comes.
      self = .none
      values.append(value)
      self = .several(values)
    }
  }

  /// Here for its speed: what a collection has by itself allocates for each value.
  @inlinable package func makeIterator() -> Iterator { Iterator(values: self) }

  package struct Iterator: IteratorProtocol {
    @usableFromInline let values: UsableValues
    @usableFromInline var place = 0

    @inlinable init(values: UsableValues) { self.values = values }

    @inlinable package mutating func next() -> String? {
      defer { place += 1 }
      switch values {
      case .none: return nil
      case .one(let value): return place == 0 ? value : nil
      case .several(let values): return place < values.count ? values[place] : nil
      }
    }
  }

  package var first: String? {
    switch self {
    case .none: nil
    case .one(let value): value
    case .several(let values): values.first
    }
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
  /// The commands of the remedy, one after the other, where they need no thought; nil also for holds of older stores.
  package let orders: [RemedyOrder]?

  package init(
    _ reason: String, remedy: String, isAboutEmail: Bool = false, orders: [RemedyOrder]? = nil
  ) {
    self.reason = reason
    self.remedy = remedy
    self.isAboutEmail = isAboutEmail
    self.orders = orders
  }
}

/// A command that resolves a hold.
package struct RemedyOrder: Sendable, Hashable, Codable {
  /// The command's name, for example "unmark".
  package let command: String
  /// An email of the account.
  package let who: String
  /// The right that "revoke" takes, as `license=…` or `group=…`.
  package let right: String?
  /// The directory id that "link" says.
  package let person: String?

  package init(_ command: String, _ who: String, right: Right? = nil, person: String? = nil) {
    self.command = command
    self.who = who
    self.right = right.map { "\($0.kind.rawValue)=\($0.name)" }
    self.person = person
  }

  /// As it is typed after "usher".
  package var text: String {
    var words = [command, who]
    if let right { words.append("--" + right.replacing("=", with: " ", maxReplacements: 1)) }
    if let person { words.append(person) }
    return "usher " + words.joined(separator: " ")
  }
}
