import Crypto
import DirectoryModel
import Foundation
import GRDB
import Ports
import SiteModel

/// The journal of runs: each run with its changes in packed blocks, chained by links.
struct Journal {
  let audit: AuditKey

  /// Ends a run whose blocks are written.
  /// - Returns: the end of the chain, which is this run.
  func write(
    _ approved: ApprovedPlan, blocks: inout RunBlocks, run: RunRecord, planHash: String,
    generation: Int64, in db: Database
  ) throws -> AuditHead {
    let plan = approved.plan
    let reasons = try blocks.finish()
    for (count, total) in approved.counts {
      try db.execute(
        sql: "INSERT INTO run_count VALUES (?, ?, ?, ?)",
        arguments: [blocks.run, count.kind.rawValue, count.storedPart, total])
    }
    let header = Header(
      id: blocks.run, run: run, planHash: planHash, generation: generation,
      people: plan.basis.peopleRead,
      groups: plan.basis.groupsRead, changes: plan.rows.count, rules: try json(plan.rules),
      texts: try json(Texts(reasons: reasons, givers: plan.allGivers)), keyID: audit.id)
    return try insert(header, blocks: blocks.digests, in: db)
  }

  /// Writes a run that changed something else than accounts: a pin, an approval, the transition.
  func write(_ run: RunRecord, generation: Int64, in db: Database) throws -> AuditHead {
    let header = Header(
      id: try Self.nextRun(db), run: run, planHash: run.planHash, generation: generation, people: 0,
      groups: 0, changes: 0,
      rules: "[]", texts: try json(Texts(reasons: [], givers: [])), keyID: audit.id)
    return try insert(header, blocks: [], in: db)
  }

  static func nextRun(_ db: Database) throws -> Int64 {
    (try Int64.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'run'") ?? 0) + 1
  }

  private func insert(_ header: Header, blocks: [UInt8], in db: Database) throws -> AuditHead {
    let before = try Data.fetchOne(
      db, sql: "SELECT link FROM run WHERE id = ?", arguments: [header.id - 1])
    let anchor = try Data.fetchOne(
      db, sql: "SELECT link FROM audit_anchor WHERE run = ?", arguments: [header.id - 1])
    let link = audit.link(after: before ?? anchor ?? Data(), header.bytes + blocks)
    try db.execute(
      sql: "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      arguments: [
        header.id, header.command, header.user, header.startedAt, header.planHash,
        header.generation, header.people, header.groups, header.changes, header.undoes,
        header.rules, header.texts, header.keyID, link,
      ])
    return AuditHead(run: header.id, link: link.hexadecimal)
  }

  private func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  struct Texts: Codable {
    let reasons: [String]
    let givers: [GiversChange]
  }

  /// A run's row, in the form over which its link is made.
  struct Header {
    let id: Int64
    let command, user: String
    let startedAt: Int64
    let planHash: String
    let generation: Int64
    let people, groups, changes: Int
    let undoes: Int64?
    let rules, texts, keyID: String

    init(
      id: Int64, run: RunRecord, planHash: String, generation: Int64, people: Int, groups: Int,
      changes: Int,
      rules: String, texts: String, keyID: String
    ) {
      self.id = id
      command = run.command
      user = run.user
      startedAt = run.startedAt
      self.planHash = planHash
      self.generation = generation
      self.people = people
      self.groups = groups
      self.changes = changes
      undoes = run.undoes
      self.rules = rules
      self.texts = texts
      self.keyID = keyID
    }

    init(_ row: Row) throws {
      id = try row.value("id")
      command = try row.value("command")
      user = try row.value("user")
      startedAt = try row.value("started_at")
      planHash = try row.value("plan_hash")
      generation = try row.value("generation")
      people = try row.value("people_read")
      groups = try row.value("groups_read")
      changes = try row.value("changes")
      undoes = try row.value("undoes")
      rules = try row.value("rules")
      texts = try row.value("texts")
      keyID = try row.value("key_id")
    }

    var bytes: [UInt8] {
      var bytes: [UInt8] = []
      for number in [
        id, startedAt, generation, Int64(people), Int64(groups), Int64(changes), undoes ?? 0,
      ] { bytes.appendVarint(UInt64(bitPattern: number)) }
      for text in [command, user, planHash, rules, texts, keyID] { bytes.appendField(text.utf8) }
      return bytes
    }

    /// - Throws: where the row was edited into something else than JSON.
    func tables() throws -> JournalBlock.Tables {
      let decoder = JSONDecoder()
      let texts = try decoder.decode(Texts.self, from: Data(texts.utf8))
      return JournalBlock.Tables(
        rules: try decoder.decode([RuleReference].self, from: Data(rules.utf8)),
        reasons: texts.reasons, givers: texts.givers)
    }
  }
}

/// The key of the audit chain. It is kept outside of the store; without one the chain shows accidents, but whoever
/// may write the store could make it anew.
package struct AuditKey: Sendable {
  private let key: SymmetricKey
  /// Tells keys apart without telling them; empty without a key.
  let id: String

  package static let none = AuditKey(secret: "")

  package init(secret: String) {
    key = SymmetricKey(data: Data(secret.utf8) + Data([0]))
    id =
      secret.isEmpty
      ? ""
      : Data(HMAC<SHA256>.authenticationCode(for: Data("usher audit key".utf8), using: key))
        .prefix(8).hexadecimal
  }

  /// Another secret, made of one that is less secret; that one itself without a key.
  func derived(from secret: Data) -> Data {
    id.isEmpty
      ? secret
      : Data(HMAC<SHA256>.authenticationCode(for: Data("usher plan key".utf8) + secret, using: key))
  }

  static func digest(_ bytes: Data) -> [UInt8] { Array(SHA256.hash(data: bytes)) }

  func link(after link: Data, _ bytes: [UInt8]) -> Data {
    Data(HMAC<SHA256>.authenticationCode(for: link + bytes, using: key))
  }
}
