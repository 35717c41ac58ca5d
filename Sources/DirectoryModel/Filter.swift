/// A search filter (RFC 4515, RFC 4511 §4.5.1.7) as a value. Assertion values are bytes with their
/// escapes undone.
package indirect enum Filter: Sendable, Hashable {
  case and([Filter])
  case or([Filter])
  case not(Filter)
  case present(String)
  case equal(String, [UInt8])
  case substring(String, initial: [UInt8], any: [[UInt8]], final: [UInt8])
  case greaterOrEqual(String, [UInt8])
  case lessOrEqual(String, [UInt8])
  case approximate(String, [UInt8])
  /// `(attribute:rule:=value)`; nil as the rule means equality.
  case extensible(String, rule: String?, [UInt8])

  /// Every attribute description that the filter names.
  package var attributes: [String] {
    switch self {
    case .and(let parts), .or(let parts): parts.flatMap(\.attributes)
    case .not(let part): part.attributes
    case .present(let name), .equal(let name, _), .substring(let name, _, _, _),
      .greaterOrEqual(let name, _), .lessOrEqual(let name, _), .approximate(let name, _),
      .extensible(let name, _, _):
      [name]
    }
  }

  /// Whether a part of the filter is about directory groups.
  package var namesMemberOf: Bool { attributes.contains { $0.lowercased() == "memberof" } }

  /// The filter as text; special bytes are written `\xx` (RFC 4515 §3).
  package var text: String {
    switch self {
    case .and(let parts): "(&\(parts.map(\.text).joined()))"
    case .or(let parts): "(|\(parts.map(\.text).joined()))"
    case .not(let part): "(!\(part.text))"
    case .present(let name): "(\(name)=*)"
    case .equal(let name, let value): "(\(name)=\(Self.escape(value)))"
    case .substring(let name, let initial, let any, let final):
      "(\(name)=\(([initial] + any + [final]).map(Self.escape).joined(separator: "*")))"
    case .greaterOrEqual(let name, let value): "(\(name)>=\(Self.escape(value)))"
    case .lessOrEqual(let name, let value): "(\(name)<=\(Self.escape(value)))"
    case .approximate(let name, let value): "(\(name)~=\(Self.escape(value)))"
    case .extensible(let name, let rule, let value):
      "(\(name)\(rule.map { ":\($0)" } ?? ""):=\(Self.escape(value)))"
    }
  }

  private static func escape(_ value: [UInt8]) -> String {
    var out: [UInt8] = []
    let isText = String(validating: value, as: UTF8.self) != nil
    for byte in value {
      switch byte {
      case 0x00..<0x20, UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"),
        UInt8(ascii: "\\"), 0x7F:
        out.append(contentsOf: hexEscape(byte))
      case 0x80...: out.append(contentsOf: isText ? [byte] : hexEscape(byte))
      default: out.append(byte)
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  private static func hexEscape(_ byte: UInt8) -> [UInt8] {
    [UInt8(ascii: "\\")] + [byte >> 4, byte & 15].map { $0 < 10 ? 0x30 + $0 : 0x57 + $0 }
  }

  /// The parts that name one of the attributes, as far as they can be told apart; nil when none does.
  package func keeping(attributes names: Set<String>) -> Filter? {
    func isNamed(_ part: Filter) -> Bool {
      part.attributes.contains { names.contains($0.lowercased()) }
    }
    guard case .and(let parts) = self else { return isNamed(self) ? self : nil }
    let kept = parts.filter(isNamed)
    return kept.isEmpty ? nil : .and(kept)
  }

  /// The widest filter that a server may be asked so that nothing which this one selects is missed,
  /// with the parts left out that name one of the attributes; nil means "everything".
  package func leavingOut(attributes names: Set<String>) -> Filter? {
    switch self {
    case .and(let parts):
      let kept = parts.compactMap { $0.leavingOut(attributes: names) }
      return kept.isEmpty ? nil : kept.count == 1 ? kept[0] : .and(kept)
    case .or(let parts):
      let kept = parts.map { $0.leavingOut(attributes: names) }
      return kept.contains(nil) ? nil : .or(kept.compactMap(\.self))
    default:
      return self.attributes.contains { names.contains($0.lowercased()) } ? nil : self
    }
  }
}
