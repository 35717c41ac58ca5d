import Crypto
import GRDB
import Ports
import SiteModel

/// One run's journal: another thread packs it in blocks.
struct PackedJournal {
  /// Some megabytes ahead.
  fileprivate let blocks = Handover<Packed>(most: 5_000_000)
  /// To which the blocks refer by number.
  fileprivate let reasons: Meanwhile<[String]>

  fileprivate struct Packed: Sendable {
    let block: JournalBlock
    let digest: [UInt8]
  }

  init(_ plan: Plan, _ coming: ComingAccounts) {
    reasons = Meanwhile(isPatient: true) { [blocks] in
      defer { blocks.end() }
      return try JournalPacker.pack(plan, coming.accounts) { block in
        try blocks.put(
          Packed(block: block, digest: Array(SHA256.hash(data: block.bytes))),
          size: block.bytes.count + block.personal.count)
      }
    }
  }

  /// Packs no more, whatever is left.
  func stop() { blocks.stop() }
}

/// The blocks of one run's journal, which are written beside the rows of the site.
struct RunBlocks {
  /// The run's number.
  let run: Int64
  /// The SHA-256 of each block, one after the other.
  private(set) var digests: [UInt8] = []
  private let insert: RapidStatement
  private let journal: PackedJournal
  private var count: Int64 = 0

  init(_ journal: PackedJournal, in db: Database) throws {
    self.journal = journal
    run = try Journal.nextRun(db)
    insert = try RapidStatement(db, "INSERT INTO run_block VALUES (?, ?, ?, ?, ?, ?)")
  }

  /// Writes blocks that are ready, two at most: many together would push everything else out of SQLite's cache.
  mutating func writeReady() throws {
    for _ in 0..<2 {
      guard let block = try journal.blocks.nextIfReady() else { return }
      try write(block)
    }
  }

  /// Writes the rest.
  /// - Returns: the reasons to which the blocks refer by number.
  mutating func finish() throws -> [String] {
    while let block = try journal.blocks.next() { try write(block) }
    return try journal.reasons.value()
  }

  private mutating func write(_ packed: PackedJournal.Packed) throws {
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
  ) throws -> [String] {
    var reasons = TextTable()
    var block = JournalBlock()
    var salting = JournalBlock.Salting()
    let gifts = Plan.Gifts(of: plan)
    let texts = PackedTexts(plan.allTexts)
    func pack(_ subjects: Plan.Subjects.Bytes, _ texts: PackedTexts.Bytes) throws {
      for (index, row) in plan.rows.enumerated() {
        let account = accounts[plan.subject(row)]
        let (rule, givers) = (Int(plan.ruleNumber(row)), Int(plan.giversNumber(row)))
        let reason = plan.reason(row).map { reasons.number(of: $0) } ?? -1
        if reason < 0, let gift = gifts.gift(row) {
          block.append(
            gift, kind: plan.kindNumber(row), account: account, name: texts.text(gift.name),
            rule: rule)
        } else if gifts.isCreation(row) {
          block.append(
            new: plan.subject(row), of: subjects, account: account, rule: rule, reason: reason,
            givers: givers, salting: &salting)
        } else {
          let change = plan.change(at: index)
          block.append(
            change.kind, account: account, before: change.before?.text, after: change.after?.text,
            rule: rule, reason: reason, givers: givers, keepsGivers: plan.keepsGivers(row),
            salting: &salting)
        }
        if block.count == blockSize {
          try handOn(block)
          block = JournalBlock()
        }
      }
    }
    try plan.subjects.withBytes { subjects in try texts.withBytes { try pack(subjects, $0) } }
    if block.count > 0 { try handOn(block) }
    return reasons.texts
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
