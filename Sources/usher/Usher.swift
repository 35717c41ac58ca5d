/// The commands. Here, and only here, everything is put together; what is decided is decided elsewhere.

import ArgumentParser
import CMalloc
import Foundation

@main
struct Usher: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "usher",
    abstract: "Seats everyone in your directory on your service-desk site.",
    discussion: """
      Reads people and groups from the corporate LDAP directory, works out from a mapping file who should \
      have which account, licenses and groups, shows the difference as a plan, and applies it.

      Exit codes: 0 done or nothing to do, 1 failed, 2 changes pending (plan --detailed-exitcode), \
      3 held back wholly or in part, 4 the saved plan is stale, 5 the directory could not be read completely, \
      64 usage, 65 a fault in mapping or configuration, 75 another run holds the site.
      """,
    version: "0.1.0",
    subcommands: [
      Init.self, Check.self, PlanCommand.self, Apply.self, Sync.self, Explain.self, List.self,
      Link.self,
      ExportCommand.self, TestCommand.self, Grant.self, Revoke.self, Deactivate.self,
      Reactivate.self, Mark.self, Unmark.self, Convert.self, Show.self, PinCommand.self, Unpin.self,
      Approve.self, Runs.self, Undo.self, Erase.self, TransitionCommand.self, ImportCommand.self,
      Backup.self, Serve.self, TokenCommand.self,
    ])

  static func main() {
    // The memory of what is large goes back to the system when it is freed; by itself the library would keep much of it.
    mallopt(M_MMAP_THRESHOLD, 1 << 21)
    reserveStandardDescriptors()
    // A server or reader that closes its end is an error to report, not a signal to die of.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot()
      try command.run()
      end(with: ExitCode.success)
    } catch {
      end(with: error)
    }
  }

  /// Ends the process as `ArgumentParser` does, but help and version go the way of all output, so that write errors are found.
  private static func end(with error: any Error) -> Never {
    let code = exitCode(for: error)
    let text = fullMessage(for: error)
    if code.isSuccess, !text.isEmpty { StandardOutput.write(text) }
    if !code.isSuccess, !text.isEmpty { StandardError.write(text + "\n") }
    do { try StandardOutput.finish() } catch {
      StandardError.write("usher: \(error.message).\n")
      if code.isSuccess { exit(withError: ExitCode(error.status.rawValue)) }
    }
    exit(withError: code)
  }

  /// The threads of a sync share one heap, which keeps some memory at its end: heaps of their own grow by single pages and
  /// give them back at once. Those that try a mapping allocate side by side all the time, and would wait for one another.
  static func shareHeap() {
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_TRIM_THRESHOLD, 1 << 22)
  }
}
