import DirectoryModel
import Foundation
import GRDB
import Ports
import SiteModel
import SiteStore
import TestSupport
import Testing

@_spi(Guard) import SiteModel

/// A mirror that another thread writes is the mirror that one thread writes, and fails as one.
@Suite struct MirrorThreadTests {
  private let folder: TemporaryFolder
  private let store: SiteDatabase
  private let description = MirrorDescription(
    personSearch: "p", groupSearch: "g", personAttributes: [], groupAttributes: [], readAt: 1)

  init() throws {
    folder = try TemporaryFolder()
    store = try SiteDatabase(path: folder.path + "/usher.db")
  }

  private struct Broken: Error {}

  private func entry(_ number: Int) -> MirroredEntry {
    MirroredEntry(
      fingerprint: UInt64(number), entry: [], hashes: [WideHash(high: UInt64(number), low: 7)])
  }

  private func fill(_ numbers: Range<Int>, _ writer: any MirrorWriter) throws {
    for number in numbers {
      try writer.write(.person, key: "p\(number)", search: 0, as: .new, entry: entry(number))
    }
    var evidence = ReadEvidence()
    evidence.people = numbers.count
    try writer.keep(evidence)
  }

  private func fingerprints(_ store: SiteDatabase) throws -> [String: UInt64] {
    var found: [String: UInt64] = [:]
    try store.mirrorFingerprints(of: "d", kind: .person) {
      found[String(decoding: $0, as: UTF8.self)] = $1
    }
    return found
  }

  @Test func whatAnotherThreadWritesIsWhatOneThreadWrites() throws {
    let other = try SiteDatabase(path: folder.path + "/other.db")
    func story(_ writer: any MirrorWriter) throws {
      try fill(0..<1200, writer)
      #expect(try writer.find(.person, key: "p7") == entry(7))
      try writer.write(.person, key: "p7", search: 0, as: .known, entry: entry(70_000))
      try writer.remove(.person, key: "p8")
      #expect(try writer.keys(.person).count == 1199)
      #expect(writer.changes == 1202)
    }
    try other.updateMirror(of: "d", description: description, story)
    try store.fillMirror(of: "d", description: description, story)
    // Whoever asks waits for the end.
    #expect(try store.readEvidence(of: "d")?.people == 1200)
    #expect(try fingerprints(store) == fingerprints(other))
    #expect(try fingerprints(store)["p7"] == 70_000)
    #expect(
      try store.mirrorKeys(of: "d", kind: .person, among: [], hashes: entry(9).hashes) == ["p9"])
  }

  /// An entry comes and goes under its key within one transaction, also where thousands came before: of more than 25,000 the
  /// hashes are put aside in a file.
  @Test(arguments: [3, 2500, 60_000])
  func entriesAreFoundByTheirKeysAtOnce(before: Int) throws {
    try store.updateMirror(of: "d", description: description) { writer in
      try fill(0..<before, writer)
      for round in 1...3 {
        try writer.remove(.person, key: "p1")
        #expect(try writer.find(.person, key: "p1") == nil)
        try writer.write(.person, key: "p1", search: 0, as: .new, entry: entry(round * 10_000))
        #expect(try writer.find(.person, key: "p1") == entry(round * 10_000))
      }
      try writer.remove(.person, key: "p2")
    }
    #expect(try store.mirrorHashes(of: "d", kind: .person, keys: ["p1"]) == entry(30_000).hashes)
    try store.updateMirror(of: "d", description: description) { writer in
      #expect(try writer.find(.person, key: "p1") == entry(30_000))
      #expect(try writer.find(.person, key: "p2") == nil)
      #expect(try writer.find(.group, key: "p1") == nil)
      try writer.write(.person, key: "p1", search: 0, as: .known, entry: entry(5))
      try writer.remove(.person, key: "p0")
      try writer.write(.person, key: "p2", search: 0, as: .known, entry: entry(2))
    }
    #expect(
      try store.mirrorKeys(of: "d", kind: .person, among: ["p0", "p1", "p2"], hashes: [])
        == ["p1", "p2"])
    #expect(try fingerprints(store)["p1"] == 5)
    #expect(try fingerprints(store).count == before - 1)
    for number in Array(stride(from: 3, to: before, by: 997)) + [before - 1] where number > 2 {
      #expect(
        try store.mirrorKeys(of: "d", kind: .person, among: [], hashes: entry(number).hashes)
          == ["p\(number)"])
      #expect(
        try store.mirrorHashes(of: "d", kind: .person, keys: ["p\(number)"])
          == entry(number).hashes)
    }
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy {
        $0.hasPrefix("usher.db")
      })
  }

  /// New entries have the numbers that SQLite gives them, where these are the same in both tables; here another program wrote
  /// into one, or the last entry goes.
  @Test(arguments: [
    "INSERT INTO mirror_entry (data, hashes) VALUES (x'', x'')",
    "INSERT INTO mirror_key VALUES (9, 'other', 1, 'k', 0, 1)",
    "DELETE FROM mirror_entry WHERE id = 3; DELETE FROM mirror_key WHERE entry = 3", "",
  ])
  func entriesAndKeysStayTogether(by others: String) throws {
    try store.updateMirror(of: "d", description: description) { try fill(0..<3, $0) }
    try DatabaseQueue(path: folder.path + "/usher.db").write { try $0.execute(sql: others) }
    try store.updateMirror(of: "d", description: description) { writer in
      try fill(3..<25, writer)
      try writer.remove(.person, key: "p24")
      try fill(25..<50, writer)
      try writer.remove(.person, key: "p49")
    }
    try store.updateMirror(of: "d", description: description) { try fill(50..<70, $0) }
    try store.updateMirror(of: "d", description: description) { (writer) throws in
      for number in 3..<70 where number != 24 && number != 49 {
        #expect(try writer.find(.person, key: "p\(number)") == entry(number))
        #expect(
          try writer.keys(.person, foundUnder: entry(number).hashes) == ["p\(number)"])
      }
      #expect(try writer.find(.person, key: "p24") == nil)
      #expect(try writer.find(.person, key: "p49") == nil)
    }
  }

  /// Entries come into blocks that are full.
  @Test func aBlockThatIsFullBecomesTwo() throws {
    try store.updateMirror(of: "d", description: description) { try fill(0..<150, $0) }
    for round in 1...4 {
      let numbers = (round * 150)..<(round * 150 + 40 * round)
      try store.updateMirror(of: "d", description: description) { try fill(numbers, $0) }
      for number in [0, 149, numbers.lowerBound, numbers.upperBound - 1] {
        #expect(
          try store.mirrorKeys(of: "d", kind: .person, among: [], hashes: entry(number).hashes)
            == ["p\(number)"])
      }
    }
  }

  /// A block answers for all hashes that are in it; those of one hash may fill several blocks and begin at the end of one.
  @Test func manyHashesAreFoundAtOnce() throws {
    func shared(_ number: Int) -> WideHash { WideHash(high: UInt64(number / 400), low: 9) }
    try store.updateMirror(of: "d", description: description) { writer in
      for number in 0..<2000 {
        try writer.write(
          .person, key: "p\(number)", search: 0, as: .new,
          entry: MirroredEntry(
            fingerprint: 1, entry: [],
            hashes: [WideHash(high: UInt64(number), low: 7), shared(number)]))
      }
    }
    func found(_ hashes: [WideHash]) throws -> Set<String> {
      try store.mirrorKeys(of: "d", kind: .person, among: [], hashes: hashes)
    }
    func expected(_ numbers: [Int], _ groups: Set<Int>) -> Set<String> {
      Set((0..<2000).filter { numbers.contains($0) || groups.contains($0 / 400) }.map { "p\($0)" })
    }
    for step in [1, 3, 143, 700] {
      let numbers = Array(stride(from: 0, to: 2300, by: step))
      let own = numbers.map { WideHash(high: UInt64($0), low: 7) }
      let missing = numbers.map { WideHash(high: UInt64($0), low: 8) }
      #expect(try found(own + missing) == expected(numbers, []))
      #expect(try found(own + [shared(400), shared(1200)]) == expected(numbers, [1, 3]))
    }
    #expect(try found([shared(0), shared(1999)]) == expected([], [0, 4]))
    #expect(try found([WideHash(high: .max, low: 0)]).isEmpty)
  }

  /// A store that is closed before anybody asked what became of the mirror has no log left.
  @Test func whoeverClosesTheStoreWaitsForTheMirror() throws {
    let path = folder.path + "/closed.db"
    do {
      let closed = try SiteDatabase(path: path)
      try closed.fillMirror(of: "other", description: description) { try fill(0..<1, $0) }
      try closed.fillMirror(of: "d", description: description) { try fillLarge(0..<40, $0) }
    }
    #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
    #expect(try fingerprints(try SiteDatabase(path: path)).count == 40)
  }

  /// More than a connection keeps in memory.
  private func fillLarge(_ numbers: Range<Int>, _ writer: any MirrorWriter) throws {
    for number in numbers {
      try writer.write(
        .person, key: "p\(number)", search: 0, as: .new,
        entry: MirroredEntry(
          fingerprint: UInt64(number), entry: [UInt8](repeating: 7, count: 1_000_000), hashes: []))
    }
    // What was written so far has gone its way.
    _ = try writer.keys(.person)
  }

  private func has(_ end: String) -> Bool {
    FileManager.default.fileExists(atPath: folder.path + "/usher.db" + end)
  }

  private func journalMode() throws -> String? {
    try DatabaseQueue(path: folder.path + "/usher.db").read {
      try String.fetchOne($0, sql: "PRAGMA journal_mode")
    }
  }

  @Test func anEmptyStoreIsFilledWithoutALog() throws {
    try store.fillMirror(of: "d", description: description) { writer in
      try fillLarge(0..<10, writer)
      #expect(has("-journal") && !has("-wal"))
      // The file lets nobody read; the site is told as it was.
      #expect(try store.site(name: "acme", policy: SitePolicy(ceilings: [:])).generation == 0)
      #expect(try store.meanwhile { try $0.pins().count }.value() == 0)
    }
    let run = RunRecord(command: "sync", user: "t", startedAt: 1, planHash: "")
    _ = try store.apply(plan(for: store, "a@x"), run: run)
    #expect(try fingerprints(store).count == 10)
    #expect(try store.accounts(ids: [1]).map(\.email) == ["a@x"])
    // From then on others may read meanwhile.
    #expect(try store.meanwhile { try $0.accounts(ids: [1]).count }.value() == 1)
    #expect(try journalMode() == "wal" && !has("-journal"))
    try store.fillMirror(of: "d", description: description) { writer in
      try fillLarge(10..<20, writer)
      #expect(try store.meanwhile { try $0.accounts(ids: [1]).count }.value() == 1)
    }
  }

  @Test func aFillGoesOnWhereOthersTurnTheLogOnMeanwhile() throws {
    try store.fillMirror(of: "d", description: description) { try fillLarge(0..<10, $0) }
    try store.finishMirror()
    #expect(try fingerprints(SiteDatabase(path: folder.path + "/usher.db")).count == 10)
    let run = RunRecord(command: "sync", user: "t", startedAt: 1, planHash: "")
    _ = try store.apply(plan(for: store, "a@x"), run: run)
    #expect(try journalMode() == "wal")
    #expect(try SiteDatabase(path: folder.path + "/usher.db").accounts(ids: [1]).count == 1)
  }

  @Test func anEmptyStoreThatOthersHaveOpenKeepsItsLog() throws {
    let other = try SiteDatabase(path: folder.path + "/usher.db")
    try store.fillMirror(of: "d", description: description) { writer in
      try fillLarge(0..<10, writer)
      #expect(has("-wal"))
      #expect(try fingerprints(other).isEmpty)
    }
    try store.finishMirror()
    #expect(try fingerprints(other).count == 10)
  }

  @Test func whatFailsWhileAnEmptyStoreIsFilledLeavesItEmpty() throws {
    #expect(throws: Broken.self) {
      try store.fillMirror(of: "d", description: description) { writer in
        try fillLarge(0..<10, writer)
        throw Broken()
      }
    }
    #expect(try store.mirrorDescription(of: "d") == nil)
    try store.fillMirror(of: "d", description: description) { try fill(0..<10, $0) }
    #expect(try fingerprints(store).count == 10)
  }

  @Test func ofAGroupThatIsWrittenTwiceTheLastMembersStay() throws {
    func group(_ writer: any MirrorWriter, _ isNew: Bool, _ members: [UInt64]) throws {
      let hashes = members.map { WideHash(high: $0, low: 1) }
      try writer.write(
        .group, key: "g", search: 0, as: isNew ? .new : .known,
        entry: MirroredEntry(fingerprint: 1, entry: [], hashes: hashes))
    }
    func members() throws -> [UInt64] { try store.mirrorMembers(of: "d").map(\.key.high).sorted() }
    try store.updateMirror(of: "d", description: description) { writer in
      try group(writer, true, [1, 2])
      try group(writer, false, [1])
    }
    #expect(try members() == [1])
    try store.updateMirror(of: "d", description: description) { writer in
      for next: [UInt64] in [[2, 3], [1], [3], [1, 4]] { try group(writer, false, next) }
    }
    #expect(try members() == [1, 4])
    try store.updateMirror(of: "d", description: description) { writer in
      try group(writer, false, [5])
      try writer.remove(.group, key: "g")
      try group(writer, true, [6])
    }
    #expect(try members() == [6])
  }

  /// The members of the first groups come in order, some twice; the mirror is the same as if each group had brought its own.
  @Test(arguments: [3, 40_000])
  func theMembersOfTheFirstGroupsAreToldTogether(people: Int) throws {
    func key(_ person: Int) -> WideHash {
      WideHash(high: UInt64(person) &* 0x9E37_79B9_7F4A_7C15, low: 1)
    }
    var members: [[WideHash]] = (0..<5).map { group in
      (0..<people).filter { $0 % 4 <= group }.map(key)
    }
    members[1].append(key(0))
    func groups(_ writer: any MirrorWriter, as place: MirrorPlace) throws {
      for (group, hashes) in members.enumerated() {
        try writer.write(
          .group, key: "g\(group)", search: 0, as: place,
          entry: MirroredEntry(fingerprint: 1, entry: [], hashes: hashes))
      }
    }
    func all(_ store: SiteDatabase) throws -> [DirectoryGroups.Membership] {
      try store.mirrorMembers(of: "d")
    }
    let other = try SiteDatabase(path: folder.path + "/other.db")
    for store in [store, other] {
      try store.updateMirror(of: "before", description: description) { try fill(0..<3, $0) }
    }
    try other.fillMirror(of: "d", description: description) { try groups($0, as: .new) }
    try store.fillMirror(of: "d", description: description) { writer in
      try groups(writer, as: .first)
      let told = members.enumerated().flatMap { group, keys in
        keys.map { DirectoryGroups.Membership(key: $0, group: Int32(group)) }
      }
      try writer.write(membersOfFirst: told.sorted())
      try fill(0..<10, writer)
    }
    #expect(try all(store) == all(other))
    #expect(try all(store).count == members.joined().count - 1)
    for store in [store, other] {
      try store.updateMirror(of: "d", description: description) { writer in
        #expect(try writer.find(.group, key: "g1")?.hashes == members[1])
        try writer.write(
          .group, key: "g1", search: 0, as: .known,
          entry: MirroredEntry(fingerprint: 2, entry: [], hashes: Array(members[1].dropFirst(2))))
      }
    }
    #expect(try all(store) == all(other))
    // Whoever asks for some is led by where blocks begin.
    let some = (0..<people).filter { $0 % 7 == 0 }.map(key)
    func asked(_ store: SiteDatabase) throws -> [DirectoryGroups.Membership] {
      try store.mirrorMembers(of: "d", hashes: some) { _ in [] }
    }
    #expect(try asked(store) == all(other).filter { Set(some).contains($0.key) })
  }

  /// The first groups of a mirror that had none, or held what another search asked; one changes in the same transaction and one
  /// goes, before or after their members are told.
  @Test(arguments: [true, false], ["g", "other"])
  func firstGroupsMayChangeAtOnce(early: Bool, search: String) throws {
    let hashes = (0..<4).map { WideHash(high: $0, low: 1) }
    func write(_ group: Int, as place: MirrorPlace, _ members: [WideHash]) -> Step {
      { writer in
        try writer.write(
          .group, key: "g\(group)", search: 0, as: place,
          entry: MirroredEntry(fingerprint: 1, entry: [], hashes: members))
      }
    }
    let before = MirrorDescription(
      personSearch: "p", groupSearch: search, personAttributes: [], groupAttributes: [], readAt: 1)
    try store.updateMirror(of: "d", description: before) { writer in
      if search == "g" { return try fill(0..<3, writer) }
      try write(7, as: .new, hashes)(writer)
    }
    let changes: [Step] = [
      write(1, as: .known, [hashes[3]]), { try $0.remove(.group, key: "g2") },
    ]
    let told: Step = { writer in
      try writer.write(
        membersOfFirst: [(0, 0), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2)].map {
          DirectoryGroups.Membership(key: hashes[$0.0], group: $0.1)
        })
    }
    try store.fillMirror(of: "d", description: description) { writer in
      try write(0, as: .first, Array(hashes[0...1]))(writer)
      try write(1, as: .first, Array(hashes[1...2]))(writer)
      try write(2, as: .first, Array(hashes[1...2]))(writer)
      for step in early ? changes + [told] : [told] + changes { try step(writer) }
    }
    let found = try store.mirrorMembers(of: "d")
    #expect(found.map(\.key) == [hashes[0], hashes[1], hashes[3]])
    #expect(found.map(\.group) == [0, 0, 1])
  }

  private typealias Step = (any MirrorWriter) throws -> Void

  @Test func firstGroupsWhoseMembersNobodyTellsAreNotWritten() throws {
    #expect(throws: StoreFailure.self) {
      try store.updateMirror(of: "d", description: description) { writer in
        try writer.write(.group, key: "g", search: 0, as: .first, entry: entry(1))
      }
    }
    #expect(throws: StoreFailure.self) {
      try store.updateMirror(of: "d", description: description) { writer in
        try writer.write(.group, key: "g", search: 0, as: .first, entry: entry(1))
        try writer.write(membersOfFirst: [.init(key: WideHash(high: 1, low: 1), group: 1)])
      }
    }
    #expect(try store.mirrorDescription(of: "d") == nil)
  }

  @Test func whoeverFailsMeanwhileLeavesTheMirrorAsItWas() throws {
    try store.fillMirror(of: "d", description: description) { try fill(0..<10, $0) }
    #expect(throws: Broken.self) {
      try store.fillMirror(of: "d", description: description) { writer in
        try fill(10..<2000, writer)
        throw Broken()
      }
    }
    #expect(try fingerprints(store).count == 10)
    // The next one is not in its way.
    try store.fillMirror(of: "d", description: description) { try fill(10..<20, $0) }
    try store.finishMirror()
    #expect(try fingerprints(store).count == 20)
  }

  @Test func aFailureOfTheThreadComesBack() throws {
    // A key that is there already: the second transaction cannot commit.
    try store.fillMirror(of: "d", description: description) { try fill(0..<10, $0) }
    try store.finishMirror()
    let early = #expect(throws: StoreFailure.self) {
      try store.fillMirror(of: "d", description: description) { writer in
        for _ in 0..<100 {
          try fill(5..<600, writer)
          _ = try writer.find(.person, key: "p5")
        }
      }
    }
    #expect(early != nil)
    let asked = #expect(throws: StoreFailure.self) {
      try store.fillMirror(of: "d", description: description) { writer in
        try fill(1..<1100, writer)
        _ = try writer.find(.person, key: "p1")
      }
    }
    #expect(asked != nil)
    try store.fillMirror(of: "d", description: description) { writer in
      try writer.write(.person, key: "p1", search: 0, as: .new, entry: entry(1))
    }
    // It was handed over; what becomes of it is told when somebody waits.
    #expect(throws: StoreFailure.self) { try store.finishMirror() }
    #expect(try fingerprints(store).count == 10)
  }

  /// Much goes over from the log into the file while the site is written.
  @Test func aLargeMirrorAndTheSiteAreWrittenBesideEachOther() throws {
    do {
      let store = try SiteDatabase(path: folder.path + "/large.db")
      try store.fillMirror(of: "other", description: description) { try fill(0..<1, $0) }
      try store.fillMirror(of: "d", description: description) { try fillLarge(0..<40, $0) }
      let run = RunRecord(command: "sync", user: "t", startedAt: 1, planHash: "")
      for number in 0..<3 { _ = try store.apply(plan(for: store, "\(number)@x"), run: run) }
      #expect(try fingerprints(store).count == 40)
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/large.db-wal"))
    let again = try SiteDatabase(path: folder.path + "/large.db")
    #expect(try fingerprints(again).count == 40)
    #expect(try again.accounts(ids: [1, 2, 3]).map(\.email) == ["0@x", "1@x", "2@x"])
  }

  private func plan(for store: SiteDatabase, _ email: String) throws -> ApprovedPlan {
    let site = try store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
    var builder = PlanBuilder(
      basis: Plan.Basis(
        site: "acme", lineage: site.lineage, generation: site.generation, mappingDigest: "",
        createdAt: 1, peopleRead: 1, groupsRead: 0), rules: [])
    let subject = builder.addSubject(
      account: nil, person: email, email: email, name: "A", username: nil)
    builder.add(.createAccount, subject: subject)
    return ApprovedPlan(builder.finish(), seal: GuardSeal())
  }

  @Test func nothingIsAppliedBesideAMirrorThatCannotBeWritten() throws {
    try store.fillMirror(of: "d", description: description) { try fill(0..<10, $0) }
    try store.fillMirror(of: "d", description: description) { writer in
      try writer.write(.person, key: "p1", search: 0, as: .new, entry: entry(1))
    }
    // The plan comes before anybody has waited for the mirror.
    let plan = try plan(for: store, "a@x")
    let run = RunRecord(command: "sync", user: "t", startedAt: 1, planHash: "")
    #expect(throws: StoreFailure.self) { try store.apply(plan, run: run) }
    #expect(try store.accounts(ids: [1]).isEmpty)
    // The failure is told once; then the same plan fits.
    _ = try store.apply(plan, run: run)
    #expect(try store.accounts(ids: [1]).map(\.email) == ["a@x"])
  }

  @Test func aValueThatAnotherThreadWorksOutIsToldToWhoeverAsks() throws {
    let sum = Meanwhile { (1...1000).reduce(0, +) }
    #expect(try sum.value() == 500_500 && sum.value() == 500_500)
    #expect(try sum.take() == 500_500)
    #expect(throws: CancellationError.self) { try sum.value() }
    #expect(throws: Broken.self) { try Meanwhile<Int> { throw Broken() }.value() }
  }
}
