/// The attributes that a read asks for, each with a small number, its slot, by which filters,
/// templates and batches know it.
package struct AttributeSlots: Sendable, Hashable {
  /// The descriptions as the mapping wrote them, one per slot (RFC 4512 §2.5).
  package let names: [String]
  /// A number per slot that depends on the name alone, for fingerprints.
  let salts: [UInt64]
  private let lowercased: [[UInt8]]
  private let anyHasOptions: Bool

  /// - Parameter names: letter case does not count; doubles are joined.
  package init(_ names: [String]) {
    var seen: Set<String> = []
    self.names = names.filter { seen.insert($0.lowercased()).inserted }
    lowercased = self.names.map { Array($0.lowercased().utf8) }
    anyHasOptions = self.names.contains { $0.contains(";") }
    let hash = ByteHash(seed: 0)
    salts = lowercased.map { name in name.withUnsafeBytes { hash.value(of: $0) } }
  }

  package var count: Int { names.count }

  /// The slot of an attribute by its full description.
  package func slot(of name: String) -> Int? {
    lowercased.firstIndex(of: Array(name.lowercased().utf8))
  }

  package struct Place: Sendable, Hashable {
    package let slot: Int
    package let hasOptions: Bool
  }

  /// The slots that a description as sent by a server belongs to: `cn;lang-de` is a `cn` with
  /// options, and also itself where somebody asked for just that. Mostly none or one.
  package func places(of description: [UInt8]) -> [Place] {
    description.withUnsafeBytes { places(of: $0) }
  }

  package func places(of description: UnsafeRawBufferPointer) -> [Place] {
    if let slot = exact(description) {
      guard anyHasOptions, let base = base(of: description), let slotOfBase = exact(base) else {
        return [Place(slot: slot, hasOptions: false)]
      }
      return [Place(slot: slot, hasOptions: false), Place(slot: slotOfBase, hasOptions: true)]
    }
    guard let base = base(of: description), let slot = exact(base) else { return [] }
    return [Place(slot: slot, hasOptions: true)]
  }

  /// The one slot of a description without options, the fast way; nil when `places(of:)` has to be asked.
  /// - Parameter likely: the slot that is tried first: entries mostly have their attributes in one order.
  package func plainSlot(of description: UnsafeRawBufferPointer, likely: Int) -> Int? {
    if anyHasOptions { return nil }
    return likely < count && isName(description, of: likely) ? likely : exact(description)
  }

  private func exact(_ description: UnsafeRawBufferPointer) -> Int? {
    lowercased.indices.first { isName(description, of: $0) }
  }

  private func isName(_ description: UnsafeRawBufferPointer, of slot: Int) -> Bool {
    lowercased[slot].withUnsafeBufferPointer { name in
      guard name.count == description.count else { return false }
      for index in name.indices where name[index] != description[index].asciiLowercased {
        return false
      }
      return true
    }
  }

  private func base(of description: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard let semicolon = description.firstIndex(of: UInt8(ascii: ";")) else { return nil }
    return UnsafeRawBufferPointer(rebasing: description[..<semicolon])
  }
}

extension UInt8 {
  /// The byte with an ASCII capital made small.
  @inline(__always)
  var asciiLowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }
}
