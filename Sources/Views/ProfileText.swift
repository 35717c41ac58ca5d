import SiteModel

/// All that the site knows of one account, for the administrator who looks into it.
package struct Profile {
  package let account: Account
  package let transition: Site.Transition
  package let rootURL: String?
  package let portalURL: String?
  package let pins: [Pin]
  package let holds: [Hold]
  package let leaving: Leaving?
  /// The DNs of the entries behind the account, as last seen.
  package let entries: [String]
  /// Products for which the person waits.
  package let waiting: [String]
  /// The latest first.
  package let history: [(run: JournaledRun, entry: JournalEntry)]

  package init(
    account: Account, transition: Site.Transition, rootURL: String?, portalURL: String?,
    pins: [Pin],
    holds: [Hold], leaving: Leaving?, entries: [String], waiting: [String],
    history: [(run: JournaledRun, entry: JournalEntry)]
  ) {
    self.account = account
    self.transition = transition
    self.rootURL = rootURL
    self.portalURL = portalURL
    self.pins = pins
    self.holds = holds
    self.leaving = leaving
    self.entries = entries
    self.waiting = waiting
    self.history = history
  }

  package func text(_ style: TextStyle, mostHistory: Int, now: Int64) -> String {
    var lines = [style.bold("\(account.name) <\(account.email)>".shown)]
    func row(_ label: String, _ text: String) {
      lines.append("  \(label.padded(to: 16))\(text.shown)")
    }
    row("account", String(account.id))
    row("kind", account.kindName(transition))
    row("state", state)
    row("marked", account.isPortalOnly ? "yes, by \(account.mark.text)" : "no")
    row("sign-in", signIn)
    row("email verified", account.isEmailVerified ? "yes" : "no")
    row("username", account.username ?? "none")
    row("knowledge base", knowledgeBase)
    row("directory", directory)
    for entry in entries { row("entry", entry) }
    for (title, kind) in [("Licenses", Right.Kind.license), ("Groups", .group)] {
      let held = account.holdings.filter { $0.right.kind == kind }
      lines.append(style.bold(title) + (held.isEmpty ? ": none" : ""))
      for holding in held {
        row(
          holding.right.name,
          " given by \(holding.givers.text)\(holding.isSuspended ? "; suspended with the account" : "")"
        )
      }
    }
    for product in waiting { lines.append("  waits for a seat of \(product.shown)") }
    writePins(&lines, style, now)
    for hold in holds {
      lines.append(style.bold("Held"))
      for doubt in hold.doubts {
        lines += ["  \(doubt.reason.shown)", "  → \(doubt.remedy.shown)"]
      }
    }
    writeHistory(&lines, style, mostHistory)
    return lines.joined(separator: "\n")
  }

  package var state: String {
    switch account.deactivatedBy {
    case nil:
      leaving.map { "active; leaving, deactivated after \(timeText($0.due))" } ?? "active"
    case .sync: "deactivated by a sync"
    case .hand: "deactivated by hand"
    case .imported: "deactivated by an import"
    }
  }

  /// R9 to R11.
  package var signIn: String {
    guard account.isActive else { return "cannot sign in" }
    let root = rootURL ?? "the site's root URL", portal = portalURL ?? "the portal"
    switch (transition, account.isPortalOnly) {
    case (.before, false): return "by email at \(root)"
    case (.before, true):
      return "by email at \(root); from the transition on only at \(portal)"
    case (.after, true): return "by email at \(portal)"
    case (.after, false): return "with Atlassian account credentials at \(root)"
    }
  }

  /// R12.
  package var knowledgeBase: String {
    guard account.isActive else { return "none" }
    if account.isPortalOnly { return "articles in the portal; Confluence itself needs conversion" }
    let hasConfluence = account.holding(Right(.license, "confluence")).map { !$0.isSuspended }
    return hasConfluence == true
      ? "articles in the portal, and Confluence" : "articles in the portal"
  }

  package var directory: String {
    guard let person = account.person else { return "not linked to a person" }
    return person + (account.absentSince.map { ", gone since \(timeText($0))" } ?? "")
  }

  private func writePins(_ lines: inout [String], _ style: TextStyle, _ now: Int64) {
    guard !pins.isEmpty else { return }
    lines.append(style.bold("Pins"))
    for pin in pins {
      lines.append(
        "  \(pin.text.shown), until \(timeText(pin.until))\(pin.holds(at: now) ? "" : " (ended)"), by \(pin.by.shown): \(pin.reason.shown)"
      )
    }
  }

  private func writeHistory(_ lines: inout [String], _ style: TextStyle, _ most: Int) {
    guard !history.isEmpty else { return }
    lines.append(style.bold("History"))
    for (run, entry) in history.prefix(most) {
      lines.append(
        "  \(timeText(run.startedAt))  run \(run.id) \(run.command.shown) by \(run.user.shown): \(EntryText.text(entry))"
      )
    }
    if history.count > most {
      lines.append("  … and \((history.count - most).grouped) more: --all")
    }
  }
}

/// One journalled change in one line.
package enum EntryText {
  package static func text(_ entry: JournalEntry) -> String {
    var text = entry.kind.rawValue
    if entry.isErased {
      text += " (erased)"
    } else {
      switch (entry.kind, entry.before, entry.after) {
      case (.createAccount, _, let after?):
        text += " \(after.split(separator: "\n").first.map(String.init) ?? "")"
      case (.markPortalOnly, _, _), (.unmarkPortalOnly, _, _), (.deactivateAccount, _, _),
        (.reactivateAccount, _, _), (.convertAccount, _, _):
        break
      case (_, let before?, let after?): text += " \(before) → \(after)"
      case (_, let value?, nil), (_, nil, let value?): text += " \(value)"
      default: break
      }
    }
    if let rule = entry.rule { text += ", \(rule.place)" }
    if let givers = entry.givers, givers.before.hand != nil || givers.after.hand != nil {
      text += ", \(givers.after.isEmpty ? givers.before.text : givers.after.text)"
    }
    if let reason = entry.reason { text += ": \(reason)" }
    return text.shown
  }
}
