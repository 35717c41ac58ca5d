/// Immutable ids of the directory as text: entryUUID and the like as they are, in small letters; an
/// objectGUID's 16 bytes as Active Directory shows them.
package enum DirectoryID {
  package static func text(of value: ArraySlice<UInt8>) -> String {
    if value.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
      return value.withUnsafeBufferPointer { value in
        String(unsafeUninitializedCapacity: value.count) { buffer in
          for index in value.indices { buffer[index] = value[index].asciiLowercased }
          return value.count
        }
      }
    }
    let isPrintable = value.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    if isPrintable, let text = String(validating: value, as: UTF8.self) {
      return text.split(separator: " ").joined(separator: " ").lowercased()
    }
    let bytes = Array(value)
    return bytes.count == 16 ? guid(bytes) : "0x" + hex(bytes)
  }

  /// The hash of an id's text, mostly without making the text.
  package static func wide(_ value: ArraySlice<UInt8>, _ hash: ByteHash) -> WideHash {
    if value.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !(0x41...0x5A).contains($0) }) {
      return value.withUnsafeBytes { hash.wide($0) }
    }
    return hash.wide(text(of: value))
  }

  /// What a server is asked for to find an id again that `text(of:)` made.
  package static func bytes(of text: String, _ attribute: String) -> [UInt8] {
    let isGUID = ["objectguid", "msexchmailboxguid"].contains(attribute.lowercased())
    return (isGUID ? guidBytes(of: text) : nil) ?? Array(text.utf8)
  }

  /// An entryUUID's 16 bytes as text (RFC 4530).
  package static func uuidText(of bytes: [UInt8]) -> String {
    hex(bytes, dashesBefore: [4, 6, 8, 10])
  }

  /// An nsUniqueId's 16 bytes as 389 Directory Server writes them.
  package static func uniqueIDText(of bytes: [UInt8]) -> String {
    hex(bytes, dashesBefore: stride(from: 4, to: bytes.count, by: 4))
  }

  private static func guidBytes(of text: String) -> [UInt8]? {
    let parts = text.split(separator: "-").map { part -> [UInt8] in
      let digits = Array(part.utf8)
      return stride(from: 0, to: digits.count - 1, by: 2).compactMap {
        UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16)
      }
    }
    guard parts.map(\.count) == [4, 2, 2, 2, 6] else { return nil }
    return parts[0].reversed() + parts[1].reversed() + parts[2].reversed() + parts[3] + parts[4]
  }

  /// The first three parts of a GUID are little-endian ([MS-DTYP] 2.3.4).
  private static func guid(_ bytes: [UInt8]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
    return hex(order.map { bytes[$0] }, dashesBefore: [4, 6, 8, 10])
  }

  private static func hex(
    _ bytes: [UInt8], dashesBefore places: some Sequence<Int> = EmptyCollection()
  ) -> String {
    let digits: StaticString = "0123456789abcdef"
    var dashes = places.makeIterator()
    var dash = dashes.next()
    return String(unsafeUninitializedCapacity: 3 * bytes.count) { out in
      var count = 0
      for (place, byte) in bytes.enumerated() {
        if place == dash {
          out[count] = UInt8(ascii: "-")
          count += 1
          dash = dashes.next()
        }
        out[count] = digits.utf8Start[Int(byte >> 4)]
        out[count + 1] = digits.utf8Start[Int(byte & 15)]
        count += 2
      }
      return count
    }
  }
}
