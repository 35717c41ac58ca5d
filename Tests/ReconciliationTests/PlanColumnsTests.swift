import Foundation
import SiteModel
import Testing

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

  @Test func rowsAreWhatWasAddedAndComeBackFromAFile() throws {
    var builder = PlanBuilder(
      basis: Plan.empty(site: "s", now: 1).basis,
      rules: ["a", "b"].map { RuleReference(name: $0, file: "f", line: 1) })
    let subject = builder.addSubject(
      account: 1, person: nil, email: "a@x", name: "A", username: nil)
    let rights = [Right(.group, "g"), Right(.license, "l"), Right(.group, "g")]
    var expected: [(ChangeKind, String, String)] = []
    // One right by several rules in turn.
    for (right, rule) in [0, 1, 0, 1, 1].flatMap({ rule in rights.map { ($0, rule) } }) {
      builder.give(right, to: subject, rule: rule)
      expected.append(
        (right.kind == .group ? .joinGroup : .grantLicense, right.name, "ab".map(String.init)[rule])
      )
    }
    builder.add(.leaveGroup, subject: subject, before: "h", reason: "why", keepsGivers: true)
    let plan = builder.finish()
    let decoder = JSONDecoder()
    let again = try decoder.decode(Plan.self, from: JSONEncoder().encode(plan))
    for plan in [plan, again] {
      let first = plan.change(at: 0)
      #expect(first.kind == .leaveGroup && first.before == .text("h") && first.reason == "why")
      #expect(first.keepsGivers && plan.rows.count == expected.count + 1 && plan.isWhole)
      for (index, one) in expected.enumerated() {
        let change = plan.change(at: index + 1)
        #expect(change.kind == one.0 && change.after == .text(one.1) && change.rule?.name == one.2)
        #expect(change.givers?.after.rule == one.2 && change.givers?.before.isEmpty == true)
      }
    }
    #expect(plan.rows.bytes(0..<plan.rows.count) == again.rows.bytes(0..<plan.rows.count))
  }
}
