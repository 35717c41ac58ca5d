/// Moments as directories write them, by attribute.
package enum AttributeTime: Sendable, Hashable {
  /// Windows' FILETIME: 100 ns since 1601-01-01 UTC ([MS-DTYP] 2.3.3); 0 and the greatest number mean never.
  case fileTime
  /// Days since 1970-01-01 (shadow accounts); a negative number means never.
  case days
  /// Generalized time (RFC 4517 §3.3.13).
  case generalized
  /// Not known: told by the shape of each value.
  case byShape

  package enum Moment: Sendable, Hashable {
    case never
    /// Seconds since 1970.
    case at(Int64)
  }

  package init(of attribute: String) {
    switch attribute.lowercased() {
    case "accountexpires", "pwdlastset", "lastlogon", "lastlogontimestamp", "badpasswordtime",
      "lockouttime", "msds-userpasswordexpirytimecomputed":
      self = .fileTime
    case "shadowexpire", "shadowlastchange": self = .days
    case "pwdaccountlockedtime", "createtimestamp", "modifytimestamp", "whencreated",
      "whenchanged", "krbprincipalexpiration", "krbpasswordexpiration", "pwdchangedtime":
      self = .generalized
    default: self = .byShape
    }
  }

  /// The moment that a value names; nil for what is no time.
  package func moment(_ value: ArraySlice<UInt8>) -> Moment? {
    let text = String(decoding: TextFold.fold(value), as: UTF8.self)
    switch self {
    case .fileTime: return Self.fileTime(text)
    case .days: return Self.days(text)
    case .generalized: return Self.generalized(text).map { .at($0) }
    case .byShape:
      // Generalized time ends in Z or an offset; numbers are days or FILETIME by their length.
      guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2D }) else {
        return Self.generalized(text).map { .at($0) }
      }
      return text.count >= 17 ? Self.fileTime(text) : text.count <= 6 ? Self.days(text) : nil
    }
  }

  private static func fileTime(_ text: String) -> Moment? {
    guard let ticks = Int64(text), ticks >= 0 else { return nil }
    if ticks == 0 || ticks == .max { return .never }
    return .at(ticks / 10_000_000 - 11_644_473_600)
  }

  private static func days(_ text: String) -> Moment? {
    guard let days = Int64(text), days < 10_000_000 else { return nil }
    return days < 0 ? .never : .at(days * 86_400)
  }

  /// `YYYYMMDDHH[MM[SS]][.fraction](Z|±HH[MM])`
  private static func generalized(_ text: String) -> Int64? {
    let bytes = Array(text.uppercased().utf8)
    let digits = bytes.prefix { (0x30...0x39).contains($0) }.map { Int64($0 - 0x30) }
    guard [10, 12, 14].contains(digits.count) else { return nil }
    func number(_ range: Range<Int>) -> Int64 {
      range.upperBound <= digits.count ? digits[range].reduce(0) { $0 * 10 + $1 } : 0
    }
    let month = number(4..<6), day = number(6..<8), hour = number(8..<10)
    let minute = number(10..<12), second = number(12..<14)
    guard (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
    else { return nil }
    var rest = bytes[digits.count...]
    if let first = rest.first, first == UInt8(ascii: ".") || first == UInt8(ascii: ",") {
      rest = rest.dropFirst()
      guard let next = rest.first, (0x30...0x39).contains(next) else { return nil }
      rest = rest.drop { (0x30...0x39).contains($0) }
    }
    guard let offset = offset(rest) else { return nil }
    return daysSince1970(year: number(0..<4), month: month, day: day) * 86_400
      + hour * 3600 + minute * 60 + second - offset
  }

  /// The offset from UTC in seconds.
  private static func offset(_ text: ArraySlice<UInt8>) -> Int64? {
    if text.elementsEqual([UInt8(ascii: "Z")]) { return 0 }
    guard let sign = text.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else {
      return nil
    }
    let digits = text.dropFirst().map { Int64($0) - 0x30 }
    guard digits.count == 2 || digits.count == 4, digits.allSatisfy({ (0...9).contains($0) }) else {
      return nil
    }
    let hours = digits[0] * 10 + digits[1]
    let minutes = digits.count == 4 ? digits[2] * 10 + digits[3] : 0
    return (hours * 3600 + minutes * 60) * (sign == UInt8(ascii: "-") ? -1 : 1)
  }

  /// Of the proleptic Gregorian calendar; years begin in March, so that a leap day ends one.
  private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}
