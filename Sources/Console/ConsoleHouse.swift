/// Web pages, the JSON API and metrics: readers of the same plans and accounts as the commands. This room decides
/// nothing: orders become plans in Reconciliation, and only the guard approves them.

import Diagnostics
import Ports
import Settings
import SiteModel
import SyncEngine

/// What the console needs of the house; whoever puts the house together gives it. Called on several threads.
package protocol ConsoleHouse: Sendable {
  /// The configuration as it was when the service began, or was last told to read it anew.
  var configuration: Configuration { get }

  /// Seconds since 1970.
  var now: Int64 { get }

  /// Opens the store for as long as the body runs.
  /// - Throws: whatever `problem` can name, among it that there is no store yet.
  func reading<Value>(_ body: (Office) throws -> Value) throws -> Value

  /// The same while other runs are kept out.
  func holdingSite<Value>(_ body: (Office) throws -> Value) throws -> Value

  /// What every run ends with.
  func finish(_ head: AuditHead, in office: Office) throws

  /// Signs somebody in by the directories.
  /// - Parameter admits: called with the identity of the person found, before the password is sent to a directory. By
  ///   throwing it refuses the sign-in.
  /// - Throws: where a directory cannot be asked, or proves nothing.
  func signIn(
    _ name: String, password: String, admits: (String) throws -> Void
  ) throws -> SignInAnswer

  /// Looks again for somebody who signed in.
  /// - Returns: nil where they could not sign in any more.
  /// - Throws: where the directory cannot be asked.
  func look(for visitor: DirectoryVisitor) throws -> DirectoryVisitor?

  /// Why somebody has what they have, as the directory was last read.
  func explain(_ who: String) throws -> Explanation

  /// The DNs of the entries behind an account, as last seen.
  func entries(of account: Account) throws -> [String]

  /// A directory's mapping, with what is wrong with it and what its rules do.
  /// - Parameter text: another text in place of the file's.
  func mapping(of directory: String, text: String?) throws -> MappingSheet

  /// Makes a preview, in a process of its own.
  func makePlan() throws -> MadePlan

  /// What another text of a mapping would do to the directory as last read, as `usher plan --mapping` prints it.
  func tryMapping(of directory: String, text: String) throws -> String

  /// What the service is about.
  var service: ServiceState { get }

  /// Has a sync begin at once, or after the one that is under way.
  func syncNow()

  /// What the last sync came to, as Prometheus reads it.
  var metrics: String { get }

  /// Writes a line into the service's log.
  func record(_ text: String)

  /// Writes a warning into the service's log.
  func warn(_ text: String)

  /// What an error means to whoever reads it.
  func problem(_ error: any Error) -> Problem
}

/// The store, open, and what decides about it.
package struct Office {
  package let store: any SiteStoring
  package let desk: GuardDesk
  package let now: Int64

  package init(store: any SiteStoring, desk: GuardDesk, now: Int64) {
    self.store = store
    self.desk = desk
    self.now = now
  }
}

/// Somebody whom the directory let in.
package struct DirectoryVisitor: Sendable, Hashable {
  package let name: String
  /// The user name, as the journal has it.
  package let account: String
  /// What tells people apart: the directory and the DN. Names may be their own to change.
  package let identity: String
  /// nil: in no group that may enter.
  package let role: Role?
  /// How they were found; nil: not by a directory.
  package let login: Login?

  package struct Login: Sendable, Hashable {
    package let directory: String
    package let name: String

    package init(directory: String, name: String) {
      self.directory = directory
      self.name = name
    }
  }

  package init(
    name: String, account: String, identity: String, role: Role?, login: Login? = nil
  ) {
    self.name = name
    self.account = account
    self.identity = identity
    self.role = role
    self.login = login
  }
}

/// What came of a name and a password.
package enum SignInAnswer: Sendable {
  case visitor(DirectoryVisitor)
  /// The reason is for the log. A visitor who is not signed in is not told it.
  case refused(String)
}

/// A mapping as its page shows it.
package struct MappingSheet: Sendable {
  package let directory: String
  package let path: String
  package let text: String
  package let diagnostics: [Diagnostic]
  package let rules: [Rule]
  /// How many people were asked; nil where nobody was read with this mapping.
  package let people: Int?

  package struct Rule: Sendable {
    package let reference: RuleReference
    package let matches: Int?
    package let decides: Int?

    package init(reference: RuleReference, matches: Int?, decides: Int?) {
      self.reference = reference
      self.matches = matches
      self.decides = decides
    }
  }

  package init(
    directory: String, path: String, text: String, diagnostics: [Diagnostic], rules: [Rule],
    people: Int?
  ) {
    self.directory = directory
    self.path = path
    self.text = text
    self.diagnostics = diagnostics
    self.rules = rules
    self.people = people
  }
}

/// A preview, and what was said while it was made.
package struct MadePlan: Sendable {
  package let plan: Plan
  package let remarks: String

  package init(plan: Plan, remarks: String) {
    self.plan = plan
    self.remarks = remarks
  }
}

package struct ServiceState: Sendable, Hashable {
  /// Seconds since 1970; nil: now, or nothing is planned.
  package var nextSync: Int64?
  /// Since when a sync is under way.
  package var syncingSince: Int64?
  /// The last one's exit code; 128 and the signal where one ended it.
  package var lastExit: Int32?
  /// The run that the last one committed before it failed; nil: none.
  package var committedRun: Int64?
  /// How many syncs of this service have ended with each exit code.
  package var ends: [Int32: Int] = [:]
  /// Why syncs cannot be relied on: one was ended before its end, and none has succeeded since. nil: they can.
  package var unready: String?

  package init() {}
}

/// What went wrong, for people and for the API.
package struct Problem: Error, Sendable, Hashable {
  /// The HTTP status code.
  package let status: Int
  /// One sentence without a full stop.
  package let message: String
  package let remedy: String?

  package init(_ status: Int, _ message: String, remedy: String? = nil) {
    self.status = status
    self.message = message
    self.remedy = remedy
  }
}
