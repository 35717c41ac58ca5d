import SiteModel

/// The transition's preview as people read it, and the list of those to be told as a mail merge takes it.
package enum TransitionText {
  package static func text(_ preview: TransitionPreview, _ style: TextStyle) -> String {
    var lines = [
      style.bold("How the accounts come out"),
      "  Atlassian accounts   \(preview.atlassian.grouped)",
      "    without license and group  \(preview.unassigned.grouped)",
      "  portal-only          \(preview.portalOnly.grouped)",
      "  deactivated          \(preview.deactivated.grouped)",
    ]
    list(
      &lines, style.bold("Better marked before, says the mapping"), preview.betterMarked,
      most: 50
    ) { "\($0.name) <\($0.email)>: \($0.reason)" }
    if !preview.betterMarked.isEmpty {
      lines.append("  → usher sync marks them where it may; usher mark WHO does it by hand")
    }
    list(
      &lines, style.bold("In the way"), preview.obstacles, most: .max
    ) { "\($0.email): \($0.reason)\n    → \($0.remedy)" }
    lines.append("")
    lines.append(
      "\(preview.signInChanges.count.of("person signs", "people sign")) in another way afterwards: usher transition --format csv lists them for a mail merge."
    )
    return lines.joined(separator: "\n")
  }

  private static func list<Item>(
    _ lines: inout [String], _ title: String, _ items: [Item], most: Int, _ text: (Item) -> String
  ) {
    guard !items.isEmpty else { return }
    lines += ["", "\(title): \(items.count.grouped)"]
    for item in items.prefix(most) {
      lines += text(item).split(separator: "\n").map { "  \(String($0).shown)" }
    }
    if items.count > most {
      lines.append("  … and \((items.count - most).grouped) more: --format json")
    }
  }

  /// R19: everybody whose way of signing in changes.
  package static func signInChanges(_ preview: TransitionPreview) -> ListTable {
    var table = ListTable(["email", "name", "old_sign_in", "new_sign_in", "url"])
    for change in preview.signInChanges {
      table.append([
        .text(change.email), .text(change.name), .text(change.before), .text(change.after),
        .text(change.url),
      ])
    }
    return table
  }
}
