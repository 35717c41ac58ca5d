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
    title("Directory")
    if let dn = explanation.dn {
      lines.append("  \(dn.shown)")
      lines.append("  id \((explanation.person ?? "").shown)")
      for attribute in explanation.attributes {
        let values = attribute.values.prefix(8).joined(separator: " | ")
        let more = attribute.values.count > 8 ? " … \(attribute.values.count) values" : ""
        lines.append("  \(attribute.name): \(values.shown)\(more)")
      }
    } else {
      lines.append("  nobody, as last read")
    }
    if !explanation.groups.isEmpty {
      title("Directory groups")
      for group in explanation.groups {
        let via =
          group.via.isEmpty ? "" : style.dim("  via \(group.via.joined(separator: " → "))".shown)
        lines.append("  \(group.name.shown)\(via)")
      }
    }
    if explanation.dn != nil {
      title("Mapping")
      if let exclusion = explanation.exclusion {
        lines.append("  not a person of the mapping: \(exclusion)")
      }
      lines += explanation.rules.flatMap { rule($0, style) }
      if let entitlement = explanation.entitlement, explanation.exclusion == nil {
        title("Entitlement")
        lines += outcome(entitlement, explanation)
      }
    }
    title("Site")
    lines += site(explanation.account, transition)
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

  private static func outcome(_ entitlement: Entitlement, _ explanation: Explanation) -> [String] {
    var lines = ["  active: \(entitlement.isActive ? "yes" : "no")"]
    switch entitlement.outcome {
    case .account(_?, let grants) where grants.isEmpty: lines.append("  a portal-only account")
    case .account(_, let grants):
      lines.append(
        grants.isEmpty
          ? "  a plain account, without license or group"
          : "  "
            + grants.map { "\($0.right.kind.rawValue) \($0.right.name)" }.joined(separator: ", ")
            .shown)
    case .nothing: lines.append("  no account: no rule matches (otherwise: nothing)")
    case .leaver: lines.append("  treated as a leaver: no rule matches (otherwise: leaver)")
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
