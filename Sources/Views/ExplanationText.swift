import SiteModel

/// Why one person has, or lacks, what they have, from the directory down to the site.
package enum ExplanationText {
  package static func text(
    of explanation: Explanation, transition: Site.Transition, style: TextStyle
  ) -> String {
    var lines: [String] = []
    func title(_ text: String) {
      lines.append(lines.isEmpty ? style.bold(text) : "\n" + style.bold(text))
    }
    if explanation.entries.isEmpty {
      title("Directory")
      lines.append("  nobody, as last read")
    }
    for entry in explanation.entries {
      title(explanation.entries.count > 1 ? "Directory \(entry.directory)" : "Directory")
      lines.append("  \(entry.dn.shown)")
      lines.append("  id \(entry.person.shown)")
      for attribute in entry.attributes {
        let values = attribute.values.prefix(8).joined(separator: " | ")
        let more = attribute.values.count > 8 ? " … \(attribute.values.count) values" : ""
        lines.append("  \(attribute.name): \(values.shown)\(more)")
      }
      if !entry.groups.isEmpty { title("Directory groups") }
      for group in entry.groups {
        let via =
          group.via.isEmpty ? "" : style.dim("  via \(group.via.joined(separator: " → "))".shown)
        lines.append("  \(group.name.shown)\(via)")
      }
      title("Mapping")
      if let exclusion = entry.exclusion {
        lines.append("  not a person of the mapping: \(exclusion)")
      }
      lines += entry.rules.flatMap { rule($0, style) }
      if entry.exclusion == nil {
        title("Entitlement")
        lines += outcome(entry)
      }
    }
    if explanation.entries.count > 1 {
      title("Together")
      lines.append("  the union of these, less what any of them takes away")
    }
    title("Site")
    lines += site(explanation.account, transition)
    for pin in explanation.pins {
      lines.append(
        "  pinned: \(pin.text.shown), until \(timeText(pin.until)), by \(pin.by.shown): \(pin.reason.shown)"
      )
    }
    title("Next sync")
    lines += next(explanation.plan)
    return lines.joined(separator: "\n")
  }

  private static func rule(_ trace: Explanation.RuleTrace, _ style: TextStyle) -> [String] {
    let mark = trace.matches ? style.green("yes") : style.dim("no ")
    var lines = [
      "  \(mark) \(trace.rule.name.shown) \(style.dim("(\(trace.rule.file):\(trace.rule.line))"))"
    ]
    lines += trace.conditions.map { "        \($0.shown)" }
    if !trace.effects.isEmpty {
      lines.append("        gives \(trace.effects.joined(separator: ", ").shown)")
    }
    return lines
  }

  /// What the rules come to: what won, by which rule, and what lost against what.
  private static func outcome(_ entry: Explanation.Entry) -> [String] {
    let entitlement = entry.entitlement
    var lines = ["  active: \(entitlement.isActive ? "yes" : "no")"]
    var won: Set<String> = []
    func place(_ rule: RuleReference) -> String {
      "\(rule.name) (\(rule.file):\(rule.line))".shown
    }
    func giver(of effect: String) -> String {
      entry.rules.first { $0.matches && $0.effects.contains(effect) }.map {
        ", by \(place($0.rule))"
      } ?? ""
    }
    switch entitlement.outcome {
    case .account(let portalOnly, let grants):
      if portalOnly != nil {
        won.insert("portal-only")
        lines.append("  a portal-only account\(giver(of: "portal-only"))")
      } else if grants.isEmpty {
        lines.append("  a plain account, without license or group")
      }
      for grant in grants {
        let what = "\(grant.right.kind.rawValue) \(grant.right.name)"
        won.insert(what)
        lines.append("  \(what.shown)\(giver(of: what))")
      }
    case .nothing: lines.append("  no account: no rule matches (otherwise: nothing)")
    case .leaver: lines.append("  treated as a leaver: no rule matches (otherwise: leaver)")
    }
    for trace in entry.rules where trace.matches {
      for effect in trace.effects where !won.contains(effect) && !effect.hasPrefix("takes away") {
        let against = entry.rules.first {
          $0.matches && $0.effects.contains("takes away \(effect)")
        }
        lines.append(
          "  lost: \(effect.shown) of \(place(trace.rule)), \(against.map { "taken away by \(place($0.rule))" } ?? "see conflicts:")"
        )
      }
    }
    return lines + entitlement.doubts.map { "  held: \($0.reason.shown)" }
  }

  private static func site(_ account: Account?, _ transition: Site.Transition) -> [String] {
    guard let account else { return ["  no account"] }
    var lines = [
      "  account \(account.id), \(account.name.shown) <\(account.email.shown)>, \(account.kindName(transition)), \(account.isActive ? "active" : "deactivated")"
    ]
    if account.isPortalOnly { lines.append("  marked by \(account.mark.text.shown)") }
    for holding in account.holdings {
      lines.append(
        "  \(holding.right.kind.rawValue) \(holding.right.name.shown), given by \(holding.givers.text.shown)\(holding.isSuspended ? ", suspended" : "")"
      )
    }
    return lines
  }

  private static func next(_ plan: Plan) -> [String] {
    var lines: [String] = []
    for index in plan.rows.indices {
      let change = plan.change(at: index)
      var text = "  \(change.kind.rawValue)"
      switch change.after ?? change.before {
      case .text(let value): text += " \(value.shown)"
      case .field(let name, let value): text += " \(name): \((value ?? "none").shown)"
      default: break
      }
      if let reason = change.reason { text += ": \(reason)" }
      lines.append(text)
    }
    for hold in plan.holds {
      for doubt in hold.doubts {
        lines += ["  held: \(doubt.reason.shown)", "  → \(doubt.remedy.shown)"]
      }
    }
    for leaving in plan.leaving { lines.append("  leaving, until \(timeText(leaving.due))") }
    return lines.isEmpty ? ["  nothing to do"] : lines
  }
}
