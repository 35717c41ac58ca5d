import SiteModel

/// The site's lists as tables.
package enum AccountLists {
  /// - Parameter each: calls its argument with every account, in order.
  package static func table(
    of each: ((Account) throws -> Void) throws -> Void, _ site: Site, _ style: TextStyle,
    where isListed: @escaping (Account) -> Bool
  ) throws -> String {
    var rows: [[String]] = []
    try each { account in
      guard isListed(account) else { return }
      let held = account.holdings.filter { !$0.isSuspended }.map(\.right)
      func names(_ kind: Right.Kind) -> String {
        held.filter { $0.kind == kind }.map(\.name.shown).joined(separator: " ")
      }
      rows.append([
        account.email.shown, account.name.shown, KindText.of(account, site.transition),
        account.isActive ? "active" : "deactivated", names(.license), names(.group),
      ])
    }
    return list(["email", "name", "kind", "state", "licenses", "groups"], rows, style)
  }

  package static func licenses(_ site: Site, _ style: TextStyle) -> String {
    let rows = site.policy.ceilings.sorted { $0.key < $1.key }.map { product, ceiling in
      [product, (site.seatsTaken[product] ?? 0).grouped, ceiling.map(\.grouped) ?? "unlimited"]
    }
    return list(["license", "seats taken", "of"], rows, style)
  }

  package static func groups(_ site: Site, _ style: TextStyle) -> String {
    let rows = site.totals.membersOfGroup.sorted { $0.key < $1.key }.map {
      [$0.key.shown, $0.value.grouped]
    }
    return list(["group", "members"], rows, style)
  }

  package static func holds(_ holds: [Hold], _ style: TextStyle) -> String {
    if holds.isEmpty { return "Nobody." }
    return holds.map { hold in
      (["\(style.yellow("!")) \(HoldText.name(hold))  \(style.dim(hold.person.shown))"]
        + hold.doubts.flatMap { ["    \($0.reason.shown)", "    → \($0.remedy.shown)"] })
        .joined(separator: "\n")
    }.joined(separator: "\n")
  }

  package static func leaving(_ leaving: [Leaving], _ style: TextStyle) -> String {
    list(
      ["email", "name", "until", "directory id"],
      leaving.map { [$0.email.shown, $0.name.shown, timeText($0.due), $0.person.shown] }, style)
  }

  package static func waiting(_ waiting: [String: [String]], _ style: TextStyle) -> String {
    list(
      ["license", "directory id"],
      waiting.sorted { $0.key < $1.key }.flatMap { product, people in
        people.map { [product, $0.shown] }
      },
      style)
  }

  private static func list(_ header: [String], _ rows: [[String]], _ style: TextStyle) -> String {
    rows.isEmpty ? "Nobody." : makeTable(header, rows, style: style)
  }
}
