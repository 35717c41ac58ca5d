import Reconciliation
import SiteModel

/// A person in words: `person("1", "ada@x", licenses: ["confluence"])`.
func person(
  _ id: String, _ emails: String..., name: String = "Somebody", licenses: [String] = [],
  groups: [String] = [], portalOnly: Bool = false, isActive: Bool = true,
  outcome: Entitlement.Outcome? = nil, doubts: [Doubt] = []
) -> Entitlement {
  let grants =
    licenses.map { Grant(Right(.license, $0), rule: 0) }
    + groups.map { Grant(Right(.group, $0), rule: 1) }
  return Entitlement(
    person: id, emails: UsableValues(emails), names: [name], isActive: isActive,
    outcome: outcome ?? .account(portalOnly: portalOnly ? 2 : nil, grants: grants), doubts: doubts,
    fingerprint: 1)
}

/// An account in words; rights are given by rules, `hand` names those that an administrator gave.
func account(
  _ id: Int64, _ email: String, person: String? = nil, name: String = "Somebody",
  licenses: [String] = [], groups: [String] = [], hand: [Right] = [], mark: Givers = Givers(),
  deactivatedBy: Account.Deactivator? = nil, absentSince: Int64? = nil
) -> Account {
  let byRule = licenses.map { Right(.license, $0) } + groups.map { Right(.group, $0) }
  return Account(
    id: id, email: email, name: name, mark: mark, deactivatedBy: deactivatedBy,
    holdings: byRule.map { Holding($0, Givers(rule: "licenses")) }
      + hand.map { Holding($0, Givers(hand: "root")) },
    person: person, absentSince: absentSince)
}

extension Account {
  /// The same account with some of it changed.
  func with(
    username: String? = nil, absentSince: Int64? = nil,
    _ change: (inout [Holding]) -> Void = { _ in }
  ) -> Account {
    var holdings = holdings
    change(&holdings)
    return Account(
      id: id, email: email, name: name, username: username ?? self.username, mark: mark,
      deactivatedBy: deactivatedBy, isEmailVerified: isEmailVerified, holdings: holdings,
      person: person, absentSince: absentSince ?? self.absentSince)
  }
}

let rules = ["licenses", "groups", "portal", "otherwise", "leavers"].enumerated().map {
  RuleReference(name: $1, file: "m.yaml", line: $0 + 1)
}

func world(
  _ accounts: [Account] = [], _ people: [Entitlement] = [], now: Int64 = 1_000_000,
  leavers: LeaverPolicy = .standard, ceilings: [String: Int?] = ["confluence": nil, "jira": nil],
  taken: [String: Int] = [:], transition: Site.Transition = .before,
  totals: Site.Totals? = nil, present: Set<String> = [], doubled: Set<String> = [],
  scope: Set<String>? = nil, waitingSince: [String: [String: Int64]] = [:],
  likelyAccounts: [Int32] = []
) -> World {
  let seen = present.union(people.map(\.person))
  return World(
    site: Site(
      name: "acme", lineage: "l", generation: 3, transition: transition,
      policy: SitePolicy(ceilings: ceilings),
      seatsTaken: taken,
      totals: totals
        ?? Site.Totals(activeAccounts: 0, licenses: 0, groupMemberships: 0, membersOfGroup: [:])),
    accounts: accounts, entitlements: Entitlements(people), rules: rules, leavers: leavers,
    leaversRule: 4,
    isPresent: { seen.contains($0) }, scope: scope, doubled: doubled,
    waitingSince: waitingSince, likelyAccounts: likelyAccounts,
    basis: Plan.Basis(
      site: "acme", lineage: "l", generation: 3, mappingDigest: "", createdAt: now, peopleRead: 0,
      groupsRead: 0))
}

func plan(_ world: World) -> Plan { Reconciler(world: world).plan() }

extension Plan {
  /// Each change in words, in order: "ada@x grant-license confluence".
  var words: [String] {
    rows.indices.map { index in
      let change = change(at: index)
      var words = "\(subjects[change.subject].email) \(change.kind.rawValue)"
      switch (change.before, change.after) {
      case (.text(let before), .text(let after)): words += " \(before) > \(after)"
      case (.text(let text), nil), (nil, .text(let text)): words += " \(text)"
      case (_, .field(let name, let text)): words += " \(name) \(text ?? "none")"
      case (_, .profile(_, _, true)): words += " marked"
      default: break
      }
      return words + (change.keepsGivers ? " (kept)" : "")
    }
  }

  /// "1 since 5", "2 back".
  var absences: [String] {
    memory.absences.map { "\($0.person) \($0.since.map { "since \($0)" } ?? "back")" }
  }

  var held: [String] { holds.map(\.person).sorted() }
}
