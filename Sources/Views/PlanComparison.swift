import SiteModel

/// What another mapping would do, apart from what the directory brings about anyway: two plans made of the same
/// directory, grouped by rule.
package struct PlanComparison {
  private let current: Plan
  private let other: Plan

  package init(current: Plan, other: Plan) {
    self.current = current
    self.other = other
  }

  package func write(_ style: TextStyle, all: Bool, _ line: (String) -> Void) {
    let now = Set(current.rows.indices.map { current.pair(at: $0) })
    let isShared = other.rows.indices.map { !now.isEmpty && now.contains(other.pair(at: $0)) }
    let shared = other.rows.indices.filter { isShared[$0] }
    let then = Set(shared.map { other.pair(at: $0) })
    line(style.bold("What the other mapping changes") + ", \(timeText(other.basis.createdAt))")
    line(
      "Read: \(other.basis.peopleRead.of("person", "people")), with the current mapping \(current.basis.peopleRead.grouped)."
    )
    for warning in other.warnings { line(style.yellow("warning: ") + warning.shown) }
    write(
      "Caused by the mapping", other, other.rows.indices.filter { !isShared[$0] }, style, all, line)
    write(
      "No longer done, which the current mapping would do", current,
      current.rows.indices.filter { !then.contains(current.pair(at: $0)) }, style, all, line)
    write(
      "Caused by the directory, with either mapping", other, shared, style, false, line)
    writeHolds(style, line)
  }

  /// Changes by rule: each listed, or counted where there are too many.
  private func write(
    _ title: String, _ plan: Plan, _ rows: [Int], _ style: TextStyle, _ all: Bool,
    _ line: (String) -> Void
  ) {
    line("")
    line(
      style.bold(title) + (rows.isEmpty ? ": nothing" : ": \(rows.count.of("change", "changes"))"))
    let rules = plan.rules.map { "\($0.name) (\($0.file):\($0.line))" }
    var byRule: [String: [Int]] = [:]
    for index in rows {
      let row = plan.rows[index]
      let rule = Int(plan.ruleNumber(row))
      byRule[rule < 0 ? plan.reason(row) ?? "-" : rules[rule], default: []].append(index)
    }
    for (rule, changes) in byRule.sorted(by: { $0.key < $1.key }) {
      line("  \(rule.shown): \(changes.count.grouped)")
      let most = all ? changes.count : 10
      for change in changes.prefix(most) {
        line("      \(HeldChangeText.text(plan.heldChange(at: change)))")
      }
      if changes.count > most {
        line("      … and \((changes.count - most).grouped) more: --all")
      }
    }
  }

  private func writeHolds(_ style: TextStyle, _ line: (String) -> Void) {
    let before = Set(current.holds.map(\.person)), after = Set(other.holds.map(\.person))
    let new = other.holds.filter { !before.contains($0.person) }
    let gone = current.holds.filter { !after.contains($0.person) }
    line("")
    line(
      style.bold("Held")
        + ": \(other.holds.count.grouped), of whom \(new.count.grouped) are new; \(gone.count.grouped) no longer"
    )
    for hold in new.prefix(50) {
      line(
        "  \(style.yellow("!")) \(HoldText.name(hold)): \(hold.doubts.map(\.reason.shown).joined(separator: "; "))"
      )
    }
  }
}

/// One held change in one line.
package enum HeldChangeText {
  package static func text(_ change: HeldChange) -> String {
    "\(change.name.shown) <\(change.email.shown)>: \(change.what.shown)"
  }
}
