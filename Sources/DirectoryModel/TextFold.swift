import Foundation

/// How values are compared: letter case ignored, runs of spaces folded to one, spaces at the ends
/// dropped, accents kept, Unicode composed (after RFC 4518, less its compatibility mapping).
package enum TextFold {
  /// The folded form of a value. Bytes that are not UTF-8 are kept as they are.
  package static func fold(_ value: ArraySlice<UInt8>) -> [UInt8] {
    withFolded(value) { Array($0) }
  }

  /// Lends the folded form to `body`; mostly nothing is allocated for it.
  package static func withFolded<Result>(
    _ value: ArraySlice<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Result
  ) -> Result {
    value.withUnsafeBufferPointer { withFolded($0, body) }
  }

  package static func withFolded<Result>(
    _ value: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Result
  ) -> Result {
    let result = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: value.count) { out in
      var count = 0
      for byte in value {
        if byte >= 0x80 { return nil as Result? }
        if byte == 0x20 || byte == 0x09 {
          if count == 0 || out[count - 1] == 0x20 { continue }
          out.initializeElement(at: count, to: 0x20)
        } else {
          out.initializeElement(at: count, to: byte.asciiLowercased)
        }
        count += 1
      }
      if count > 0, out[count - 1] == 0x20 { count -= 1 }
      return body(UnsafeBufferPointer(rebasing: out[..<count]))
    }
    return result ?? foldUnicode(Array(value)).withUnsafeBufferPointer(body)
  }

  /// Whether this is the folded form of a value; nothing is made of the value to tell.
  package static func fold(_ value: ArraySlice<UInt8>, is folded: [UInt8]) -> Bool {
    value.withUnsafeBufferPointer { value in
      folded.withUnsafeBufferPointer { fold(value, is: $0) }
    }
  }

  package static func fold(
    _ value: UnsafeBufferPointer<UInt8>, is folded: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    guard value.allSatisfy({ $0 < 0x80 }) else {
      return foldUnicode(Array(value)).elementsEqual(folded)
    }
    var next = 0
    var hasSpace = false
    func isNext(_ byte: UInt8) -> Bool {
      defer { next += 1 }
      return next < folded.count && folded[next] == byte
    }
    for byte in value {
      if byte == 0x20 || byte == 0x09 {
        hasSpace = next > 0
      } else {
        if hasSpace, !isNext(0x20) { return false }
        hasSpace = false
        if !isNext(byte.asciiLowercased) { return false }
      }
    }
    return next == folded.count
  }

  package static func fold(_ text: String) -> [UInt8] { fold(Array(text.utf8)[...]) }

  private static func foldUnicode(_ value: [UInt8]) -> [UInt8] {
    guard let text = String(validating: value, as: UTF8.self) else { return value }
    let folded = text.precomposedStringWithCanonicalMapping.lowercased()
      .precomposedStringWithCanonicalMapping
    return Array(
      folded.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ").utf8)
  }
}
