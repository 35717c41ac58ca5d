import DirectoryModel

/// A source made ready for one read: whose attribute is looked up once, not for each person.
struct BoundSource: Sendable {
  private let source: ValueSource
  /// nil for what is more than an attribute.
  private let slot: Int?

  init(_ source: ValueSource, _ slots: AttributeSlots) {
    self.source = source
    if case .attribute(let name) = source { slot = slots.slot(of: name) } else { slot = nil }
  }

  /// See `ValueSource.values`.
  func values(of entry: Int, in batch: EntryBatch) -> [String] {
    slot.map { batch.texts(of: entry, slot: $0) } ?? source.values(of: entry, in: batch)
  }
}
