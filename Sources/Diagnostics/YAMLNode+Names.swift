/// Readers of names.
extension YAMLNode {
  /// A name without white space at its ends.
  package func name(_ what: String, into findings: inout Findings) -> String? {
    guard let text = string(what, into: &findings), !refusesName(text, what, into: &findings)
    else { return nil }
    guard let start = text.firstIndex(where: { !$0.isWhitespace }),
      let end = text.lastIndex(where: { !$0.isWhitespace })
    else {
      findings.error("\(what) needs a name", at: position)
      return nil
    }
    return String(text[start...end])
  }

  /// The names of a list, or the one name that stands in its place.
  package func names(_ what: String, into findings: inout Findings) -> [String] {
    items.compactMap { $0.name(what, into: &findings) }
  }

  /// Reports a name with a character that nobody sees, see `String.hiddenInName`, or of more than 255 characters.
  package func refusesName(_ text: String, _ what: String, into findings: inout Findings) -> Bool {
    if text.unicodeScalars.count > 255 {
      findings.error("\(what) has a name of more than 255 characters", at: position)
      return true
    }
    guard let hidden = text.hiddenInName else { return false }
    let digits = String(hidden.value, radix: 16, uppercase: true)
    let code = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    findings.error(
      "\(what) holds the character U+\(code), which nobody sees in a name", at: position,
      hint: hidden.value < 0x20
        ? "type the name anew; inside \"…\" YAML reads \\ as the beginning of a control character, inside '…' it does not"
        : "type the name anew; it may have come with a text that was copied")
    return true
  }
}

extension String {
  /// The first control, line separator, character without a form of its own, or one that turns the direction of text. Joiners
  /// and variation selectors belong to scripts from Arabic on and to emoji, and are hidden elsewhere. `hiddenCharacter` of the room
  /// SiteModel, which knows no diagnostics, is the same; a test compares the two.
  package var hiddenInName: Unicode.Scalar? {
    if utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return nil }
    var base: Unicode.Scalar?
    for (place, scalar) in zip(unicodeScalars.indices, unicodeScalars) {
      let isSelector = scalar.properties.isVariationSelector
      guard isSelector || scalar.value == 0x200C || scalar.value == 0x200D else {
        if scalar.isHiddenAnywhere { return scalar }
        base = scalar
        continue
      }
      let isLast = unicodeScalars.index(after: place) == unicodeScalars.endIndex
      if isLast && !isSelector || (base?.value ?? 0) < 0x600 { return scalar }
    }
    return nil
  }
}

extension Unicode.Scalar {
  fileprivate var isHiddenAnywhere: Bool {
    switch properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    default: properties.isDefaultIgnorableCodePoint
    }
  }
}
