/// A fast keyed hash of bytes, 64 or 128 bits wide. The key is random per store, so that nobody
/// who may edit a directory entry can prepare two values that look alike to Usher.
///
/// It multiplies 64-bit words to 128 bits and folds them, as the wyhash family does. Not for
/// secrets and not for signatures.
package struct ByteHash: Sendable {
  private let seed: UInt64

  package init(seed: UInt64) {
    self.seed = Self.mix(seed ^ 0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB)
  }

  package func value(of bytes: UnsafeRawBufferPointer, salt: UInt64 = 0) -> UInt64 {
    let state = absorb(bytes, seed ^ Self.mix(salt ^ 0x8EBC_6AF0_9C88_C6E3, seed))
    return Self.mix(state ^ 0x5895_89A0_1F9F_8A2D, UInt64(bytes.count) ^ 0xE703_7ED1_A0B4_28DB)
  }

  package func value(of bytes: [UInt8], salt: UInt64 = 0) -> UInt64 {
    bytes.withUnsafeBytes { value(of: $0, salt: salt) }
  }

  /// Two numbers made into one; their order counts.
  package func combine(_ first: UInt64, _ second: UInt64) -> UInt64 {
    Self.step(Self.step(seed, first), second)
  }

  /// The same of three.
  package func combine(_ first: UInt64, _ second: UInt64, _ third: UInt64) -> UInt64 {
    Self.step(combine(first, second), third)
  }

  private static func step(_ state: UInt64, _ number: UInt64) -> UInt64 {
    mix(state ^ 0x8EBC_6AF0_9C88_C6E3, number ^ 0x5895_89A0_1F9F_8A2D)
  }

  /// Wide enough that two different names never meet by chance, not among billions.
  package func wide(_ bytes: [UInt8]) -> WideHash { bytes.withUnsafeBytes { wide($0) } }

  /// Of a text's UTF-8.
  package func wide(_ text: String) -> WideHash {
    var text = text
    return text.withUTF8 { wide(UnsafeRawBufferPointer($0)) }
  }

  package func wide(_ bytes: UnsafeRawBufferPointer) -> WideHash {
    WideHash(
      high: value(of: bytes, salt: 0x2D35_8DCC_AA6C_78A5),
      low: value(of: bytes, salt: 0x8BB8_4B93_962E_ACC9))
  }

  private func absorb(_ bytes: UnsafeRawBufferPointer, _ start: UInt64) -> UInt64 {
    var state = start
    var offset = 0
    while bytes.count - offset >= 16 {
      let left = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let right = bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)
      state = Self.mix(left ^ 0xE703_7ED1_A0B4_28DB, right ^ state)
      offset += 16
    }
    var left: UInt64 = 0
    var right: UInt64 = 0
    let rest = bytes.count - offset
    if rest >= 8 {
      left = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      for index in 8..<max(rest, 8) { right = right << 8 | UInt64(bytes[offset + index]) }
    } else {
      for index in 0..<rest { left = left << 8 | UInt64(bytes[offset + index]) }
    }
    return Self.mix(left ^ 0x5895_89A0_1F9F_8A2D, right ^ state)
  }

  @inline(__always)
  private static func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let product = left.multipliedFullWidth(by: right)
    return product.high ^ product.low
  }
}

/// A 128-bit hash that stands for the bytes it was made of.
package struct WideHash: Sendable, Hashable, Comparable, BitwiseCopyable {
  package let high: UInt64
  package let low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  // Inlinable, for millions of them are sorted and looked up in other rooms.
  @inlinable package static func == (left: WideHash, right: WideHash) -> Bool {
    left.high == right.high && left.low == right.low
  }

  @inlinable package static func < (left: WideHash, right: WideHash) -> Bool {
    left.high == right.high ? left.low < right.low : left.high < right.high
  }
}
