/// Lengths as varints (7 bits a byte, the lowest first) and fields with their length before them.
extension [UInt8] {
  @inlinable package mutating func appendVarint(_ number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    append(UInt8(rest))
  }

  @inlinable package mutating func appendField(_ field: some Collection<UInt8>) {
    appendVarint(UInt64(field.count))
    append(contentsOf: field)
  }
}

/// Reads what `appendVarint` and `appendField` wrote; every reader returns nil where the bytes end.
package struct ByteCursor {
  private let data: UnsafeRawBufferPointer
  private var offset = 0

  package init(_ data: UnsafeRawBufferPointer) { self.data = data }

  package var isAtEnd: Bool { offset >= data.count }

  package mutating func varint() -> UInt64? {
    var number: UInt64 = 0
    var shift: UInt64 = 0
    while offset < data.count, shift < 64 {
      let byte = data[offset]
      offset += 1
      number |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return number }
      shift += 7
    }
    return nil
  }

  package mutating func byte() -> UInt8? {
    guard offset < data.count else { return nil }
    defer { offset += 1 }
    return data[offset]
  }

  package mutating func bytes(_ count: Int) -> UnsafeRawBufferPointer? {
    guard count <= data.count - offset else { return nil }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: data[offset..<offset + count])
  }

  package mutating func field() -> UnsafeRawBufferPointer? {
    guard let length = varint(), length <= UInt64(data.count - offset) else { return nil }
    defer { offset += Int(length) }
    return UnsafeRawBufferPointer(rebasing: data[offset..<offset + Int(length)])
  }
}
