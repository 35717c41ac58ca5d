/// Names of groups, licenses and people: how they are compared, and which characters they may not hold.
extension String {
  /// The text without white space at its ends.
  package var trimmed: String {
    // Characters that are shown in ASCII end most texts.
    if let first = utf8.first, let last = utf8.last, (0x21..<0x7F).contains(first),
      (0x21..<0x7F).contains(last)
    {
      return self
    }
    guard let start = firstIndex(where: { !$0.isWhitespace }),
      let end = lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(self[start...end])
  }

  /// The first character that a name may not hold, since nobody sees it: a control, or one with which two names look alike
  /// that differ. nil: there is none.
  package var hiddenCharacter: Unicode.Scalar? {
    // Most names are in ASCII.
    if utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return nil }
    var found: Unicode.Scalar?
    forEachScalar { if $1, found == nil { found = $0 } }
    return found
  }

  /// The text as a person's name: a space in the place of line ends and tabs, nothing in that of other hidden characters.
  package var withoutHiddenCharacters: String {
    if hiddenCharacter == nil { return self }
    var shown = String.UnicodeScalarView()
    forEachScalar { scalar, isHidden in
      if !isHidden {
        shown.append(scalar)
      } else if scalar.properties.isWhitespace, shown.last != " " {
        shown.append(" ")
      }
    }
    return String(shown).trimmed
  }

  /// - Parameter body: gets each character, and whether it is hidden.
  private func forEachScalar(_ body: (Unicode.Scalar, Bool) -> Void) {
    var base: Unicode.Scalar?
    var place = unicodeScalars.startIndex
    while place < unicodeScalars.endIndex {
      let scalar = unicodeScalars[place]
      place = unicodeScalars.index(after: place)
      guard scalar.isJoiner else {
        body(scalar, scalar.isHidden)
        base = scalar
        continue
      }
      let isLast = place == unicodeScalars.endIndex && !scalar.properties.isVariationSelector
      body(scalar, isLast || (base?.value ?? 0) < 0x600)
    }
  }
}

extension Unicode.Scalar {
  /// As it is written in messages: U+200B.
  package var codePoint: String {
    let digits = String(value, radix: 16, uppercase: true)
    return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  /// Controls, line separators, characters without a form of their own, and those that turn the direction of text.
  fileprivate var isHidden: Bool {
    switch properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    default: properties.isDefaultIgnorableCodePoint
    }
  }

  /// Chooses or joins the forms of characters around it: scripts from Arabic on and emoji need that, and without them it is
  /// hidden.
  fileprivate var isJoiner: Bool {
    value == 0x200C || value == 0x200D || properties.isVariationSelector
  }
}
