/// The directory's side of the house: entries, their names and values, filters over them, LDIF and
/// groups. It knows nothing of accounts, and it never talks to a server.

/// Some entries of a directory in one buffer of bytes: about a thousand at a time go through the
/// house like this, without a string or an object per value.
///
/// Entries are numbered from 0. Attributes are known by their slot, see `AttributeSlots`.
package struct EntryBatch: Sendable {
  package let slots: AttributeSlots
  private var bytes: [UInt8] = []
  private var names: [Span] = []
  private var firstAttribute: [Int32] = []
  private var attributes: [Attribute] = []
  private var values: [Span] = []

  private struct Span: Sendable {
    var start: Int32
    var end: Int32
    var range: Range<Int> { Int(start)..<Int(end) }
  }

  private struct Attribute: Sendable {
    var slot: Int16
    /// The attribute came with options, for example `cn;lang-de`.
    var hasOptions: Bool
    var firstValue: Int32
    var endValue: Int32
  }

  package init(slots: AttributeSlots) { self.slots = slots }

  package var count: Int { names.count }
  package var isEmpty: Bool { names.isEmpty }
  /// Enough to hand on: a thousand entries, or a megabyte of large ones.
  package var isFull: Bool { names.count >= 1000 || bytes.count >= 1_000_000 }
  /// How many bytes it takes, about.
  package var size: Int { bytes.count + values.count * 8 + attributes.count * 12 }

  package mutating func removeAll() {
    bytes.empty()
    names.empty()
    firstAttribute.empty()
    attributes.empty()
    values.empty()
  }
}

extension Array {
  /// Takes everything out; there is room for as much again, also where somebody else keeps what was in.
  fileprivate mutating func empty() {
    let room = count
    removeAll(keepingCapacity: true)
    reserveCapacity(room)
  }
}

// MARK: Building

extension EntryBatch {
  /// Opens the next entry; attributes and values that follow belong to it.
  /// - Parameter dn: the distinguished name as the server wrote it; borrowed for the call.
  package mutating func beginEntry(dn: UnsafeRawBufferPointer) {
    firstAttribute.append(Int32(attributes.count))
    names.append(append(dn))
  }

  /// Opens an attribute of the entry.
  package mutating func beginAttribute(slot: Int, hasOptions: Bool) {
    attributes.append(
      Attribute(
        slot: Int16(slot), hasOptions: hasOptions, firstValue: Int32(values.count),
        endValue: Int32(values.count)))
  }

  /// Adds a value to the attribute that was opened last; borrowed for the call.
  package mutating func appendValue(_ value: UnsafeRawBufferPointer) {
    values.append(append(value))
    attributes[attributes.count - 1].endValue = Int32(values.count)
  }

  package mutating func beginEntry(dn: String) {
    var dn = dn
    dn.withUTF8 { beginEntry(dn: UnsafeRawBufferPointer($0)) }
  }

  package mutating func appendValue(_ value: [UInt8]) {
    value.withUnsafeBytes { appendValue($0) }
  }

  /// Adds an attribute with text values under every slot that its description belongs to.
  package mutating func appendAttribute(_ description: String, values: [[UInt8]]) {
    for place in slots.places(of: Array(description.utf8)) {
      beginAttribute(slot: place.slot, hasOptions: place.hasOptions)
      for value in values { appendValue(value) }
    }
  }

  /// Takes the last entry out again.
  package mutating func removeLastEntry() {
    guard let name = names.popLast(), let first = firstAttribute.popLast() else { return }
    if Int(first) < attributes.count {
      values.removeSubrange(Int(attributes[Int(first)].firstValue)...)
    }
    attributes.removeSubrange(Int(first)...)
    bytes.removeSubrange(Int(name.start)...)
  }

  private mutating func append(_ new: UnsafeRawBufferPointer) -> Span {
    let start = Int32(bytes.count)
    bytes.append(contentsOf: new)
    return Span(start: start, end: Int32(bytes.count))
  }
}

// MARK: Reading

extension EntryBatch {
  /// The distinguished name as the server wrote it.
  package func dn(of entry: Int) -> ArraySlice<UInt8> { bytes[names[entry].range] }

  /// The normalised name, by which entries are told apart; folded where it is not a distinguished name.
  package func name(of entry: Int) -> [UInt8] {
    let dn = dn(of: entry)
    return DistinguishedName.normalise(dn) ?? TextFold.fold(dn)
  }

  /// The hash of `name(of:)`.
  package func nameKey(of entry: Int, _ hash: ByteHash) -> WideHash {
    let dn = dn(of: entry)
    return DistinguishedName.withNormalised(dn) { hash.wide($0) } ?? hash.wide(TextFold.fold(dn))
  }

  /// The same of one entry after another.
  func nameKey(
    of entry: Int, _ hash: ByteHash, _ normaliser: inout DistinguishedName.Normaliser
  ) -> WideHash {
    let dn = dn(of: entry)
    return normaliser.withNormalised(dn) { hash.wide($0) } ?? hash.wide(TextFold.fold(dn))
  }

  /// The values of one attribute, in the order in which they came.
  /// - Parameter withOptions: also those of `attr;option`, as filters want it (RFC 4512 §2.5);
  ///   account fields and templates read the plain attribute.
  package func values(of entry: Int, slot: Int, withOptions: Bool = false) -> [ArraySlice<UInt8>] {
    var found: [ArraySlice<UInt8>] = []
    _ = anyValue(of: entry, slot: slot, withOptions: withOptions) {
      found.append($0)
      return false
    }
    return found
  }

  /// The plain value of an attribute that has just one; nil when there is none, or several.
  package func onlyValue(of entry: Int, slot: Int) -> ArraySlice<UInt8>? {
    var found: Range<Int>?
    for index in attributeRange(of: entry) {
      let attribute = attributes[index]
      guard attribute.slot == slot, !attribute.hasOptions,
        attribute.firstValue < attribute.endValue
      else { continue }
      guard found == nil, attribute.endValue == attribute.firstValue + 1 else { return nil }
      found = values[Int(attribute.firstValue)].range
    }
    return found.map { bytes[$0] }
  }

  /// The plain value of an attribute that came first; nil when there is none.
  package func firstValue(of entry: Int, slot: Int) -> ArraySlice<UInt8>? {
    var found: ArraySlice<UInt8>?
    _ = anyValue(of: entry, slot: slot, withOptions: false) {
      found = $0
      return true
    }
    return found
  }

  /// Whether there is a plain value of the attribute.
  package func has(_ entry: Int, _ slot: Int) -> Bool {
    anyValue(of: entry, slot: slot, withOptions: false) { _ in true }
  }

  /// Whether a value of the attribute passes the test.
  package func anyValue(
    of entry: Int, slot: Int, withOptions: Bool, where test: (ArraySlice<UInt8>) -> Bool
  ) -> Bool {
    anyRange(of: entry, slot: slot, withOptions: withOptions) { test(bytes[$0]) }
  }

  /// Likewise, with bytes that are borrowed for the test: a slice for each value would be counted.
  package func anyBytes(
    of entry: Int, slot: Int, withOptions: Bool, where test: (UnsafeBufferPointer<UInt8>) -> Bool
  ) -> Bool {
    bytes.withUnsafeBufferPointer { buffer in
      anyRange(of: entry, slot: slot, withOptions: withOptions) {
        test(UnsafeBufferPointer(rebasing: buffer[$0]))
      }
    }
  }

  @inline(__always)
  private func anyRange(
    of entry: Int, slot: Int, withOptions: Bool, where test: (Range<Int>) -> Bool
  ) -> Bool {
    for index in attributeRange(of: entry) {
      let attribute = attributes[index]
      guard attribute.slot == slot, withOptions || !attribute.hasOptions else { continue }
      for value in attribute.firstValue..<attribute.endValue
      where test(values[Int(value)].range) {
        return true
      }
    }
    return false
  }

  /// Numbers that stand for the entry: its name and the values of most attributes, and by themselves the
  /// values of the attributes set apart, by slot. The order of attributes and values does not count.
  package func fingerprint(
    of entry: Int, hash: ByteHash, apart: [Int] = []
  ) -> (kept: UInt64, apart: UInt64) {
    bytes.withUnsafeBytes { buffer in
      var kept = hash.value(of: UnsafeRawBufferPointer(rebasing: buffer[names[entry].range]))
      var rest: UInt64 = 0
      for index in attributeRange(of: entry) {
        let attribute = attributes[index]
        let slot = Int(attribute.slot)
        let salt = slots.salts[slot] &+ (attribute.hasOptions ? 0x9E37_79B9_7F4A_7C15 : 0)
        var sum: UInt64 = 0
        for value in attribute.firstValue..<attribute.endValue {
          let range = values[Int(value)].range
          sum &+= hash.value(of: UnsafeRawBufferPointer(rebasing: buffer[range]), salt: salt)
        }
        if !apart.isEmpty, apart.contains(slot) { rest &+= sum } else { kept &+= sum }
      }
      return (kept, rest)
    }
  }

  /// Adds one for each attribute of which the entry has a plain value, by slot.
  package func countValues(of entry: Int, into counts: inout [Int]) {
    var last: Int16 = -1
    for index in attributeRange(of: entry) {
      let attribute = attributes[index]
      if attribute.hasOptions || attribute.slot == last
        || attribute.firstValue == attribute.endValue
      {
        continue
      }
      last = attribute.slot
      counts[Int(attribute.slot)] += 1
    }
  }

  private func attributeRange(of entry: Int) -> Range<Int> {
    let end = entry + 1 < firstAttribute.count ? Int(firstAttribute[entry + 1]) : attributes.count
    return Int(firstAttribute[entry])..<end
  }
}

// MARK: Storing

extension EntryBatch {
  /// One entry as bytes that `appendEntry(stored:)` takes back; slots are stored as numbers.
  package func stored(_ entry: Int, leavingOut left: [Int] = []) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(384)
    bytes.withUnsafeBytes { buffer in
      out.appendField(UnsafeRawBufferPointer(rebasing: buffer[names[entry].range]))
      for index in attributeRange(of: entry) {
        let attribute = attributes[index]
        if !left.isEmpty, left.contains(Int(attribute.slot)) { continue }
        out.appendVarint(UInt64(attribute.slot) << 1 | (attribute.hasOptions ? 1 : 0))
        out.appendVarint(UInt64(attribute.endValue - attribute.firstValue))
        for value in attribute.firstValue..<attribute.endValue {
          out.appendField(UnsafeRawBufferPointer(rebasing: buffer[values[Int(value)].range]))
        }
      }
    }
    return out
  }

  /// The DN of a stored entry; nil when the bytes are none.
  package static func storedName(_ data: UnsafeRawBufferPointer) -> String? {
    var cursor = ByteCursor(data)
    return cursor.field().map { String(decoding: $0, as: UTF8.self) }
  }

  /// The slots of which a stored entry has a plain value, without the attributes that were left out.
  package static func storedSlots(_ data: UnsafeRawBufferPointer) -> Set<Int> {
    var cursor = ByteCursor(data)
    guard cursor.field() != nil else { return [] }
    var slots: Set<Int> = []
    while let head = cursor.varint(), let count = cursor.varint() {
      for _ in 0..<count where cursor.field() == nil { return slots }
      if head & 1 == 0, count > 0 { slots.insert(Int(head >> 1)) }
    }
    return slots
  }

  /// Adds an entry from its stored bytes.
  /// - Parameter places: for each stored slot number its slot here; nil leaves the attribute out.
  /// - Returns: false when the bytes are not a stored entry; the batch is then unchanged.
  package mutating func appendEntry(
    stored data: UnsafeRawBufferPointer, places: [Int?]
  ) -> Bool {
    var cursor = ByteCursor(data)
    guard let name = cursor.field() else { return false }
    beginEntry(dn: name)
    while !cursor.isAtEnd {
      guard let head = cursor.varint(), let count = cursor.varint(), head >> 1 < places.count
      else {
        removeLastEntry()
        return false
      }
      let place = places[Int(head >> 1)]
      if let place { beginAttribute(slot: place, hasOptions: head & 1 == 1) }
      for _ in 0..<count {
        guard let value = cursor.field() else {
          removeLastEntry()
          return false
        }
        if place != nil { appendValue(value) }
      }
    }
    return true
  }

  /// Adds all entries of another batch, less the attributes left out. Where nothing is, and nothing came before, they need
  /// not be copied.
  mutating func append(_ other: EntryBatch, leavingOut left: [Int]) {
    guard isEmpty, !other.attributes.contains(where: { left.contains(Int($0.slot)) }) else {
      for entry in 0..<other.count { appendEntry(entry, of: other, leavingOut: left) }
      return
    }
    (bytes, names, values) = (other.bytes, other.names, other.values)
    (firstAttribute, attributes) = (other.firstAttribute, other.attributes)
  }

  /// Adds a copy of one entry of another batch, less the attributes left out; the others have the same
  /// slots in both.
  package mutating func appendEntry(
    _ entry: Int, of other: EntryBatch, leavingOut left: [Int] = []
  ) {
    other.bytes.withUnsafeBytes { buffer in
      beginEntry(dn: UnsafeRawBufferPointer(rebasing: buffer[other.names[entry].range]))
      for index in other.attributeRange(of: entry) {
        let attribute = other.attributes[index]
        if left.contains(Int(attribute.slot)) { continue }
        beginAttribute(slot: Int(attribute.slot), hasOptions: attribute.hasOptions)
        for value in attribute.firstValue..<attribute.endValue {
          appendValue(
            UnsafeRawBufferPointer(rebasing: buffer[other.values[Int(value)].range]))
        }
      }
    }
  }
}
