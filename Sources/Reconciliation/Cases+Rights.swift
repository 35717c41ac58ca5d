import SiteModel

/// Rights, marks and deactivations that stand against what the mapping asks.
extension Cases {
  /// R14 and R17: what rules did not give stands against what the mapping asks.
  mutating func doubtRights(_ index: Int, _ emptied: [String: World.EmptyGroup]) {
    doubtBrokenRules(index)
    for (rule, right) in lost(index) {
      guard let group = emptied[rule] else { continue }
      keep(right, of: index, Doubt.emptiedGroup(group.name, rule: rule, what: Self.text(right)))
    }
    guard let account = account(index), entitlements.wantsAccount(index) else { return }
    if !account.isActive, account.deactivatedBy != .sync {
      doubt(index, Doubt.deactivated(account))
    }
    if entitlements.portalOnly(index) != nil {
      let kept = account.holdings.filter {
        !world.site.policy.isWithdrawable($0) || world.isKept($0.right, of: account)
      }
      if !kept.isEmpty, world.site.transition == .before {
        doubt(index, Doubt.keepsRights(kept, email: account.email))
      }
    } else if !entitlements.grants(index).isEmpty, account.isPortalOnly, !account.mark.isRuleOnly {
      doubt(
        index,
        world.site.transition == .after ? Doubt.needsConversion(account) : Doubt.marked(account))
    }
  }

  /// R22: what somebody has through a directory group that is gone is not taken away.
  private mutating func doubtBrokenRules(_ index: Int) {
    guard !world.brokenRules.isEmpty, entitlements.isActive(index) else { return }
    let account = account(index)
    if !world.brokenDenials.isEmpty {
      for grant in entitlements.grants(index) where account?.holding(grant.right) == nil {
        let right = "\(grant.right.kind.rawValue) \(grant.right.key)"
        if world.brokenDenials.contains(right) {
          dispute(index, Doubt.lostDenial(right), withholding: grant.right)
        }
      }
    }
    for (rule, right) in lost(index) {
      guard let group = world.brokenRules[rule] else { continue }
      keep(right, of: index, Doubt.lostGroup(group, rule: rule, what: Self.text(right)))
    }
  }

  /// What a person has by a rule alone that no rule gives any more, with that rule; nil for the mark.
  private func lost(_ index: Int) -> [(rule: String, right: Right?)] {
    guard entitlements.isActive(index), let account = account(index) else { return [] }
    let granted = Set(entitlements.grants(index).map(\.right))
    var lost: [(rule: String, right: Right?)] = account.holdings.compactMap { holding in
      guard holding.givers.isRuleOnly, !granted.contains(holding.right) else { return nil }
      return holding.givers.rule.map { ($0, holding.right) }
    }
    if let rule = account.mark.rule, account.mark.isRuleOnly,
      entitlements.portalOnly(index) == nil
    {
      lost.append((rule, nil))
    }
    return lost
  }

  private static func text(_ right: Right?) -> String {
    right.map { "\($0.kind.rawValue) \($0.name)" } ?? "the portal-only mark"
  }

  /// Leaves a disputed right with its holder. A mark, or a right of somebody who is to be portal-only, stands against all
  /// that the mapping asks.
  private mutating func keep(_ right: Right?, of index: Int, _ doubt: Doubt) {
    if let right, entitlements.portalOnly(index) == nil {
      dispute(index, doubt, keeping: right)
    } else {
      self.doubt(index, doubt)
    }
  }

  /// A group that has no members any more looks like one whose members are hidden: where many who are there would lose
  /// what a rule gives them through it, that waits for somebody's word.
  /// - Returns: such groups by rule.
  mutating func findEmptied() -> [String: World.EmptyGroup] {
    if world.emptyGroups.isEmpty || world.accounts.isEmpty { return [:] }
    var losers: [String: Int] = [:]
    for index in all.indices where !all[index].isFrozen {
      for rule in Set(lost(index).map(\.rule)) { losers[rule, default: 0] += 1 }
    }
    var found: [String: World.EmptyGroup] = [:]
    for group in world.emptyGroups
    where losers[group.rule, default: 0] >= World.EmptyGroup.leastMembers {
      found[group.rule] = group
      emptied.append(group.change)
    }
    return found
  }
}
