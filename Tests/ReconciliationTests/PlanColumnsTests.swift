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
}
