/// How large an entry may be. Servers and files of any kind of directory stay far below; whatever is larger is a fault, or meant to
/// use up the memory of this machine.
package enum EntryLimits {
  /// One value, in bytes.
  package static let valueBytes = 1 << 20
  /// One entry, in bytes: a group of a million members is legitimate. Also the largest message of a server.
  package static let entryBytes = 256 << 20
  /// A distinguished name, in bytes; OpenLDAP allows as many.
  package static let nameBytes = 8192
  /// Values of one attribute.
  package static let values = 5_000_000
  /// Attributes of one entry.
  package static let attributes = 10_000

  /// "256 MB"; at least 1 MB.
  package static func megabytes(_ bytes: Int) -> String { "\(bytes >> 20) MB" }

  /// What a value has too much; nil where it fits.
  package static func excess(valueOf bytes: Int) -> String? {
    if bytes <= valueBytes { return nil }
    let shown = bytes < 10 << 20 ? "\((bytes + 1023) >> 10) kB" : megabytes(bytes)
    return "a value of \(shown), and usher takes \(megabytes(valueBytes)) at most"
  }

  /// The beginning of a name that may be very long, for messages.
  package static func shown(_ name: some Collection<UInt8>) -> String {
    let text = String(decoding: name.prefix(200), as: UTF8.self)
    return name.count > 200 ? text + "…" : text
  }
}
