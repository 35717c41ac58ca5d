import Crypto
import Foundation
import GRDB
import Ports
import SiteModel
import Synchronization

/// The blocks of one run's journal: another thread packs them while the rows of the site are written.
struct RunBlocks {
  /// The run's number.
  let run: Int64
  /// The SHA-256 of each block, one after the other.
  private(set) var digests: [UInt8] = []
  private let insert: RapidStatement
  private let packer: JournalPacker
  private var count: Int64 = 0

  /// - Parameter accounts: the account of each subject of the plan.
  init(_ plan: Plan, accounts: [Int64], in db: Database) throws {
    run = try Journal.nextRun(db)
    insert = try RapidStatement(db, "INSERT INTO run_block VALUES (?, ?, ?, ?, ?, ?)")
    packer = JournalPacker(plan, accounts: accounts)
  }

  /// Writes the blocks that are ready.
  mutating func writeReady() throws {
    while let block = packer.next(waiting: false) { try write(block) }
  }

  /// Writes the rest.
  /// - Returns: the reasons to which the blocks refer by number.
  mutating func finish() throws -> [String] {
    while let block = packer.next(waiting: true) { try write(block) }
    return try packer.reasons.value()
  }

  /// Packs no more, whatever is left.
  func stop() { packer.stop() }

  private mutating func write(_ packed: JournalPacker.Packed) throws {
    digests.append(contentsOf: packed.digest)
    let block = packed.block
    try insert.run(
      .int(run), .int(count), .bytes(block.bytes), .bytes(block.personal),
      .int(block.accounts?.lowerBound), .int(block.accounts?.upperBound))
    count += 1
  }
}

/// Packs the changes of a plan, in the plan's order.
private final class JournalPacker: Sendable {
  struct Packed: Sendable {
    let block: JournalBlock
    let digest: [UInt8]
  }

  private struct State {
    var ready: [Packed] = []
    var isStopped = false
  }

  private static let blockSize = 1000
  private let shared: SharedState
  let reasons: Meanwhile<[String]>

  private final class SharedState: Sendable {
    let state = Mutex(State())
    /// Counts the blocks that may still wait, so that they do not fill the memory.
    let free = DispatchSemaphore.places(200)
    /// Counts the blocks that wait, and the end.
    let news = DispatchSemaphore(value: 0)
  }

  init(_ plan: Plan, accounts: [Int64]) {
    let shared = SharedState()
    self.shared = shared
    reasons = Meanwhile {
      defer { shared.news.signal() }
      return Self.pack(plan, accounts) { block in
        let packed = Packed(block: block, digest: Array(SHA256.hash(data: block.bytes)))
        shared.free.wait()
        let isStopped = shared.state.withLock { state in
          state.ready.append(packed)
          return state.isStopped
        }
        shared.news.signal()
        return !isStopped
      }
    }
  }

  /// The next block; nil after the last one, and where it is not waited for also when none is ready.
  func next(waiting: Bool) -> Packed? {
    if waiting {
      shared.news.wait()
    } else if shared.news.wait(timeout: .now()) == .timedOut {
      return nil
    }
    guard let block = shared.state.withLock({ $0.ready.isEmpty ? nil : $0.ready.removeFirst() })
    else {
      shared.news.signal()  // The end stays the end.
      return nil
    }
    shared.free.signal()
    return block
  }

  func stop() {
    shared.state.withLock { $0.isStopped = true }
    shared.free.signal()
  }

  /// - Parameter handOn: takes a block; false: nobody wants more.
  /// - Returns: the reasons to which the blocks refer by number.
  private static func pack(
    _ plan: Plan, _ accounts: [Int64], handOn: (JournalBlock) -> Bool
  ) -> [String] {
    var reasons = TextTable()
    var block = JournalBlock()
    for index in plan.rows.indices {
      let change = plan.change(at: index)
      let row = plan.rows[index]
      let subject = plan.subjects[change.subject]
      block.append(
        change.kind, account: accounts[change.subject], before: change.before?.text,
        after: change.kind == .createAccount ? created(subject) : change.after?.text,
        rule: Int(plan.ruleNumber(row)), reason: change.reason.map { reasons.number(of: $0) } ?? -1,
        givers: Int(plan.giversNumber(row)), keepsGivers: change.keepsGivers)
      if block.count == blockSize {
        guard handOn(block) else { return [] }
        block = JournalBlock()
      }
    }
    if block.count > 0 { _ = handOn(block) }
    return reasons.texts
  }

  /// What a new account is, as the journal has it: email, name, username and mark, one a line.
  private static func created(_ subject: Plan.Subject) -> String {
    [
      subject.email, subject.name, subject.username ?? "", subject.portalOnly ? "portal-only" : "",
      subject.person ?? "",
    ].joined(separator: "\n")
  }

  private struct TextTable {
    private(set) var texts: [String] = []
    private var numbers: [String: Int] = [:]

    mutating func number(of text: String) -> Int {
      if let known = numbers[text] { return known }
      texts.append(text)
      numbers[text] = texts.count - 1
      return texts.count - 1
    }
  }
}
