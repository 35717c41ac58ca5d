/// The complete list of changes that would bring the site in line with the directory.
///
/// A plan is a value: text, JSON and apply are readers of it. It is kept in columns; `change(at:)`
/// is a view on one row. Nothing but `PlanBuilder` makes one.
package struct Plan: Sendable, Codable {
  /// What the plan was made from; apply checks that it still stands.
  package struct Basis: Sendable, Hashable, Codable {
    package var site: String
    /// Random, and new with each generation: a copy of the store that went another way has another.
    package var lineage: String
    /// The count of changes to accounts, rights and pins that the plan saw.
    package var generation: Int64
    /// Stands for the mapping and the catalogue.
    package var mappingDigest: String
    /// When it was made, in seconds since 1970.
    package var createdAt: Int64
    /// People and groups read, for the reader of the plan.
    package var peopleRead: Int
    package var groupsRead: Int
    /// Whom alone the plan is about, as asked for; nil: everybody.
    package var only: String?
    /// The command behind a plan that no directory is behind, for example "grant"; nil for a sync's.
    package var command: String?

    /// Whether the plan speaks for everybody, so that what it leaves open is all that is open.
    package var isWhole: Bool { only == nil && command == nil }

    package init(
      site: String, lineage: String, generation: Int64, mappingDigest: String, createdAt: Int64,
      peopleRead: Int, groupsRead: Int, only: String? = nil,
      command: String? = nil
    ) {
      self.site = site
      self.lineage = lineage
      self.generation = generation
      self.mappingDigest = mappingDigest
      self.createdAt = createdAt
      self.peopleRead = peopleRead
      self.groupsRead = groupsRead
      self.only = only
      self.command = command
    }
  }

  package internal(set) var basis: Basis
  package internal(set) var subjects = Subjects()
  package internal(set) var rows = Rows()
  package internal(set) var rules: [RuleReference] = []
  var texts: [String] = []
  /// What rows say of givers, each once.
  var givers: [GiversChange] = []
  package internal(set) var holds: [Hold] = []
  package internal(set) var leaving: [Leaving] = []
  /// Exceptions that have ended; they are said once more and then forgotten.
  package internal(set) var expiredPins: [NamedPin] = []
  /// By product.
  package internal(set) var seats: [String: Seats] = [:]
  /// What apply remembers beside the changes; it is no change of the site.
  package internal(set) var memory = Memory()
  /// What people should hear about, for example referrals that were not followed.
  package internal(set) var warnings: [String] = []

  init(basis: Basis) { self.basis = basis }

  /// A plan that does nothing.
  package static func empty(site: String, now: Int64) -> Plan {
    Plan(
      basis: Basis(
        site: site, lineage: "", generation: 0, mappingDigest: "", createdAt: now, peopleRead: 0,
        groupsRead: 0))
  }

  package var isEmpty: Bool { rows.isEmpty }

  /// How many changes of each kind; kinds without any are absent.
  package var summary: [ChangeKind: Int] {
    var counts = [Int](repeating: 0, count: ChangeKind.byNumber.count)
    for row in rows { counts[Int(row.content.kind)] += 1 }
    var summary: [ChangeKind: Int] = [:]
    for (index, kind) in ChangeKind.byNumber.enumerated() where counts[index] > 0 {
      summary[kind] = counts[index]
    }
    return summary
  }

  package func kind(at index: Int) -> ChangeKind {
    ChangeKind.byNumber[Int(rows[index].content.kind)]
  }

  /// One change. `index` counts from 0 in the order in which the changes are made.
  package func change(at index: Int) -> Change {
    let row = rows[index]
    let kind = ChangeKind.byNumber[Int(row.content.kind)]
    return Change(
      kind: kind, subject: Int(row.subject),
      before: value(row.content.before, kind, isAfter: false),
      after: kind == .createAccount
        ? profile(subjects[Int(row.subject)]) : value(row.content.after, kind, isAfter: true),
      rule: row.content.rule < 0 ? nil : rules[Int(row.content.rule)],
      reason: reason(row),
      givers: row.content.givers < 0 ? nil : givers[Int(row.content.givers)],
      keepsGivers: row.content.keepsGivers)
  }

  private func profile(_ new: Subject) -> Change.Value {
    .profile(name: new.name, username: new.username, portalOnly: new.portalOnly)
  }

  private func value(_ index: Int32, _ kind: ChangeKind, isAfter: Bool) -> Change.Value? {
    switch kind {
    case .markPortalOnly, .reactivateAccount: return .flag(isAfter)
    case .unmarkPortalOnly, .deactivateAccount: return .flag(!isAfter)
    case .updateProfile:
      guard index >= 0 else { return nil }
      // By bytes: what follows the sign may begin with a mark that combines with it.
      let field = texts[Int(index)].utf8
      let name = String(Substring(field.prefix { $0 != UInt8(ascii: "=") }))
      let text = String(Substring(field.dropFirst(name.utf8.count + 1)))
      return .field(name, text.isEmpty && name == "username" ? nil : text)
    default: return index < 0 ? nil : .text(texts[Int(index)])
    }
  }
}

/// A person who is left as they are, or something disputed of theirs is, and why.
package struct Hold: Sendable, Hashable, Codable {
  package let person: String
  package let account: Int64?
  package let email: String?
  package let name: String?
  package let doubts: [Doubt]

  package init(
    person: String, account: Int64?, email: String?, name: String?, doubts: [Doubt]
  ) {
    self.person = person
    self.account = account
    self.email = email
    self.name = name
    self.doubts = doubts
  }
}

/// A pin, with whose it is.
package struct NamedPin: Sendable, Hashable, Codable {
  package let pin: Pin
  package let email: String

  package init(pin: Pin, email: String) {
    self.pin = pin
    self.email = email
  }
}

/// An account whose person is gone, still in its grace period.
package struct Leaving: Sendable, Hashable, Codable {
  package let account: Int64
  package let person: String
  package let email: String
  package let name: String
  /// When the grace ends, in seconds since 1970.
  package let due: Int64
  /// Where the person is now, outside of the searches; nil: nowhere in the directory.
  package let movedTo: String?
  /// The one directory from which the person is gone, while others still have them; nil: all.
  package let directory: String?

  package init(
    account: Int64, person: String, email: String, name: String, due: Int64,
    movedTo: String? = nil, of directory: String? = nil
  ) {
    self.directory = directory
    self.movedTo = movedTo
    self.account = account
    self.person = person
    self.email = email
    self.name = name
    self.due = due
  }
}

/// A product's seats now and after the plan.
package struct Seats: Sendable, Hashable, Codable {
  /// nil: unlimited.
  package var ceiling: Int?
  package var now: Int
  package var after: Int
  /// The people who would have the license if there were a seat, by directory id.
  package var waiting: [String]
  /// Their names and emails, in the same order.
  package var waitingNames: [String] = []
  /// How many seats each rule takes, by the rule's number in `Plan.rules`; -1: what hands and imports gave.
  package var takenByRule: [Int: Int] = [:]

  package init(ceiling: Int?, now: Int, after: Int, waiting: [String] = []) {
    self.ceiling = ceiling
    self.now = now
    self.after = after
    self.waiting = waiting
  }
}

/// Bookkeeping that goes with a plan: committed with it, but no change of the site.
package struct Memory: Sendable, Hashable, Codable {
  package struct Absence: Sendable, Hashable, Codable {
    package let person: String
    /// Seconds since 1970; nil: seen again.
    package let since: Int64?
  }

  package struct Regiven: Sendable, Hashable, Codable {
    package let account: Int64
    package let kind: String
    package let key: String
    package let rule: String
  }

  /// Which directory shows a person, and how the person's entries belong together.
  package struct Place: Sendable, Hashable, Codable {
    package let person: String
    package let directory: String
    /// See `Entitlement.match`.
    package let match: String?
    /// The directory id by which the account is linked; nil: by this one.
    package let joined: String?
    /// Nothing is decided about the person, and `joined` stays as it was.
    package let isFrozen: Bool

    package init(
      person: String, directory: String, match: String?, joined: String?, isFrozen: Bool
    ) {
      self.person = person
      self.directory = directory
      self.match = match.map(emailKey)
      self.joined = joined
      self.isFrozen = isFrozen
    }
  }

  /// A mapping, and the directory groups that its rules mean, by name as written.
  package struct Acceptance: Sendable, Hashable, Codable {
    package let mapping: AcceptedMapping
    package let ruleGroups: [String: String]

    package init(mapping: AcceptedMapping, ruleGroups: [String: String]) {
      self.mapping = mapping
      self.ruleGroups = ruleGroups
    }
  }

  /// People about whom nothing is left to do.
  package internal(set) var settled = SettledPeople()
  /// When some of them have to be looked at again although nothing of theirs changes; seconds since 1970.
  package internal(set) var due: [String: Int64] = [:]
  /// People to look at again at the next run.
  package internal(set) var unsettled: [String] = []
  package internal(set) var absences: [Absence] = []
  /// People treated as gone, with the beginning of their absence as the plan saw it.
  package internal(set) var departed: [Absence] = []
  /// Of these, people who are still in the directory but outside of the searches, with their names there.
  package internal(set) var movedOut: [String: String] = [:]
  /// Rights that another rule gives now.
  package internal(set) var regiven: [Regiven] = []
  /// People without an account who are gone.
  package internal(set) var forgotten: [String] = []
  /// The mappings that the plan was made with, where they are new; applying it accepts them.
  package internal(set) var accepted: [Acceptance] = []
  /// Directory groups of rules whose names others bear now; to be approved (R22).
  package internal(set) var replacedGroups: [HeldChange] = []
  /// The reads after which everybody was looked at.
  package internal(set) var lookedAt: [LookedAt] = []
  /// Where people are, of a site with several directories.
  package internal(set) var places: [Place] = []
  /// Directories whose rules have never given anything before this plan; limits for what gives do not apply to their
  /// people yet.
  package internal(set) var firstGiving: Set<String> = []
}

/// A state of the mirror at which everybody was looked at.
package struct LookedAt: Sendable, Hashable, Codable {
  package let directory: String
  package let version: Int64
  /// Stands for the mapping and the directory groups that its rules mean.
  package let salt: UInt64

  package init(directory: String, version: Int64, salt: UInt64) {
    self.directory = directory
    self.version = version
    self.salt = salt
  }
}

/// A mapping by which a directory's people have what they have.
package struct AcceptedMapping: Sendable, Hashable, Codable {
  package struct File: Sendable, Hashable, Codable {
    package let path: String
    package let text: String

    package init(path: String, text: String) {
      self.path = path
      self.text = text
    }
  }

  package let directory: String
  /// A SHA-256 over the texts of all files.
  package let digest: String
  /// The mapping file first named, then what it needs.
  package let path: String
  package let files: [File]

  package init(directory: String, digest: String, path: String, files: [File]) {
    self.directory = directory
    self.digest = digest
    self.path = path
    self.files = files
  }
}

/// A plan that the guard let pass; the only thing that a site store applies.
package struct ApprovedPlan: Sendable {
  package let plan: Plan
  /// What of it counts against the limits of the next 24 hours: not what people asked for or approved.
  package let counts: [CountedChange: Int]

  package init(_ plan: Plan, counts: [CountedChange: Int] = [:], seal: GuardSeal) {
    self.plan = plan
    self.counts = counts
  }
}

/// What it takes to approve a plan. Its initialiser is behind `@_spi(Guard)`, so that only the guard, who
/// imports this room that way, can have one; a test keeps it so. Public because SPI has to be.
public struct GuardSeal: Sendable {
  @_spi(Guard) public init() {}
}

extension Plan {
  /// Everything that rows refer to is there; false for a file that somebody changed.
  package var isWhole: Bool {
    func isIn(_ index: Int32, _ count: Int) -> Bool { index >= -1 && Int(index) < count }
    return rows.allSatisfy { row in
      Int(row.content.kind) < ChangeKind.byNumber.count && row.subject >= 0
        && isIn(row.subject, subjects.count) && isIn(row.content.before, texts.count)
        && isIn(row.content.after, texts.count) && isIn(row.content.reason, texts.count)
        && isIn(row.content.rule, rules.count) && isIn(row.content.givers, givers.count)
    }
  }

  /// The texts that rows refer to.
  package var allTexts: [String] { texts }
  /// What rows say of givers.
  package var allGivers: [GiversChange] { givers }
}
