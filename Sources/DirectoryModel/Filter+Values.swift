/// What usher adds to filters: `{list.name}` for the values of a list, `{now±N d|h}` for a moment.
extension Filter {
  /// Puts lists and moments in their places.
  /// - Parameter list: the values of a list; nil for an unknown one.
  /// - Throws: a fault for an unknown list, or where such a value has no meaning; its offset is 0.
  package func resolved(
    list: (String) throws(FilterFault) -> [String]
  ) throws(FilterFault) -> Filter {
    func all(_ parts: [Filter]) throws(FilterFault) -> [Filter] {
      var resolved: [Filter] = []
      for part in parts { resolved.append(try part.resolved(list: list)) }
      return resolved
    }
    switch self {
    case .and(let parts): return .and(try all(parts))
    case .or(let parts): return .or(try all(parts))
    case .not(let part): return .not(try part.resolved(list: list))
    case .equal(let name, let value):
      guard let word = Self.word(value) else { break }
      guard word.hasPrefix("list.") else { break }
      let listName = String(word.dropFirst(5))
      return .oneOf(name, list: listName, values: try list(listName).map { Array($0.utf8) })
    case .greaterOrEqual(let name, let value), .lessOrEqual(let name, let value):
      guard let word = Self.word(value), word.hasPrefix("now") else { break }
      guard let offset = Self.offset(word.dropFirst(3)) else {
        throw FilterFault(
          message: "`{\(word)}` is not a moment", offset: 0,
          hint: "write {now}, or with days or hours: {now+14d}, {now-36h}")
      }
      if case .greaterOrEqual = self { return .time(name, offsetSeconds: offset, atLeast: true) }
      return .time(name, offsetSeconds: offset, atLeast: false)
    default: break
    }
    try refuseWords()
    return self
  }

  /// What stands in braces, when it is the whole value.
  private static func word(_ value: [UInt8]) -> String? {
    guard value.first == UInt8(ascii: "{"), value.last == UInt8(ascii: "}") else { return nil }
    return String(decoding: value.dropFirst().dropLast(), as: UTF8.self)
  }

  private static func offset(_ text: Substring) -> Int64? {
    if text.isEmpty { return 0 }
    guard let sign = text.first, sign == "+" || sign == "-", let unit = text.last,
      let number = Int64(text.dropFirst().dropLast()), number >= 0, number <= 100_000,
      unit == "d" || unit == "h"
    else { return nil }
    return number * (unit == "d" ? 86_400 : 3600) * (sign == "-" ? -1 : 1)
  }

  private func refuseWords() throws(FilterFault) {
    let values: [[UInt8]] =
      switch self {
      case .equal(_, let value), .greaterOrEqual(_, let value), .lessOrEqual(_, let value),
        .approximate(_, let value), .extensible(_, _, let value):
        [value]
      case .substring(_, let initial, let any, let final): [initial] + any + [final]
      default: []
      }
    for text in values.map({ String(decoding: $0, as: UTF8.self) }) {
      if text.contains("{list.") {
        throw FilterFault(
          message: "a list is the whole value of an equality", offset: 0,
          hint: "write (attribute={list.name})")
      }
      if text.contains("{now") {
        throw FilterFault(
          message: "a moment is the whole value of >= or <=", offset: 0,
          hint: "for example (accountExpires<={now+14d})")
      }
    }
  }

  /// The filter with its lists written out, as a server understands it.
  package var expanded: Filter {
    switch self {
    case .and(let parts): .and(parts.map(\.expanded))
    case .or(let parts): .or(parts.map(\.expanded))
    case .not(let part): .not(part.expanded)
    case .oneOf(let name, _, let values): .or(values.map { .equal(name, $0) })
    default: self
    }
  }

  /// Whether a part of the filter compares with a moment.
  package var namesMoment: Bool {
    switch self {
    case .and(let parts), .or(let parts): parts.contains(where: \.namesMoment)
    case .not(let part): part.namesMoment
    case .time: true
    default: false
    }
  }

  /// So many values of a list a server is asked for; servers limit the length of a filter.
  private static let mostSentValues = 100

  /// Whether a single part is evaluated here and never sent: what names memberOf, moments, and long lists. An empty
  /// list is one, too, since not every server knows `(|)` (RFC 4526).
  package var isEvaluatedHere: Bool {
    if case .time = self { return true }
    if case .oneOf(_, _, let values) = self, !(1...Self.mostSentValues).contains(values.count) {
      return true
    }
    return attributes.contains { $0.lowercased() == "memberof" }
  }
}
