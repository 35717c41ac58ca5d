/// What an account holds, as its row has it: `{"right":giver,…}`, each by its number, in the rights' order. With a row for
/// each, they would be most rows of a store, and most of a first sync's time.
struct PackedRights {
  struct Held {
    let right: Int64
    /// By number in `giver`.
    var giver: Int64
  }

  /// As SQL: whether the rights of an account hold the right of a kind and key, which are the arguments.
  static let hold =
    "instr(rights, (SELECT '\"' || id || '\":' FROM rights WHERE kind = ? AND key = ?)) > 0"

  private(set) var held: [Held]

  init(_ held: consuming [Held] = []) {
    self.held = held
    self.held.sort { $0.right < $1.right }
  }

  /// - Parameter text: as `text` is; empty for nothing.
  init(_ text: UnsafeRawBufferPointer) {
    held = []
    var right: Int64?
    var number: Int64?
    for byte in text {
      if (0x30...0x39).contains(byte) {
        number = (number ?? 0) &* 10 &+ Int64(byte - 0x30)
      } else if let complete = number {
        if let known = right { held.append(Held(right: known, giver: complete)) }
        right = right == nil ? complete : nil
        number = nil
      }
    }
  }

  /// Whether the bytes are rights as this type writes them, whatever their order.
  static func isWhole(_ text: UnsafeRawBufferPointer) -> Bool {
    if text.isEmpty { return true }
    var rest = text[...]
    func take(_ word: StaticString) -> Bool {
      let fits = word.withUTF8Buffer { rest.starts(with: $0) }
      if fits { rest = rest.dropFirst(word.utf8CodeUnitCount) }
      return fits
    }
    func takeNumber() -> Bool {
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      rest = rest.dropFirst(digits.count)
      return (1...19).contains(digits.count)
    }
    guard take("{") else { return false }
    repeat {
      guard take("\""), takeNumber(), take("\":"), takeNumber() else { return false }
    } while take(",")
    return take("}") && rest.isEmpty
  }

  /// nil for nothing.
  var text: String? {
    if held.isEmpty { return nil }
    var bytes: [UInt8] = []
    append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Adds the text, where there is one.
  func append(to bytes: inout [UInt8]) {
    if held.isEmpty { return }
    // Two numbers of 20 digits at most, and what is around them; filled from its end.
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 44 * held.count + 1) { text in
      var start = text.count
      func put(_ byte: UInt8) {
        start -= 1
        text.initializeElement(at: start, to: byte)
      }
      func put(_ number: Int64) {
        var rest = number.magnitude
        repeat {
          put(UInt8(ascii: "0") + UInt8(rest % 10))
          rest /= 10
        } while rest > 0
      }
      put(UInt8(ascii: "}"))
      for (place, one) in held.enumerated().reversed() {
        put(one.giver)
        put(UInt8(ascii: ":"))
        put(UInt8(ascii: "\""))
        put(one.right)
        put(UInt8(ascii: "\""))
        put(place == 0 ? UInt8(ascii: "{") : UInt8(ascii: ","))
      }
      bytes.append(contentsOf: UnsafeMutableBufferPointer(rebasing: text[start...]))
    }
  }

  /// The giver of a right; nil where it is not held.
  subscript(right: Int64) -> Int64? {
    get { held.first { $0.right == right }?.giver }
    set {
      held.removeAll { $0.right == right }
      guard let newValue else { return }
      let place = held.firstIndex { $0.right > right } ?? held.endIndex
      held.insert(Held(right: right, giver: newValue), at: place)
    }
  }
}
