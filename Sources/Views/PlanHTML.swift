import SiteModel

/// A plan as one page for a browser or a mail, which needs nothing but itself.
package enum PlanHTML {
  package static func write(_ plan: Plan, _ line: (String) -> Void) {
    let basis = plan.basis
    let title = "Plan for \(basis.site)" + (basis.command.map { ": \($0)" } ?? "")
    line(
      """
      <!doctype html>
      <html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(escaped(title))</title>
      <style>
      body { font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
      table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; }
      .number { text-align: right; } h3 { margin: 1rem 0 0; font-size: 1rem; } ul { margin: 0; } small { opacity: .75; }
      </style></head><body>
      <h1>\(escaped(title))</h1>
      <p>\(timeText(basis.createdAt)), site generation \(basis.generation). Read: \(basis.peopleRead.of("person", "people")) and \(basis.groupsRead.of("directory group", "directory groups")).</p>
      """)
    for warning in plan.warnings { line("<p>Warning: \(escaped(warning))</p>") }
    writeSums(plan, line)
    writePeople(plan, line)
    writeHolds(plan, line)
    writeLeaving(plan, line)
    writeSeats(plan, line)
    line("</body></html>")
  }

  private static func writeSums(_ plan: Plan, _ line: (String) -> Void) {
    guard !plan.isEmpty else { return line("<p>Nothing to do.</p>") }
    let summary = plan.summary
    line("<h2>\(plan.rows.count.of("change", "changes"))</h2>")
    table(
      ["change", "number"],
      ChangeKind.allCases.compactMap { kind in
        summary[kind].map { [kind.rawValue, $0.grouped] }
      }, line)
  }

  private static func writePeople(_ plan: Plan, _ line: (String) -> Void) {
    guard !plan.isEmpty else { return }
    line("<h2>Account by account</h2>")
    for (subject, rows) in plan.rowsBySubject {
      let who = plan.subjects[subject]
      line("<h3>\(escaped(who.name)) &lt;\(escaped(who.email))&gt;</h3><ul>")
      for row in rows {
        let change = plan.change(at: row)
        line(
          "<li>\(change.kind.rawValue) \(escaped(change.valueText)) <small>\(escaped(change.because))</small></li>"
        )
      }
      line("</ul>")
    }
  }

  private static func writeHolds(_ plan: Plan, _ line: (String) -> Void) {
    guard !plan.holds.isEmpty else { return }
    line("<h2>Held: \(plan.holds.count.grouped)</h2>")
    for hold in plan.holds {
      line("<h3>\(escaped(HoldText.name(hold)))</h3><ul>")
      for doubt in hold.doubts {
        line("<li>\(escaped(doubt.reason))<br>→ \(escaped(doubt.remedy))</li>")
      }
      line("</ul>")
    }
  }

  private static func writeLeaving(_ plan: Plan, _ line: (String) -> Void) {
    guard !plan.leaving.isEmpty else { return }
    line("<h2>Leaving: \(plan.leaving.count.grouped)</h2>")
    table(
      ["name", "email", "until", "moved to"],
      plan.leaving.map { [$0.name, $0.email, timeText($0.due), $0.movedTo ?? ""] }, line)
  }

  private static func writeSeats(_ plan: Plan, _ line: (String) -> Void) {
    guard !plan.seats.isEmpty else { return }
    line("<h2>Seats</h2>")
    table(
      ["product", "now", "after", "of", "waiting"],
      plan.seats.sorted { $0.key < $1.key }.map { product, seats in
        [
          product, seats.now.grouped, seats.after.grouped,
          seats.ceiling.map(\.grouped) ?? "unlimited", seats.waiting.count.grouped,
        ]
      }, line)
  }

  private static func table(
    _ header: [String], _ rows: [[String]], _ line: (String) -> Void
  ) {
    line(
      "<table><thead><tr>\(header.map { "<th scope=\"col\">\(escaped($0))</th>" }.joined())</tr></thead><tbody>"
    )
    for row in rows { line("<tr>\(row.map { "<td>\(escaped($0))</td>" }.joined())</tr>") }
    line("</tbody></table>")
  }

  /// As text, whatever it looks like.
  private static func escaped(_ text: String) -> String {
    text.shown.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
      .replacing(">", with: "&gt;").replacing("\"", with: "&quot;").replacing("'", with: "&#39;")
  }
}

extension Plan {
  /// Whom the plan is about, by number in the order of emails, with the numbers of their changes.
  package var rowsBySubject: [(subject: Int, rows: [Int])] {
    var rows: [Int: [Int]] = [:]
    for (index, row) in self.rows.enumerated() { rows[subject(row), default: []].append(index) }
    return rows.map { (key: emailKey(subjects.email($0.key)), subject: $0.key, rows: $0.value) }
      .sorted { ($0.key, $0.subject) < ($1.key, $1.subject) }.map { ($0.subject, $0.rows) }
  }
}
