import Diagnostics

/// A mapping file with the files that it extends merged in: keys merge, lists and scalars replace.
package struct MappingFile {
  package let root: YAMLNode
  /// All files, the extended ones first.
  package let sources: [SourceFile]

  /// Reads a mapping and what it extends.
  /// - Parameters:
  ///   - path: the file; positions in diagnostics name it as given.
  ///   - load: the text of a file, nil when there is none.
  /// - Returns: nil when a file is missing or not YAML; `findings` then says so.
  package static func read(
    _ path: String, load: (String) -> String?, into findings: inout Findings
  ) -> MappingFile? {
    guard let text = load(path) else {
      findings.error(
        "the mapping file cannot be read", at: SourcePosition(file: path, line: 1, column: 1))
      return nil
    }
    return read(text, path: path, load: load, chain: [path], into: &findings)
  }

  private static func read(
    _ text: String, path: String, load: (String) -> String?, chain: [String],
    into findings: inout Findings
  ) -> MappingFile? {
    guard let root = YAMLDocument.read(text, file: path, into: &findings) else { return nil }
    let source = SourceFile(path: path, text: text)
    guard let extends = root["extends"] else { return MappingFile(root: root, sources: [source]) }
    guard let name = extends.string("`extends`", into: &findings) else { return nil }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    let beside = folder + (name.hasSuffix(".yaml") ? name : "\(name).yaml")
    let base: (path: String, text: String)
    if !chain.contains(beside), let text = load(beside) {
      base = (beside, text)
    } else if let text = load("preset \(name)") ?? Presets.text(of: name) {
      base = ("preset \(name)", text)
    } else {
      let isLoop = chain.contains(beside)
      findings.error(
        isLoop
          ? "`extends` goes round in a circle: \(beside)"
          : "there is no \(beside) and no preset `\(name)`",
        at: extends.position,
        hint: nearest(name, among: Presets.names).map { "did you mean `\($0)`?" }
          ?? "presets: \(Presets.names.joined(separator: ", "))")
      return nil
    }
    guard
      let below = read(
        base.text, path: base.path, load: load, chain: chain + [base.path], into: &findings)
    else { return nil }
    return MappingFile(root: merge(root, over: below.root), sources: below.sources + [source])
  }

  static func merge(_ upper: YAMLNode, over lower: YAMLNode) -> YAMLNode {
    guard case .map(let upperPairs, let flow) = upper.value,
      case .map(let lowerPairs, _) = lower.value
    else { return upper }
    var pairs = lowerPairs
    let places = Dictionary(
      lowerPairs.enumerated().map { ($1.key.text, $0) }, uniquingKeysWith: { first, _ in first })
    for pair in upperPairs {
      if let index = places[pair.key.text] {
        pairs[index] = YAMLNode.Pair(
          key: pair.key, value: merge(pair.value, over: pairs[index].value))
      } else {
        pairs.append(pair)
      }
    }
    return YAMLNode(.map(pairs, flow: flow), at: upper.position)
  }
}
