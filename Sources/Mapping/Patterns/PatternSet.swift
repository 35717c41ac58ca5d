/// A set of characters (Unicode scalars), as `[a-z]`, `\d` or `.` say.
struct PatternSet: Sendable {
  /// A class of characters, as Unicode defines it (UTS #18, Annex C).
  enum Class: Sendable {
    case digit, word, space, letter, upper, lower, mark, number, punctuation, symbol, separator
    case control

    func contains(_ scalar: Unicode.Scalar) -> Bool {
      let properties = scalar.properties
      switch self {
      case .digit: return properties.generalCategory == .decimalNumber
      case .word:
        if properties.isAlphabetic { return true }
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation:
          return true
        default: return properties.isJoinControl
        }
      case .space:
        return (9...13).contains(scalar.value) || scalar.value == 0x85
          || Class.separator.contains(scalar)
      case .letter:
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
          return true
        default: return false
        }
      case .upper: return properties.generalCategory == .uppercaseLetter
      case .lower: return properties.generalCategory == .lowercaseLetter
      case .mark:
        return [.nonspacingMark, .spacingMark, .enclosingMark].contains(properties.generalCategory)
      case .number:
        return [.decimalNumber, .letterNumber, .otherNumber].contains(properties.generalCategory)
      case .punctuation:
        return [
          .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
          .initialPunctuation, .finalPunctuation, .otherPunctuation,
        ].contains(properties.generalCategory)
      case .symbol:
        return [.mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol]
          .contains(properties.generalCategory)
      case .separator:
        return [.spaceSeparator, .lineSeparator, .paragraphSeparator]
          .contains(properties.generalCategory)
      case .control: return properties.generalCategory == .control
      }
    }
  }

  /// The names of classes in `\p{…}`, in small letters.
  static let classes: [String: Class] = [
    "l": .letter, "letter": .letter, "lu": .upper, "ll": .lower, "m": .mark, "n": .number,
    "nd": .digit, "p": .punctuation, "s": .symbol, "z": .separator, "cc": .control,
    "alphabetic": .letter, "alpha": .letter, "digit": .digit, "upper": .upper, "uppercase": .upper,
    "lower": .lower, "lowercase": .lower, "punct": .punctuation, "space": .space,
    "whitespace": .space, "white_space": .space,
  ]

  private var ranges: [ClosedRange<UInt32>] = []
  private var classes: [(class: Class, isNegated: Bool)] = []
  private var isNegated = false
  private var ignoresCase = false
  /// The answers for the characters of ASCII, a bit each.
  private var ascii: (low: UInt64, high: UInt64) = (0, 0)

  /// - Parameter isNegated: whether all others are meant.
  init(
    _ ranges: [ClosedRange<UInt32>], _ classes: [(class: Class, isNegated: Bool)] = [],
    isNegated: Bool = false, ignoresCase: Bool = false
  ) {
    self.ranges = ranges
    self.classes = classes
    self.isNegated = isNegated
    self.ignoresCase = ignoresCase
    for value in UInt8(0)..<128 where decide(Unicode.Scalar(value)) {
      if value < 64 {
        ascii.low |= 1 << UInt64(value)
      } else {
        ascii.high |= 1 << UInt64(value - 64)
      }
    }
  }

  /// What `.` matches without `(?s)`: all but the ends of lines.
  static let withoutLineEnds = PatternSet(
    [0x0A...0x0D, 0x85...0x85, 0x2028...0x2029], isNegated: true)
  static let all = PatternSet([], isNegated: true)

  func contains(_ scalar: Unicode.Scalar) -> Bool {
    let value = scalar.value
    if value < 64 { return ascii.low >> UInt64(value) & 1 == 1 }
    if value < 128 { return ascii.high >> UInt64(value - 64) & 1 == 1 }
    return decide(scalar)
  }

  private func decide(_ scalar: Unicode.Scalar) -> Bool {
    var isIn = holds(scalar)
    if !isIn, ignoresCase {
      let properties = scalar.properties
      for other in [
        properties.lowercaseMapping, properties.uppercaseMapping, properties.titlecaseMapping,
      ] {
        let scalars = other.unicodeScalars
        if scalars.count == 1, let only = scalars.first, holds(only) { isIn = true }
      }
    }
    return isIn != isNegated
  }

  private func holds(_ scalar: Unicode.Scalar) -> Bool {
    ranges.contains { $0.contains(scalar.value) }
      || classes.contains { $0.class.contains(scalar) != $0.isNegated }
  }
}
