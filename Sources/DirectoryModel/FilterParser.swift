/// Why a text is not a filter, and where.
package struct FilterFault: Error, Hashable {
  package let message: String
  /// The place in the text, in Unicode scalars from 0.
  package let offset: Int
  package let hint: String?

  package init(message: String, offset: Int, hint: String?) {
    self.message = message
    self.offset = offset
    self.hint = hint
  }
}

extension Filter {
  /// Reads a filter as RFC 4515 writes it. White space between the parts is allowed.
  package init(parsing text: String) throws(FilterFault) {
    var parser = FilterParser(text)
    self = try parser.wholeText()
  }
}

/// Goes by Unicode scalars: a mark that combines with a bracket is one character with it, and yet the bracket ends the part.
private struct FilterParser {
  private let text: [Unicode.Scalar]
  private var offset = 0
  private var depth = 0

  init(_ text: String) { self.text = Array(text.unicodeScalars) }

  mutating func wholeText() throws(FilterFault) -> Filter {
    skipSpaces()
    guard peek == "(" else {
      throw fault(
        "a filter begins with `(`",
        hint: text.contains("=")
          ? "write (\(string(text[...])))" : "for example (employeeType=staff)")
    }
    let filter = try part()
    skipSpaces()
    if offset < text.count {
      throw fault(
        "text after the end of the filter",
        hint: peek == "("
          ? "join several parts with & or |: (&(a=1)(b=2))" : "is there a `)` too many?")
    }
    return filter
  }

  private mutating func part() throws(FilterFault) -> Filter {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 100 else { throw fault("the filter is nested more than 100 deep") }
    try take("(")
    skipSpaces()
    let filter: Filter
    switch peek {
    case "&":
      offset += 1
      filter = .and(try list())
    case "|":
      offset += 1
      filter = .or(try list())
    case "!":
      offset += 1
      skipSpaces()
      guard peek == "(" else {
        throw fault("`!` is followed by one filter in brackets", hint: "write (!(attribute=value))")
      }
      filter = .not(try part())
      skipSpaces()
    default: filter = try item()
    }
    try take(")")
    return filter
  }

  private mutating func list() throws(FilterFault) -> [Filter] {
    var parts: [Filter] = []
    skipSpaces()
    while peek == "(" {
      parts.append(try part())
      skipSpaces()
    }
    return parts
  }

  private mutating func item() throws(FilterFault) -> Filter {
    let start = offset
    while let character = peek, !"=<>~:()".unicodeScalars.contains(character) { offset += 1 }
    let name = trimmed(start..<offset)
    guard isDescription(name) else {
      throw fault(
        name.isEmpty ? "an attribute name is missing" : "`\(name)` is not an attribute name",
        at: start, hint: peek == ":" && name.isEmpty ? Self.attributeNeeded : nil)
    }
    switch peek {
    case "=":
      offset += 1
      return try assertion(name)
    case ">":
      try take(">=")
      return .greaterOrEqual(name, try value())
    case "<":
      try take("<=")
      return .lessOrEqual(name, try value())
    case "~":
      try take("~=")
      return .approximate(name, try value())
    case ":": return try extensible(name)
    default: throw fault("`=`, `>=`, `<=`, `~=` or `:=` is missing after `\(name)`")
    }
  }

  private static let attributeNeeded = "name the attribute: (attribute:rule:=value)"

  private mutating func extensible(_ name: String) throws(FilterFault) -> Filter {
    var rule: String?
    while true {
      let colon = offset
      try take(":")
      if peek == "=" {
        offset += 1
        return .extensible(name, rule: rule, try value())
      }
      let start = offset
      while let character = peek, !":=()".unicodeScalars.contains(character) { offset += 1 }
      let word = trimmed(start..<offset)
      if word.lowercased() == "dn" {
        throw fault(
          "`:dn` matches against parts of the entry's name, which usher does not do", at: colon,
          hint: "use `under:` or `exclude-under:` for a place in the tree")
      }
      guard rule == nil, isDescription(word) else {
        throw fault("a matching rule is expected here", at: start)
      }
      rule = word
    }
  }

  /// What follows `=`: presence, substrings or equality.
  private mutating func assertion(_ name: String) throws(FilterFault) -> Filter {
    var pieces: [[UInt8]] = []
    pieces.append(try value(stopAtStar: true))
    while peek == "*" {
      offset += 1
      pieces.append(try value(stopAtStar: true))
    }
    if pieces.count == 1 { return .equal(name, pieces[0]) }
    if pieces.allSatisfy(\.isEmpty) { return .present(name) }
    return .substring(
      name, initial: pieces[0], any: pieces[1..<(pieces.count - 1)].filter { !$0.isEmpty },
      final: pieces[pieces.count - 1])
  }

  private mutating func value(stopAtStar: Bool = false) throws(FilterFault) -> [UInt8] {
    var bytes: [UInt8] = []
    while let character = peek {
      switch character {
      case ")": return bytes
      case "*" where stopAtStar: return bytes
      case "(", "*":
        throw fault("`\(character)` in a value is written \(character == "(" ? "\\28" : "\\2a")")
      case "\\":
        guard offset + 2 < text.count, let high = hex(text[offset + 1]),
          let low = hex(text[offset + 2])
        else {
          throw fault(
            "`\\` is followed by two hexadecimal digits",
            hint: "a backslash itself is written \\5c")
        }
        bytes.append(high << 4 | low)
        offset += 3
      default:
        bytes.append(contentsOf: UTF8.encode(character) ?? UTF8.encodedReplacementCharacter)
        offset += 1
      }
    }
    return bytes
  }

  private func hex(_ character: Unicode.Scalar) -> UInt8? {
    UInt8(exactly: character.value)?.hexDigit
  }

  private var peek: Unicode.Scalar? { offset < text.count ? text[offset] : nil }

  private mutating func skipSpaces() {
    while let character = peek, character.properties.isWhitespace { offset += 1 }
  }

  private mutating func take(_ expected: String) throws(FilterFault) {
    for character in expected.unicodeScalars {
      guard peek == character else {
        throw fault(
          offset >= text.count
            ? "the filter ends too early: `\(character)` is missing" : "`\(character)` is missing")
      }
      offset += 1
    }
  }

  private func trimmed(_ range: Range<Int>) -> String {
    string(text[range]).split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  private func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    String(String.UnicodeScalarView(scalars))
  }

  /// An attribute description or object identifier (RFC 4512 §2.5).
  private func isDescription(_ word: String) -> Bool {
    guard let first = word.first, first.isASCII, first.isLetter || first.isNumber else {
      return false
    }
    return word.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-;._".contains($0)) }
  }

  private func fault(_ message: String, at place: Int? = nil, hint: String? = nil) -> FilterFault {
    FilterFault(message: message, offset: place ?? offset, hint: hint)
  }
}
