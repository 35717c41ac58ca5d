/// Readers of single values. Each reports what is wrong and returns nil.
extension YAMLNode {
  /// The text of a scalar.
  package func string(_ what: String, into findings: inout Findings) -> String? {
    if let text { return text }
    var hint: String?
    if case .map(_, flow: true) = value {
      hint = "YAML reads an unquoted {…} as a map: write it in quotes, for example \"{cn}\""
    } else if case .list = value {
      hint = "one value is expected here, not a list"
    }
    findings.error("\(what) must be text", at: position, hint: hint)
    return nil
  }

  /// The pairs of a map.
  package func pairs(_ what: String, into findings: inout Findings) -> [YAMLNode.Pair]? {
    if case .map(let pairs, _) = value { return pairs }
    findings.error("\(what) must be a map of names and values", at: position)
    return nil
  }

  /// The items of a list, or the one value that stands in its place.
  package var items: [YAMLNode] {
    if case .list(let items, _) = value { return items }
    return isEmpty ? [] : [self]
  }

  /// The texts of a list, or the one text that stands in its place.
  package func strings(_ what: String, into findings: inout Findings) -> [String] {
    items.compactMap { $0.string(what, into: &findings) }
  }

  /// `true` or `false`.
  package func bool(_ what: String, into findings: inout Findings) -> Bool? {
    switch text {
    case "true": return true
    case "false": return false
    default:
      findings.error("\(what) must be true or false", at: position)
      return nil
    }
  }

  /// A whole number within the range.
  package func int(_ what: String, in range: ClosedRange<Int>, into findings: inout Findings)
    -> Int?
  {
    if let number = text.flatMap({ Int($0) }), range.contains(number) { return number }
    let bounds =
      range.upperBound == .max
      ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
    findings.error("\(what) must be a whole number \(bounds)", at: position)
    return nil
  }

  /// One of a few words.
  package func word<Choice: RawRepresentable & CaseIterable>(
    _ what: String, as _: Choice.Type, into findings: inout Findings
  ) -> Choice? where Choice.RawValue == String {
    if let choice = text.flatMap(Choice.init(rawValue:)) { return choice }
    let words = Choice.allCases.map(\.rawValue)
    findings.error(
      "\(what) must be one of: \(words.joined(separator: ", "))", at: position,
      hint: text.flatMap { nearest($0, among: words) }.map { "did you mean `\($0)`?" })
    return nil
  }

  /// A length of time such as `30s`, `15m`, `24h`, `7d` or `2y` (of 365 days), in seconds.
  package func seconds(_ what: String, into findings: inout Findings) -> Int? {
    let units: [Character: Int] = [
      "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000,
    ]
    if let text, let unit = text.last.flatMap({ units[$0] }), let number = Int(text.dropLast()),
      number >= 0, number <= 1_000_000
    {
      return number * unit
    }
    findings.error(
      "\(what) must be a length of time", at: position,
      hint: "write a whole number and a unit: 30s, 15m, 24h, 7d")
    return nil
  }
}
