import SiteModel

extension Doubt {
  /// A template of a rule makes a name with a character that nobody sees: it would be another group than the one it looks like.
  static func unusableName(_ right: Right, of rule: RuleReference) -> Doubt {
    Doubt(
      "the rule `\(rule.name)` (\(rule.file):\(rule.line)) gives the group \(right.name), whose name holds the character \(right.hiddenCharacter?.codePoint ?? ""), which nobody sees",
      remedy: "type the value anew in the directory, or change the rule")
  }
}
