import Diagnostics
import DirectoryModel
import Mapping
import Ports

/// What a directory holds for a mapping, counted without a trace.
package struct Survey: Sendable {
  package let people: Int
  package let groups: Int
  package let referrals: Int

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
    let reading = try reader.read(
      &opened, index: PersonIndex(), groupFingerprints: [:], writer: nil, into: &findings)
    return Survey(
      people: reading.peopleRead, groups: reading.groupsRead, referrals: reading.referrals)
  }
}
