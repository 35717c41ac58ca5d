import Foundation
import SiteModel
import Testing

@Suite struct EntitlementsTests {
  private static let long = String(repeating: "ü", count: 300)
  private static let right = Right(.group, "staff")

  private static let all: [Entitlement] = [
    person("1", "ada@x", licenses: ["confluence"], groups: ["staff"]),
    person("2", isActive: false, outcome: .leaver),
    person("", "", name: "", outcome: .nothing),
    person("4", "a@x", "B@x", name: long, portalOnly: true, doubts: [Doubt("why", remedy: "do")]),
    Entitlement(
      person: "uid=5,dc=x", hasID: false, directory: 3, emails: [long],
      names: ["N1", "N2", "N3"], username: "", match: "five", isActive: false,
      outcome: .account(portalOnly: nil, grants: []), isByRule: false, denied: [right],
      fingerprint: .max, nextChange: 77, others: [.init(person("1", "z@x"))]),
    Entitlement(person: "6", emails: .none, username: "six", outcome: .nothing, nextChange: 5),
  ]

  private func check(_ found: Entitlements, _ numbers: [Int]) {
    #expect(found.count == numbers.count)
    for (number, other) in zip(found.indices, numbers) {
      let (own, one) = (found[number], Self.all[other])
      #expect(Array(own.person.utf8) == Array(one.person.utf8))
      #expect(Array(own.emails) == Array(one.emails) && Array(own.names) == Array(one.names))
      #expect(own.username == one.username && own.match == one.match)
      #expect(own.hasID == one.hasID && own.isByRule == one.isByRule)
      #expect(own.isActive == one.isActive && own.directory == one.directory)
      #expect(own.outcome == one.outcome && own.doubts == one.doubts && own.denied == one.denied)
      #expect(own.fingerprint == one.fingerprint && own.nextChange == one.nextChange)
      #expect(own.others == one.others && own.ids == one.ids)
      #expect(found.firstEmail(number) == one.emails.first)
      #expect(found.firstName(number) == one.names.first)
      #expect(found.hasEmail(number) == !one.emails.isEmpty)
      guard case .account(let mark, let grants) = one.outcome else {
        #expect(found.grants(number).isEmpty && !found.wantsAccount(number))
        #expect(found.isLeaver(number) == (one.outcome == .leaver))
        continue
      }
      #expect(found.portalOnly(number) == mark && Array(found.grants(number)) == grants)
      #expect(found.wantsAccount(number) == one.isActive)
    }
    #expect(Set(found.matches) == Set(numbers.compactMap { Self.all[$0].match }))
  }

  @Test func theyAreWhatWasAdded() {
    check(Entitlements(Self.all), Array(Self.all.indices))
  }

  @Test func copiesAreTheSameInAnyOrder() {
    let first = Entitlements(Self.all)
    var copy = Entitlements()
    var known: [Int32] = []
    for number in [4, 0, 0, 3] { copy.append(number, of: first, &known) }
    copy.append(contentsOf: first)
    check(copy, [4, 0, 0, 3] + Self.all.indices)
  }

  @Test func anotherOutcomeIsOfOnePersonAlone() {
    var some = Entitlements([Self.all[0], Self.all[0]])
    some.change(0, to: .leaver)
    #expect(some[0].outcome == .leaver && some[1].outcome == Self.all[0].outcome)
  }

  @Test func oneKeyStandsForOneOutcome() {
    var some = Entitlements()
    let first = some.add(.leaver, as: 5)
    #expect(some.add(.nothing, as: 2) != first)
    #expect(some.add(.nothing, as: 5) == first)
  }

  /// A plan names people by their entitlements without copying their texts.
  @Test func newAccountsAreAsTheirEntitlementsSay() throws {
    let entitlements = Entitlements(Self.all)
    var builder = PlanBuilder(
      basis: Plan.empty(site: "s", now: 1).basis, rules: rules, expecting: entitlements)
    for number in entitlements.indices {
      _ = builder.addNew(number, email: number == 0 ? "other@x" : nil, portalOnly: number == 3)
      builder.settle(number)
    }
    let plan = builder.finish()
    let decoder = JSONDecoder()
    for plan in [plan, try decoder.decode(Plan.self, from: JSONEncoder().encode(plan))] {
      for (subject, one) in zip(plan.subjects, Self.all) {
        let email = one.person == "1" ? "other@x" : one.emails.first ?? ""
        #expect(subject.account == nil && subject.person == one.person && subject.isActive)
        #expect(subject.email == email && subject.name == one.names.first ?? email)
        #expect(subject.username == one.username && subject.portalOnly == (one.person == "4"))
      }
      #expect(plan.memory.settled.map(\.person) == Self.all.map(\.person))
      #expect(plan.memory.settled.map(\.fingerprint) == Self.all.map(\.fingerprint))
      #expect(plan.memory.due == ["uid=5,dc=x": 77, "6": 5])
    }
    #expect(
      plan.memory.settled
        == (try decoder.decode(Plan.self, from: JSONEncoder().encode(plan))).memory.settled)
  }
}
