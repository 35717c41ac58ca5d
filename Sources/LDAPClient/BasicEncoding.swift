/// Reads the basic encoding of the values of controls (RFC 4511 §5.1), which libldap leaves to us.
struct BERReader {
  private var bytes: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { self.bytes = bytes[...] }
  private init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  /// The tag of the next element; nil at the end.
  var nextTag: UInt8? { bytes.first }

  /// The next element's tag and contents; nil at the end and where the encoding is broken.
  mutating func element() -> (tag: UInt8, contents: ArraySlice<UInt8>)? {
    guard let tag = bytes.popFirst(), let first = bytes.popFirst() else { return nil }
    var length = Int(first)
    if first & 0x80 != 0 {
      let size = Int(first & 0x7F)
      guard (1...4).contains(size), bytes.count >= size else { return nil }
      length = bytes.prefix(size).reduce(0) { $0 << 8 | Int($1) }
      bytes = bytes.dropFirst(size)
    }
    guard bytes.count >= length else { return nil }
    defer { bytes = bytes.dropFirst(length) }
    return (tag, bytes.prefix(length))
  }

  /// The contents of the next element, which has to bear this tag.
  mutating func contents(_ tag: UInt8) -> ArraySlice<UInt8>? {
    guard nextTag == tag else { return nil }
    return element()?.contents
  }

  /// A reader of the elements in the next one.
  mutating func inside(_ tag: UInt8) -> BERReader? { contents(tag).map { BERReader($0) } }
}

/// Writes it.
enum BER {
  static func element(_ tag: UInt8, _ contents: [UInt8]) -> [UInt8] {
    let count = contents.count
    let length: [UInt8] =
      count < 0x80
      ? [UInt8(count)]
      : [0x84] + withUnsafeBytes(of: UInt32(count).bigEndian) { Array($0) }
    return [tag] + length + contents
  }
}
