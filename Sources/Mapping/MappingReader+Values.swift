import Diagnostics
import DirectoryModel

/// Readers of the small languages inside a mapping: filters, patterns, templates, attribute names.
extension MappingReader {
  mutating func attribute(_ node: YAMLNode, _ what: String) -> String? {
    guard let text = node.string(what, into: &findings) else { return nil }
    if isAttribute(text) { return text }
    findings.error("\(what): `\(text)` is not an attribute name", at: node.position)
    return nil
  }

  mutating func pattern(_ node: YAMLNode, _ what: String) -> Pattern? {
    guard let text = node.string(what, into: &findings) else { return nil }
    do { return try Pattern(text) } catch {
      findings.error(
        "\(what) is not a regular expression that can be matched: \(error.message)",
        at: node.position, hint: error.hint)
      return nil
    }
  }

  /// - Parameter scopes: where fields may come from; nil stands for the plain `{attribute}`.
  mutating func template(_ node: YAMLNode, _ text: String, scopes: Set<String?>) -> Template? {
    do {
      let template = try Template(parsing: text)
      for case .field(let scope, let name, _) in template.pieces where !scopes.contains(scope) {
        findings.error(
          scope == nil
            ? "`{\(name)}` needs `each-group:` in this rule"
            : "`{person.\(name)}` needs `each-group:`; here write {\(name)}", at: node.position)
        return nil
      }
      return template
    } catch {
      findings.error(
        error.message, at: node.position, hint: "a template looks like \"{givenName} {sn}\"")
      return nil
    }
  }

  /// A filter that can be evaluated here.
  mutating func filter(_ node: YAMLNode, _ what: String) -> Located<Filter>? {
    guard let text = node.string(what, into: &findings) else { return nil }
    do {
      let filter = try resolved(Filter(parsing: text))
      _ = try CompiledFilter(filter, slots: AttributeSlots(filter.attributes), membership: true)
      return Located(value: filter, position: node.position)
    } catch {
      findings.error(
        "\(what): \(error.message)", at: position(of: error.offset, in: node, text),
        hint: error.hint ?? cutHint(node, text))
      return nil
    }
  }

  /// The place of a character of a one-line scalar.
  private func position(of offset: Int, in node: YAMLNode, _ text: String) -> SourcePosition {
    guard case .scalar(_, let isPlain) = node.value,
      let line = findings.line(at: node.position), line.contains(text)
    else { return node.position }
    return node.position.advanced(by: offset + (isPlain ? 0 : 1))
  }

  /// YAML ends a plain value at ` #`.
  private func cutHint(_ node: YAMLNode, _ text: String) -> String? {
    guard case .scalar(_, plain: true) = node.value,
      let line = findings.line(at: node.position),
      let range = line.range(of: text), line[range.upperBound...].contains(" #")
    else { return nil }
    return "YAML takes ` #` as the beginning of a comment: put the filter in quotes"
  }
}
