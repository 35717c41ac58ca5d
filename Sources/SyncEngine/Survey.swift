import Diagnostics
import DirectoryModel
import Mapping
import Ports

/// What a directory holds for a mapping, counted without a trace.
package struct Survey: Sendable {
  package let people: Int
  package let groups: Int
  package let referrals: Int
  /// How many people each rule matches, by its number.
  package let matches: [Int]

  /// Reads a directory as a plan would; no store is needed, and none is touched.
  package static func of(
    _ source: any DirectorySource, mapping: CompiledMapping, now: Int64,
    progress: @escaping (String) -> Void,
    into findings: inout Findings
  ) throws -> Survey {
    var opened = source
    let reader = DirectoryReader(
      mapping: mapping, mappingFingerprint: 0, hash: ByteHash(seed: 0), now: now,
      remembered: [:], protectedGroups: [], progress: progress)
    var evaluator = try reader.evaluator(&opened, into: &findings)
    var coverage = RuleCoverage(rules: mapping.rules.count)
    let referrals = try coverage.count(&opened, mapping, &evaluator)
    return Survey(
      people: coverage.people, groups: evaluator.groups.count, referrals: referrals,
      matches: coverage.matches)
  }
}
