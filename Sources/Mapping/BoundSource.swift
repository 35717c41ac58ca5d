import DirectoryModel
import SiteModel

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
  func values(
    of entry: Int, in batch: EntryBatch, undecided: inout UndecidedPattern?
  ) -> UsableValues {
    guard let slot else {
      return UsableValues(source.values(of: entry, in: batch, undecided: &undecided))
    }
    var values = UsableValues.none
    batch.forEachText(of: entry, slot: slot) { values.append($0) }
    return values
  }

  /// The same where it is no longer than a name may be.
  func plainName(of entry: Int, in batch: EntryBatch) -> ArraySlice<UInt8>? {
    plainValue(of: entry, in: batch).flatMap { $0.count <= NameLimits.characters ? $0 : nil }
  }

  /// The value of an attribute that has just one, where it is in ASCII and is taken as it is; nil: see `values`.
  func plainValue(of entry: Int, in batch: EntryBatch) -> ArraySlice<UInt8>? {
    guard let slot, let value = batch.onlyValue(of: entry, slot: slot), let first = value.first,
      let last = value.last, first > 0x20, last > 0x20,
      value.allSatisfy({ (0x20..<0x7F).contains($0) })
    else { return nil }
    return value
  }
}
