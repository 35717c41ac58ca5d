import Foundation

/// A list in columns, read out as a table, as CSV or as JSON: the same rows in each.
package struct ListTable {
  package enum Format: String, CaseIterable, Sendable { case table, csv, json }

  package enum Cell: Encodable {
    case text(String?)
    case number(Int)
    case flag(Bool)
    case list([String])

    /// For people and for CSV.
    var text: String {
      switch self {
      case .text(let text): text ?? ""
      case .number(let number): String(number)
      case .flag(let flag): flag ? "yes" : "no"
      case .list(let texts): texts.joined(separator: ";")
      }
    }

    var shown: String {
      switch self {
      case .number(let number): number.grouped
      case .list(let texts): texts.joined(separator: " ").shown
      default: text.shown
      }
    }

    package func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .text(let text): try container.encode(text)
      case .number(let number): try container.encode(number)
      case .flag(let flag): try container.encode(flag)
      case .list(let texts): try container.encode(texts)
      }
    }
  }

  /// Names in small letters with `_` between words, as JSON has them.
  package let columns: [String]
  package private(set) var rows: [[Cell]] = []

  package init(_ columns: [String]) { self.columns = columns }

  package mutating func append(_ row: [Cell]) { rows.append(row) }

  /// - Parameter empty: what a table says when there are no rows.
  package func text(
    _ format: Format, empty: String = "Nobody.", style: TextStyle
  ) throws -> String {
    switch format {
    case .table:
      if rows.isEmpty { return empty }
      return makeTable(
        columns.map { $0.replacing("_", with: " ") }, rows.map { $0.map(\.shown) }, style: style)
    case .csv:
      return ([CSVText.row(columns)] + rows.map { CSVText.row($0.map(\.text)) })
        .joined(separator: "\n")
    case .json:
      let objects = try rows.map { row in
        let pairs = try zip(columns, row).map {
          "\"\($0)\":\(try JSONText.of($1, isPretty: false))"
        }
        return "{\(pairs.joined(separator: ","))}"
      }
      return "[\n\(objects.joined(separator: ",\n"))\n]"
    }
  }
}

/// Cells of CSV (RFC 4180) that no spreadsheet takes for a formula.
package enum CSVText {
  package static func row(_ cells: [String]) -> String {
    cells.map(cell).joined(separator: ",")
  }

  static func cell(_ text: String) -> String {
    var cell = text
    // One more where some stand there already, so that taking one off gives the text back.
    let first = text.unicodeScalars.first { $0 != "'" }
    if let first, "=+-@\t\r".unicodeScalars.contains(first) { cell = "'" + text }
    let needsQuotes = cell.unicodeScalars.contains { ",;\"\n\r".unicodeScalars.contains($0) }
    return needsQuotes ? "\"\(cell.replacing("\"", with: "\"\""))\"" : cell
  }
}
