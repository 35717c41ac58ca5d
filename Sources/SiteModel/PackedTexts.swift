/// Many texts one after the other in one buffer, as many to a record as its writer adds; records are numbered from 0. A text of
/// its own for each is an object that everybody who looks at it counts, and fetches from memory to do so.
package struct PackedTexts: Sendable {
  /// Each text after its length.
  private var bytes: [UInt8] = []
  /// Where each record begins.
  private var starts: [Int] = []

  /// - Parameter texts: each a record.
  package init(_ texts: [String] = []) {
    for text in texts {
      beginRecord()
      append(text)
    }
  }

  package var count: Int { starts.count }

  mutating func beginRecord() { starts.append(bytes.count) }

  /// Adds a text to the record begun last.
  mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
  }

  /// - Parameter text: in UTF-8.
  mutating func append(_ text: UnsafeRawBufferPointer) {
    Length.append(text.count, to: &bytes)
    bytes.append(contentsOf: text)
  }

  /// Adds a copy of another one's record.
  mutating func append(record: Int, of other: PackedTexts) {
    beginRecord()
    let end = record + 1 < other.starts.count ? other.starts[record + 1] : other.bytes.count
    bytes.append(contentsOf: other.bytes[other.starts[record]..<end])
  }

  /// - Parameter place: of the text in its record, from 0.
  package func text(_ record: Int, _ place: Int = 0) -> String {
    withText(record, place) { String(decoding: $0, as: UTF8.self) }
  }

  /// One text where it lies, in UTF-8, for as long as the call lasts.
  package func withText<Result>(
    _ record: Int, _ place: Int = 0, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try bytes.withUnsafeBytes { try body(Length.text(place, of: $0, from: starts[record])) }
  }

  /// All texts where they lie, in UTF-8, for as long as the call lasts.
  package func withBytes<Result>(_ body: (Bytes) throws -> Result) rethrows -> Result {
    try bytes.withUnsafeBytes { bytes in
      try starts.withUnsafeBufferPointer { try body(Bytes(bytes: bytes, starts: $0)) }
    }
  }

  package struct Bytes {
    fileprivate let bytes: UnsafeRawBufferPointer
    fileprivate let starts: UnsafeBufferPointer<Int>

    package func text(_ record: Int, _ place: Int = 0) -> UnsafeRawBufferPointer {
      Length.text(place, of: bytes, from: starts[record])
    }
  }

  /// A length is a byte; of longer texts that is 255, and eight bytes follow.
  private enum Length {
    static let long: UInt8 = 255

    static func append(_ length: Int, to bytes: inout [UInt8]) {
      if length < Int(long) { return bytes.append(UInt8(length)) }
      bytes.append(long)
      withUnsafeBytes(of: length) { bytes.append(contentsOf: $0) }
    }

    static func text(
      _ place: Int, of bytes: UnsafeRawBufferPointer, from start: Int
    ) -> UnsafeRawBufferPointer {
      var start = start
      var length = 0
      for _ in 0...place {
        start += length
        length = Int(bytes[start])
        start += 1
        if length == Int(long) {
          length = bytes.loadUnaligned(fromByteOffset: start, as: Int.self)
          start += 8
        }
      }
      return UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])
    }
  }
}

/// Records of a value's own, and others that it has in common with whoever made them: these are not copied.
package struct SharedTexts: Sendable {
  private var own = PackedTexts()
  private let shared: PackedTexts
  /// Of each record its number in `own`; below zero, it is one of `shared`: -1 the first.
  private var places: [Int32] = []

  init(_ shared: PackedTexts = PackedTexts()) { self.shared = shared }

  mutating func reserveCapacity(_ count: Int) { places.reserveCapacity(count) }

  mutating func append(_ texts: String...) {
    places.append(Int32(own.count))
    own.beginRecord()
    for text in texts { own.append(text) }
  }

  mutating func append(sharing record: Int) { places.append(Int32(~record)) }

  /// - Parameter place: of the text in its record, from 0.
  func text(_ record: Int, _ place: Int = 0) -> String {
    let own = Int(places[record])
    return own < 0 ? shared.text(~own, place) : self.own.text(own, place)
  }

  /// All texts where they lie, in UTF-8, for as long as the call lasts.
  func withBytes<Result>(_ body: (Bytes) throws -> Result) rethrows -> Result {
    try own.withBytes { own in
      try shared.withBytes { shared in
        try places.withUnsafeBufferPointer {
          try body(Bytes(own: own, shared: shared, places: $0))
        }
      }
    }
  }

  package struct Bytes {
    fileprivate let own, shared: PackedTexts.Bytes
    fileprivate let places: UnsafeBufferPointer<Int32>

    package func text(_ record: Int, _ place: Int = 0) -> UnsafeRawBufferPointer {
      let own = Int(places[record])
      return own < 0 ? shared.text(~own, place) : self.own.text(own, place)
    }
  }
}
