import Yams

/// Reads YAML text into nodes with positions. Faults of the YAML itself become diagnostics, and so does a text beyond the limits:
/// 4 MB, 100,000 values, 64 levels.
package enum YAMLDocument {
  /// - Returns: the root node, or nil when the text is not YAML; then `findings` says why.
  package static func read(_ text: String, file: String, into findings: inout Findings) -> YAMLNode?
  {
    let start = SourcePosition(file: file, line: 1, column: 1)
    if let excess = YAMLLimits.excess(of: text) {
      findings.error(
        excess.message,
        at: SourcePosition(file: file, line: excess.line, column: excess.column),
        hint: "use fewer aliases, or put what is long into files of `lists:`")
      return nil
    }
    findings.register(file: file, text: text)
    do {
      guard let root = try Yams.compose(yaml: text, .basic) else {
        findings.error("the file is empty", at: start)
        return nil
      }
      var lines = Lines(text)
      return node(root, file: file, lines: &lines)
    } catch let error as YamlError {
      report(error, file: file, into: &findings)
    } catch {
      findings.error("not YAML: \(error)", at: start)
    }
    return nil
  }

  /// The lines of a text, with any character of them at once: a file may be one long line.
  private struct Lines {
    private let lines: [Substring]
    private var scalars: [Int: [Unicode.Scalar]] = [:]

    init(_ text: String) {
      lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    mutating func scalar(at position: SourcePosition) -> Unicode.Scalar? {
      let line = position.line - 1, column = position.column - 1
      guard lines.indices.contains(line) else { return nil }
      let known = scalars[line] ?? Array(lines[line].unicodeScalars)
      scalars[line] = known
      return known.indices.contains(column) ? known[column] : nil
    }
  }

  private static func node(_ node: Node, file: String, lines: inout Lines) -> YAMLNode {
    let position = SourcePosition(
      file: file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    switch node {
    case .scalar(let scalar):
      return YAMLNode(.scalar(scalar.string, plain: scalar.style == .plain), at: position)
    case .sequence(let list):
      let items = list.map { self.node($0, file: file, lines: &lines) }
      // Yams does not tell flow style from block style; the opening bracket does.
      return YAMLNode(.list(items, flow: lines.scalar(at: position) == "["), at: position)
    case .mapping(let map):
      let pairs = map.map {
        YAMLNode.Pair(
          key: self.node($0.key, file: file, lines: &lines),
          value: self.node($0.value, file: file, lines: &lines))
      }
      return YAMLNode(.map(pairs, flow: lines.scalar(at: position) == "{"), at: position)
    case .alias(let alias):
      return YAMLNode(.scalar("*\(alias.anchor.rawValue)", plain: true), at: position)
    }
  }

  private static func report(_ error: YamlError, file: String, into findings: inout Findings) {
    func position(_ mark: Mark) -> SourcePosition {
      SourcePosition(file: file, line: max(mark.line, 1), column: max(mark.column, 1))
    }
    let quoting =
      "quote the value if it begins with { [ ! & * % @ ` or holds ': ' or ' #', for example \"{cn}\""
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      findings.error("not YAML: \(problem)", at: position(mark), hint: quoting)
    case .duplicatedKeysInMapping(let duplicates, let context):
      let names = duplicates.sorted().joined(separator: ", ")
      findings.error(
        "a key stands twice in one map: \(names)", at: position(context.mark),
        hint: "keep one of them")
    case .reader(let problem, let offset, _, let yaml):
      let before = yaml.utf8.prefix(offset ?? 0)
      let line = before.count(where: { $0 == UInt8(ascii: "\n") }) + 1
      findings.error(
        "not YAML: \(problem)", at: SourcePosition(file: file, line: line, column: 1))
    default:
      findings.error("not YAML: \(error)", at: SourcePosition(file: file, line: 1, column: 1))
    }
  }
}
