import DirectoryModel

/// Text with attributes in it: `{givenName} {sn}`, `{person.l}`, `{1|lower}`.
package struct Template: Sendable, Hashable {
  package enum Piece: Sendable, Hashable {
    case literal(String)
    /// `scope` is nil or `person`; a number is what a pattern caught.
    case field(scope: String?, name: String, lowercased: Bool)
  }

  package let pieces: [Piece]
  package let text: String

  package struct Fault: Error { let message: String }

  package init(parsing text: String) throws(Fault) {
    self.text = text
    var pieces: [Piece] = []
    var literal = ""
    var rest = text[...]
    while let character = rest.popFirst() {
      switch character {
      case "{":
        guard let end = rest.firstIndex(of: "}") else { throw Fault(message: "`}` is missing") }
        if !literal.isEmpty { pieces.append(.literal(literal)) }
        literal = ""
        pieces.append(try Self.field(rest[..<end]))
        rest = rest[rest.index(after: end)...]
      case "}": throw Fault(message: "a `}` without its `{`")
      default: literal.append(character)
      }
    }
    if !literal.isEmpty { pieces.append(.literal(literal)) }
    self.pieces = pieces
  }

  private static func field(_ text: Substring) throws(Fault) -> Piece {
    let parts = text.split(separator: "|", omittingEmptySubsequences: false)
    guard parts.count == 1 || (parts.count == 2 && parts[1] == "lower") else {
      throw Fault(message: "after `|` only `lower` is known: {\(text)}")
    }
    let path = parts[0].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let name = path.last, isAttribute(String(name)), path.count == 1 || path[0] == "person"
    else { throw Fault(message: "`{\(text)}` does not name an attribute") }
    return .field(
      scope: path.count == 2 ? "person" : nil, name: String(name), lowercased: parts.count == 2)
  }

  package var isLiteral: Bool {
    pieces.allSatisfy { if case .literal = $0 { true } else { false } }
  }

  /// The attribute names of one scope.
  package func attributes(scope wanted: String?) -> [String] {
    pieces.compactMap {
      if case .field(let scope, let name, _) = $0, scope == wanted, Int(name) == nil {
        name
      } else {
        nil
      }
    }
  }

  /// The highest number of a pattern's catch that is used; 0 for none.
  package var highestCatch: Int {
    pieces.map { if case .field(nil, let name, _) = $0 { Int(name) ?? 0 } else { 0 } }.max() ?? 0
  }

  /// One text for every combination of values; none when a field has no value. Of many combinations one more than
  /// `NameLimits.namesOfTemplate` is made.
  /// - Parameter values: the values of a field.
  package func rendered(_ values: (_ scope: String?, _ name: String) -> [String]) -> [String] {
    var texts = [""]
    for piece in pieces {
      switch piece {
      case .literal(let text): texts = texts.map { $0 + text }
      case .field(let scope, let name, let lowercased):
        let found = values(scope, name).map { lowercased ? $0.lowercased() : $0 }
        let most = NameLimits.namesOfTemplate + 1
        texts = Array(texts.lazy.flatMap { text in found.lazy.map { text + $0 } }.prefix(most))
      }
    }
    return texts
  }
}

/// Whether a word can be an attribute description (RFC 4512 §2.5).
func isAttribute(_ word: String) -> Bool {
  guard let first = word.first, first.isASCII, first.isLetter || first.isNumber else {
    return false
  }
  return word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-;._".contains($0)) }
}
