import Diagnostics
import Ports

extension Planner {
  /// What a directory holds for the mapping, counted without a trace.
  package struct Survey: Sendable {
    package let people: Int
    package let groups: Int
    package let referrals: Int
  }

  /// Reads the directory as a plan would, and changes nothing, not even the mirror.
  package func survey(_ source: any DirectorySource, into findings: inout Findings) throws -> Survey
  {
    var opened = source
    let reader = DirectoryReader(
      mapping: mapping, mappingFingerprint: 0, hash: hash, progress: progress)
    let reading = try reader.read(
      &opened, index: PersonIndex(), groupFingerprints: [:], writer: nil,
      into: &findings)
    return Survey(
      people: reading.peopleRead, groups: reading.groupsRead, referrals: reading.referrals)
  }
}
