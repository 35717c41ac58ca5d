import SiteModel

extension Doubt {
  private static let remedy =
    "shorten the value in the directory, or make the pattern of the mapping simpler"

  /// A pattern of an account's field could not be matched with a value.
  static func undecided(_ found: UndecidedPattern) -> Doubt {
    Doubt(
      "the pattern `\(found.pattern)` under `account` cannot be matched with a value of \(found.attribute): it takes too much work",
      remedy: remedy)
  }

  /// The pattern of a rule could not be matched with a value of a directory group.
  static func undecided(_ found: UndecidedPattern, of rule: RuleReference, group: String) -> Doubt {
    Doubt(
      "the pattern `\(found.pattern)` of the rule `\(rule.name)` (\(rule.file):\(rule.line)) cannot be matched with \(found.attribute) of the directory group \(group): it takes too much work",
      remedy: remedy)
  }
}
