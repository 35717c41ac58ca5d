import Foundation

/// A regular expression over a value; letter case counts.
package struct Pattern: Sendable {
  package let text: String
  private let expression: NSRegularExpression

  /// - Throws: when the text is not a regular expression.
  package init(_ text: String) throws {
    self.text = text
    expression = try NSRegularExpression(pattern: text)
  }

  /// How many groups the pattern catches.
  package var catchCount: Int { expression.numberOfCaptureGroups }

  /// What the pattern caught: first all that matched, then its groups; nil when it does not match.
  package func match(_ value: String) -> [String]? {
    let whole = NSRange(value.startIndex..., in: value)
    guard let match = expression.firstMatch(in: value, range: whole) else { return nil }
    return (0..<match.numberOfRanges).map { index in
      Range(match.range(at: index), in: value).map { String(value[$0]) } ?? ""
    }
  }
}
