import SiteModel

/// The site's lists.
package enum AccountLists {
  package static func accounts(
    _ each: ((Account) throws -> Void) throws -> Void, _ site: Site,
    where isListed: @escaping (Account) -> Bool
  ) throws -> ListTable {
    var table = ListTable(["email", "name", "kind", "state", "licenses", "groups"])
    try each { account in
      guard isListed(account) else { return }
      let held = account.holdings.filter { !$0.isSuspended }.map(\.right)
      func names(_ kind: Right.Kind) -> ListTable.Cell {
        .list(held.filter { $0.kind == kind }.map(\.name))
      }
      table.append([
        .text(account.email), .text(account.name), .text(account.kindName(site.transition)),
        .text(account.isActive ? "active" : "deactivated"), names(.license), names(.group),
      ])
    }
    return table
  }

  package static func licenses(_ site: Site) -> ListTable {
    var table = ListTable(["license", "seats_taken", "of", "own"])
    for (product, ceiling) in site.policy.ceilings.sorted(by: { $0.key < $1.key }) {
      table.append([
        .text(product), .number(site.seatsTaken[product] ?? 0),
        ceiling.map { .number($0) } ?? .text("unlimited"),
        .text(site.policy.ownedByRules.contains(product) ? "all" : "given"),
      ])
    }
    return table
  }

  package static func groups(_ site: Site) -> ListTable {
    var table = ListTable(["group", "members", "protected"])
    for (key, members) in site.totals.membersOfGroup.sorted(by: { $0.key < $1.key }) {
      table.append([
        .text(site.totals.groupNames[key] ?? key), .number(members),
        .flag(site.policy.protectedGroups.contains(key)),
      ])
    }
    return table
  }

  package static func holds(_ holds: [Hold]) -> ListTable {
    var table = ListTable(["email", "name", "directory_id", "reason", "remedy"])
    for hold in holds {
      for doubt in hold.doubts {
        table.append([
          .text(hold.email), .text(hold.name), .text(hold.person), .text(doubt.reason),
          .text(doubt.remedy),
        ])
      }
    }
    return table
  }

  /// Holds as people read them: person by person.
  package static func holdsText(_ holds: [Hold], _ style: TextStyle) -> String {
    if holds.isEmpty { return "Nobody." }
    return holds.map { hold in
      (["\(style.yellow("!")) \(HoldText.name(hold))  \(style.dim(hold.person.shown))"]
        + hold.doubts.flatMap { ["    \($0.reason.shown)", "    → \($0.remedy.shown)"] })
        .joined(separator: "\n")
    }.joined(separator: "\n")
  }

  package static func leaving(_ leaving: [Leaving]) -> ListTable {
    var table = ListTable(["email", "name", "until", "directory_id", "moved_to"])
    for one in leaving {
      table.append([
        .text(one.email), .text(one.name), .text(timeText(one.due)), .text(one.person),
        .text(one.movedTo ?? ""),
      ])
    }
    return table
  }

  /// - Parameter accounts: of the people who wait.
  package static func waiting(
    _ waiting: [String: [String]], accounts: [Account]
  ) -> ListTable {
    var table = ListTable(["license", "email", "name", "directory_id"])
    let byPerson = Dictionary(
      accounts.map { ($0.person ?? "", $0) }, uniquingKeysWith: { first, _ in first })
    for (product, people) in waiting.sorted(by: { $0.key < $1.key }) {
      for person in people {
        table.append([
          .text(product), .text(byPerson[person]?.email), .text(byPerson[person]?.name),
          .text(person),
        ])
      }
    }
    return table
  }

  package static func pins(_ pins: [NamedPin], now: Int64) -> ListTable {
    var table = ListTable(["email", "pin", "until", "state", "by", "reason"])
    for named in pins {
      let pin = named.pin
      table.append([
        .text(named.email), .text(pin.text), .text(timeText(pin.until)),
        .text(pin.holds(at: now) ? "holds" : "ended"), .text(pin.by), .text(pin.reason),
      ])
    }
    return table
  }

  package static func runs(_ runs: [JournaledRun]) -> ListTable {
    var table = ListTable([
      "run", "started_at", "command", "user", "people_read", "changes", "generation", "undone_by",
    ])
    for run in runs {
      table.append([
        .number(Int(run.id)), .text(timeText(run.startedAt)), .text(run.command), .text(run.user),
        .number(run.peopleRead), .number(run.changes), .number(Int(run.generation)),
        run.undoneBy.map { .number(Int($0)) } ?? .text(nil),
      ])
    }
    return table
  }
}
