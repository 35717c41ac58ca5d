import Crypto
import GRDB
import Ports
import SiteModel

/// The blocks of one run's journal: another thread packs them while the rows of the site are written.
struct RunBlocks {
  /// The run's number.
  let run: Int64
  /// The SHA-256 of each block, one after the other.
  private(set) var digests: [UInt8] = []
  private let insert: RapidStatement
  private let packed = Handover<Packed>(most: 200)
  private let reasons: Meanwhile<[String]>
  private var count: Int64 = 0

  private struct Packed: Sendable {
    let block: JournalBlock
    let digest: [UInt8]
  }

  /// - Parameter accounts: the account of each subject of the plan.
  init(_ plan: Plan, accounts: [Int64], in db: Database) throws {
    run = try Journal.nextRun(db)
    insert = try RapidStatement(db, "INSERT INTO run_block VALUES (?, ?, ?, ?, ?, ?)")
    reasons = Meanwhile { [packed] in
      defer { packed.end() }
      return try JournalPacker.pack(plan, accounts) { block in
        try packed.put(Packed(block: block, digest: Array(SHA256.hash(data: block.bytes))))
      }
    }
  }

  /// Writes the blocks that are ready.
  mutating func writeReady() throws {
    while let block = try packed.nextIfReady() { try write(block) }
  }

  /// Writes the rest.
  /// - Returns: the reasons to which the blocks refer by number.
  mutating func finish() throws -> [String] {
    while let block = try packed.next() { try write(block) }
    return try reasons.value()
  }

  /// Packs no more, whatever is left.
  func stop() { packed.stop() }

  private mutating func write(_ packed: Packed) throws {
    digests.append(contentsOf: packed.digest)
    let block = packed.block
    try insert.run(
      .int(run), .int(count), .bytes(block.bytes), .bytes(block.personal),
      .int(block.accounts?.lowerBound), .int(block.accounts?.upperBound))
    count += 1
  }
}

private enum JournalPacker {
  private static let blockSize = 1000

  /// Packs the changes of a plan, in the plan's order.
  /// - Returns: the reasons to which the blocks refer by number.
  static func pack(
    _ plan: Plan, _ accounts: [Int64], handOn: (JournalBlock) throws -> Void
  ) rethrows -> [String] {
    var reasons = TextTable()
    var block = JournalBlock()
    for (index, row) in plan.rows.enumerated() {
      let (before, after) = values(plan, index, row)
      block.append(
        plan.kind(at: index), account: accounts[plan.subject(row)], before: before, after: after,
        rule: Int(plan.ruleNumber(row)),
        reason: plan.reason(row).map { reasons.number(of: $0) } ?? -1,
        givers: Int(plan.giversNumber(row)), keepsGivers: plan.keepsGivers(row))
      if block.count == blockSize {
        try handOn(block)
        block = JournalBlock()
      }
    }
    if block.count > 0 { try handOn(block) }
    return reasons.texts
  }

  /// What a change changes; for gifts, which most are, no `Change` is made.
  private static func values(
    _ plan: Plan, _ index: Int, _ row: Plan.Row
  ) -> (before: String?, after: String?) {
    if let gift = plan.gift(row) { return (nil, plan.allTexts[gift.name]) }
    if plan.kind(at: index) == .createAccount {
      return (nil, created(plan.subjects[plan.subject(row)]))
    }
    let change = plan.change(at: index)
    return (change.before?.text, change.after?.text)
  }

  /// What a new account is, as the journal has it: email, name, username and mark, one a line.
  private static func created(_ subject: Plan.Subject) -> String {
    var text = ""
    // For most, so that it grows once.
    text.reserveCapacity(120)
    text += subject.email
    for more in [
      subject.name, subject.username ?? "", subject.portalOnly ? "portal-only" : "",
      subject.person ?? "",
    ] {
      text += "\n"
      text += more
    }
    return text
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
