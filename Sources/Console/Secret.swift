import Crypto
import SiteModel

/// Random texts and what is kept of them.
package enum Secret {
  /// 256 random bits as hexadecimal digits.
  package static func random() -> String {
    SymmetricKey(size: .bits256).withUnsafeBytes { $0.hexadecimal }
  }

  /// A SHA-256 as hexadecimal digits.
  package static func digest(_ secret: String) -> String {
    SHA256.hash(data: Array(secret.utf8)).hexadecimal
  }

  /// Compares in the same time wherever two texts differ.
  static func areEqual(_ left: String, _ right: String) -> Bool {
    let left = Array(left.utf8), right = Array(right.utf8)
    guard left.count == right.count else { return false }
    return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
