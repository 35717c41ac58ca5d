import SiteModel

extension World {
  /// What is different where people come from several directories.
  package struct Several {
    /// The directories' names, by number; empty where there is one.
    package var names: [String] = []
    /// What happens to leavers of the other directories than the first, by directory id.
    package var leavers: [String: Leavers] = [:]
    /// People of whom a directory that could not be read may say more: they stay as they are.
    package var unread: Set<String> = []
    /// Entries of people that are gone while others are there, by the person.
    package var missing: [String: [MissingEntry]] = [:]
    /// Of people who are gone altogether, the entries beside the one by which the account is linked.
    package var goneEntries: [String: [MissingEntry]] = [:]
    /// Since when entries are gone that are back, by directory id; seconds since 1970.
    package var absences: [String: Int64] = [:]

    package init() {}
  }

  package struct Leavers {
    package let policy: LeaverPolicy
    /// The number of the policy in `World.rules`.
    package let rule: Int

    package init(policy: LeaverPolicy, rule: Int) {
      self.policy = policy
      self.rule = rule
    }
  }

  /// An entry that belonged to somebody who is still there by another.
  package struct MissingEntry {
    package let person: String
    package let directory: String
    /// Whether the account is linked by it.
    package let isLink: Bool
    /// Seconds since 1970; nil: gone now.
    package let since: Int64?
    package let graceSeconds: Int64

    package init(
      person: String, directory: String, isLink: Bool, since: Int64?, graceSeconds: Int64
    ) {
      self.person = person
      self.directory = directory
      self.isLink = isLink
      self.since = since
      self.graceSeconds = graceSeconds
    }

    /// When what its directory gave goes, in seconds since 1970.
    /// A moment that lies ahead was written by a clock that was wrong.
    func due(_ now: Int64) -> Int64 { min(since ?? now, now) + graceSeconds }
  }

  func leavers(of person: String) -> Leavers {
    several.leavers[person] ?? Leavers(policy: leavers, rule: leaversRule)
  }
}
