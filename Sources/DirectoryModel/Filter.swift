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
  /// `(attribute={list.name})`: one of the values of a list.
  case oneOf(String, list: String, values: [[UInt8]])
  /// `(attribute<={now+14d})`: a moment compared with now and an offset.
  case time(String, offsetSeconds: Int64, atLeast: Bool)

  /// Every attribute description that the filter names.
  package var attributes: [String] {
    switch self {
    case .and(let parts), .or(let parts): parts.flatMap(\.attributes)
    case .not(let part): part.attributes
    case .present(let name), .equal(let name, _), .substring(let name, _, _, _),
      .greaterOrEqual(let name, _), .lessOrEqual(let name, _), .approximate(let name, _),
      .extensible(let name, _, _), .oneOf(let name, _, _), .time(let name, _, _):
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
    case .oneOf(let name, let list, _): "(\(name)={list.\(list)})"
    case .time(let name, let offset, let atLeast):
      "(\(name)\(atLeast ? ">=" : "<="){now\(Self.offsetText(offset))})"
    }
  }

  private static func offsetText(_ seconds: Int64) -> String {
    if seconds == 0 { return "" }
    let isDays = seconds.isMultiple(of: 86_400)
    return
      "\(seconds < 0 ? "-" : "+")\(abs(seconds) / (isDays ? 86_400 : 3600))\(isDays ? "d" : "h")"
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

  /// The parts that are evaluated here, as far as they can be told apart; nil when there are none.
  package var evaluatedHere: Filter? {
    guard case .and(let parts) = self else { return hasPartHere ? self : nil }
    let kept = parts.filter(\.hasPartHere)
    return kept.isEmpty ? nil : .and(kept)
  }

  private var hasPartHere: Bool {
    switch self {
    case .and(let parts), .or(let parts): parts.contains(where: \.hasPartHere)
    case .not(let part): part.hasPartHere
    default: isEvaluatedHere
    }
  }

  /// The widest filter that a server may be asked so that nothing which this one selects is missed,
  /// with the parts left out that are evaluated here; nil means "everything".
  package var sent: Filter? {
    switch self {
    case .and(let parts):
      let kept = parts.compactMap(\.sent)
      return kept.isEmpty ? nil : kept.count == 1 ? kept[0] : .and(kept)
    case .or(let parts):
      let kept = parts.map(\.sent)
      return kept.contains(nil) ? nil : .or(kept.compactMap(\.self))
    default: return hasPartHere ? nil : expanded
    }
  }
}
