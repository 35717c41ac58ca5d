import DirectoryModel
import Foundation
import GRDB
import Ports

/// A hash under which an entry is found, by the entry's row.
struct HashedEntry: Hashable, Comparable, BitwiseCopyable {
  let hash: WideHash
  let entry: Int64

  static func < (left: HashedEntry, right: HashedEntry) -> Bool {
    left.hash == right.hash ? left.entry < right.entry : left.hash < right.hash
  }
}

/// Sorted pairs of hash and entry, in blocks that fit a page: a row for each pair would cost a first read more than the
/// entries do. What is noted of pairs is written by `make`.
final class MirrorBlocks {
  private static let pairBytes = 24
  /// What blocks hold at most where several are made at once, and what one may come to hold.
  private static let filled = 144, full = 160
  /// How many pairs are noted in memory where none is removed; a first read brings some for each person.
  private static let noted = 25_000

  private let db: Database
  private let directory: String
  private let kind: Int
  /// Whether a hash is of one entry.
  private let isUnique: Bool
  /// Made when first needed.
  private var finders: Finders?
  private var writers: Writers?
  /// What was noted; of one pair the last that was noted counts.
  private var added: [HashedEntry] = []
  /// What was noted before that, all of it added; nil mostly.
  private var runs: HashedRuns?
  private var removed: [(pair: HashedEntry, before: Int)] = []

  /// Find the block in which a pair would be, and the one after it: its id, first pair and pairs.
  private struct Finders {
    let before, after: RapidStatement

    init(_ db: Database) throws {
      func block(_ which: String) throws -> RapidStatement {
        try RapidStatement(
          db,
          "SELECT id, first, pairs FROM mirror_block WHERE directory = ? AND kind = ? AND first \(which) LIMIT 1"
        )
      }
      before = try block("<= ? ORDER BY first DESC")
      after = try block("> ? ORDER BY first")
    }
  }

  private struct Writers {
    let update, insert: RapidStatement

    init(_ db: Database) throws {
      update = try RapidStatement(db, "UPDATE mirror_block SET pairs = ? WHERE id = ?")
      insert = try RapidStatement(
        db, "INSERT INTO mirror_block (directory, kind, first, pairs) VALUES (?, ?, ?, ?)")
    }
  }

  /// By the keys by which groups know people, and their members.
  init(_ db: Database, directory: String, kind: MirrorKind) {
    self.db = db
    self.directory = directory
    self.kind = kind.rawValue
    isUnique = false
  }

  /// By the hashes of the entries' own keys.
  init(_ db: Database, directory: String, keysOf kind: MirrorKind) {
    self.db = db
    self.directory = directory
    self.kind = 2 + kind.rawValue
    isUnique = true
  }

  /// Notes that an entry no longer has hashes, and has others from now on.
  func note(removed gone: [WideHash] = [], added new: [WideHash] = [], _ entry: Int64) throws {
    for hash in gone {
      removed.append((HashedEntry(hash: hash, entry: entry), before: added.count))
    }
    for hash in new { added.append(HashedEntry(hash: hash, entry: entry)) }
    if added.count >= Self.noted, removed.isEmpty { try putAside() }
  }

  private func putAside() throws {
    let kept = try runs ?? HashedRuns(in: folder())
    runs = kept
    try kept.add(added)
    added.removeAll(keepingCapacity: true)
  }

  /// Where the store lies.
  private func folder() throws -> String {
    let file = try String.fetchOne(
      db, sql: "SELECT file FROM pragma_database_list WHERE name = 'main'")
    return URL(fileURLWithPath: file ?? "").deletingLastPathComponent().path
  }

  /// Where hashes are of one entry each: the entry that has this one, by what was noted, too.
  func entry(under hash: WideHash) throws -> Int64? {
    // More than one would look through for each hash.
    if added.count + removed.count > 1000 || runs != nil { try make() }
    let gone = removed.last { $0.pair.hash == hash }
    if let place = added.lastIndex(where: { $0.hash == hash }), place >= gone?.before ?? 0 {
      return added[place].entry
    }
    return gone == nil ? try find([hash]).first?.entry : nil
  }

  /// The entries that blocks have under any of these hashes.
  func find(_ hashes: [WideHash]) throws -> [HashedEntry] {
    let own = try finders ?? Finders(db)
    finders = own
    var found: [HashedEntry] = []
    var rest = Set(hashes).sorted()[...]
    // The block behind which the first hash goes on, by its first pair; nil: it is not found yet.
    var behind: [UInt8]?
    while let hash = rest.first {
      let place = behind ?? Self.bytes(of: HashedEntry(hash: hash, entry: 0))
      let statement = behind == nil ? own.before : own.after
      let block: Void? = try statement.first(
        .text(directory), .int(Int64(kind)), .bytes(place)
      ) { row in
        behind = take(&rest, from: row.bytes(2), &found) ? nil : Array(row.bytes(1))
      }
      if block == nil {
        behind = nil
        rest.removeFirst()
      }
    }
    return found
  }

  /// Takes out the first hash, and those after it that the same block answers for.
  /// - Returns: false where the first that is left may go on in the next block.
  private func take(
    _ rest: inout ArraySlice<WideHash>, from pairs: UnsafeRawBufferPointer,
    _ found: inout [HashedEntry]
  ) -> Bool {
    let count = pairs.count / Self.pairBytes
    var isFirst = true
    while let hash = rest.first {
      var number = Self.place(of: hash, in: pairs)
      // It is behind this block, maybe by many.
      if number == count, !isFirst { return true }
      while number < count {
        let pair = Self.pair(number, in: pairs)
        if pair.hash != hash { break }
        found.append(pair)
        number += 1
      }
      if number == count { return false }
      rest.removeFirst()
      isFirst = false
    }
    return true
  }

  /// Tells all pairs, in order.
  func all(_ body: (HashedEntry) throws -> Void) throws {
    let rows = try Row.fetchCursor(
      db, sql: "SELECT pairs FROM mirror_block WHERE directory = ? AND kind = ? ORDER BY first",
      arguments: [directory, kind])
    while let row = try rows.next() {
      for pair in try Self.pairs(in: row.value(0) as Data) { try body(pair) }
    }
  }

  /// Writes what was noted.
  func make() throws {
    defer { (added, removed, runs) = ([], [], nil) }
    let gone = gone
    added += gone
    if let runs {
      try putAside()
      try runs.inOrder { try write($0, without: gone) }
    } else if !added.isEmpty {
      added.sortByHash { $0.hash.high }
      try write(added, without: gone)
    }
  }

  /// Writes pairs, before `make` writes what was noted.
  /// - Parameters:
  ///   - changes: in order, what is removed among them.
  ///   - gone: what of them is removed.
  func write(_ changes: [HashedEntry], without gone: Set<HashedEntry> = []) throws {
    let (find, writer) = try (finders ?? Finders(db), writers ?? Writers(db))
    (finders, writers) = (find, writer)
    var next = changes.startIndex
    while next < changes.endIndex {
      let known = try find.before.first(
        .text(directory), .int(Int64(kind)), .bytes(Self.bytes(of: changes[next]))
      ) { (id: $0.int(0), first: Array($0.bytes(1)), pairs: Self.pairs(in: $0.bytes(2))) }
      // The first block begins before every pair.
      let first = known?.first ?? Array(repeating: 0, count: Self.pairBytes)
      let limit = try find.after.first(.text(directory), .int(Int64(kind)), .bytes(first)) {
        Self.pair(0, in: $0.bytes(1))
      }
      var end = next
      while end < changes.endIndex, limit.map({ changes[end] < $0 }) ?? true { end += 1 }
      // Much that comes behind a block that is half full goes into blocks of its own.
      let last = (known?.pairs ?? []).dropFirst(Self.filled / 2).last
      let isBehind =
        gone.isEmpty && end - next >= Self.filled
        && (last.map { $0.hash < changes[next].hash } ?? false)
      let own = isBehind ? nil : known
      let merged = Self.merge(own?.pairs ?? [], changes[next..<end], without: gone)
      if isUnique, zip(merged, merged.dropFirst()).contains(where: { $0.hash == $1.hash }) {
        throw DatabaseError(
          resultCode: .SQLITE_CONSTRAINT, message: "an entry is twice in the mirror of \(directory)"
        )
      }
      next = end
      let pieces = merged.count > Self.full ? (merged.count - 1) / Self.filled + 1 : 1
      let size = max(1, (merged.count + pieces - 1) / pieces)
      for piece in stride(from: 0, to: max(1, merged.count), by: size) {
        let pairs = merged.dropFirst(piece).prefix(size)
        let bytes = Self.bytes(of: pairs)
        if piece == 0, let id = own?.id {
          try writer.update.run(.bytes(bytes), .int(id))
        } else {
          let from = piece == 0 && known == nil ? first : Self.bytes(of: pairs.prefix(1))
          try writer.insert.run(.text(directory), .int(Int64(kind)), .bytes(from), .bytes(bytes))
        }
      }
    }
  }

  /// What was noted to be removed, and not added again.
  private var gone: Set<HashedEntry> {
    if removed.isEmpty { return [] }
    var places: [HashedEntry: Int] = [:]
    for one in removed { places[one.pair] = one.before }
    for (place, pair) in added.enumerated() {
      if let before = places[pair], place >= before { places[pair] = nil }
    }
    return Set(places.keys)
  }

  private static func merge(
    _ old: [HashedEntry], _ changes: ArraySlice<HashedEntry>, without gone: Set<HashedEntry>
  ) -> ArraySlice<HashedEntry> {
    // The first ones of all are millions.
    if old.isEmpty, gone.isEmpty, !zip(changes, changes.dropFirst()).contains(where: { $0 == $1 }) {
      return changes
    }
    var merged: [HashedEntry] = []
    merged.reserveCapacity(old.count + changes.count)
    var next = changes.startIndex
    func take(_ pair: HashedEntry) {
      if merged.last != pair, gone.isEmpty || !gone.contains(pair) { merged.append(pair) }
    }
    for pair in old {
      while next < changes.endIndex, changes[next] < pair {
        take(changes[next])
        next += 1
      }
      take(pair)
    }
    while next < changes.endIndex {
      take(changes[next])
      next += 1
    }
    return merged[...]
  }

  /// The number of the first pair that is not below a hash.
  private static func place(of hash: WideHash, in pairs: UnsafeRawBufferPointer) -> Int {
    (0..<pairs.count / pairBytes).first(after: { pair($0, in: pairs).hash < hash })
  }

  // MARK: Bytes

  /// Big-endian, so that bytes compare as pairs do.
  private static func bytes(of pair: HashedEntry) -> [UInt8] { bytes(of: [pair][...]) }

  private static func bytes(of pairs: ArraySlice<HashedEntry>) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: pairs.count * pairBytes) { buffer, count in
      let out = UnsafeMutableRawBufferPointer(buffer)
      for pair in pairs {
        out.storeBytes(of: pair.hash.high.bigEndian, toByteOffset: count, as: UInt64.self)
        out.storeBytes(of: pair.hash.low.bigEndian, toByteOffset: count + 8, as: UInt64.self)
        out.storeBytes(
          of: UInt64(bitPattern: pair.entry).bigEndian, toByteOffset: count + 16, as: UInt64.self)
        count += pairBytes
      }
    }
  }

  private static func pair(_ number: Int, in pairs: UnsafeRawBufferPointer) -> HashedEntry {
    func word(_ place: Int) -> UInt64 {
      UInt64(
        bigEndian: pairs.loadUnaligned(
          fromByteOffset: number * pairBytes + place * 8, as: UInt64.self))
    }
    return HashedEntry(
      hash: WideHash(high: word(0), low: word(1)), entry: Int64(bitPattern: word(2)))
  }

  private static func pairs(in data: some ContiguousBytes) -> [HashedEntry] {
    data.withUnsafeBytes { pairs in
      (0..<pairs.count / pairBytes).map { pair($0, in: pairs) }
    }
  }
}

extension WideHash {
  /// Hashes as bytes, one after the other.
  static func bytes(of hashes: [WideHash]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(hashes.count * 16)
    append(hashes, to: &out)
    return out
  }

  static func append(_ hashes: [WideHash], to out: inout [UInt8]) {
    for hash in hashes {
      withUnsafeBytes(of: (hash.high.bigEndian, hash.low.bigEndian)) { out.append(contentsOf: $0) }
    }
  }

  static func all(in data: Data) -> [WideHash] {
    data.withUnsafeBytes { buffer in
      (0..<buffer.count / 16).map { index in
        func word(_ offset: Int) -> UInt64 {
          UInt64(
            bigEndian: buffer.loadUnaligned(
              fromByteOffset: index * 16 + offset, as: UInt64.self))
        }
        return WideHash(high: word(0), low: word(8))
      }
    }
  }
}
