/// Many texts one after the other in one buffer, by number from 0. A text of its own for each is an object that everybody who
/// looks at it counts, and fetches from memory to do so.
package struct PackedTexts: Sendable, Hashable {
  private var bytes: [UInt8] = []
  private var ends: [Int] = []

  package init(_ texts: [String] = []) {
    for text in texts { append(text) }
  }

  mutating func reserve(texts: Int, bytes size: Int) {
    ends.reserveCapacity(texts)
    bytes.reserveCapacity(size)
  }

  mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { bytes.append(contentsOf: $0) }
    ends.append(bytes.count)
  }

  package subscript(number: Int) -> String {
    String(decoding: bytes[(number == 0 ? 0 : ends[number - 1])..<ends[number]], as: UTF8.self)
  }

  /// All texts where they lie, in UTF-8, for as long as the call lasts.
  package func withBytes<Result>(_ body: (Bytes) throws -> Result) rethrows -> Result {
    try bytes.withUnsafeBytes { bytes in
      try ends.withUnsafeBufferPointer { try body(Bytes(bytes: bytes, ends: $0)) }
    }
  }

  package struct Bytes {
    fileprivate let bytes: UnsafeRawBufferPointer
    fileprivate let ends: UnsafeBufferPointer<Int>

    package subscript(number: Int) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(
        rebasing: bytes[(number == 0 ? 0 : ends[number - 1])..<ends[number]])
    }
  }
}
