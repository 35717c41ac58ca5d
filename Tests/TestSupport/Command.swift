import Foundation

/// A finished command.
public struct Finished: Sendable {
  public let status: Int32
  public let output: String
  public let errors: String
  public let seconds: Double
}

/// Runs a program to its end and keeps what it printed.
public func run(
  _ program: String, _ arguments: [String], in folder: String? = nil,
  environment: [String: String] = [:]
) throws -> Finished {
  let scratch = try TemporaryFolder()
  let start = Date()
  let child = try Child(
    program, arguments, in: folder, environment: environment, output: scratch.path + "/out",
    errors: scratch.path + "/err")
  let status = child.wait()
  return Finished(
    status: status, output: try scratch.read("out"), errors: try scratch.read("err"),
    seconds: Date().timeIntervalSince(start))
}

/// A child process. Foundation's `Process` learns of an end by a descriptor that other children may hold
/// open, which hangs where several servers run; this one waits for the process itself.
public final class Child: Sendable {
  public let pid: pid_t

  public struct NotStarted: Error {
    public let program: String
    public let reason: String
  }

  /// - Parameters:
  ///   - output, errors: files that take what the program prints.
  public init(
    _ program: String, _ arguments: [String], in folder: String? = nil,
    environment: [String: String] = [:], output: String, errors: String = "/dev/null"
  ) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    // Threads of the test runner block signals, and a child would inherit that.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var all = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    // What the code under test sets in this process is not for others.
    all["LDAPNOINIT"] = nil
    let command =
      folder.map { ["/usr/bin/env", "-C", $0, program] + arguments } ?? [program] + arguments
    var words: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = all.map { strdup("\($0)=\($1)") } + [nil]
    defer { for pointer in words + variables { free(pointer) } }
    var pid: pid_t = 0
    let result = posix_spawn(&pid, command[0], &actions, &attributes, &words, &variables)
    guard result == 0 else {
      throw NotStarted(program: program, reason: String(cString: strerror(result)))
    }
    self.pid = pid
  }

  /// Waits for the end and returns the exit status; 128 and the signal where one ended it.
  @discardableResult
  public func wait() -> Int32 {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    let signal = status & 0x7F
    return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
  }

  /// Ends the process and waits for it.
  public func stop() {
    kill(pid, SIGTERM)
    wait()
  }
}
