/// Records of a CSV text (RFC 4180): cells in quotes may hold delimiters, line ends and doubled quotes. The delimiter
/// is the first of `,` `;` and tab that the header line has outside of quotes.
struct CSVReader {
  struct Record {
    let cells: [String]
    /// The line on which the record begins, from 1.
    let line: Int
  }

  /// A quote that is never closed; everything after it is lost.
  struct UnclosedQuote: Error { let line: Int }

  private let text: [UInt8]
  private let delimiter: UInt8
  private var offset = 0
  private var line = 1

  init(_ bytes: [UInt8]) {
    text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
    var isQuoted = false
    let choices = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")]
    delimiter =
      text.first { byte in
        if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
        return !isQuoted && (choices.contains(byte) || byte == UInt8(ascii: "\n"))
      }.flatMap { choices.contains($0) ? $0 : nil } ?? choices[0]
  }

  /// The next record that is not an empty line; nil at the end.
  mutating func next() throws(UnclosedQuote) -> Record? {
    while offset < text.count {
      let start = line
      let cells = try record()
      if cells != [""] { return Record(cells: cells, line: start) }
    }
    return nil
  }

  private mutating func record() throws(UnclosedQuote) -> [String] {
    var cells: [String] = []
    while true {
      cells.append(try cell())
      guard offset < text.count else { return cells }
      let end = text[offset]
      offset += 1
      if end == delimiter {
        if offset == text.count { return cells + [""] }
        continue
      }
      if end == UInt8(ascii: "\r"), offset < text.count, text[offset] == UInt8(ascii: "\n") {
        offset += 1
      }
      line += 1
      return cells
    }
  }

  private mutating func cell() throws(UnclosedQuote) -> String {
    let quote = UInt8(ascii: "\"")
    guard offset < text.count, text[offset] == quote else {
      let start = offset
      while offset < text.count, text[offset] != delimiter, !isLineEnd(text[offset]) { offset += 1 }
      return String(decoding: text[start..<offset], as: UTF8.self)
    }
    let start = line
    var bytes: [UInt8] = []
    offset += 1
    while offset < text.count {
      let byte = text[offset]
      offset += 1
      if byte == quote {
        guard offset < text.count, text[offset] == quote else {
          // Whatever stands between the closing quote and the delimiter belongs to the cell.
          while offset < text.count, text[offset] != delimiter, !isLineEnd(text[offset]) {
            bytes.append(text[offset])
            offset += 1
          }
          return String(decoding: bytes, as: UTF8.self)
        }
        offset += 1
      }
      if byte == UInt8(ascii: "\n") { line += 1 }
      bytes.append(byte)
    }
    throw UnclosedQuote(line: start)
  }

  private func isLineEnd(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
  }
}
