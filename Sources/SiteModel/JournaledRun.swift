/// One run as the journal keeps it.
package struct JournaledRun: Sendable, Hashable {
  package let id: Int64
  /// The command, for example "sync" or "undo".
  package let command: String
  package let user: String
  /// Seconds since 1970.
  package let startedAt: Int64
  package let planHash: String
  /// The generation that the run brought about.
  package let generation: Int64
  package let peopleRead: Int
  package let groupsRead: Int
  /// How many changes were written.
  package let changes: Int
  /// The run that this one takes back.
  package let undoes: Int64?
  /// The run that took this one back, unless that was taken back in turn.
  package let undoneBy: Int64?
  /// The audit chain's link, as hexadecimal digits.
  package let link: String

  package init(
    id: Int64, command: String, user: String, startedAt: Int64, planHash: String,
    generation: Int64, peopleRead: Int, groupsRead: Int, changes: Int, undoes: Int64?,
    undoneBy: Int64?, link: String
  ) {
    self.id = id
    self.command = command
    self.user = user
    self.startedAt = startedAt
    self.planHash = planHash
    self.generation = generation
    self.peopleRead = peopleRead
    self.groupsRead = groupsRead
    self.changes = changes
    self.undoes = undoes
    self.undoneBy = undoneBy
    self.link = link
  }
}

/// One change of a run as the journal keeps it.
package struct JournalEntry: Sendable, Hashable {
  package let kind: ChangeKind
  package let account: Int64
  /// The license, group, email or directory id; `name=…` or `username=…` of a profile.
  package let before: String?
  package let after: String?
  package let rule: RuleReference?
  package let reason: String?
  package let givers: GiversChange?
  package let keepsGivers: Bool
  /// The person's data in it were blanked; `before` and `after` are nil.
  package let isErased: Bool

  package init(
    kind: ChangeKind, account: Int64, before: String?, after: String?, rule: RuleReference?,
    reason: String?, givers: GiversChange?, keepsGivers: Bool, isErased: Bool = false
  ) {
    self.kind = kind
    self.account = account
    self.before = before
    self.after = after
    self.rule = rule
    self.reason = reason
    self.givers = givers
    self.keepsGivers = keepsGivers
    self.isErased = isErased
  }
}

extension JournalEntry {
  /// The license or group that the change was about; nil for other kinds.
  package var right: Right? {
    switch kind {
    case .grantLicense: after.map { Right(.license, $0) }
    case .revokeLicense: before.map { Right(.license, $0) }
    case .joinGroup: after.map { Right(.group, $0) }
    case .leaveGroup: before.map { Right(.group, $0) }
    default: nil
    }
  }
}

/// What checking the audit chain brought to light.
package struct AuditReport: Sendable, Hashable {
  package var runs = 0
  package var changes = 0
  /// Runs whose links were made without a key.
  package var unkeyed = 0
  /// What does not fit, each as one sentence; empty: the journal is as it was written.
  package var faults: [String] = []
  /// The last run and its link, to be compared with what was written elsewhere.
  package var head: AuditHead?
  package init() {}
}

/// The end of the audit chain.
package struct AuditHead: Sendable, Hashable {
  package let run: Int64
  /// Hexadecimal digits.
  package let link: String

  package init(run: Int64, link: String) {
    self.run = run
    self.link = link
  }
}
