import Foundation

/// Why a file is not LDIF content, and where.
package struct LDIFFault: Error, Hashable {
  package let line: Int
  package let message: String
}

/// Reads LDIF content records (RFC 2849): folded lines, comments, base64, raw UTF-8, options.
/// Change records are refused.
package struct LDIFReader {
  private let text: [UInt8]
  private var offset = 0
  private var line = 0

  package init(_ text: [UInt8]) {
    self.text = text.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(text.dropFirst(3)) : text
  }

  /// Appends the next entry to the batch, with the attributes that have a slot.
  /// - Returns: false at the end of the file.
  package mutating func appendEntry(to batch: inout EntryBatch) throws(LDIFFault) -> Bool {
    guard let first = try nextRecord() else { return false }
    guard first.name == "dn" else {
      throw LDIFFault(line: line, message: "an entry begins with `dn:`, not `\(first.name):`")
    }
    guard first.value.count <= EntryLimits.nameBytes else {
      throw LDIFFault(
        line: line,
        message:
          "a name of \(first.value.count) bytes; usher takes \(EntryLimits.nameBytes) at most")
    }
    first.value.withUnsafeBytes { batch.beginEntry(dn: $0) }
    var bytes = 0
    var grouped: [(name: String, values: [[UInt8]])] = []
    while let attribute = try nextAttribute() {
      let name = attribute.name.lowercased()
      bytes += attribute.value.count
      try refuseExcess(attribute, of: first.value, bytes, batch.slots)
      switch name {
      case "changetype":
        throw LDIFFault(
          line: line,
          message:
            "a change record (`changetype:`); usher reads content records only, as ldapsearch or slapcat writes them"
        )
      case "dn":
        throw LDIFFault(
          line: line, message: "a second `dn:` in one entry; is an empty line missing?")
      case _ where name.contains(";range="):
        throw LDIFFault(
          line: line,
          message:
            "`\(attribute.name)` holds a part of the values only; export the entry with all of them"
        )
      default: break
      }
      if grouped.last?.name == name {
        grouped[grouped.count - 1].values.append(attribute.value)
      } else if let known = grouped.firstIndex(where: { $0.name == name }) {
        grouped[known].values.append(attribute.value)
      } else {
        grouped.append((name, [attribute.value]))
      }
    }
    for attribute in grouped { batch.appendAttribute(attribute.name, values: attribute.values) }
    return true
  }

  /// - Parameter bytes: what the entry's values have so far.
  private func refuseExcess(
    _ attribute: Attribute, of entry: [UInt8], _ bytes: Int, _ slots: AttributeSlots
  ) throws(LDIFFault) {
    if bytes > EntryLimits.entryBytes {
      throw LDIFFault(
        line: line,
        message:
          "\(EntryLimits.shown(entry)) has more than \(EntryLimits.megabytes(EntryLimits.entryBytes)) of values"
      )
    }
    guard let excess = EntryLimits.excess(valueOf: attribute.value.count),
      !slots.places(of: Array(attribute.name.utf8)).isEmpty
    else { return }
    throw LDIFFault(
      line: line,
      message:
        "\(EntryLimits.shown(entry)) has \(excess): \(EntryLimits.shown(attribute.name.utf8))")
  }

  fileprivate struct Attribute {
    let name: String
    let value: [UInt8]
  }

  /// Skips empty lines and the version line, up to the next record's first line.
  private mutating func nextRecord() throws(LDIFFault) -> Attribute? {
    while offset < text.count {
      guard let attribute = try nextAttribute() else { continue }
      guard attribute.name.lowercased() == "version" else { return attribute.lowercasedDN }
      guard attribute.value == Array("1".utf8) else {
        throw LDIFFault(line: line, message: "only LDIF version 1 is known")
      }
    }
    return nil
  }

  /// The next attribute of the record; nil at the empty line that ends it.
  private mutating func nextAttribute() throws(LDIFFault) -> Attribute? {
    while true {
      guard let logical = nextLogicalLine() else { return nil }
      if logical.isEmpty { return nil }
      if logical.first == UInt8(ascii: "#") { continue }
      return try attribute(logical)
    }
  }

  private func attribute(_ logical: [UInt8]) throws(LDIFFault) -> Attribute {
    guard let colon = logical.firstIndex(of: UInt8(ascii: ":")), colon > 0 else {
      throw LDIFFault(line: line, message: "`attribute: value` is expected")
    }
    let name = String(decoding: logical[..<colon], as: UTF8.self)
    let rest = logical[(colon + 1)...]
    switch rest.first {
    case UInt8(ascii: ":"):
      let encoded = rest.dropFirst().filter { $0 != 0x20 }
      guard let data = Data(base64Encoded: Data(encoded)) else {
        throw LDIFFault(line: line, message: "the value of `\(name)` is not base64")
      }
      return Attribute(name: name, value: Array(data))
    case UInt8(ascii: "<"):
      throw LDIFFault(
        line: line, message: "the value of `\(name)` is a URL, which usher does not fetch")
    default:
      return Attribute(name: name, value: Array(rest.drop { $0 == 0x20 }))
    }
  }

  /// A line with its continuations joined, without line ends; nil at the end of the file. `line`
  /// is then the number of its first line.
  private mutating func nextLogicalLine() -> [UInt8]? {
    guard offset < text.count else { return nil }
    line += 1 + continuations
    continuations = 0
    var logical = nextPhysicalLine()
    while offset < text.count, text[offset] == 0x20, !logical.isEmpty {
      logical += nextPhysicalLine().dropFirst()
      continuations += 1
    }
    return logical
  }

  /// How many continuation lines the last logical line had.
  private var continuations = 0

  private mutating func nextPhysicalLine() -> [UInt8] {
    let end = text[offset...].firstIndex(of: 0x0A) ?? text.count
    defer { offset = min(end + 1, text.count) }
    let line = text[offset..<end]
    return Array(line.last == 0x0D ? line.dropLast() : line)
  }
}

extension LDIFReader.Attribute {
  fileprivate var lowercasedDN: Self {
    name.lowercased() == "dn" ? Self(name: "dn", value: value) : self
  }
}
