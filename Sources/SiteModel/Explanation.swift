/// Why one person has, or lacks, what they have.
package struct Explanation: Sendable {
  /// What the directories, as last read, have of the person; several entries where several directories do.
  package let entries: [Entry]
  package let account: Account?
  /// What the next sync would do, from the mirror.
  package let plan: Plan
  /// Exceptions for the account.
  package let pins: [Pin]

  /// One entry of a directory, and what its mapping says.
  package struct Entry: Sendable {
    /// The directory's name.
    package let directory: String
    /// The immutable id, or the DN of an entry that has none.
    package let person: String
    package let dn: String
    /// Why the entry is not a person of the mapping; nil when it is.
    package let exclusion: String?
    /// What the mapping reads of the entry, in its order.
    package let attributes: [Attribute]
    package let groups: [GroupPath]
    package let rules: [RuleTrace]
    package let entitlement: Entitlement

    package init(
      directory: String, person: String, dn: String, exclusion: String?, attributes: [Attribute],
      groups: [GroupPath], rules: [RuleTrace], entitlement: Entitlement
    ) {
      self.directory = directory
      self.person = person
      self.dn = dn
      self.exclusion = exclusion
      self.attributes = attributes
      self.groups = groups
      self.rules = rules
      self.entitlement = entitlement
    }
  }

  package struct Attribute: Sendable {
    package let name: String
    package let values: [String]
    package init(name: String, values: [String]) {
      self.name = name
      self.values = values
    }
  }

  /// A directory group with the groups that lead to it; empty for a direct member.
  package struct GroupPath: Sendable {
    package let name: String
    package let via: [String]
    package init(name: String, via: [String]) {
      self.name = name
      self.via = via
    }
  }

  package struct RuleTrace: Sendable {
    package let rule: RuleReference
    package let matches: Bool
    /// Each condition with its answer, for example "member-of engineering: no".
    package let conditions: [String]
    /// What the rule gives or denies, where it matches.
    package let effects: [String]
    package init(rule: RuleReference, matches: Bool, conditions: [String], effects: [String]) {
      self.rule = rule
      self.matches = matches
      self.conditions = conditions
      self.effects = effects
    }
  }

  package init(entries: [Entry], account: Account?, plan: Plan, pins: [Pin]) {
    self.entries = entries
    self.account = account
    self.plan = plan
    self.pins = pins
  }
}
