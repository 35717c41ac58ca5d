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
  package func survey(_ origin: Origin, into findings: inout Findings) throws -> Survey {
    let source: any DirectorySource
    let everything: Bool
    switch origin {
    case .server(let server): (source, everything) = (server, false)
    case .file(let file): (source, everything) = (file, true)
    case .mirror: return Survey(people: 0, groups: 0, referrals: 0)
    }
    var opened = source
    let reader = DirectoryReader(
      mapping: mapping, mappingFingerprint: 0, hash: hash, everything: everything,
      progress: progress)
    let reading = try reader.read(
      &opened, index: PersonIndex(people: [], mirror: [:]), groupFingerprints: [:], writer: nil,
      into: &findings)
    return Survey(
      people: reading.peopleRead, groups: reading.groupsRead, referrals: reading.referrals)
  }
}
