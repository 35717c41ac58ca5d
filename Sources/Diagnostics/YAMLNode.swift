/// One node of a YAML document with the place where it stands.
package struct YAMLNode: Sendable {
  package enum Value: Sendable {
    /// Text as written; `plain` when it stands without quotes.
    case scalar(String, plain: Bool)
    /// `flow` when written in brackets.
    case list([YAMLNode], flow: Bool)
    case map([Pair], flow: Bool)
  }

  package struct Pair: Sendable {
    package let key: YAMLNode
    package let value: YAMLNode

    package init(key: YAMLNode, value: YAMLNode) {
      self.key = key
      self.value = value
    }
  }

  package let value: Value
  package let position: SourcePosition

  package init(_ value: Value, at position: SourcePosition) {
    self.value = value
    self.position = position
  }

  /// The text of a scalar; nil for lists, maps and an absent value.
  package var text: String? {
    guard case .scalar(let text, let plain) = value else { return nil }
    return plain && (text.isEmpty || text == "~" || text == "null") ? nil : text
  }

  /// True for a key that has no value (`key:`) or an explicit null.
  package var isEmpty: Bool {
    guard case .scalar(_, plain: true) = value else { return false }
    return text == nil
  }

  package subscript(key: String) -> YAMLNode? {
    guard case .map(let pairs, _) = value else { return nil }
    return pairs.first { $0.key.text == key }?.value
  }
}
