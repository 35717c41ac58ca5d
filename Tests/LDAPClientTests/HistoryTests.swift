import DirectoryModel
import Diagnostics
import Foundation
import GRDB
import LDAPClient
import Mapping
import Ports
import Reconciliation
import SiteModel
import SiteStore
import SyncEngine
import TestSupport
import Testing
import Views

/// Whatever happens to a directory, a site that reads what changed comes out as one that reads everything.
///
/// USHER_HISTORIES sets how many histories are tried on each kind of server, USHER_SEED which, USHER_WAY on which server
/// alone.
@Suite(.serialized) struct HistoryTests {
  static let histories =
    ProcessInfo.processInfo.environment["USHER_HISTORIES"].flatMap(Int.init)
    ?? (ProcessInfo.processInfo.environment["USHER_FULL_TESTS"] == nil ? 5 : 50)
  static let seed =
    ProcessInfo.processInfo.environment["USHER_SEED"].flatMap(UInt64.init)
    ?? UInt64.random(in: 0..<1_000_000)

  /// A server, and whether it tells its changes in the best way that it knows.
  enum Way: String, CaseIterable {
    case slapd, ds389, samba
    case slapdByTimes = "slapd, by times"
    case ds389ByTimes = "ds389, by times"
    case sambaByNumbers = "samba, by numbers"

    var kind: DirectoryServer.Kind {
      switch self {
      case .slapd, .slapdByTimes: .slapd
      case .ds389, .ds389ByTimes: .ds389
      case .samba, .sambaByNumbers: .samba
      }
    }
    var isBest: Bool { rawValue == kind.rawValue }

    static let chosen = allCases.filter {
      [nil, $0.rawValue].contains(ProcessInfo.processInfo.environment["USHER_WAY"])
    }
  }

  @Test(arguments: Way.chosen)
  func changesGiveTheSameSiteAsCompleteReads(way: Way) throws {
    let kind = way.kind
    print("seed \(Self.seed), \(Self.histories) histories on \(way.rawValue)")
    let root = kind == .samba ? "" : "dn: dc=acme,dc=example\nobjectClass: domain\ndc: acme\n"
    let server = try DirectoryServer(
      kind, ldif: root,
      settings: ["MEMBEROF": "1"].merging(way.isBest ? ["SYNCPROV": "1"] : [:]) { $1 })
    var random = SeededRandom(Self.seed)
    var world = try RandomBranch(on: server)
    var readsOfChanges = 0
    var looksAtSome = 0
    for history in 0..<Self.histories {
      let delta = try Replica(of: world.branch, on: server, reads: .delta, isBest: way.isBest)
      let full = try Replica(of: world.branch, on: server, reads: .full)
      var trace: [String] = []
      for moment in 0..<6 {
        do {
          if moment > 0 { trace.append(try world.happen(&random)) }
        } catch {
          Issue.record(
            "seed \(Self.seed), history \(history): \(trace.joined(separator: "; ")); then \(world.steps.suffix(40)): \(error)"
          )
          return
        }
        let now = Int64(1000 + moment * 60)
        if moment > 0, Int.random(in: 0..<12, using: &random) == 0 {
          let isLost = Bool.random(using: &random)
          trace.append(isLost ? "the cookie is lost" : "the cookie is spoilt")
          try isLost ? delta.forget() : delta.spoil()
        }
        if moment > 0, Int.random(in: 0..<5, using: &random) == 0 {
          // What a preview has seen, the next sync must not forget.
          trace.append("only previewed")
          _ = try delta.approving(now: now) { try delta.planIsEmpty(now: now) }
          continue
        }
        readsOfChanges += try delta.approving(now: now) { try delta.sync(now: now) } ? 1 : 0
        _ = try full.approving(now: now) { try full.sync(now: now) }
        let (own, expected) = (try delta.state(), try full.state())
        #expect(
          own == expected,
          "seed \(Self.seed), history \(history): \(trace.joined(separator: "; "))")
        if own != expected { return }
        #expect(try full.planIsEmpty(now: now))
      }
      looksAtSome += delta.looksAtSome
    }
    print(
      "\(readsOfChanges) of \(Self.histories * 5) reads were of changes, \(looksAtSome) looked at nobody else"
    )
    // Half of five moments are usual; chance brings fewer than two where histories are few.
    let least = Self.histories * (Self.histories < 50 ? 1 : 2)
    #expect(readsOfChanges >= least, "changes were hardly ever read")
    #expect(looksAtSome >= least, "everybody was looked at nearly always")
  }
}

extension HistoryTests {
  /// Servers that take a deleted member out of groups do not all tell these groups as changed.
  @Test(arguments: Way.allCases)
  func whoGetsTheNameOfADeletedMemberIsNoMember(way: Way) throws {
    let root = way.kind == .samba ? "" : "dn: dc=acme,dc=example\nobjectClass: domain\ndc: acme\n"
    let server = try DirectoryServer(
      way.kind, ldif: root,
      settings: ["MEMBEROF": "1"].merging(way.isBest ? ["SYNCPROV": "1"] : [:]) { $1 })
    var world = try RandomBranch(on: server)
    let delta = try Replica(of: world.branch, on: server, reads: .delta, isBest: way.isBest)
    let full = try Replica(of: world.branch, on: server, reads: .full)
    _ = try delta.sync(now: 1000)
    _ = try full.sync(now: 1000)
    // p0 is a developer. OpenLDAP without refint would keep the member.
    try world.take(way.kind == .slapd ? [.leave("p0", group: "developers")] : [])
    try world.take([.delete("p0"), .add("p0")])
    _ = try delta.sync(now: 1060)
    _ = try full.sync(now: 1060)
    #expect(try delta.state() == full.state())
  }
}

/// A site of its own on a branch.
private final class Replica {
  private let folder: TemporaryFolder
  private let store: SiteDatabase
  private let server: DirectoryServer
  private let reads: ReadMode
  private let mapping: CompiledMapping
  /// How often only those were looked at whom changes touched.
  private(set) var looksAtSome = 0

  static let rules = """
      - { name: staff, member-of: staff, licenses: [confluence] }
      - { name: developers, member-of: developers, licenses: [jira], groups: [developers] }
      - { name: guests, when: (title=guest), portal-only: true }
      - { name: elsewhere, under: "ou=elsewhere,ou=inside,BASE", groups: [elsewhere] }
      - { name: follow, each-group: "(cn=team*)", groups: ["{cn}"] }
    """

  /// Who reads: the manager may replicate changes, an ordinary reader of Active Directory may not.
  private let reader: (dn: String, password: String)

  init(
    of branch: Branch, on server: DirectoryServer, reads: ReadMode, isBest: Bool = true
  ) throws {
    let manager = server.kind.manager
    reader =
      server.kind == .samba && !isBest ? ("reader@acme.example", manager.password) : manager
    folder = try TemporaryFolder()
    store = try SiteDatabase(path: folder.path + "/usher.db")
    self.server = server
    self.reads = reads
    let text = branch.mapping(
      rules: Self.rules.replacing("BASE", with: branch.base),
      more: "conflicts: licensed\nleavers: { after: 0h, then: deactivate }")
    var findings = Findings()
    let read = MappingReader.read(
      "m.yaml", catalogue: ["confluence", "jira"], load: { $0 == "m.yaml" ? text : nil },
      into: &findings)
    mapping = try #require(read, "\(findings.all.map(\.message))")
  }

  private func planner(_ log: @escaping @Sendable (String) -> Void) throws -> (
    Planner, LDAPDirectory
  ) {
    let desk = GuardDesk(
      siteName: "acme", policy: SitePolicy(ceilings: ["confluence": nil, "jira": 2]),
      limits: Limits(limits: [:], freeBelow: 0, onLimit: .holdPeople), store: store)
    let planner = Planner(
      desk: desk, directory: "corporate", mapping: mapping, store: store,
      hashSeed: try store.hashSeed(), reads: reads,
      progress: { [self] in if $0.contains("touched by changes") { looksAtSome += 1 } })
    let directory = LDAPDirectory(
      server: LDAPServer(
        urls: [server.tlsURL],
        bind: .simple(dn: reader.dn, password: reader.password),
        caPath: server.ca, allowsClearText: false, timeoutSeconds: 10),
      log: log)
    return (planner, directory)
  }

  /// - Returns: whether changes were read, not everything.
  func sync(now: Int64) throws -> Bool {
    var isOfChanges = false
    let before = try store.readEvidence(of: "corporate")?.fullReadAt
    let (planner, directory) = try planner { _ in }
    var findings = Findings()
    let verdict = try planner.plan(.directory(directory), now: now, into: &findings)
    isOfChanges = try store.readEvidence(of: "corporate")?.fullReadAt == before
    let approved = try #require(verdict.approved)
    _ = try store.apply(
      approved,
      run: RunRecord(command: "sync", user: "t", startedAt: now, planHash: verdict.plan.digest))
    return isOfChanges
  }

  /// Reads; that the server was restored from a backup is approved.
  func approving(now: Int64, _ body: () throws -> Bool) throws -> Bool {
    do { return try body() } catch let failure as ReadFailure {
      guard failure.message.contains("restored from a backup") else { throw failure }
      let held = try #require(store.heldSets().first)
      _ = try store.approve(
        held.set.hash,
        run: RunRecord(command: "approve", user: "t", startedAt: now, planHash: ""))
      return try approving(now: now, body)
    }
  }

  func planIsEmpty(now: Int64) throws -> Bool {
    let (planner, directory) = try planner { _ in }
    var findings = Findings()
    return try planner.plan(.directory(directory), now: now, into: &findings).plan.isEmpty
  }

  /// Loses the cookie, and all else that is known of the last read.
  func forget() throws {
    try DatabaseQueue(path: folder.path + "/usher.db").write {
      try $0.execute(sql: "DELETE FROM evidence")
    }
  }

  /// Puts other cookies in place of those that the server gave, and an old number.
  func spoil() throws {
    guard var evidence = try store.readEvidence(of: "corporate"), let bookmark = evidence.bookmark,
      var mark = try JSONSerialization.jsonObject(with: bookmark) as? [String: Any],
      let cookies = mark["cookies"] as? [[Int]]
    else { return }
    mark["cookies"] = cookies.map { _ in Array("rid=000,csn=spoilt".utf8).map(Int.init) }
    if mark["number"] != nil { mark["number"] = 0 }
    evidence.bookmark = try JSONSerialization.data(withJSONObject: mark)
    let details = String(decoding: try JSONEncoder().encode(evidence), as: UTF8.self)
    try DatabaseQueue(path: folder.path + "/usher.db").write {
      try $0.execute(sql: "UPDATE evidence SET details = ?", arguments: [details])
    }
  }

  /// The public export and what is left open.
  func state() throws -> String {
    var lines: [String] = []
    try store.allAccounts { lines.append(try Export.json(of: $0, transition: .before)) }
    let open = try store.openQuestions()
    return lines.joined(separator: "\n")
      + "\n\(open.holds.map { "\($0.person) \($0.doubts.map(\.reason).sorted())" }.sorted())"
      + "\n\(open.waiting.mapValues { $0.sorted() }.sorted { $0.key < $1.key })"
  }
}

/// A branch to which things happen.
private struct RandomBranch {
  private(set) var branch: Branch
  private let server: DirectoryServer
  private var count = 0
  private var saved: Branch?
  /// All that happened.
  private(set) var steps: [String] = []

  init(on server: DirectoryServer) throws {
    self.server = server
    branch = Branch("h", on: server.kind)
    try server.modify(branch.root())
    var steps: [Branch.Step] = (0..<8).map { .add("p\($0)") }
    steps += [
      .addGroup("developers", ["p0", "p1"]), .addGroup("staff", ["developers", "p2", "p3"]),
    ]
    try take(steps)
  }

  mutating func take(_ steps: [Branch.Step]) throws {
    self.steps.append("\(steps)")
    let records = steps.map { branch.take($0) }.filter { !$0.isEmpty }
    if !records.isEmpty { try server.modify(records.joined(separator: "\n")) }
  }

  /// Some random steps, taken on the server.
  mutating func happen(_ random: inout SeededRandom) throws -> String {
    switch Int.random(in: 0..<40, using: &random) {
    case 0:
      steps.append("backup")
      try server.backUp()
      saved = branch
      return "a backup is made"
    case 1:
      guard let saved else { break }
      steps.append("restore")
      try server.restore()
      branch = saved
      return "the server is restored from its backup"
    case 2, 3:
      count += 1
      let unit = ["elsewhere", "people", "outside"][count % 3]
      // OpenLDAP would leave names of groups in people that the groups do not have, which rules out reading changes.
      let leaving = branch.groups.keys.sorted().flatMap { group in
        branch.people.keys.sorted().filter { branch.people[$0]?.unit == unit }
          .map { Branch.Step.leave($0, group: group) }
      }
      let step = Branch.Step.renameUnit(unit, to: "unit\(count)")
      try take((server.kind == .slapd ? leaving : []) + [step])
      return "\(step)"
    default: break
    }
    var steps: [Branch.Step] = []
    for _ in 0..<Int.random(in: 0..<5, using: &random) {
      guard let step = step(&random) else { continue }
      try take([step])
      steps.append(step)
    }
    return "\(steps)"
  }

  private mutating func step(_ random: inout SeededRandom) -> Branch.Step? {
    let people = branch.people.keys.sorted()
    let inside = people.filter { branch.people[$0]?.unit != "outside" }
    let teams = branch.groups.keys.filter { $0.hasPrefix("team") }.sorted()
    let groups = branch.groups.keys.sorted()
    guard let person = people.randomElement(using: &random),
      let group = groups.randomElement(using: &random)
    else { return nil }
    count += 1
    switch Int.random(in: 0..<13, using: &random) {
    case 0:
      // Names are used again by others. 389 2.3.1 at times keeps an entry that a search for its name finds and
      // no other does, after units were renamed; it then refuses the name.
      let name = "n\(server.kind == .ds389 ? count : count % 20)"
      let isTaken = branch.people.contains { $0 == name || $1.firstName == name }
      guard people.count < 16, !isTaken else { return nil }
      return .add(name, title: count % 4 == 0 ? "guest" : "staff")
    case 1: return inside.count > 4 ? .delete(person) : nil
    case 2: return .mail(person, "m\(count)@acme.example")
    case 3: return .title(person, count % 2 == 0 ? "guest" : "staff")
    case 4: return .rename(person, to: "r\(count)")
    case 5, 6:
      let unit = ["people", "elsewhere", "outside"].randomElement(using: &random) ?? "people"
      if unit == "outside", inside.count <= 4 { return nil }
      return branch.people[person]?.unit == unit ? nil : .move(person, to: unit)
    case 7: return .disable(person)
    case 8: return .enable(person)
    case 9: return .join(person, group: group)
    case 10: return .leave(person, group: group)
    case 11:
      return teams.count < 3
        ? .addGroup("team\(count)", [person, "staff"]) : .deleteGroup(teams[count % teams.count])
    default:
      guard let team = teams.randomElement(using: &random) else { return nil }
      return branch.groups["staff"]?.contains(team) == true
        ? .leave(team, group: "staff") : .join(team, group: "staff")
    }
  }
}
