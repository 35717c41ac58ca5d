import Foundation
import SiteModel
import TestSupport
import Testing

@Suite struct SortingTests {
  @Test func textsThatBeginAlikeAreInTheOrderOfTheirBytes() {
    var random = SeededRandom(7)
    let pieces = ["u0000000", "a", "", "é", "e\u{301}", "long beginning of ", "\u{FFFF}", "b"]
    let texts = (0..<3000).map { _ in
      (0..<4).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
    }
    let others = texts.indices.map { _ in String(Int.random(in: 0...9, using: &random)) }
    let expected = texts.indices.sorted { left, right in
      let (own, other) = (Array(texts[left].utf8), Array(texts[right].utf8))
      if own != other { return own.lexicographicallyPrecedes(other) }
      return (others[left], left) < (others[right], right)
    }
    let sorted = sortedByBytes(texts.count) {
      texts[$0]
    } then: {
      others[$0]
    }
    #expect(sorted.map(Int.init) == expected)
    let byBytesAlone = texts.indices.sorted { left, right in
      let (own, other) = (Array(texts[left].utf8), Array(texts[right].utf8))
      return own == other ? left < right : own.lexicographicallyPrecedes(other)
    }
    let lying = texts.map { text in
      let place = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
      place.copyBytes(from: text.utf8)
      return UnsafeRawBufferPointer(place)
    }
    defer { lying.forEach { $0.deallocate() } }
    #expect(sortedByBytes(lying.count, bytes: { lying[$0] }).map(Int.init) == byBytesAlone)
  }
}

@Suite struct PlanColumnsTests {
  @Test func subjectsAreWhatWasAddedAndComeBackFromAFile() throws {
    var builder = PlanBuilder(
      basis: Plan.empty(site: "s", now: 1).basis,
      rules: [RuleReference(name: "r", file: "f", line: 1)])
    let all: [(Int64?, String?, String, String, String?, Bool)] = [
      (nil, "p1", "ada@x", "Ada", "ada", false), (7, nil, "b@x", "", nil, false),
      (nil, "", "", "Zo\u{EB}", "", true), (8, "p4", "d@x", "e\u{301}", nil, true),
    ]
    for (account, person, email, name, username, flag) in all {
      let number = builder.addSubject(
        account: account, person: person, email: email, name: name, username: username,
        portalOnly: flag, isEmailVerified: flag, isActive: !flag)
      if let person { builder.settle(person, fingerprint: UInt64(number)) }
    }
    let plan = builder.finish()
    let decoder = JSONDecoder()
    for plan in [plan, try decoder.decode(Plan.self, from: JSONEncoder().encode(plan))] {
      #expect(plan.subjects.count == all.count)
      #expect(plan.memory.settled.map(\.person) == ["p1", "", "p4"])
      #expect(plan.memory.settled.map(\.fingerprint) == [0, 2, 3])
      for (subject, one) in zip(plan.subjects, all) {
        #expect(subject.account == one.0 && subject.person == one.1 && subject.username == one.4)
        #expect(Array(subject.email.utf8) == Array(one.2.utf8))
        #expect(Array(subject.name.utf8) == Array(one.3.utf8))
        #expect(subject.portalOnly == one.5 && subject.isEmailVerified == one.5)
        #expect(subject.isActive != one.5)
      }
      plan.subjects.withBytes { bytes in
        for (number, subject) in plan.subjects.enumerated() {
          #expect(bytes.account(number) == subject.account ?? 0)
          #expect(bytes.person(number).map(Array.init) == subject.person.map { Array($0.utf8) })
          #expect(Array(bytes.email(number)) == Array(subject.email.utf8))
          #expect(Array(bytes.name(number)) == Array(subject.name.utf8))
          #expect(bytes.username(number).map(Array.init) == subject.username.map { Array($0.utf8) })
          #expect(plan.subjects.person(number) == subject.person)
          #expect(plan.subjects.account(number) == subject.account)
        }
      }
    }
  }
}

@Suite struct RightTests {
  /// A store finds licenses by the bytes of their names.
  @Test(arguments: [false, true])
  func aSpellingKeepsItsBytes(decomposedFirst: Bool) {
    let number = decomposedFirst ? "1" : "2"
    let (composed, decomposed) = ("caf\u{E9}\(number)", "cafe\u{301}\(number)")
    let first = Right(.license, decomposedFirst ? decomposed : composed)
    let second = Right(.license, decomposedFirst ? composed : decomposed)
    #expect(first == second && first.number == second.number)
    for (right, name) in [
      (Right(.license, composed), composed), (Right(.license, decomposed), decomposed),
    ] {
      #expect(
        Array(right.name.utf8) == Array(name.utf8) && Array(right.key.utf8) == Array(name.utf8))
    }
  }
}
