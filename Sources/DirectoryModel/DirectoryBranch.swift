/// The part of a directory in which an entry lies: the base of the search that finds it, or the entry directly below that
/// base under which it is, mostly an organisational unit.
package struct DirectoryBranches: Sendable {
  /// In small letters, and how many names (RDNs) each has; the longest first.
  private let bases: [(name: [UInt8], depth: Int)]

  /// - Parameter bases: of the searches; the empty name stands for all that the directory holds.
  package init(bases: [String]) {
    self.bases = bases.map { base in
      let name = Array(base.utf8).map(\.asciiLowercased)
      return (name, name.isEmpty ? 0 : Self.starts(of: name).count)
    }.sorted { $0.name.count > $1.name.count }
  }

  /// The branch of an entry, as a DN in small letters.
  /// - Parameter name: the entry's DN in UTF-8.
  package func branch(of name: UnsafeRawBufferPointer) -> String {
    let name = name.map(\.asciiLowercased)
    let starts = Self.starts(of: name)
    let base = bases.first {
      name.count >= $0.name.count && name.suffix($0.name.count).elementsEqual($0.name)
    }
    // The domain above all organisational units belongs to the base that is not named.
    let above = base?.depth ?? 0
    let depth = above > 0 ? above : starts.count { name[$0...].starts(with: Array("dc=".utf8)) }
    let isDeeper = starts.count > depth + 1
    let start = starts.count - (isDeeper ? depth + 1 : depth)
    return String(decoding: start < starts.count ? name[starts[start]...] : [], as: UTF8.self)
  }

  /// The branch of an entry by its stored bytes.
  package func branch(ofStored data: UnsafeRawBufferPointer) -> String {
    var cursor = ByteCursor(data)
    return cursor.field().map { branch(of: $0) } ?? ""
  }

  /// - Parameter name: the entry's DN in UTF-8.
  package func branch(of name: ArraySlice<UInt8>) -> String {
    name.withUnsafeBytes { branch(of: $0) }
  }

  /// Where each name of a DN begins (RFC 4514 §2.4).
  private static func starts(of name: [UInt8]) -> [Int] {
    var starts = [0]
    var isEscaped = false
    for (index, byte) in name.enumerated() {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: ",") {
        var next = index + 1
        while next < name.count, name[next] == UInt8(ascii: " ") { next += 1 }
        starts.append(next)
      }
    }
    return starts
  }
}
