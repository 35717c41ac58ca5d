import DirectoryModel
import SiteModel

/// Where a field of an account takes its values from.
package enum ValueSource: Sendable {
  case attribute(String)
  case template(Template)
  /// The first group that the pattern catches, else all that it matched.
  case part(of: String, Pattern)

  package var attributes: [String] {
    switch self {
    case .attribute(let name), .part(let name, _): [name]
    case .template(let template): template.attributes(scope: nil)
    }
  }

  /// All values of an entry, in no particular order, without spaces at their ends; empty ones left out.
  /// - Parameter undecided: gets the pattern that could not be matched with a value, see `Pattern.Outcome.undecided`.
  package func values(
    of entry: Int, in batch: EntryBatch, undecided: inout UndecidedPattern?
  ) -> [String] {
    func texts(_ name: String) -> [String] {
      guard let slot = batch.slots.slot(of: name) else { return [] }
      return batch.texts(of: entry, slot: slot)
    }
    switch self {
    case .attribute(let name): return texts(name)
    case .template(let template):
      return template.rendered { _, name in texts(name) }.map(\.trimmed).filter { !$0.isEmpty }
    case .part(let name, let pattern):
      return texts(name).compactMap { value in
        switch pattern.match(value) {
        case .none: return nil
        case .caught(let texts): return (texts.count > 1 ? texts[1] : texts[0]).trimmed
        case .undecided:
          undecided = UndecidedPattern(pattern: pattern.text, attribute: name)
          return nil
        }
      }.filter { !$0.isEmpty }
    }
  }
}

/// A pattern of which nobody knows whether it matches a value of this attribute.
package struct UndecidedPattern: Sendable, Hashable {
  let pattern: String
  let attribute: String
}

extension EntryBatch {
  /// The values of an attribute that are text, less spaces at their ends; empty ones left out.
  func texts(of entry: Int, slot: Int) -> [String] {
    var texts: [String] = []
    forEachText(of: entry, slot: slot) { texts.append($0) }
    return texts
  }

  /// Tells them one by one.
  func forEachText(of entry: Int, slot: Int, _ body: (String) -> Void) {
    _ = anyValue(of: entry, slot: slot, withOptions: false) { value in
      var text = String(decoding: value, as: UTF8.self)
      // What is no text was mended and has other bytes now. To ask whether it is one costs three times as much.
      let isText = text.withUTF8 { own in
        value.withUnsafeBytes { isSameBytes(UnsafeRawBufferPointer(own), $0) }
      }
      text = text.trimmed
      if isText, !text.isEmpty { body(text) }
      return false
    }
  }
}

extension String {
  /// One @ with something on both sides, no spaces, nothing that is not shown.
  var isUsableEmail: Bool {
    guard utf8.hasOneAt else { return false }
    // Most are plain.
    if utf8.allSatisfy({ (0x21..<0x7F).contains($0) }) { return true }
    return hiddenCharacter == nil && !contains(where: \.isWhitespace)
  }
}

extension BidirectionalCollection<UInt8> {
  /// One @ with something on both sides, and no more bytes than an email may have.
  fileprivate var hasOneAt: Bool {
    let at = UInt8(ascii: "@")
    return count <= 254 && count(where: { $0 == at }) == 1 && first != at && last != at
  }
}

extension ArraySlice<UInt8> {
  /// Whether a value in ASCII without spaces at its ends is a usable email.
  var isUsablePlainEmail: Bool { hasOneAt && !contains(UInt8(ascii: " ")) }
}
