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
    return bytes.count == 16 ? guid(bytes) : "0x" + hex(bytes[...])
  }

  /// The hash of an id's text, mostly without making the text.
  package static func wide(_ value: ArraySlice<UInt8>, _ hash: ByteHash) -> WideHash {
    if value.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !(0x41...0x5A).contains($0) }) {
      return value.withUnsafeBytes { hash.wide($0) }
    }
    return hash.wide(Array(text(of: value).utf8))
  }

  /// What a server is asked for to find an id again that `text(of:)` made.
  package static func bytes(of text: String, _ attribute: String) -> [UInt8] {
    let isGUID = ["objectguid", "msexchmailboxguid"].contains(attribute.lowercased())
    return (isGUID ? guidBytes(of: text) : nil) ?? Array(text.utf8)
  }

  /// An entryUUID's 16 bytes as text (RFC 4530).
  package static func uuidText(of bytes: [UInt8]) -> String {
    var text = hex(bytes[...])
    for place in [20, 16, 12, 8] where text.count > place {
      text.insert("-", at: text.index(text.startIndex, offsetBy: place))
    }
    return text
  }

  /// An nsUniqueId's 16 bytes as 389 Directory Server writes them.
  package static func uniqueIDText(of bytes: [UInt8]) -> String {
    stride(from: 0, to: bytes.count, by: 4).map { hex(bytes[$0..<min($0 + 4, bytes.count)]) }
      .joined(separator: "-")
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
    let parts = [
      bytes[0..<4].reversed(), bytes[4..<6].reversed(), bytes[6..<8].reversed(),
      Array(bytes[8..<10]), Array(bytes[10..<16]),
    ]
    return parts.map { hex($0[...]) }.joined(separator: "-")
  }

  private static func hex(_ bytes: ArraySlice<UInt8>) -> String {
    bytes.map { byte in
      let text = String(byte, radix: 16)
      return text.count == 1 ? "0" + text : text
    }.joined()
  }
}
