extension PatternParser {
  /// What stands behind a backslash, outside of brackets.
  mutating func escape() throws(PatternFault) -> PatternTree? {
    if let found = try classEscape() {
      return .set(PatternSet([], [found], ignoresCase: flags.ignoresCase))
    }
    guard let scalar = next else { throw PatternFault("a backslash at the end") }
    switch scalar {
    case "A": return skip(PatternTree.place(.start))
    case "z": return skip(PatternTree.place(.end))
    case "Z": return skip(PatternTree.place(.endOrLastLineEnd))
    case "b": return skip(PatternTree.place(.wordEdge))
    case "B": return skip(PatternTree.place(.noWordEdge))
    case "Q": return quoted()
    case "1"..."9", "k":
      throw PatternFault(
        "back references are not supported: \\\(scalar)",
        hint: "write what is to be the same in the pattern itself")
    default: return literal(try characterEscape())
    }
  }

  private mutating func skip(_ tree: PatternTree) -> PatternTree {
    place += 1
    return tree
  }

  /// `\Q…\E`: what stands between is meant as it is.
  private mutating func quoted() -> PatternTree? {
    place += 1
    var parts: [PatternTree] = []
    while place < text.count {
      if take("\\E") { break }
      parts.append(literal(text[place]))
      place += 1
    }
    return parts.isEmpty ? nil : .group(.sequence(parts), number: nil)
  }

  /// `\d`, `\W`, `\p{Lu}` and so on; nil where something else stands there.
  private mutating func classEscape() throws(PatternFault) -> (
    class: PatternSet.Class, isNegated: Bool
  )? {
    guard let scalar = next else { return nil }
    let found: (PatternSet.Class, Bool)
    switch scalar {
    case "d": found = (.digit, false)
    case "D": found = (.digit, true)
    case "w": found = (.word, false)
    case "W": found = (.word, true)
    case "s": found = (.space, false)
    case "S": found = (.space, true)
    case "p", "P":
      place += 1
      return (try property(), scalar == "P")
    default: return nil
    }
    place += 1
    return found
  }

  private mutating func property() throws(PatternFault) -> PatternSet.Class {
    var name = ""
    if take("{") {
      while let scalar = next, scalar != "}" {
        name.unicodeScalars.append(scalar)
        place += 1
      }
      guard take("}") else { throw PatternFault("`}` is missing") }
    } else if let scalar = next {
      name.unicodeScalars.append(scalar)
      place += 1
    }
    guard let found = PatternSet.classes[name.lowercased()] else {
      throw PatternFault(
        "`\\p{\(name)}` is not supported",
        hint: "known are L, Lu, Ll, M, N, Nd, P, S, Z, Cc and their like")
    }
    return found
  }

  /// A character that is written with a backslash.
  private mutating func characterEscape() throws(PatternFault) -> Unicode.Scalar {
    guard let scalar = next else { throw PatternFault("a backslash at the end") }
    place += 1
    switch scalar {
    case "t": return "\t"
    case "n": return "\n"
    case "r": return "\r"
    case "f": return "\u{0C}"
    case "a": return "\u{07}"
    case "e": return "\u{1B}"
    case "x": return try take("{") ? hexadecimal(1...6, closed: true) : hexadecimal(2...2)
    case "u": return try hexadecimal(4...4)
    case "U": return try hexadecimal(8...8)
    default:
      guard scalar.value > 127 || !(scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
      else { throw PatternFault("`\\\(scalar)` is not supported") }
      return scalar
    }
  }

  private mutating func hexadecimal(
    _ length: ClosedRange<Int>, closed: Bool = false
  ) throws(PatternFault) -> Unicode.Scalar {
    var digits = ""
    while let scalar = next, scalar.properties.isASCIIHexDigit,
      digits.utf8.count < length.upperBound
    {
      digits.unicodeScalars.append(scalar)
      place += 1
    }
    guard digits.utf8.count >= length.lowerBound, !closed || take("}"),
      let scalar = UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init)
    else { throw PatternFault("a character's number is hexadecimal: \\x41, \\x{1F4A1}, \\u00E4") }
    return scalar
  }

  // MARK: Brackets

  /// What stands behind `[`, up to and with `]`.
  mutating func bracket() throws(PatternFault) -> PatternSet {
    let isNegated = take("^")
    var ranges: [ClosedRange<UInt32>] = []
    var classes: [(class: PatternSet.Class, isNegated: Bool)] = []
    while true {
      guard let scalar = next else { throw PatternFault("`]` is missing") }
      if take("]") { break }
      if take("[:") {
        classes.append(try posixClass())
        continue
      }
      if scalar == "[" {
        throw PatternFault("`[` inside of `[ ]`", hint: "write `\\[` for the character")
      }
      if take("&&") || take("--") {
        throw PatternFault("`&&` and `--` inside of `[ ]` are not supported")
      }
      guard let first = try bracketItem(&classes) else { continue }
      // A `-` at the end stands for itself.
      guard next == "-", place + 1 < text.count, text[place + 1] != "]" else {
        ranges.append(first.value...first.value)
        continue
      }
      place += 1
      guard let last = try bracketItem(&classes), last.value >= first.value else {
        throw PatternFault("a range inside of `[ ]` ends before it begins")
      }
      ranges.append(first.value...last.value)
    }
    if ranges.isEmpty, classes.isEmpty {
      throw PatternFault("`[ ]` is empty", hint: "write `\\]` for the character")
    }
    return PatternSet(
      ranges, classes, isNegated: isNegated, ignoresCase: flags.ignoresCase)
  }

  /// - Returns: nil where a class stood there.
  private mutating func bracketItem(
    _ classes: inout [(class: PatternSet.Class, isNegated: Bool)]
  ) throws(PatternFault) -> Unicode.Scalar? {
    guard let scalar = next else { throw PatternFault("`]` is missing") }
    place += 1
    guard scalar == "\\" else { return scalar }
    if let found = try classEscape() {
      classes.append(found)
      return nil
    }
    return try characterEscape()
  }

  /// `[:alpha:]`, inside of brackets.
  private mutating func posixClass() throws(PatternFault) -> (
    class: PatternSet.Class, isNegated: Bool
  ) {
    let isNegated = take("^")
    var name = ""
    while let scalar = next, scalar.properties.isAlphabetic {
      name.unicodeScalars.append(scalar)
      place += 1
    }
    guard take(":]"), let found = PatternSet.classes[name.lowercased()] else {
      throw PatternFault("`[:\(name):]` is not supported")
    }
    return (found, isNegated)
  }
}
