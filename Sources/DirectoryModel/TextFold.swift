import Foundation

/// How values are compared: letter case ignored, runs of spaces folded to one, spaces at the ends
/// dropped, accents kept, Unicode composed (after RFC 4518, less its compatibility mapping).
package enum TextFold {
  /// The folded form of a value. Bytes that are not UTF-8 are kept as they are.
  package static func fold(_ value: ArraySlice<UInt8>) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(value.count)
    for byte in value {
      if byte >= 0x80 { return foldUnicode(value) }
      if byte == 0x20 || byte == 0x09 {
        if let last = out.last, last != 0x20 { out.append(0x20) }
      } else {
        out.append(byte.asciiLowercased)
      }
    }
    if out.last == 0x20 { out.removeLast() }
    return out
  }

  package static func fold(_ text: String) -> [UInt8] { fold(Array(text.utf8)[...]) }

  private static func foldUnicode(_ value: ArraySlice<UInt8>) -> [UInt8] {
    guard let text = String(validating: value, as: UTF8.self) else { return Array(value) }
    let folded = text.precomposedStringWithCanonicalMapping.lowercased()
      .precomposedStringWithCanonicalMapping
    return Array(
      folded.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ").utf8)
  }
}
