import ArgumentParser
import Console
import Diagnostics
import Ports
import Settings
import SyncEngine
import Views

/// The exit codes that schedulers act on (a contract).
enum ExitStatus: Int32 {
  case failed = 1
  case changesPending = 2
  case heldBack = 3
  case stalePlan = 4
  case directoryUnread = 5
  case usage = 64
  case badConfiguration = 65
  case busy = 75
}

/// Why a command ends: one sentence, what to do, and the exit code.
struct Failure: Error {
  let status: ExitStatus
  let message: String
  let remedy: String?
  let findings: Findings?

  /// What to do with a damaged store.
  static let wayBack =
    "stop what runs usher and put a backup in its place, without the files that end in -wal, -shm or -journal; usher runs --verify then checks it"

  init(_ status: ExitStatus, _ message: String, remedy: String? = nil, findings: Findings? = nil) {
    self.status = status
    self.message = message
    self.remedy = remedy
    self.findings = findings
  }

  /// The failure that an error of another room means to a user.
  init(_ error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let problem as Problem: self.init(.failed, problem.message, remedy: problem.remedy)
    case let failure as ReadFailure:
      self.init(.directoryUnread, "\(failure.message). Nothing was changed", remedy: failure.remedy)
    case let faults as MappingFaults:
      self.init(
        .badConfiguration, "the mapping does not fit the directory. Nothing was changed",
        findings: faults.findings)
    case let stale as StorePlanIsStale:
      self.init(
        .stalePlan, "\(stale.reason). Nothing was changed", remedy: "make a new plan: usher plan")
    case let fault as SecretSource.Fault:
      self.init(.badConfiguration, fault.message, remedy: fault.remedy)
    case let nobody as NobodyFits:
      self.init(
        .failed, "nobody fits \(nobody.who): no account, no email and no directory id",
        remedy: nobody.candidates.isEmpty
          ? "usher list users shows the accounts; usher plan reads the directory anew"
          : "did you mean: \(nobody.candidates.joined(separator: ", "))?")
    case let several as SeveralFit:
      self.init(
        .failed,
        "\(several.who) fits several accounts: \(several.candidates.joined(separator: ", "))",
        remedy: "name the account by its email")
    case let fault as GuardDesk.OrderFault:
      self.init(.failed, fault.message, remedy: fault.remedy)
    case let fault as GuardDesk.ApprovalFault: self.init(fault)
    case let failure as StoreFailure: self.init(failure)
    case let fault as PlanFile.Fault: self.init(fault)
    default: self.init(.failed, "\(error)")
    }
  }

  /// The same where a run is committed already.
  func after(run: Int64) -> Failure {
    let cause = message.replacing(". Nothing was changed", with: "")
    return Failure(
      status, "run \(run) was applied, but what follows it failed: \(cause)", remedy: remedy,
      findings: findings)
  }

  private init(_ fault: GuardDesk.ApprovalFault) {
    switch fault {
    case .unknown(let hash):
      self.init(
        .failed, "no run held back anything with the hash \(hash)",
        remedy: "usher approve --list shows what was held back")
    case .ambiguous(let hash):
      self.init(.failed, "several hashes begin with \(hash)", remedy: "type more of it")
    case .expired(let hash, let heldAt):
      self.init(
        .failed, "\(hash) has expired: a run last held it back at \(timeText(heldAt))",
        remedy: "usher plan shows what would be held back now")
    case .approved(let hash, let until):
      self.init(.failed, "\(hash) is approved already, until \(timeText(until))")
    case .noLimit(let name, let known):
      self.init(
        .usage, "there is no limit \(name)", remedy: "choose of: \(known.joined(separator: ", "))")
    case .noBudget(let name):
      self.init(.failed, "no budget is open for the limit \(name)")
    }
  }

  private init(_ failure: StoreFailure) {
    switch failure {
    case .notOurs(let path):
      self.init(
        .failed, "\(path) is not a site store of usher",
        remedy: "check site.store in the configuration; if usher made it, \(Self.wayBack)")
    case .newerVersion(let path, let found, let known):
      self.init(
        .failed, "\(path) was written by a newer usher (schema \(found), this one knows \(known))",
        remedy: "install that version")
    case .full(let path):
      self.init(
        .failed, "the disk is full: \(path) could not be written. Nothing was changed",
        remedy: "free some space and run again")
    case .unusable(let path, let reason):
      self.init(.failed, "the store \(path) cannot be used: \(reason)")
    case .damaged(let path, let reason):
      self.init(
        .failed, "the store \(path) is damaged: \(reason)",
        remedy: Self.wayBack
      )
    case .interrupted(let path, let reason):
      self.init(
        .failed, "the disk failed while \(path) was in use: \(reason)",
        remedy:
          "check the disk; a run is written whole or not at all, and usher runs shows whether it was"
      )
    case .busy(let path, let holder):
      self.init(
        .busy, "another run holds the site \(path)\(holder.map { " (\($0))" } ?? "")",
        remedy: "wait until it has ended")
    }
  }

  private init(_ fault: PlanFile.Fault) {
    switch fault {
    case .unreadable(let path, let reason): self.init(.failed, "\(path): \(reason)")
    case .notAPlan(let path):
      self.init(.failed, "\(path) is not a saved plan", remedy: "make one: usher plan --out FILE")
    case .oldVersion(let path):
      self.init(
        .failed,
        "\(path) was saved by an older usher, whose plans anybody could edit. Nothing was changed",
        remedy: "make a new plan and review it: usher plan --out FILE")
    case .otherStore(let path):
      self.init(
        .stalePlan,
        "\(path) was saved for another store, or with another audit key. Nothing was changed",
        remedy: "make a new plan: usher plan --out FILE")
    case .altered(let path):
      self.init(
        .failed,
        "the plan file \(path) was changed after it was saved. Nothing was changed on the site",
        remedy: "make a new plan: usher plan --out FILE")
    }
  }
}
