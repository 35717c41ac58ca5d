/// How every account comes out of the site's transition (R1), before anybody decides on it.
package struct TransitionPreview: Sendable {
  /// Somebody whose way of signing in changes (R19).
  package struct SignInChange: Sendable, Hashable {
    package let email: String
    package let name: String
    /// How the person signs in before and after.
    package let before: String
    package let after: String
    /// Where, after.
    package let url: String

    package init(email: String, name: String, before: String, after: String, url: String) {
      self.email = email
      self.name = name
      self.before = before
      self.after = after
      self.url = url
    }
  }

  /// An unmarked account that the mapping would rather have marked.
  package struct BetterMarked: Sendable, Hashable {
    package let email: String
    package let name: String
    package let reason: String
  }

  /// What has to be put in order before.
  package struct Obstacle: Sendable, Hashable {
    package let email: String
    package let reason: String
    package let remedy: String
  }

  /// Active accounts that come out as Atlassian accounts, and those of them without license and group.
  package private(set) var atlassian = 0
  package private(set) var unassigned = 0
  /// Active accounts that come out as portal-only.
  package private(set) var portalOnly = 0
  package private(set) var deactivated = 0
  package private(set) var betterMarked: [BetterMarked] = []
  package private(set) var signInChanges: [SignInChange] = []
  package private(set) var obstacles: [Obstacle] = []

  private let rootURL: String
  private let portalURL: String
  private let wishes: [String: String]

  /// - Parameters:
  ///   - wishes: why the mapping makes people portal-only, by directory id.
  ///   - holds: what the last sync held.
  package init(
    rootURL: String, portalURL: String, wishes: [String: String], holds: [Hold]
  ) {
    self.rootURL = rootURL
    self.portalURL = portalURL
    self.wishes = wishes
    // Whoever has no account yet is not part of the transition.
    for hold in holds where hold.account != nil {
      for doubt in hold.doubts where doubt.isAboutEmail {
        obstacles.append(
          Obstacle(
            email: hold.email ?? hold.name ?? hold.person, reason: doubt.reason,
            remedy: doubt.remedy))
      }
    }
  }

  /// Adds one account of the site.
  package mutating func add(_ account: Account) {
    guard account.isActive else {
      deactivated += 1
      return
    }
    if !account.email.isUsable {
      obstacles.append(
        Obstacle(
          email: account.email.isEmpty ? account.name : account.email,
          reason: "account \(account.id) has no usable email to sign in with",
          remedy: "give the person an email in the directory, or deactivate the account"))
    }
    let old = account.username ?? account.email
    if account.isPortalOnly {
      portalOnly += 1
      guard let username = account.username, emailKey(username) != emailKey(account.email) else {
        return
      }
      signInChanges.append(
        SignInChange(
          email: account.email, name: account.name, before: old,
          after: "\(account.email) in the portal", url: portalURL))
      return
    }
    atlassian += 1
    if account.isUnassigned { unassigned += 1 }
    if let wish = account.person.flatMap({ wishes[$0] }) {
      betterMarked.append(BetterMarked(email: account.email, name: account.name, reason: wish))
    }
    signInChanges.append(
      SignInChange(
        email: account.email, name: account.name, before: old,
        after: "Atlassian account \(account.email)", url: rootURL))
  }
}

extension String {
  fileprivate var isUsable: Bool {
    let parts = split(separator: "@", omittingEmptySubsequences: false)
    return parts.count == 2
      && parts.allSatisfy { !$0.isEmpty && !$0.contains(where: \.isWhitespace) }
  }
}
