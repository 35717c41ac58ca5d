import Diagnostics
import DirectoryModel
import Foundation
import Mapping
import Ports
import Reconciliation
import SiteModel
import SiteStore
import SyncEngine
import TestSupport
import Testing
import Views

/// A site with its store in a folder of its own, synced from LDIF texts.
final class TestSite {
  let folder: TemporaryFolder
  let store: SiteDatabase
  var policy = SitePolicy(ceilings: ["confluence": nil, "jira": nil])
  var ceilings: [String: Int?] {
    get { policy.ceilings }
    set { policy.ceilings = newValue }
  }
  /// Lists beside the mapping.
  var files: [String: String] = [:]
  var limits = Limits(limits: [:], freeBelow: 0, onLimit: .holdPeople)

  init(audit: AuditKey = .none) throws {
    folder = try TemporaryFolder()
    store = try SiteDatabase(path: folder.path + "/usher.db", audit: audit)
  }

  /// - Parameters:
  ///   - directory: its name, of these.
  func planner(
    _ mapping: String, _ directory: String = "corporate", of all: [String] = ["corporate"],
    agingNow: Int64? = nil,
    progress: @escaping (String) -> Void = { _ in }
  ) throws -> Planner {
    var findings = Findings()
    let read = MappingReader.read(
      "m.yaml", catalogue: Set(ceilings.keys), load: { $0 == "m.yaml" ? mapping : files[$0] },
      into: &findings)
    return Planner(
      desk: desk, directory: directory, number: UInt8(all.firstIndex(of: directory) ?? 0),
      others: all.filter { $0 != directory },
      isOneOfSeveral: try all.count > 1 || store.knowsDirectories(),
      mapping: try #require(read, "\(findings.all.map(\.message))"),
      store: store, hashSeed: try store.hashSeed(), agingNow: agingNow, progress: progress)
  }

  var noFindings: Findings { Findings() }

  func source(_ ldif: String) throws -> any DirectorySource {
    LDIFSource(path: try folder.write(ldif, to: "data.ldif"))
  }

  func origin(_ ldif: String) throws -> Planner.Origin { .directory(try source(ldif)) }

  func approve(_ hash: String, now: Int64) throws {
    _ = try store.approve(
      hash, run: RunRecord(command: "approve", user: "root", startedAt: now, planHash: ""))
  }

  func verdict(_ ldif: String, _ mapping: String, now: Int64 = 1000, only: String? = nil) throws
    -> Guard.Verdict
  {
    var findings = Findings()
    return try planner(mapping).plan(origin(ldif), only: only, now: now, into: &findings)
  }

  func plan(_ ldif: String, _ mapping: String, now: Int64 = 1000, only: String? = nil) throws
    -> Plan
  {
    try verdict(ldif, mapping, now: now, only: only).plan
  }

  func offline(_ mapping: String, now: Int64 = 1000) throws -> Plan {
    var findings = Findings()
    return try planner(mapping).plan(.mirror, now: now, into: &findings).plan
  }

  @discardableResult
  func sync(_ ldif: String, _ mapping: String, now: Int64 = 1000) throws -> Plan {
    let verdict = try verdict(ldif, mapping, now: now)
    try apply(verdict, now: now)
    return verdict.plan
  }

  func apply(_ verdict: Guard.Verdict, now: Int64) throws {
    let approved = try #require(verdict.approved)
    _ = try store.apply(
      approved,
      run: RunRecord(command: "sync", user: "t", startedAt: now, planHash: verdict.plan.digest))
  }

  /// A directory among several: what it holds, nil while it cannot be read, and its mapping.
  typealias Share = (name: String, ldif: String?, mapping: String)

  func plan(_ shares: [Share], now: Int64 = 1000) throws -> SitePlanner.Outcome {
    let names = shares.map(\.name)
    let planners = try shares.map { try planner($0.mapping, $0.name, of: names) }
    var findings = Findings()
    let origins = try shares.map { share -> Planner.Origin in
      guard let ldif = share.ldif else {
        return .directory(LDIFSource(path: folder.path + "/not there"))
      }
      return .directory(LDIFSource(path: try folder.write(ldif, to: "\(share.name).ldif")))
    }
    return try SitePlanner(planners).plan(origins, now: now, into: &findings)
  }

  @discardableResult
  func sync(_ shares: [Share], now: Int64 = 1000) throws -> Plan {
    let verdict = try plan(shares, now: now).verdict
    let approved = try #require(verdict.approved)
    _ = try store.apply(
      approved,
      run: RunRecord(command: "sync", user: "t", startedAt: now, planHash: verdict.plan.digest))
    return verdict.plan
  }

  var desk: GuardDesk {
    GuardDesk(siteName: "acme", policy: policy, limits: limits, store: store)
  }

  /// Carries out an administrator's order.
  @discardableResult
  func carryOut(_ order: Handwork.Order, on who: String..., now: Int64 = 1000) throws
    -> Handwork.Result
  {
    let world = try desk.world(of: store.accounts(who), command: order.command, now: now)
    let result = Handwork.plan(order, in: world, by: "root")
    if result.refusals.isEmpty, !result.plan.isEmpty { try apply(result, order.command, now) }
    return result
  }

  /// Imports accounts as from a file named x.csv.
  @discardableResult
  func bringIn(_ accounts: [ImportedAccount], now: Int64 = 1000) throws -> Handwork.Result {
    let known = try store.accounts(ofPeople: [], emails: accounts.map(\.email))
    let result = Importing.plan(
      accounts, in: try desk.world(of: known, command: "import", now: now), file: "x.csv")
    if !result.plan.isEmpty { try apply(result, "import", now) }
    return result
  }

  func apply(_ result: Handwork.Result, _ command: String, _ now: Int64, undoes: Int64? = nil)
    throws
  {
    _ = try store.apply(
      Guard.approve(result),
      run: RunRecord(
        command: command, user: "root", startedAt: now, planHash: result.plan.digest, undoes: undoes
      ))
  }

  /// The public export, without account numbers: two sites that agree give the same bytes.
  func export() throws -> String {
    var lines: [String] = []
    try store.allAccounts { lines.append(try Export.json(of: $0, transition: .before)) }
    return lines.joined(separator: "\n")
  }

  /// Whether what the store has counted is what there is: active accounts, and who holds what.
  func countsRight() throws -> Bool {
    var active = 0
    var licenses: [String: Int] = [:]
    var groups: [String: Int] = [:]
    try store.allAccounts { account in
      if account.isActive { active += 1 }
      for holding in account.holdings where !holding.isSuspended {
        if holding.right.kind == .license {
          licenses[holding.right.name, default: 0] += 1
        } else {
          groups[holding.right.key, default: 0] += 1
        }
      }
    }
    let site = try store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
    return site.totals.activeAccounts == active && site.seatsTaken == licenses
      && site.totals.membersOfGroup == groups
  }

  /// Holds, leavers and waiting people, as text.
  func open() throws -> String {
    let open = try store.openQuestions()
    return
      "\(open.holds.map { "\($0.person) \($0.doubts.map(\.reason).sorted())" }) \(open.leaving.map { "\($0.person) \($0.due)" }.sorted()) \(open.waiting.sorted { $0.key < $1.key })"
  }
}

/// How many random cases a law is tried on: a tenth in everyday runs, all with USHER_FULL_TESTS=1.
func cases(_ all: Int) -> Int {
  ProcessInfo.processInfo.environment["USHER_FULL_TESTS"] == nil ? all / 10 : all
}

extension Plan {
  /// The people held, by directory id, in order.
  var held: [String] { holds.map(\.person).sorted() }
}
