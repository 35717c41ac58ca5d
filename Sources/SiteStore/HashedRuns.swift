import DirectoryModel
import Foundation
import GRDB

/// Millions of pairs of hash and entry on their way into order, in a file without a name: in memory they would take as much as
/// a plan.
final class HashedRuns {
  /// Hashes are spread evenly: the pairs whose hashes begin with the same bits are a part.
  private static let bits: UInt64 = 6
  private static let parts = 1 << Int(bits)
  private static let pairBytes = MemoryLayout<HashedEntry>.stride

  private let file: FileHandle
  /// Of each run where its parts begin in the file, counted in pairs, and where it ends.
  private var runs: [[Int]] = []

  /// - Parameter folder: where the file's bytes lie; it goes with its last reader, whatever becomes of the process.
  init(in folder: String) throws {
    var path = Array("\(folder)/usher-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    guard descriptor >= 0 else {
      throw DatabaseError(
        resultCode: errno == ENOSPC || errno == EDQUOT ? .SQLITE_FULL : .SQLITE_IOERR,
        message: String(cString: strerror(errno)))
    }
    unlink(path)
    file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  func add(_ pairs: [HashedEntry]) throws {
    func part(_ pair: HashedEntry) -> Int { Int(pair.hash.high >> (64 - Self.bits)) }
    var next = [Int](repeating: 0, count: Self.parts + 1)
    for pair in pairs { next[part(pair) + 1] += 1 }
    for part in 0..<Self.parts { next[part + 1] += next[part] }
    let start = runs.last?.last ?? 0
    runs.append(next.map { start + $0 })
    let parted = [HashedEntry](unsafeUninitializedCapacity: pairs.count) { buffer, count in
      for pair in pairs {
        let part = part(pair)
        buffer.initializeElement(at: next[part], to: pair)
        next[part] += 1
      }
      count = pairs.count
    }
    try Self.reporting {
      try file.seek(toOffset: UInt64(start * Self.pairBytes))
      try parted.withUnsafeBytes { try file.write(contentsOf: $0) }
    }
  }

  /// Tells all pairs in order, a part at a time.
  func inOrder(_ body: ([HashedEntry]) throws -> Void) throws {
    for part in 0..<Self.parts {
      var pairs: [HashedEntry] = []
      for run in runs where run[part] < run[part + 1] {
        let bytes = try read(run[part]..<run[part + 1])
        bytes.withUnsafeBytes { pairs += $0.bindMemory(to: HashedEntry.self) }
      }
      // Their first bits are the same.
      pairs.sortByHash { $0.hash.high << Self.bits }
      if !pairs.isEmpty { try body(pairs) }
    }
  }

  private func read(_ range: Range<Int>) throws -> Data {
    try Self.reporting {
      try file.seek(toOffset: UInt64(range.lowerBound * Self.pairBytes))
      let bytes = try file.read(upToCount: range.count * Self.pairBytes)
      guard let bytes, bytes.count == range.count * Self.pairBytes else {
        throw CocoaError(.fileReadCorruptFile)
      }
      return bytes
    }
  }

  /// What fails here fails as the store does.
  private static func reporting<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as CocoaError where error.code == .fileWriteOutOfSpace
    {
      throw DatabaseError(resultCode: .SQLITE_FULL)
    } catch { throw DatabaseError(resultCode: .SQLITE_IOERR, message: error.localizedDescription) }
  }
}
