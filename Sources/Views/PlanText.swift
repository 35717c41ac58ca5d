import SiteModel

/// A plan as an administrator wants to read it before saying yes: person by person with the rule behind each
/// change, then who is held and who is leaving, then the summary and the seats.
package struct PlanText {
  private let plan: Plan
  private let style: TextStyle
  private let isWhole: Bool

  /// How many changes are listed before they are summed up instead.
  package static let mostChanges = 1000

  /// - Parameter all: lists every change, however many there are.
  package init(_ plan: Plan, all: Bool = false, style: TextStyle) {
    self.plan = plan
    self.style = style
    isWhole = all || plan.rows.count <= Self.mostChanges
  }

  /// The whole plan, part by part, so that a long one can be written as it comes.
  package func write(_ line: (String) -> Void) {
    let basis = plan.basis
    line(
      style.bold("Plan for \(basis.site)" + (basis.command.map { ": \($0)" } ?? ""))
        + ", \(timeText(basis.createdAt)), site generation \(basis.generation)")
    if basis.command == nil {
      line(
        "Read: \(basis.peopleRead.of("person", "people")) and \(basis.groupsRead.of("directory group", "directory groups"))."
          + (basis.only.map { " Only \($0.shown) is looked at." } ?? ""))
    }
    for warning in plan.warnings { line(style.yellow("warning: ") + warning.shown) }
    if isWhole { writePeople(line) } else { writeTotals(line) }
    writeHolds(line)
    writeLeaving(line)
    writeExpiredPins(line)
    line("")
    writeSummary(line)
    writeSeats(line)
  }

  // MARK: People

  private func writePeople(_ line: (String) -> Void) {
    for (subject, rows) in plan.rowsBySubject {
      let changes = rows.map { plan.change(at: $0) }
      let who = plan.subjects[subject]
      line("")
      line("\(sign(of: changes)) \(style.bold(who.name.shown)) <\(who.email.shown)>")
      for change in changes { line(text(change)) }
    }
  }

  private func sign(of changes: [Change]) -> String {
    if changes.contains(where: { $0.kind == .createAccount }) { return style.green("+") }
    return changes.allSatisfy(\.kind.isRelease) ? style.red("-") : style.yellow("~")
  }

  private func text(_ change: Change) -> String {
    var what = "\(sign(change.kind)) \(change.kind.rawValue)"
    let value = change.valueText
    if !value.isEmpty { what += " \(value.shown)" }
    let because = change.because
    // The colour's own characters take no place on the screen.
    let width = 2 + change.kind.rawValue.count + (value.isEmpty ? 0 : value.shown.count + 1)
    return "    \(what)" + String(repeating: " ", count: max(2, 44 - width))
      + style.dim(because.shown)
  }

  private func sign(_ kind: ChangeKind) -> String {
    switch kind {
    case .createAccount, .grantLicense, .joinGroup, .reactivateAccount, .linkAccount:
      style.green("+")
    case .revokeLicense, .leaveGroup, .deactivateAccount: style.red("-")
    default: style.yellow("~")
    }
  }

  // MARK: Totals

  /// Too many to list: how many of each kind by rule.
  private func writeTotals(_ line: (String) -> Void) {
    // By kind and rule, of which the first is none: a dictionary would cost more than the plan's millions of rows.
    let width = plan.rules.count + 1
    var counts = [Int](repeating: 0, count: ChangeKind.byNumber.count * width)
    for row in plan.rows {
      counts[Int(plan.kindNumber(row)) * width + Int(plan.ruleNumber(row)) + 1] += 1
    }
    line("")
    line("\(plan.rows.count.grouped) changes, by kind and rule (--all lists every one):")
    let rows = counts.enumerated().filter { $0.element > 0 }.map { place, count in
      let (kind, rule) = place.quotientAndRemainder(dividingBy: width)
      return [
        "  " + ChangeKind.byNumber[kind].rawValue, count.grouped,
        rule == 0 ? "" : plan.rules[rule - 1].place.shown,
      ]
    }
    line(makeTable(["  change", "number", "rule"], rows, style: style))
  }

  // MARK: What is left as it is

  private func writeHolds(_ line: (String) -> Void) {
    guard !plan.holds.isEmpty else { return }
    line("")
    line(
      style.bold(
        "Held: \(plan.holds.count.of("person", "people")); what is disputed stays as it is")
    )
    let most = isWhole ? plan.holds.count : 50
    for hold in plan.holds.prefix(most) {
      line("\(style.yellow("!")) \(HoldText.name(hold))")
      for doubt in hold.doubts {
        line("    \(doubt.reason.shown)")
        line("    → \(doubt.remedy.shown)")
      }
    }
    if plan.holds.count > most {
      line("  … and \((plan.holds.count - most).grouped) more: usher list holds")
    }
  }

  private func writeLeaving(_ line: (String) -> Void) {
    guard !plan.leaving.isEmpty else { return }
    line("")
    line(
      style.bold(
        "Leaving: \(plan.leaving.count.of("person is", "people are")) gone from the searches, still in their grace period"
      ))
    let most = isWhole ? plan.leaving.count : 50
    for leaving in plan.leaving.prefix(most) {
      let place =
        leaving.movedTo.map { "; moved out of the search, to \($0.shown)" }
        ?? leaving.directory.map { "; gone from \($0.shown) alone, what it gave stays until then" }
        ?? ""
      line(
        "  \(leaving.name.shown) <\(leaving.email.shown)>, until \(timeText(leaving.due))\(place)")
    }
    if plan.leaving.count > most {
      line("  … and \((plan.leaving.count - most).grouped) more: usher list leaving")
    }
  }

  private func writeSummary(_ line: (String) -> Void) {
    if plan.isEmpty {
      line(
        style.bold("Nothing to do")
          + (plan.basis.command == nil ? ": the site is in line with the directory." : "."))
    } else {
      var isConcerned = [Bool](repeating: false, count: plan.subjects.count)
      for row in plan.rows { isConcerned[plan.subject(row)] = true }
      let people = isConcerned.count { $0 }
      line(
        style.bold("Summary")
          + ": \(plan.rows.count.of("change", "changes")) for \(people.of("account", "accounts"))")
      let summary = plan.summary
      for kind in ChangeKind.allCases {
        if let count = summary[kind] { line("  \(kind.rawValue.padded(to: 20)) \(count.grouped)") }
      }
    }
    if !plan.holds.isEmpty || !plan.leaving.isEmpty {
      line("  held: \(plan.holds.count.grouped) · leaving: \(plan.leaving.count.grouped)")
    }
  }

  /// The forecast: what goes free, which rule takes the seats, and what a shortage leaves undone.
  private func writeSeats(_ line: (String) -> Void) {
    let products = plan.seats.sorted { $0.key < $1.key }.filter { _, seats in
      plan.basis.command == nil || seats.now != seats.after || !seats.takenByRule.isEmpty
    }
    if products.isEmpty { return }
    line("")
    let rows = products.map { product, seats in
      let taken = seats.takenByRule.values.reduce(0, +)
      return [
        "  " + product, seats.now.grouped, (seats.now + taken - seats.after).grouped,
        taken.grouped, seats.after.grouped, seats.ceiling.map(\.grouped) ?? "unlimited",
        seats.waiting.isEmpty ? "" : seats.waiting.count.of("person waits", "people wait"),
      ]
    }
    line(makeTable(["  seats", "now", "freed", "taken", "after", "of", ""], rows, style: style))
    for (product, seats) in products {
      for (rule, count) in seats.takenByRule.sorted(by: { $0.key < $1.key }) {
        let by = rule < 0 ? "what was given before, or by hand" : plan.rules[rule].place
        line(style.dim("    \(product): \(count.grouped) by \(by.shown)"))
      }
      let most = isWhole ? seats.waitingNames.count : 10
      for name in seats.waitingNames.prefix(most) {
        line("    \(product): \(name.shown) waits for a seat")
      }
      if seats.waitingNames.count > most {
        line("    … and \((seats.waitingNames.count - most).grouped) more: usher list waiting")
      }
    }
  }

  private func writeExpiredPins(_ line: (String) -> Void) {
    guard !plan.expiredPins.isEmpty else { return }
    line("")
    line(style.bold("Pins that have ended"))
    for expired in plan.expiredPins {
      line(
        "  \(expired.email.shown): \(expired.pin.text.shown), until \(timeText(expired.pin.until)), by \(expired.pin.by.shown): \(expired.pin.reason.shown)"
      )
    }
  }
}

extension Change {
  /// What it gives, takes or alters, in a few words; empty where the kind says it all.
  package var valueText: String {
    switch (before, after) {
    case (.text(let before), .text(let after)): "\(before) → \(after)"
    case (.field(let name, let before), .field(_, let after)):
      "\(name): \(before ?? "none") → \(after ?? "none")"
    case (_, .profile(_, _, let portalOnly)): portalOnly ? "portal-only" : ""
    case (nil, .text(let text)), (.text(let text), nil): text
    default: ""
    }
  }

  /// The rule and the reason.
  package var because: String {
    [rule.map(\.place), reason].compactMap(\.self).joined(separator: ": ")
  }
}

extension RuleReference {
  /// "engineers (acme.yaml:22)"
  package var place: String {
    let file = file.split(separator: "/").last.map(String.init) ?? file
    return "\(name) (\(file):\(line))"
  }
}

/// How a held person is named.
package enum HoldText {
  package static func name(_ hold: Hold) -> String {
    let name = hold.name ?? hold.person
    return (hold.email.map { "\(name) <\($0)>" } ?? "\(name) (\(hold.person))").shown
  }
}
