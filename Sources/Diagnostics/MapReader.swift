/// Reads a YAML map key by key and reports what does not belong there.
package struct MapReader {
  package let node: YAMLNode
  private let values: [String: YAMLNode]

  /// - Parameters:
  ///   - what: the map's name in messages, for example "the mapping" or "a rule".
  ///   - known: the keys that may stand here.
  /// - Returns: nil when the node is not a map; the fault is then reported.
  package init?(
    _ node: YAMLNode, what: String, known: [String], into findings: inout Findings
  ) {
    self.node = node
    guard case .map(let pairs, _) = node.value else {
      findings.error(
        "\(what) must be a map of keys and values", at: node.position,
        hint: "known keys: \(known.joined(separator: ", "))")
      return nil
    }
    var values: [String: YAMLNode] = [:]
    for pair in pairs {
      guard let key = pair.key.text else {
        findings.error("a key of \(what) must be text", at: pair.key.position)
        continue
      }
      if !known.contains(key) {
        findings.error(
          "unknown key `\(key)` in \(what)", at: pair.key.position,
          hint: nearest(key, among: known).map { "did you mean `\($0)`?" }
            ?? "known keys: \(known.joined(separator: ", "))")
      } else {
        values[key] = pair.value
      }
    }
    self.values = values
  }

  /// The value of a key; nil when the key is absent.
  package subscript(key: String) -> YAMLNode? { values[key] }

  /// The value of a key that has to be there.
  package func required(_ key: String, _ what: String, into findings: inout Findings) -> YAMLNode? {
    if let value = values[key], !value.isEmpty { return value }
    findings.error(
      "`\(key)` is missing: \(what)", at: values[key]?.position ?? node.position)
    return nil
  }
}

/// The known word with the fewest edits from what was written, when they are few enough for a slip.
package func nearest(_ word: String, among known: [String]) -> String? {
  // Comparing costs the product of the lengths, and so long a word is no slip.
  let most = 256
  if word.utf8.count > most { return nil }
  let candidates = known.filter { $0.utf8.count <= most }
    .map { (word: $0, distance: editDistance(word, $0)) }
  guard let best = candidates.min(by: { $0.distance < $1.distance }) else { return nil }
  return best.distance <= max(1, min(3, word.count / 3)) ? best.word : nil
}

private func editDistance(_ left: String, _ right: String) -> Int {
  let left = Array(left), right = Array(right)
  var row = Array(0...right.count)
  for i in left.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in right.indices {
      let substituted = diagonal + (left[i] == right[j] ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(substituted, row[j] + 1, diagonal + 1)
    }
  }
  return row[right.count]
}
