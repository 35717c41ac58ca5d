import SiteModel

/// The reasons for which people are held at planning, each with what resolves it.
extension Doubt {
  /// A doubt that nothing but commands resolves.
  private init(_ reason: String, orders: [RemedyOrder]) {
    self.init(reason, remedy: orders.map(\.text).joined(separator: " && "), orders: orders)
  }

  static let noEmail = Doubt(
    "no usable email",
    remedy: "give the person an email in the directory, or add a source to `account.email`",
    isAboutEmail: true)

  static func sameID(_ id: String) -> Doubt {
    Doubt(
      "several entries of the directory bear the id \(id)",
      remedy: "narrow `search.users`, or choose another attribute for `account.id`")
  }

  static func severalAccounts(_ emails: [String], person: String) -> Doubt {
    Doubt(
      "several unlinked accounts bear emails of this person: \(emails.joined(separator: ", "))",
      orders: [RemedyOrder("link", emails[0], person: person)])
  }

  static func severalLinked(_ own: String, other: String) -> Doubt {
    Doubt(
      "`account.match` joins this entry with \(other), and each has an account",
      remedy:
        "leave one account: usher deactivate \(other) && usher link \(own) \(other), or the other way round",
      orders: [RemedyOrder("deactivate", other), RemedyOrder("link", own, person: other)])
  }

  static func sharedMatch(_ match: String, directory: String, others: [String]) -> Doubt {
    Doubt(
      "shares the value \(match) of `account.match` in the directory \(directory) with \(others.joined(separator: ", "))",
      remedy: "give each person a value of their own, or exclude all but one of the entries")
  }

  static func sharedAccount(_ email: String, others: [String]) -> Doubt {
    Doubt(
      "matches the unlinked account \(email), and so does \(others.joined(separator: ", "))",
      remedy: "say whose it is: usher link \(email) DIRECTORY-ID")
  }

  static func deactivated(_ account: Account) -> Doubt {
    Doubt(
      "the account was deactivated by \(account.deactivatedBy == .hand ? "hand" : "an import")",
      orders: [RemedyOrder("reactivate", account.email)])
  }

  static func keepsRights(_ kept: [Holding], email: String) -> Doubt {
    let names = kept.map { "\($0.right.kind.rawValue) \($0.right.name) (\($0.givers.text))" }
    return Doubt(
      "is to be portal-only, but has what no rule gave: \(names.sorted().joined(separator: ", "))",
      orders: kept.map(\.right).sorted().map { RemedyOrder("revoke", email, right: $0) })
  }

  static func needsConversion(_ account: Account) -> Doubt {
    Doubt(
      "is portal-only, and the mapping gives licenses or groups",
      orders: [RemedyOrder("convert", account.email)])
  }

  static func marked(_ account: Account) -> Doubt {
    Doubt(
      "is marked portal-only (\(account.mark.text)), and the mapping gives licenses or groups",
      orders: [RemedyOrder("unmark", account.email)])
  }

  static func lostGroup(_ group: String, rule: String, what: String) -> Doubt {
    Doubt(
      "has \(what) through the rule `\(rule)`, whose directory group \(group) is gone or no longer visible",
      remedy:
        "bring the group back, or change the rule; where another group has taken its place, usher plan shows what to approve"
    )
  }

  static func emptiedGroup(_ group: String, rule: String, what: String) -> Doubt {
    Doubt(
      "has \(what) through the rule `\(rule)`, whose directory group \(group) has no members any more",
      remedy: "look at the group's members; if it is meant, usher plan shows what to approve")
  }

  static func lostDenial(_ right: String) -> Doubt {
    Doubt(
      "would be given \(right), which a rule takes away from a directory group that is gone or no longer visible",
      remedy: "bring the group back, or change the rule")
  }

  static func sharedEmail(_ email: String, others: [String]) -> Doubt {
    Doubt(
      "shares the email \(email) with \(others.joined(separator: ", "))",
      remedy:
        "give each person an email of their own in the directory, or exclude all but one of the entries",
      isAboutEmail: true
    )
  }

  static func occupied(_ email: String, by other: String) -> Doubt {
    Doubt(
      "the email \(email) is that of another account (\(other)), which keeps it",
      remedy: "resolve that account first")
  }

  static func newID(_ email: String, person: String) -> Doubt {
    Doubt(
      "a new directory id with the email of an account whose person is gone: \(email)",
      orders: [RemedyOrder("link", email, person: person)])
  }

  static func linkedElsewhere(_ email: String, to person: String, isGone: Bool) -> Doubt {
    Doubt(
      "the account with the email \(email) is linked to another person (\(person)\(isGone ? ", who is gone" : ""))",
      remedy:
        "change one of the emails in the directory, or link the account: usher link \(email) DIRECTORY-ID"
    )
  }
}
