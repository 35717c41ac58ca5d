import SiteModel

/// A plan's changes as CSV, one a line, in the order in which they are made.
package enum PlanCSV {
  package static func write(_ plan: Plan, _ line: (String) -> Void) {
    line(
      CSVText.row(["kind", "account", "email", "before", "after", "rule", "file", "line", "reason"])
    )
    for index in plan.rows.indices {
      let change = plan.change(at: index)
      line(
        CSVText.row([
          change.kind.rawValue, plan.subjects.account(change.subject).map(String.init) ?? "",
          plan.subjects.email(change.subject),
          change.before?.text ?? "", change.after?.text ?? "", change.rule?.name ?? "",
          change.rule?.file ?? "", change.rule.map { String($0.line) } ?? "", change.reason ?? "",
        ]))
    }
  }
}
