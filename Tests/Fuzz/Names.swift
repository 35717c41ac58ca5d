import DirectoryModel
import Foundation

/// Distinguished names: the normalised form is read back as itself, and the normaliser that remembers gives the same.
func fuzzDN(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  _ = DistinguishedName.parent(of: text)
  var normaliser = DistinguishedName.Normaliser()
  let name = DistinguishedName(bytes[...])
  for _ in 0..<2 {
    let remembered = normaliser.withNormalised(bytes[...]) { Array($0) }
    require(remembered == name?.normalised, "the normaliser gives another name")
  }
  guard let name else { return }
  let again = DistinguishedName(name.normalised[...])
  require(again == name, "the normalised name is another: \(name.normalised)")
  require(name.isWithin(name), "a name is not within itself")
}

/// Moments of each kind of attribute.
func fuzzTimes(_ bytes: [UInt8]) {
  let names = ["accountExpires", "shadowExpire", "modifyTimestamp", "other"]
  for name in names { _ = AttributeTime(of: name).moment(bytes[...]) }
}

/// Entries as the mirror stores them: one that is taken is written as it was.
func fuzzStored(_ bytes: [UInt8]) {
  let slots = AttributeSlots(["cn", "mail", "uid", "member"])
  var batch = EntryBatch(slots: slots)
  bytes.withUnsafeBytes { bytes in
    _ = EntryBatch.storedName(bytes)
    _ = EntryBatch.storedSlots(bytes)
    guard batch.appendEntry(stored: bytes, places: [0, 1, 2, 3]) else {
      require(batch.isEmpty, "a broken entry stays in the batch")
      return
    }
    let written = batch.stored(0)
    var other = EntryBatch(slots: slots)
    require(
      written.withUnsafeBytes { other.appendEntry(stored: $0, places: [0, 1, 2, 3]) },
      "a stored entry is not read back")
    require(other.stored(0) == written, "a stored entry is read back as another")
  }
}
