import DirectoryModel
import Mapping

/// A filter and, after a zero, the values of one entry. The filter's text is read back as the same filter.
func fuzzFilter(_ bytes: [UInt8]) {
  let parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
  let text = String(decoding: parts[0], as: UTF8.self)
  guard let filter = try? Filter(parsing: text) else { return }
  let again = try? Filter(parsing: filter.text)
  require(again == filter, "\(text) is written as \(filter.text)")
  let slots = AttributeSlots(filter.attributes)
  for membership in [false, true] {
    guard
      let resolved = try? filter.resolved(list: { _ in ["a", "b*"] }),
      let compiled = try? CompiledFilter(resolved, slots: slots, membership: membership, now: 1000)
    else { continue }
    var batch = EntryBatch(slots: slots)
    batch.beginEntry(dn: "cn=a")
    for name in slots.names {
      batch.appendAttribute(name, values: parts.dropFirst().map(Array.init))
    }
    _ = compiled.matches(0, of: batch) { _ in true }
    _ = compiled.secondsToChange(of: 0, in: batch)
  }
}

/// A pattern and, after a zero, what it is matched with.
func fuzzPattern(_ bytes: [UInt8]) {
  let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
  guard let pattern = try? Pattern(String(decoding: parts[0], as: UTF8.self)) else { return }
  let text = parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : ""
  if case .caught(let caught) = pattern.match(text) {
    require(caught.count <= pattern.catchCount + 1, "more was caught than there are groups")
    require(
      caught.allSatisfy { text.unicodeScalars.contains($0.unicodeScalars) },
      "something else was caught")
  }
}
