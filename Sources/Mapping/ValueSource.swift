import DirectoryModel

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

  /// All values of an entry, in no particular order, untrimmed.
  package func values(of entry: Int, in batch: EntryBatch) -> [String] {
    func texts(_ name: String) -> [String] {
      guard let slot = batch.slots.slot(of: name) else { return [] }
      return batch.texts(of: entry, slot: slot)
    }
    switch self {
    case .attribute(let name): return texts(name)
    case .template(let template): return template.rendered { _, name in texts(name) }
    case .part(let name, let pattern):
      return texts(name).compactMap { value in
        pattern.match(value).map { $0.count > 1 ? $0[1] : $0[0] }
      }
    }
  }
}

extension EntryBatch {
  /// The values of an attribute that are text, less spaces at their ends; empty ones left out.
  func texts(of entry: Int, slot: Int) -> [String] {
    values(of: entry, slot: slot).compactMap {
      String(validating: $0, as: UTF8.self)?.trimmed
    }.filter { !$0.isEmpty }
  }
}

extension String {
  /// The text without white space at its ends.
  var trimmed: String {
    guard first?.isWhitespace == true || last?.isWhitespace == true else { return self }
    guard let start = firstIndex(where: { !$0.isWhitespace }),
      let end = lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(self[start...end])
  }

  /// One @ with something on both sides, no spaces, nothing that is not shown.
  var isUsableEmail: Bool {
    let parts = split(separator: "@", omittingEmptySubsequences: false)
    return parts.count == 2 && parts.allSatisfy { !$0.isEmpty } && utf8.count <= 254
      && unicodeScalars.allSatisfy {
        !$0.properties.isWhitespace && $0.properties.generalCategory != .control
      }
  }
}
