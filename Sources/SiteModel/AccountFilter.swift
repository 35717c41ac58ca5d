/// Which accounts a list or a command is about; all that is given has to hold.
package struct AccountFilter: Sendable, Hashable {
  /// A part of the email, the name or the username, compared without letter case.
  package var text: String?
  /// Patterns with `*` for anything, compared without letter case.
  package var email: String?
  package var name: String?
  package var license: String?
  package var group: String?
  /// `portal-only`, `site-user` or `atlassian`.
  package var kind: String?
  package var isActive: Bool?
  /// A giver of a right or the mark: `rule`, `hand`, `import`, or a rule's name.
  package var givenBy: String?
  package var isLinked: Bool?
  /// Active, without license, group and mark (R3).
  package var isUnassigned: Bool?

  package init() {}

  package var isEmpty: Bool { self == AccountFilter() }

  package func matches(_ account: Account, transition: Site.Transition) -> Bool {
    if let text {
      let key = emailKey(text)
      let fields = [account.email, account.name, account.username ?? ""]
      guard fields.contains(where: { emailKey($0).contains(key) }) else { return false }
    }
    if let email, !account.email.matches(pattern: email) { return false }
    if let name, !account.name.matches(pattern: name) { return false }
    for (kind, wanted) in [(Right.Kind.license, license), (.group, group)] {
      guard let wanted else { continue }
      let key = Right.key(kind, wanted)
      let isHeld = account.holdings.contains {
        $0.right.kind == kind && $0.right.key == key && !$0.isSuspended
      }
      if !isHeld { return false }
    }
    if let kind, kind != account.kindName(transition) { return false }
    if let isActive, isActive != account.isActive { return false }
    if let isLinked, isLinked != (account.person != nil) { return false }
    if let isUnassigned, isUnassigned != account.isUnassigned { return false }
    if let givenBy {
      let all = account.holdings.map(\.givers) + [account.mark]
      return all.contains { givers in
        switch givenBy {
        case "rule": givers.rule != nil
        case "hand": givers.hand != nil
        case "import": givers.imported != nil
        default: givers.rule == givenBy
        }
      }
    }
    return true
  }
}

extension Account {
  /// The kind as exports and lists have it.
  package func kindName(_ transition: Site.Transition) -> String {
    if isPortalOnly { return "portal-only" }
    return transition == .before ? "site-user" : "atlassian"
  }
}

extension String {
  /// Whether the text is what the pattern says; `*` stands for anything. Letter case does not count.
  package func matches(pattern: String) -> Bool {
    let parts = pattern.lowercased().split(separator: "*", omittingEmptySubsequences: false)
    let text = lowercased()
    guard let first = parts.first, let last = parts.last, parts.count > 1 else {
      return text == pattern.lowercased()
    }
    guard text.hasPrefix(first), text.hasSuffix(last), text.count >= first.count + last.count else {
      return false
    }
    var rest = text.dropFirst(first.count).dropLast(last.count)
    for part in parts.dropFirst().dropLast() where !part.isEmpty {
      guard let found = rest.firstRange(of: part) else { return false }
      rest = rest[found.upperBound...]
    }
    return true
  }
}
