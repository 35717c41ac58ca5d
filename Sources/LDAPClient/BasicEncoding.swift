/// Reads the basic encoding (RFC 4511 §5.1): of entries, where libldap would allocate for each attribute, and of the values of
/// controls, which it leaves to us.
struct BERReader<Bytes: RandomAccessCollection> where Bytes.Element == UInt8, Bytes.Index == Int {
  private let bytes: Bytes
  private var next: Int
  private let end: Int

  init(_ bytes: Bytes) { self.init(bytes, bytes.startIndex..<bytes.endIndex) }

  private init(_ bytes: Bytes, _ range: Range<Int>) {
    self.bytes = bytes
    next = range.lowerBound
    end = range.upperBound
  }

  var isAtEnd: Bool { next == end }

  /// The tag of the next element; nil at the end.
  var nextTag: UInt8? { isAtEnd ? nil : bytes[next] }

  /// Where the contents of the next element are, which has to bear this tag; nil otherwise, and where the encoding is broken.
  private mutating func range(_ tag: UInt8) -> Range<Int>? {
    guard end - next >= 2, bytes[next] == tag else { return nil }
    var start = next + 2
    var length = Int(bytes[next + 1])
    if length >= 0x80 {
      let size = length & 0x7F
      guard (1...4).contains(size), end - start >= size else { return nil }
      length = 0
      for index in start..<start + size { length = length << 8 | Int(bytes[index]) }
      start += size
    }
    guard length <= end - start else { return nil }
    next = start + length
    return start..<next
  }

  /// The contents of the next element, which has to bear this tag.
  mutating func contents(_ tag: UInt8) -> Bytes.SubSequence? { range(tag).map { bytes[$0] } }

  /// A reader of the elements in the next one.
  mutating func inside(_ tag: UInt8) -> Self? { range(tag).map { Self(bytes, $0) } }
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
