import Diagnostics
import DirectoryModel
import Mapping
import Ports

/// How often each rule matches and decides something among the people as last read.
package struct RuleCoverage: Sendable {
  /// By the rule's number.
  package private(set) var matches: [Int]
  /// How many people have something by the rule that no rule before it gives them, or lose something by it.
  package private(set) var decides: [Int]
  package private(set) var people = 0

  init(rules: Int) {
    matches = [Int](repeating: 0, count: rules)
    decides = matches
  }

  private mutating func add(_ matched: [Int], _ decisive: Set<Int>) {
    people += 1
    for rule in matched { matches[rule] += 1 }
    for rule in decisive { decides[rule] += 1 }
  }

  /// Asks every rule about every person of a source.
  /// - Returns: how many references to other servers there were.
  mutating func count(
    _ source: inout any DirectorySource, _ mapping: CompiledMapping,
    _ evaluator: inout PersonEvaluator
  ) throws -> Int {
    var referrals = 0
    for (search, asked) in mapping.personSearches.enumerated() {
      referrals += try source.read(asked) { batch in
        for entry in 0..<batch.count {
          let groups = evaluator.groups(of: entry, in: batch)
          guard evaluator.selects(entry, of: batch, groups: groups, search: search) else {
            continue
          }
          let (matched, decisive) = evaluator.decisions(entry, of: batch, groups: groups)
          add(matched, decisive)
        }
      }.referrals
    }
    return referrals
  }
}

extension Planner {
  /// - Throws: `ReadFailure` when the mirror lacks what the mapping asks.
  package func coverage(now: Int64, into findings: inout Findings) throws -> RuleCoverage {
    var source: any DirectorySource = try MirrorSource(
      mirror: store, directory: directory, mapping: mapping)
    return try whileMirrorStays {
      var evaluator = try mirrorReader(now).evaluator(&source, into: &findings)
      var coverage = RuleCoverage(rules: mapping.rules.count)
      _ = try coverage.count(&source, mapping, &evaluator)
      return coverage
    }
  }
}
