import Foundation

/// An IP address, or all addresses that begin with the same bits: 192.0.2.1, 10.0.0.0/8, 2001:db8::/32 (RFC 4632, RFC 4291).
package struct AddressRange: Sendable, Hashable {
  /// In network order: 4 of IPv4, 16 of IPv6.
  private let bytes: [UInt8]
  /// How many bits count.
  private let bits: Int

  package init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2, let bytes = Self.bytes(of: parts[0]) else { return nil }
    let bits = parts.count == 2 ? Int(parts[1]) : bytes.count * 8
    guard let bits, (0...bytes.count * 8).contains(bits) else { return nil }
    (self.bytes, self.bits) = (bytes, bits)
  }

  package func contains(_ address: String) -> Bool {
    guard let other = Self.bytes(of: address), other.count == bytes.count else { return false }
    return bytes.indices.allSatisfy { index in
      let counted = min(8, max(0, bits - index * 8))
      return (bytes[index] ^ other[index]) >> UInt8(8 - counted) == 0
    }
  }

  /// What stands for whoever has an address. Of IPv6 it is the first 64 bits, all of which one network gives its members.
  /// - Returns: nil for what is no address.
  package static func owner(of address: String) -> String? {
    guard let bytes = bytes(of: address) else { return nil }
    return bytes.prefix(bytes.count == 4 ? 4 : 8).map { String($0) }.joined(separator: ".")
  }

  /// IPv4 within IPv6 (::ffff:192.0.2.1) counts as IPv4.
  private static func bytes(of text: String) -> [UInt8]? {
    var four = in_addr(), six = in6_addr()
    if inet_pton(AF_INET, text, &four) == 1 {
      return withUnsafeBytes(of: &four) { Array($0) }
    }
    let withoutZone = text.split(separator: "%", omittingEmptySubsequences: false)[0]
    guard inet_pton(AF_INET6, String(withoutZone), &six) == 1 else { return nil }
    let bytes = withUnsafeBytes(of: &six) { Array($0) }
    let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
    return isMapped ? Array(bytes[12...]) : bytes
  }
}
