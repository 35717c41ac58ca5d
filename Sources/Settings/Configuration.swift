/// `usher.yaml`: the site, its store, the directories, the limits. This room reads and checks the file and
/// the secrets that it names; it opens no store and no connection.

/// A configuration file, checked. Paths are absolute or relative to the working directory.
package struct Configuration: Sendable {
  package let path: String
  package let site: Site
  /// In their order: where two say something of one person's email or name, the first decides.
  package let directories: [Directory]
  package let limits: Limits
  /// A run that takes longer is given up.
  package let runSeconds: Int
  package let mappingChanges: MappingChanges
  /// How long runs stay in the journal.
  package let journalKeepSeconds: Int64
  /// The key of the audit chain; nil: none.
  package let auditKey: SecretSource?
  /// What `usher serve` does by itself.
  package let schedule: Schedule
  package let console: Console
  /// Whom it tells; nil: nobody.
  package let notices: Notices?

  /// What a mapping whose change alters what people get waits for.
  package enum MappingChanges: String, Sendable, CaseIterable { case review, apply }

  package struct Site: Sendable {
    package let name: String
    /// The SQLite file.
    package let storePath: String
    package let rootURL: String?
    package let portalURL: String?
    /// The catalogue; the value is the ceiling of seats, nil unlimited.
    package let licenses: [String: Int?]
    /// Licenses with `own: all`.
    package let ownedByRules: Set<String>
    /// Names as written.
    package let protectedGroups: [String]
    package let protectedAccounts: [String]
  }

  package struct Directory: Sendable {
    package let name: String
    package let location: Location
    package let reads: Reads
    /// After so long everything is read, whatever `reads` says.
    package let fullAtMostSeconds: Int
    package let mappingPath: String
  }

  /// Everything, or what changed.
  package enum Reads: String, Sendable, CaseIterable { case auto, full, delta }

  package enum Location: Sendable {
    case server(Server)
    /// An LDIF file.
    case file(path: String)
  }

  package struct Server: Sendable {
    /// Tried in order; `ldap://`, `ldaps://` or `ldapi://`.
    package let urls: [String]
    /// nil: anonymous.
    package let bind: Bind?
    /// A file of certificate authorities; nil: the system's.
    package let caPath: String?
    /// A certificate to sign in with, and its key.
    package let certificatePath: String?
    package let keyPath: String?
    /// Allows a bind without TLS.
    package let allowsClearText: Bool
    package let timeoutSeconds: Int
    /// How many bases of a search are read at once, each over a connection of its own.
    package let connections: Int
    package let rate: Rate
    /// What one search may bring; nil: 100,000 entries and four times what the last complete read brought.
    package let mostEntries: Int?
    /// Entries that must be seen, or the read is not believed.
    package let canaries: [String]
  }

  package enum Bind: Sendable {
    case simple(dn: String, password: SecretSource)
    case external, gssapi
  }

  /// At most so many a second; nil: unlimited.
  package struct Rate: Sendable {
    package let searches: Int?
    package let entries: Int?
  }

  /// Limits by their names in the file; `percent` and `max` per rolling 24 hours.
  package struct Limits: Sendable {
    package var percent: [String: Double]
    package var max: [String: Int]
    /// So many always pass of what takes, and five times as many of what gives.
    package var freeBelow: Int
    package var onLimit: OnLimit

    package enum OnLimit: String, Sendable, CaseIterable {
      case holdPeople = "hold-people"
      case holdPlan = "hold-plan"
    }

    package static let standard = Limits(
      percent: [
        "creations": 20, "licenses-granted": 20, "group-joins": 20, "deactivations": 2,
        "disabled": 5, "licenses-revoked": 5, "portal-only-marks": 10, "portal-only-unmarks": 1,
        "conversions": 1, "email-changes": 5, "group-removals": 10, "removals-per-group": 30,
        "moved-out": 2,
      ],
      max: [
        "creations": 1000, "licenses-granted": 1000, "group-joins": 1000, "deactivations": 50,
        "disabled": 200, "licenses-revoked": 200, "portal-only-marks": 500,
        "portal-only-unmarks": 50, "conversions": 50, "email-changes": 200, "group-removals": 500,
        "removals-per-group": 200, "moved-out": 50,
      ], freeBelow: 5, onLimit: .holdPeople)
  }
}

extension Configuration {
  /// Whether nobody can sign in to the console by a directory: no group is named, or there is no server to ask.
  package var needsFirstRunToken: Bool {
    let hasServer = directories.contains {
      if case .server = $0.location { true } else { false }
    }
    return !hasServer || console.groups.values.allSatisfy(\.isEmpty)
  }

  /// Whether somebody signs in by a Kerberos ticket.
  package var usesTickets: Bool {
    directories.contains {
      if case .server(let server) = $0.location, case .gssapi = server.bind { true } else { false }
    }
  }
}
