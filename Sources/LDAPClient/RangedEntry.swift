import DirectoryModel
import Ports

/// The values from `first` to `last` of an attribute, `member;range=0-1499` ([MS-ADTS] 3.1.1.3.1.3.3).
struct ValueRange: Hashable {
  let attribute: String
  let first: Int
  /// nil: to the end.
  let last: Int?

  /// - Returns: nil for a description without a range.
  init?(_ description: UnsafeRawBufferPointer) {
    guard let mark = description.firstIndex(of: UInt8(ascii: ";")) else { return nil }
    let option = String(decoding: description[(mark + 1)...], as: UTF8.self)
    guard option.lowercased().hasPrefix("range=") else { return nil }
    let bounds = option.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
    guard bounds.count == 2, let first = Int(bounds[0]) else { return nil }
    attribute = String(decoding: description[..<mark], as: UTF8.self)
    self.first = first
    if bounds[1] == "*" {
      last = nil
    } else {
      guard let last = Int(bounds[1]), last >= first else { return nil }
      self.last = last
    }
  }
}

/// An entry of which the server sent a part of some attribute's values: all of them are fetched in a loop. A gap
/// is fatal: whoever is in it would be taken for somebody who left.
struct RangedEntry {
  struct Part {
    let attribute: String
  }

  let dn: String
  /// The entry without the values of the attributes in parts.
  private(set) var entry: EntryBatch
  let parts: [Part]

  init(dn: String, entry: EntryBatch, parts: [Part]) {
    self.dn = dn
    self.entry = entry
    self.parts = parts
  }

  /// What a value takes in memory beside its bytes.
  private static let bytesPerValue = 48

  /// Changes when the entry does; a server without it is believed.
  private static let version = "uSNChanged"

  /// - Throws: `ReadFailure` where values are missing, or while the entry keeps changing.
  mutating func complete(_ connection: LDAPConnection, _ limiter: LoadLimiter) throws {
    for part in parts {
      guard let slot = entry.slots.slot(of: part.attribute) else { continue }
      var values: [[UInt8]]?
      for _ in 0..<5 where values == nil {
        values = try all(part.attribute, connection, limiter)
      }
      guard let values else {
        throw ReadFailure(
          "\(dn) on \(connection.url) changed each time while the values of \(part.attribute) were fetched",
          remedy: "run again")
      }
      entry.beginAttribute(slot: slot, hasOptions: false)
      for value in values { entry.appendValue(value) }
    }
  }

  /// All values; nil when the entry changed in between, which may have moved values from one part to another.
  private func all(
    _ attribute: String, _ connection: LDAPConnection, _ limiter: LoadLimiter
  ) throws -> [[UInt8]]? {
    var all: [[UInt8]] = []
    var version: [UInt8]?
    var bytes = 0
    while true {
      let asked = "\(attribute);range=\(all.count)-*"
      limiter.beforeSearch()
      let received = try connection.readEntry(dn, attributes: [asked, Self.version])
      let found = received.first { $0.description.lowercased() == Self.version.lowercased() }
      if all.isEmpty { version = found?.values.first }
      if version != found?.values.first { return nil }
      let part = received.lazy.compactMap { attribute -> (range: ValueRange, values: [[UInt8]])? in
        let range = Array(attribute.description.utf8).withUnsafeBytes { ValueRange($0) }
        return range.map { ($0, attribute.values) }
      }.first { $0.range.attribute.lowercased() == attribute.lowercased() }
      guard let (range, values) = part else {
        throw ReadFailure(
          "\(connection.url) sent only a part of the values of \(dn) and does not answer for \(asked)",
          remedy: "run again; if it stays so, the server is at fault")
      }
      guard range.first == all.count,
        range.last.map({ $0 - range.first + 1 == values.count }) ?? true
      else { throw Self.gap(range, after: asked, connection) }
      all += values
      bytes += values.reduce(0) { $0 + $1.count + Self.bytesPerValue }
      if bytes > EntryLimits.entryBytes {
        throw ReadFailure(
          "\(dn) on \(connection.url) has more than \(EntryLimits.megabytes(EntryLimits.entryBytes)) of values for \(attribute)",
          remedy: "check the server, or leave the entry out by the search's filter")
      }
      if range.last == nil { return all }
    }
  }

  static func gap(
    _ range: ValueRange, after asked: String, _ connection: LDAPConnection
  ) -> ReadFailure {
    ReadFailure(
      "\(connection.url) sent the values \(range.first) to \(range.last.map(String.init) ?? "the end") of \(range.attribute) where \(asked) was asked: some values are missing",
      remedy: "run again; if it stays so, the server is at fault")
  }
}
