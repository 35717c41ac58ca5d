/// Why one person has, or lacks, what they have.
package struct Explanation: Sendable {
  /// The directory id; nil when the directory, as last read, has nobody who fits.
  package let person: String?
  package let dn: String?
  package let account: Account?
  /// Why the entry is not a person of the mapping; nil when it is.
  package let exclusion: String?
  /// What the mapping reads of the entry, in its order.
  package let attributes: [Attribute]
  package let groups: [GroupPath]
  package let rules: [RuleTrace]
  package let entitlement: Entitlement?
  /// What the next sync would do, from the mirror.
  package let plan: Plan
  /// Exceptions for the account.
  package let pins: [Pin]

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

  package init(
    person: String?, dn: String?, account: Account?, exclusion: String?, attributes: [Attribute],
    groups: [GroupPath], rules: [RuleTrace], entitlement: Entitlement?, plan: Plan,
    pins: [Pin]
  ) {
    self.pins = pins
    self.person = person
    self.dn = dn
    self.account = account
    self.exclusion = exclusion
    self.attributes = attributes
    self.groups = groups
    self.rules = rules
    self.entitlement = entitlement
    self.plan = plan
  }
}
