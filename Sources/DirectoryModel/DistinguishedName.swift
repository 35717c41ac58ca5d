import Foundation

/// Distinguished names (RFC 4514) in the one form in which they are compared: attribute types in
/// small letters and by their short names, values folded, parts of an RDN sorted, every special
/// character written `\xx`. In this form a comma or a plus always separates.
package struct DistinguishedName: Sendable, Hashable {
  package let normalised: [UInt8]

  /// - Returns: nil when the bytes are not a distinguished name. The empty name is the root.
  package init?(_ bytes: ArraySlice<UInt8>) {
    guard let normalised = Self.normalise(bytes) else { return nil }
    self.normalised = normalised
  }

  package init?(_ text: String) { self.init(Array(text.utf8)[...]) }

  /// Whether this name is the other's or lies under it.
  package func isWithin(_ base: DistinguishedName) -> Bool {
    let own = normalised, other = base.normalised
    if other.isEmpty { return true }
    guard own.count >= other.count, own.suffix(other.count) == other[...] else { return false }
    return own.count == other.count || own[own.count - other.count - 1] == comma
  }

  /// The name of the entry above, as it is written; nil at the top.
  package static func parent(of dn: String) -> String? {
    var isEscaped = false
    for index in dn.indices {
      if !isEscaped, dn[index] == "," {
        let rest = dn[dn.index(after: index)...].drop { $0 == " " }
        return rest.isEmpty ? nil : String(rest)
      }
      isEscaped = !isEscaped && dn[index] == "\\"
    }
    return nil
  }

  /// Whether this name lies one level under the other.
  package func isChild(of base: DistinguishedName) -> Bool {
    guard isWithin(base), !normalised.isEmpty else { return false }
    let head = normalised.dropLast(base.normalised.count)
    return head.count(where: { $0 == comma }) == (base.normalised.isEmpty ? 0 : 1)
      && normalised != base.normalised
  }

  package static func normalise(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
    withNormalised(bytes) { Array($0) }
  }

  /// Lends the normalised name, for which nothing is allocated as a rule.
  /// - Returns: nil when the bytes are not a distinguished name.
  package static func withNormalised<Value>(
    _ bytes: ArraySlice<UInt8>, _ body: (UnsafeRawBufferPointer) -> Value
  ) -> Value? {
    let plain: Value? = bytes.withUnsafeBufferPointer { bytes in
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: bytes.count) { out in
        let (isPlain, count) = normalisePlain(bytes, into: out)
        return isPlain || bytes.isEmpty
          ? body(UnsafeRawBufferPointer(start: out.baseAddress, count: count)) : nil
      }
    }
    return plain ?? normaliseFull(bytes).map { $0.withUnsafeBytes(body) }
  }

  /// Normalises names one after the other, most of which end like the one before: what follows the first part is taken over
  /// from there.
  package struct Normaliser: Sendable {
    /// What the last name had from its first comma on: as it was written, and then normalised.
    private var known: [UInt8] = []
    /// How many bytes of `known` are as written.
    private var written = 0

    package init() {}

    /// The same as without one.
    package mutating func withNormalised<Value>(
      _ bytes: ArraySlice<UInt8>, _ body: (UnsafeRawBufferPointer) -> Value
    ) -> Value? {
      if let value = bytes.withUnsafeBufferPointer({ plain($0, body) }) { return value }
      return DistinguishedName.withNormalised(bytes, body)
    }

    /// - Returns: nil also for names that are not plain.
    private mutating func plain<Value>(
      _ bytes: UnsafeBufferPointer<UInt8>, _ body: (UnsafeRawBufferPointer) -> Value
    ) -> Value? {
      guard let end = bytes.firstIndex(of: comma) else { return nil }
      // An escaped comma separates nothing, but then the first part is not plain.
      let first = UnsafeBufferPointer(rebasing: bytes[..<end])
      let rest = UnsafeBufferPointer(rebasing: bytes[end...])
      if !isKnown(rest), !learn(rest) { return nil }
      return known.withUnsafeBufferPointer { known in
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: bytes.count) { out in
          let (isPlain, count) = DistinguishedName.normalisePlain(first, into: out)
          guard isPlain, let place = out.baseAddress, let normalised = known.baseAddress else {
            return nil
          }
          memcpy(place + count, normalised + written, known.count - written)
          return body(UnsafeRawBufferPointer(start: place, count: count + known.count - written))
        }
      }
    }

    private func isKnown(_ rest: UnsafeBufferPointer<UInt8>) -> Bool {
      known.withUnsafeBufferPointer { known in
        guard written == rest.count, let left = known.baseAddress, let right = rest.baseAddress
        else { return false }
        return memcmp(left, right, written) == 0
      }
    }

    /// - Parameter rest: begins with a comma.
    /// - Returns: false where it is not plain.
    private mutating func learn(_ rest: UnsafeBufferPointer<UInt8>) -> Bool {
      known.removeAll(keepingCapacity: true)
      known.append(contentsOf: rest)
      known.append(comma)
      written = rest.count
      let isPlain = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: rest.count) { out in
        let (isPlain, count) = DistinguishedName.normalisePlain(
          UnsafeBufferPointer(rebasing: rest.dropFirst()), into: out)
        known.append(contentsOf: UnsafeMutableBufferPointer(rebasing: out[..<count]))
        return isPlain
      }
      if !isPlain { written = 0 }
      return isPlain
    }
  }
}

private let comma = UInt8(ascii: ",")
private let equals = UInt8(ascii: "=")
private let plus = UInt8(ascii: "+")
private let backslash = UInt8(ascii: "\\")
private let space = UInt8(ascii: " ")

extension DistinguishedName {
  /// One pass over names of plain ASCII without escapes: nearly all there are.
  /// - Parameter out: there is room for as many bytes; none of them becomes two.
  /// - Returns: whether it is such a name, and how many bytes were written.
  private static func normalisePlain(
    _ bytes: UnsafeBufferPointer<UInt8>, into out: UnsafeMutableBufferPointer<UInt8>
  ) -> (isPlain: Bool, count: Int) {
    var end = 0
    var typeStart = 0
    var inValue = false
    var valueStart = 0
    func dropSpace(after start: Int) { if end > start, out[end - 1] == space { end -= 1 } }
    func finishValue() -> Bool {
      dropSpace(after: valueStart)
      return inValue && end > valueStart
    }
    for byte in bytes {
      // Small letters and digits, which most bytes are.
      if byte &- 0x61 < 26 || byte &- 0x30 < 10 {
        out[end] = byte
        end += 1
        continue
      }
      switch byte {
      case 0x80..., backslash, plus, 0x22, 0x23, 0x3B, 0x3C, 0x3E, 0x00..<0x20:
        return (false, end)
      case comma:
        guard finishValue() else { return (false, end) }
        out[end] = comma
        end += 1
        typeStart = end
        inValue = false
      case equals:
        if inValue { return (false, end) }
        dropSpace(after: typeStart)
        guard end > typeStart else { return (false, end) }
        if end - typeStart > 4 {
          let type = short(Array(out[typeStart..<end]))
          for (place, byte) in type.enumerated() { out[typeStart + place] = byte }
          end = typeStart + type.count
        }
        out[end] = equals
        end += 1
        inValue = true
        valueStart = end
      case space:
        let start = inValue ? valueStart : typeStart
        if end > start, out[end - 1] != space {
          out[end] = space
          end += 1
        }
      default:
        out[end] = byte.asciiLowercased
        end += 1
      }
    }
    return (finishValue(), end)
  }

  /// A type's short name, where it has one.
  private static func short(_ type: [UInt8]) -> [UInt8] {
    guard type.count > 4 else { return type }
    return shortTypes[String(decoding: type, as: UTF8.self)].map { Array($0.utf8) } ?? type
  }

  /// Long names and object identifiers of the types that names are made of (RFC 4514 §3, RFC 4519).
  private static let shortTypes: [String: String] = [
    "commonname": "cn", "2.5.4.3": "cn", "surname": "sn", "2.5.4.4": "sn",
    "countryname": "c", "2.5.4.6": "c", "localityname": "l", "2.5.4.7": "l",
    "stateorprovincename": "st", "2.5.4.8": "st", "streetaddress": "street",
    "organizationname": "o", "2.5.4.10": "o", "organizationalunitname": "ou", "2.5.4.11": "ou",
    "domaincomponent": "dc", "0.9.2342.19200300.100.1.25": "dc", "userid": "uid",
    "0.9.2342.19200300.100.1.1": "uid", "emailaddress": "e", "rfc822mailbox": "mail",
  ]

  /// Every name that RFC 4514 §3 allows.
  private static func normaliseFull(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
    var out: [UInt8] = []
    var parts: [[UInt8]] = []
    var reader = bytes
    while true {
      guard let equalsAt = reader.firstIndex(of: equals) else { return nil }
      let type = short(TextFold.fold(reader[reader.startIndex..<equalsAt]))
      guard !type.isEmpty, type.allSatisfy(\.isTypeCharacter) else { return nil }
      reader = reader[(equalsAt + 1)...]
      guard let (value, separator) = takeValue(&reader) else { return nil }
      parts.append(type + [equals] + escaped(TextFold.fold(value[...])))
      if separator == plus { continue }
      parts.sort { $0.lexicographicallyPrecedes($1) }
      out += parts.joined(separator: [plus])
      parts = []
      if separator == nil { return out }
      out.append(comma)
    }
  }

  /// The value up to the next separator, its escapes undone, and the separator; nil at a fault.
  private static func takeValue(_ reader: inout ArraySlice<UInt8>) -> ([UInt8], UInt8?)? {
    reader = reader.drop { $0 == space }
    if reader.first == 0x22 { return takeQuoted(&reader) }
    var value: [UInt8] = []
    var keep = 0
    while let byte = reader.popFirst() {
      switch byte {
      case comma, plus, 0x3B:
        guard !value.isEmpty else { return nil }
        return (Array(value.prefix(keep)), byte == plus ? plus : comma)
      case backslash:
        guard let byte = takeEscape(&reader) else { return nil }
        value.append(byte)
        keep = value.count
      default:
        value.append(byte)
        if byte != space { keep = value.count }
      }
    }
    return value.isEmpty ? nil : (Array(value.prefix(keep)), nil)
  }

  /// A value in quotation marks, as RFC 2253 and RFC 1779 wrote it.
  private static func takeQuoted(_ reader: inout ArraySlice<UInt8>) -> ([UInt8], UInt8?)? {
    reader = reader.dropFirst()
    var value: [UInt8] = []
    while let byte = reader.popFirst(), byte != 0x22 {
      guard byte == backslash else {
        value.append(byte)
        continue
      }
      guard let byte = takeEscape(&reader) else { return nil }
      value.append(byte)
    }
    reader = reader.drop { $0 == space }
    if value.isEmpty { return nil }
    guard let separator = reader.popFirst() else { return (value, nil) }
    return separator == comma || separator == plus ? (value, separator) : nil
  }

  private static func takeEscape(_ reader: inout ArraySlice<UInt8>) -> UInt8? {
    guard let first = reader.popFirst() else { return nil }
    guard let high = first.hexDigit else { return first }
    guard let low = reader.popFirst()?.hexDigit else { return nil }
    return high << 4 | low
  }

  /// Spaces at the ends, which only what is no text keeps, are written so that they stay; spaces alone are one.
  private static func escaped(_ value: [UInt8]) -> [UInt8] {
    let escapedSpace: [UInt8] = [backslash, 0x32, 0x30]
    if value.isEmpty { return escapedSpace }
    var out: [UInt8] = []
    for (place, byte) in value.enumerated() {
      switch byte {
      case space where place == 0 || place == value.count - 1: out += escapedSpace
      case comma, plus, equals, backslash, 0x22, 0x23, 0x3B, 0x3C, 0x3E, 0x00..<0x20:
        out.append(backslash)
        out.append(contentsOf: [byte >> 4, byte & 15].map { $0 < 10 ? 0x30 + $0 : 0x57 + $0 })
      default: out.append(byte)
      }
    }
    return out
  }
}

extension UInt8 {
  /// The number that a hexadecimal digit stands for.
  package var hexDigit: UInt8? {
    switch self {
    case 0x30...0x39: self - 0x30
    case 0x41...0x46: self - 0x37
    case 0x61...0x66: self - 0x57
    default: nil
    }
  }

  var isTypeCharacter: Bool {
    switch self {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E: true
    default: false
    }
  }
}
