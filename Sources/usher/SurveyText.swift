import Mapping
import SyncEngine
import Views

/// What a mapping selects of a directory, for people.
enum SurveyText {
  static func write(
    _ survey: Survey, mapping: CompiledMapping, directory: String, _ line: (String) -> Void
  ) {
    line(
      "The directory \(directory) holds \(survey.people.of("person", "people")) and \(survey.groups.of("group", "groups")) for this mapping."
    )
    for (rule, matches) in zip(mapping.rules, survey.matches) {
      let place = "\(rule.reference.file):\(rule.reference.line)"
      line("  rule \(rule.reference.name.shown): \(matches.of("person", "people")) (\(place))")
    }
  }
}
