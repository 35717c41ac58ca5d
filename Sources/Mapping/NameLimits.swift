import SiteModel

/// How long the names of a site may be: whatever is longer is a mistake in the directory, or meant to use up memory.
enum NameLimits {
  static let characters = 255
  /// So many names one template may make for one person.
  static let namesOfTemplate = 1000

  /// Unicode scalars count: one visible character may have any number of marks above it.
  static func isTooLong(_ name: String) -> Bool {
    name.utf8.count > characters && name.unicodeScalars.count > characters
  }

  /// A name that is too long with its end cut off, so that it still is too long.
  static func cut(_ name: String) -> String {
    isTooLong(name)
      ? String(String.UnicodeScalarView(name.unicodeScalars.prefix(characters + 1))) : name
  }

  /// Leaves out what is too long.
  /// - Parameter doubts: gets one where there is any.
  static func keep(
    _ values: UsableValues, as field: String, _ doubts: inout [Doubt]
  ) -> UsableValues {
    if values.count <= namesOfTemplate, !values.contains(where: isTooLong) { return values }
    if let long = values.first(where: isTooLong) {
      doubts.append(.tooLong(field, characters: long.unicodeScalars.count))
    } else {
      doubts.append(.tooMany(field, values.count))
    }
    return UsableValues(values.prefix(namesOfTemplate).filter { !isTooLong($0) })
  }
}

extension Doubt {
  static func tooLong(_ field: String, characters: Int) -> Doubt {
    Doubt(
      "the \(field) has \(characters) characters; usher takes \(NameLimits.characters) at most",
      remedy: "shorten the value in the directory, or choose another source in the mapping")
  }

  static func tooMany(_ field: String, _ count: Int) -> Doubt {
    Doubt(
      "the entry gives \(count) values for the \(field); usher takes \(NameLimits.namesOfTemplate) at most",
      remedy: "mend the entry, or choose another source in the mapping")
  }

  static func excessiveGroups(_ rule: RuleReference) -> Doubt {
    Doubt(
      "the rule `\(rule.name)` (\(rule.file):\(rule.line)) makes a group name of more than \(NameLimits.characters) characters, or more than \(NameLimits.namesOfTemplate) names of one template",
      remedy: "mend the values in the directory, or choose another attribute for the template")
  }
}
