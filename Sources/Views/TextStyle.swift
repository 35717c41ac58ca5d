/// Plans, lists, explanations and diagnostics as people and programs read them. This room takes values and
/// returns text; it neither decides nor prints.

import Foundation

/// Colours, or none.
package struct TextStyle: Sendable {
  package static let plain = TextStyle(isColoured: false)
  private let isColoured: Bool

  package init(isColoured: Bool) { self.isColoured = isColoured }

  package func green(_ text: String) -> String { paint(text, 32) }
  package func red(_ text: String) -> String { paint(text, 31) }
  package func yellow(_ text: String) -> String { paint(text, 33) }
  package func bold(_ text: String) -> String { paint(text, 1) }
  package func dim(_ text: String) -> String { paint(text, 2) }

  private func paint(_ text: String, _ code: Int) -> String {
    isColoured ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}

extension String {
  /// The text with whatever could steer a terminal made visible.
  package var shown: String {
    if utf8.allSatisfy({ 0x20..<0x7F ~= $0 }) { return self }
    guard unicodeScalars.contains(where: { $0.isUnshowable }) else { return self }
    return unicodeScalars.map {
      $0.isUnshowable ? "\\u{\(String($0.value, radix: 16))}" : String($0)
    }.joined()
  }

  /// Filled with spaces to a width in characters.
  func padded(to width: Int) -> String {
    count >= width ? self : self + String(repeating: " ", count: width - count)
  }
}

extension Unicode.Scalar {
  /// Control and format characters, among them those that reverse the direction of text.
  fileprivate var isUnshowable: Bool {
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }
}

extension Int {
  /// With commas: 12,000.
  package var grouped: String {
    let digits = String(magnitude)
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
      text.append(digit)
    }
    return self < 0 ? "-" + text : text
  }

  /// "1 person", "2,000 people".
  package func of(_ one: String, _ many: String) -> String {
    "\(grouped) \(self == 1 ? one : many)"
  }
}

/// Seconds since 1970 as RFC 3339 has it, in UTC.
package func timeText(_ seconds: Int64) -> String {
  Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601)
}

/// Rows in columns as wide as they need; the last column runs on.
package func makeTable(_ header: [String], _ rows: [[String]], style: TextStyle) -> String {
  var widths = header.map(\.count)
  for row in rows {
    for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
  }
  func line(_ cells: [String]) -> String {
    var text = ""
    for (index, cell) in cells.enumerated() {
      text += index == cells.count - 1 ? cell : cell.padded(to: widths[index] + 2)
    }
    return text
  }
  return ([style.bold(line(header))] + rows.map(line)).joined(separator: "\n")
}
