import Diagnostics
import Mapping
import Settings
import Synchronization

/// The mappings of a service, each compiled once for each text of its files.
final class CompiledMappings: Sendable {
  private struct Known {
    let catalogue: Set<String>
    /// What each file held that the mapping was read from; nil: there was none of this name.
    let texts: [String: String?]
    let mapping: CompiledMapping?
    let findings: Findings

    /// Whether its files are as they were.
    func isCurrent(_ catalogue: Set<String>) -> Bool {
      self.catalogue == catalogue && texts.allSatisfy { Session.load($0.key) == $0.value }
    }
  }

  private struct State {
    var known: [String: Known] = [:]
    var lastGood: [String: CompiledMapping] = [:]
  }

  private let state = Mutex(State())

  /// - Parameter catalogue: the licenses that rules may grant.
  /// - Returns: nil where the mapping has faults, and what was found in either case.
  func mapping(
    at path: String, catalogue: Set<String>
  ) -> (mapping: CompiledMapping?, findings: Findings) {
    let known = state.withLock { state in
      if let known = state.known[path], known.isCurrent(catalogue) { return known }
      let made = Self.compile(path, catalogue)
      state.known[path] = made
      if let mapping = made.mapping { state.lastGood[path] = mapping }
      return made
    }
    return (known.mapping, known.findings)
  }

  /// The mapping, or while it has faults the last one that had none.
  /// - Throws: `Failure` where there was never one.
  func usable(at path: String, catalogue: Set<String>) throws -> CompiledMapping {
    let (mapping, findings) = mapping(at: path, catalogue: catalogue)
    if let mapping = mapping ?? state.withLock({ $0.lastGood[path] }) { return mapping }
    throw Failure(.badConfiguration, "the mapping has faults", findings: findings)
  }

  private static func compile(_ path: String, _ catalogue: Set<String>) -> Known {
    var texts: [String: String?] = [:]
    var findings = Findings()
    let mapping = MappingReader.read(
      path, catalogue: catalogue,
      load: {
        let text = Session.load($0)
        texts.updateValue(text, forKey: $0)
        return text
      }, into: &findings)
    return Known(catalogue: catalogue, texts: texts, mapping: mapping, findings: findings)
  }
}
