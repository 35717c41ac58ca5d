/// Reads the syntax of patterns: a subset of what ICU and Perl read, with the same meaning.
struct PatternParser {
  let text: [Unicode.Scalar]
  var place = 0
  private(set) var catchCount = 0
  private var names: Set<String> = []
  private var depth = 0
  private var aheadDepth = 0
  var flags = Flags()

  private static let mostDepth = 50
  /// The most repetitions that `{n,m}` may ask for.
  private static let mostRepeats = 1000

  struct Flags {
    var ignoresCase = false
    var dotMatchesLineEnds = false
    var anchorsMatchLines = false
  }

  private init(_ text: String) { self.text = Array(text.unicodeScalars) }

  static func parse(_ text: String) throws(PatternFault) -> (tree: PatternTree, catches: Int) {
    var parser = PatternParser(text)
    let tree = try parser.choice()
    if parser.place < parser.text.count { throw PatternFault("a `)` without its `(`") }
    return (tree, parser.catchCount)
  }

  var next: Unicode.Scalar? { place < text.count ? text[place] : nil }

  mutating func take(_ expected: String) -> Bool {
    let scalars = Array(expected.unicodeScalars)
    guard text[place...].starts(with: scalars) else { return false }
    place += scalars.count
    return true
  }

  // MARK: Choices and sequences

  private mutating func choice() throws(PatternFault) -> PatternTree {
    depth += 1
    defer { depth -= 1 }
    if depth > Self.mostDepth { throw PatternFault("groups are nested more than 50 deep") }
    // Flags that are set inside a group end with it.
    let before = flags
    defer { flags = before }
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .choice(branches)
  }

  private mutating func sequence() throws(PatternFault) -> PatternTree {
    var parts: [PatternTree] = []
    while let scalar = next, scalar != "|", scalar != ")" {
      guard let part = try item() else { continue }
      parts.append(try repeated(part))
    }
    return parts.isEmpty ? .empty : parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func repeated(_ tree: PatternTree) throws(PatternFault) -> PatternTree {
    var least = 0
    var most: Int?
    if take("*") {
    } else if take("+") {
      least = 1
    } else if take("?") {
      most = 1
    } else if next == "{" {
      (least, most) = try interval()
    } else {
      return tree
    }
    if case .place = tree { throw PatternFault("`^`, `$` and `\\b` cannot be repeated") }
    if case .ahead = tree { throw PatternFault("`(?=…)` and `(?!…)` cannot be repeated") }
    if take("+") {
      throw PatternFault(
        "possessive repetition (`*+`, `++`, `?+`) is not supported", hint: "leave the `+` out")
    }
    let isGreedy = !take("?")
    if let next, "*+?{".unicodeScalars.contains(next) {
      throw PatternFault("nothing stands before `\(next)` that could be repeated")
    }
    return .repeated(tree, atLeast: least, atMost: most, isGreedy: isGreedy)
  }

  /// `{3}`, `{3,}` or `{3,5}`.
  private mutating func interval() throws(PatternFault) -> (Int, Int?) {
    place += 1
    func fault() -> PatternFault {
      PatternFault("`{` without a number of repetitions", hint: "write `\\{` for the character")
    }
    guard let least = number() else { throw fault() }
    var most: Int? = least
    if take(",") { most = next == "}" ? nil : number() ?? -1 }
    guard take("}"), most != -1 else { throw fault() }
    if let most, most < least { throw PatternFault("`{\(least),\(most)}` ends before it begins") }
    if max(least, most ?? 0) > Self.mostRepeats {
      throw PatternFault("more than 1,000 repetitions are not supported")
    }
    return (least, most)
  }

  private mutating func number() -> Int? {
    var digits = ""
    while let scalar = next, ("0"..."9").contains(scalar), digits.utf8.count < 6 {
      digits.unicodeScalars.append(scalar)
      place += 1
    }
    return Int(digits)
  }

  // MARK: Items

  /// - Returns: nil for what only sets flags.
  private mutating func item() throws(PatternFault) -> PatternTree? {
    guard let scalar = next else { return nil }
    place += 1
    switch scalar {
    case "(": return try group()
    case "[": return .set(try bracket())
    case ".": return .set(flags.dotMatchesLineEnds ? .all : .withoutLineEnds)
    case "^": return .place(flags.anchorsMatchLines ? .lineStart : .start)
    case "$": return .place(flags.anchorsMatchLines ? .lineEnd : .endOrLastLineEnd)
    case "\\": return try escape()
    case "*", "+", "?":
      throw PatternFault("nothing stands before `\(scalar)` that could be repeated")
    case "{":
      throw PatternFault(
        "nothing stands before `{` that could be repeated", hint: "write `\\{` for the character")
    default: return literal(scalar)
    }
  }

  func literal(_ scalar: Unicode.Scalar) -> PatternTree {
    .set(PatternSet([scalar.value...scalar.value], ignoresCase: flags.ignoresCase))
  }

  private mutating func group() throws(PatternFault) -> PatternTree? {
    var number: Int?
    let before = flags
    if take("?") {
      if take("=") { return try ahead(isNegated: false) }
      if take("!") { return try ahead(isNegated: true) }
      if take("<=") || take("<!") {
        throw PatternFault(
          "looking behind, `(?<=…)` and `(?<!…)`, is not supported",
          hint: "match what stands before, and put ( ) around what is wanted")
      }
      if take(">") { throw PatternFault("atomic groups, `(?>…)`, are not supported") }
      if take("#") {
        while let scalar = next, scalar != ")" { _ = scalar; place += 1 }
        guard take(")") else { throw PatternFault("`)` is missing") }
        return nil
      }
      if take("<") {
        number = try named()
      } else if !take(":") {
        guard try setFlags() else { return nil }
      }
    } else {
      number = try catching()
    }
    // Flags of `(?i:…)` hold inside of it.
    defer { flags = before }
    let tree = try choice()
    guard take(")") else { throw PatternFault("`)` is missing") }
    return .group(tree, number: number)
  }

  private mutating func catching() throws(PatternFault) -> Int {
    if aheadDepth > 0 {
      throw PatternFault(
        "a group inside of `(?=…)` or `(?!…)` catches nothing", hint: "write (?:…) there")
    }
    catchCount += 1
    return catchCount
  }

  private mutating func named() throws(PatternFault) -> Int {
    var name = ""
    while let scalar = next, scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) {
      name.unicodeScalars.append(scalar)
      place += 1
    }
    guard take(">"), !name.isEmpty else { throw PatternFault("`(?<name>…)` needs a name") }
    guard names.insert(name).inserted else { throw PatternFault("two groups are named `\(name)`") }
    return try catching()
  }

  private mutating func ahead(isNegated: Bool) throws(PatternFault) -> PatternTree {
    aheadDepth += 1
    defer { aheadDepth -= 1 }
    let tree = try choice()
    guard take(")") else { throw PatternFault("`)` is missing") }
    return .ahead(tree, isNegated: isNegated)
  }

  /// Reads `i`, `s`, `m` and `-` of `(?i)` or `(?i:…)`.
  /// - Returns: whether a group follows.
  private mutating func setFlags() throws(PatternFault) -> Bool {
    var value = true
    while let scalar = next {
      place += 1
      switch scalar {
      case "i": flags.ignoresCase = value
      case "s": flags.dotMatchesLineEnds = value
      case "m": flags.anchorsMatchLines = value
      case "-": value = false
      case ")": return false
      case ":": return true
      default: throw PatternFault("`(?\(scalar)` is not supported")
      }
    }
    throw PatternFault("`)` is missing")
  }
}
