import DirectoryModel
import Foundation
import Testing

@Suite struct DirectoryGroupsTests {
  private static let slots = AttributeSlots([
    "cn", "member", "uniqueMember", "memberUid", "objectSid",
  ])
  private static let personSlots = AttributeSlots(["uid", "memberOf", "primaryGroupID"])

  private func groups(_ all: [(String, [String: [String]])], nested: Bool = true) -> DirectoryGroups
  {
    var groups = DirectoryGroups(
      slots: Self.slots, id: nil, nested: nested, hash: ByteHash(seed: 7))
    var batch = EntryBatch(slots: Self.slots)
    for (name, attributes) in all {
      batch.beginEntry(dn: "cn=\(name),ou=groups,dc=x")
      batch.appendAttribute("cn", values: [Array(name.utf8)])
      for (attribute, values) in attributes {
        batch.appendAttribute(attribute, values: values.map { Array($0.utf8) })
      }
    }
    groups.add(batch)
    groups.close()
    return groups
  }

  private func names(
    _ groups: inout DirectoryGroups, of dn: String, _ attributes: [String: [String]] = [:]
  ) throws -> [String] {
    var batch = EntryBatch(slots: Self.personSlots)
    batch.beginEntry(dn: dn)
    for (name, values) in attributes {
      batch.appendAttribute(name, values: values.map { Array($0.utf8) })
    }
    let name = groups.nameKey(of: 0, in: batch)
    let set = groups.groups(of: 0, in: batch, name: name, slots: .init(Self.personSlots))
    return set.members.flatMap { groups.names(of: Int($0)) }
      .map { String(decoding: $0, as: UTF8.self) }.sorted()
  }

  @Test func everyWayIntoAGroupCounts() throws {
    var all = groups([
      ("a", ["member": ["UID=Ada , dc=X"]]), ("b", ["uniqueMember": ["uid=ada,dc=x#'0101'B"]]),
      ("c", ["memberUid": ["ada"]]), ("d", [:]), ("e", ["member": ["uid=eve,dc=x"]]),
    ])
    #expect(
      try names(
        &all, of: "uid=ada,dc=x",
        ["uid": ["ada"], "memberOf": ["CN=D, OU=Groups,dc=x", "cn=unknown,dc=x"]])
        == ["a", "b", "c", "d"])
  }

  @Test func primaryGroupIsFoundByTheEndOfTheSID() throws {
    let sid: [UInt8] = [
      1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 2, 0, 0,
    ]
    var batch = EntryBatch(slots: Self.slots)
    batch.beginEntry(dn: "cn=domain users,dc=x")
    batch.appendAttribute("cn", values: [Array("domain users".utf8)])
    batch.appendAttribute("objectSid", values: [sid])
    var all = DirectoryGroups(slots: Self.slots, id: nil, nested: false, hash: ByteHash(seed: 7))
    all.add(batch)
    all.close()
    #expect(try names(&all, of: "cn=ada,dc=x", ["primaryGroupID": ["513"]]) == ["domain users"])
  }

  @Test func ofGroupsThatShareAnIDALikelyOneIsMeant() {
    let slots = AttributeSlots(["cn", "gidNumber"])
    var groups = DirectoryGroups(
      slots: slots, id: "gidNumber", nested: false, hash: ByteHash(seed: 7))
    var batch = EntryBatch(slots: slots)
    for (name, id) in [("a", "1"), ("b", "2"), ("c", "2")] {
      batch.beginEntry(dn: "cn=\(name),dc=x")
      batch.appendAttribute("gidNumber", values: [Array(id.utf8)])
    }
    // Taken over as they are, and copied behind those.
    groups.add(batch)
    groups.add(batch)
    #expect((0..<6).map { groups.id(of: $0) } == ["1", "2", "2", "1", "2", "2"])
    #expect((0..<6).map { groups.dn(of: $0).dropFirst(3).prefix(1) }.joined() == "abcabc")
    #expect(groups.group(withID: "2") == 1)
    #expect(groups.group(withID: "2", likely: [2]) == 2)
    #expect(groups.group(withID: "2", likely: [0, 5]) == 5)
    #expect(groups.group(withID: "2", likely: [0, 3]) == 1)
    #expect(groups.group(withID: "3", likely: [0]) == nil)
  }

  @Test func nestedGroupsAndCyclesResolve() throws {
    let definitions: [(String, [String: [String]])] = [
      ("team", ["member": ["uid=ada,dc=x", "cn=all,ou=groups,dc=x"]]),
      ("department", ["member": ["cn=Team,ou=groups,dc=x"]]),
      ("all", ["member": ["cn=department,ou=groups,dc=x"]]),
      ("self", ["member": ["cn=self,ou=groups,dc=x"]]),
    ]
    var nested = groups(definitions)
    #expect(try names(&nested, of: "uid=ada,dc=x") == ["all", "department", "team"])
    var flat = groups(definitions, nested: false)
    #expect(try names(&flat, of: "uid=ada,dc=x") == ["team"])
  }

  @Test func aLongChainAndAWideCycleTakeLinearTime() throws {
    let count = 3000
    var chain: [(String, [String: [String]])] = [
      ("g0", ["member": ["uid=ada,dc=x", "cn=g\(count - 1),ou=groups,dc=x"]])
    ]
    for index in 1..<count {
      chain.append(("g\(index)", ["member": ["cn=g\(index - 1),ou=groups,dc=x"]]))
    }
    var all = groups(chain)
    #expect(try names(&all, of: "uid=ada,dc=x").count == count)
  }

  /// A list of all groups above each would hold nine million numbers.
  @Test(.timeLimit(.minutes(1))) func aPersonInEveryGroupOfACycleTakesLinearMemory() throws {
    let count = 3000
    var all = groups(
      (0..<count).map {
        ("g\($0)", ["member": ["uid=ada,dc=x", "cn=g\(($0 + 1) % count),ou=groups,dc=x"]])
      })
    let before = try residentBytes()
    #expect(try names(&all, of: "uid=ada,dc=x").count == count)
    #expect(try residentBytes() - before < 20_000_000)
  }

  private func residentBytes() throws -> Int {
    let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(
      separator: " ")
    return (Int(pages[1]) ?? 0) * 4096
  }

  @Test func aLongPathIsAbbreviated() throws {
    let count = 10_000
    let chain: [(String, [String: [String]])] = (0..<count).map {
      ("g\($0)", ["member": [$0 == 0 ? "uid=ada,dc=x" : "cn=g\($0 - 1),ou=groups,dc=x"]])
    }
    let paths = GroupPaths(from: [0], in: groups(chain))
    #expect(
      paths.path(to: 9999)
        == GroupPaths.Path(first: [0, 1, 2, 3], leftOut: 9992, last: [9996, 9997, 9998, 9999]))
    #expect(
      paths.path(to: 5) == GroupPaths.Path(first: [0, 1, 2, 3], leftOut: 0, last: [4, 5]))
    #expect(paths.path(to: 0) == GroupPaths.Path(first: [0], leftOut: 0, last: []))
  }

  @Test func thePathToANestedGroupIsTold() throws {
    let all = groups([
      ("a", ["member": ["uid=ada,dc=x"]]), ("b", ["member": ["cn=a,ou=groups,dc=x"]]),
      ("c", ["member": ["cn=b,ou=groups,dc=x", "cn=a,ou=groups,dc=x"]]),
      ("d", ["member": ["cn=c,ou=groups,dc=x"]]),
    ])
    #expect(
      GroupPaths(from: [0], in: all).path(to: 3)
        == GroupPaths.Path(first: [0, 2, 3], leftOut: 0, last: []))
  }
}

@Suite struct FingerprintTests {
  private func print(_ attributes: [(String, [String])], dn: String = "cn=x") -> UInt64 {
    var batch = EntryBatch(slots: AttributeSlots(["a", "b"]))
    batch.beginEntry(dn: dn)
    for (name, values) in attributes {
      batch.appendAttribute(name, values: values.map { Array($0.utf8) })
    }
    return batch.fingerprint(of: 0, hash: ByteHash(seed: 3)).kept
  }

  @Test func theOrderOfAttributesAndValuesDoesNotCount() {
    #expect(
      print([("a", ["1", "2"]), ("b", ["3"])]) == print([("b", ["3"]), ("a", ["2", "1"])]))
  }

  @Test func everyOtherDifferenceCounts() {
    let first = print([("a", ["1", "2"])])
    #expect(first != print([("a", ["1"])]))
    #expect(first != print([("a", ["1", "2", "2"])]))
    #expect(first != print([("b", ["1", "2"])]))
    #expect(first != print([("a", ["1", "2"])], dn: "cn=y"))
    #expect(first != print([("a;lang-de", ["1", "2"])]))
  }

  @Test func storedEntriesComeBackAsTheyWere() {
    var batch = EntryBatch(slots: AttributeSlots(["a", "b"]))
    batch.beginEntry(dn: "cn=Zoë")
    batch.appendAttribute("a", values: [[0, 255], []])
    batch.appendAttribute("b;x-1", values: [Array("long".utf8)])
    var other = EntryBatch(slots: AttributeSlots(["b", "a", "c"]))
    let isWhole = batch.stored(0).withUnsafeBytes { other.appendEntry(stored: $0, places: [1, 0]) }
    #expect(isWhole)
    #expect(other.values(of: 0, slot: 1) == [[0, 255], []])
    #expect(other.values(of: 0, slot: 0).isEmpty)
    #expect(other.values(of: 0, slot: 0, withOptions: true) == [Array("long".utf8)[...]])
    #expect(String(decoding: other.dn(of: 0), as: UTF8.self) == "cn=Zoë")
  }
}
