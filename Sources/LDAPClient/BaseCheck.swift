import DirectoryModel
import Foundation

/// Whether entries lie under the base of the search that brings them: a server that sends others answers another question.
struct BaseCheck {
  private static let mostSpellings = 8

  /// nil: the base is no distinguished name, for example an Active Directory's `<GUID=…>`, and nothing is checked.
  private let base: DistinguishedName?
  /// The ends of names that are the base, as this server spells it: comparing bytes costs little.
  private var spellings: [[UInt8]]

  init(_ base: String) {
    self.base = base.isEmpty ? nil : DistinguishedName(base)
    spellings = [Array(base.utf8)]
  }

  /// - Parameter name: as the server wrote it; one that is no distinguished name is not checked.
  mutating func holds(_ name: UnsafeRawBufferPointer) -> Bool {
    guard let base else { return true }
    if spellings.contains(where: { Self.ends(name, with: $0) }) { return true }
    guard let own = DistinguishedName(Array(name)[...]) else { return true }
    guard own.isWithin(base) else {
      // Active Directory takes names that differ by accents or width for the same.
      return Self.folded(own)?.isWithin(Self.folded(base) ?? base) ?? false
    }
    learn(name, base)
    return true
  }

  private static func folded(_ name: DistinguishedName) -> DistinguishedName? {
    let text = String(decoding: name.normalised, as: UTF8.self)
    return DistinguishedName(
      text.folding(options: [.diacriticInsensitive, .widthInsensitive], locale: nil))
  }

  private static func ends(_ name: UnsafeRawBufferPointer, with spelling: [UInt8]) -> Bool {
    let start = name.count - spelling.count
    guard start >= 0, name[start...].elementsEqual(spelling) else { return false }
    if start == 0 { return true }
    // The comma may be a part of a value.
    return name[start - 1] == UInt8(ascii: ",")
      && (start == 1 || name[start - 2] != UInt8(ascii: "\\"))
  }

  private mutating func learn(_ name: UnsafeRawBufferPointer, _ base: DistinguishedName) {
    guard spellings.count < Self.mostSpellings else { return }
    for start in name.indices.reversed()
    where start == 0 || name[start - 1] == UInt8(ascii: ",") {
      let end = Array(name[start...])
      guard DistinguishedName(end[...]) == base else { continue }
      spellings.append(end)
      return
    }
  }
}
