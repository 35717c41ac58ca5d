import SiteModel

/// What the configuration protects: accounts that no run takes anything from, and groups that never lose their
/// last active member.
extension Guard {
  /// Whom the plan must leave alone for that, by directory id.
  func protected(by world: World, from plan: Plan) -> [String: Doubt] {
    let policy = world.site.policy
    if policy.protectedAccounts.isEmpty, policy.protectedGroups.isEmpty { return [:] }
    var doubts: [String: Doubt] = [:]
    var lost: [String: Set<Int>] = [:]
    var gained: [String: Int] = [:]
    let members = members(of: policy.protectedGroups, in: world)
    for index in plan.rows.indices {
      let kind = plan.kind(at: index)
      guard kind.isRelease || kind == .markPortalOnly || kind == .joinGroup else { continue }
      let change = plan.change(at: index)
      let account = plan.subjects.account(change.subject) ?? 0
      if kind != .joinGroup, let email = members.emails[account],
        policy.protectedAccounts.contains(email), let person = plan.subjects.person(change.subject)
      {
        doubts[person] = Doubt.protectedAccount(kind)
      }
      switch (kind, change.before, change.after) {
      case (.leaveGroup, .text(let name)?, _):
        let key = Right.key(.group, name)
        if policy.protectedGroups.contains(key), members.active.contains(account) {
          lost[key, default: []].insert(change.subject)
        }
      case (.joinGroup, _, .text(let name)?):
        gained[Right.key(.group, name), default: 0] += 1
      case (.deactivateAccount, _, _):
        for key in members.groups[account] ?? [] {
          lost[key, default: []].insert(change.subject)
        }
      default: break
      }
    }
    for (key, subjects) in lost {
      let before = world.site.totals.activeMembersOfProtected[key] ?? 0
      guard before - subjects.count + (gained[key] ?? 0) < 1 else { continue }
      for person in subjects.compactMap({ plan.subjects.person($0) }) {
        doubts[person] = doubts[person] ?? Doubt.lastMember(of: key)
      }
    }
    return doubts
  }

  private struct Members {
    /// Of every account, as `emailKey` has it.
    var emails: [Int64: String] = [:]
    var active: Set<Int64> = []
    /// The protected groups of active accounts.
    var groups: [Int64: [String]] = [:]
  }

  private func members(of groups: Set<String>, in world: World) -> Members {
    var members = Members()
    for account in world.accounts {
      members.emails[account.id] = emailKey(account.email)
      guard account.isActive else { continue }
      members.active.insert(account.id)
      let own = account.holdings.filter { $0.right.kind == .group && !$0.isSuspended }
        .map(\.right.key).filter(groups.contains)
      if !own.isEmpty { members.groups[account.id] = own }
    }
    return members
  }
}

extension Doubt {
  static func protectedAccount(_ kind: ChangeKind) -> Doubt {
    Doubt(
      "the account is protected, and the plan would \(kind.rawValue)",
      remedy: "change the directory or the mapping, or take the account out of site.protect")
  }

  static func lastMember(of group: String) -> Doubt {
    Doubt(
      "the protected group \(group) would lose its last active member",
      remedy: "give the group another member first, or take it out of site.protect")
  }
}
