import DirectoryModel
import Foundation
import Ports
import Synchronization

/// Writes the mirror on a thread of its own, so that whoever reads the directory need not wait for it. What fails there is
/// thrown by the next call here.
final class MirrorThread: MirrorWriter {
  typealias Step = @Sendable (any MirrorWriter) throws -> Void
  /// What goes on after the commit; nil: nothing.
  typealias Afterwards = Meanwhile<Void>?

  private struct Entry: Sendable {
    let kind: MirrorKind
    let key: String
    let search: Int
    let place: MirrorPlace
    let entry: MirroredEntry
  }

  /// Entries that go over together.
  private static let together = 250
  private let steps = Handover<Step>(most: 8)
  private let outcome: Meanwhile<Afterwards>
  /// Counts what was asked and is answered, and the thread's end.
  private let answers = DispatchSemaphore(value: 0)
  private var entries: [Entry] = []
  private(set) var changes = 0

  /// - Parameter transaction: opens the mirror's transaction and hands on its writer; commits unless that throws.
  init(
    _ transaction: @escaping @Sendable ((any MirrorWriter) throws -> Void) throws -> Afterwards
  ) {
    outcome = Meanwhile { [steps, answers] in
      defer {
        steps.stop()
        answers.signal()
      }
      return try transaction { writer in
        while let step = try steps.next() { try step(writer) }
      }
    }
    entries.reserveCapacity(Self.together)
  }

  /// Lets the transaction commit; `wait` tells what became of it.
  func finish() throws {
    try flush()
    steps.end()
  }

  /// Takes everything back.
  func cancel() {
    steps.stop()
    _ = try? outcome.value()
  }

  /// Waits for the transaction's end.
  func wait() throws -> Afterwards { try outcome.value() }

  // MARK: MirrorWriter

  func write(
    _ kind: MirrorKind, key: String, search: Int, as place: MirrorPlace, entry: MirroredEntry
  ) throws {
    changes += 1
    entries.append(Entry(kind: kind, key: key, search: search, place: place, entry: entry))
    if entries.count == Self.together { try flush() }
  }

  func write(membersOfFirst members: [DirectoryGroups.Membership]) throws {
    try send { try $0.write(membersOfFirst: members) }
  }

  func remove(_ kind: MirrorKind, key: String) throws {
    changes += 1
    try send { try $0.remove(kind, key: key) }
  }

  func find(_ kind: MirrorKind, key: String) throws -> MirroredEntry? {
    try ask { try $0.find(kind, key: key) }
  }

  func keys(_ kind: MirrorKind) throws -> Set<String> { try ask { try $0.keys(kind) } }

  func entries(
    _ kind: MirrorKind, most: Int,
    where isWanted: @escaping @Sendable (String, MirroredEntry) -> Bool
  ) throws -> [(key: String, entry: MirroredEntry)] {
    try ask { try $0.entries(kind, most: most, where: isWanted) }
  }

  func counts(
    _ kind: MirrorKind,
    by label: @escaping @Sendable (String, UnsafeRawBufferPointer) -> String?
  ) throws -> [String: Int] { try ask { try $0.counts(kind, by: label) } }

  func keys(_ kind: MirrorKind, foundUnder hashes: [WideHash]) throws -> Set<String> {
    try ask { try $0.keys(kind, foundUnder: hashes) }
  }

  func touch(people: Set<String>, members: Set<WideHash>, version: Int64) throws {
    try send { try $0.touch(people: people, members: members, version: version) }
  }

  func keep(_ evidence: ReadEvidence) throws { try send { try $0.keep(evidence) } }

  private func flush() throws {
    if entries.isEmpty { return }
    let own = entries
    entries.removeAll(keepingCapacity: true)
    try put { writer in
      for one in own {
        try writer.write(
          one.kind, key: one.key, search: one.search, as: one.place, entry: one.entry)
      }
    }
  }

  private func send(_ step: @escaping Step) throws {
    try flush()
    try put(step)
  }

  private func put(_ step: @escaping Step) throws {
    do { try steps.put(step) } catch {
      _ = try outcome.value()
      throw error
    }
  }

  private func ask<Value: Sendable>(
    _ question: @escaping @Sendable (any MirrorWriter) throws -> Value
  ) throws -> Value {
    let answer = Answer<Value>()
    try send { [answers] writer in
      let value = try question(writer)
      answer.value.withLock { $0 = value }
      answers.signal()
    }
    answers.wait()
    if let value = answer.value.withLock({ $0 }) { return value }
    _ = try outcome.value()
    throw CancellationError()
  }

  private final class Answer<Value: Sendable>: Sendable { let value = Mutex<Value?>(nil) }
}
