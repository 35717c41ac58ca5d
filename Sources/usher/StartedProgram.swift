import Foundation
import Synchronization

/// A program that we started, with our own output or with files. Foundation's `Process` learns of an end by a descriptor, which a
/// program that the other one has started in turn may hold open; this one waits for the program itself.
final class StartedProgram: Sendable {
  private let pid: pid_t
  private let state = Mutex<Int32?>(nil)

  /// The exit code, or 128 and the signal that ended it; nil while it runs.
  var status: Int32? { state.withLock { $0 } }

  /// - Parameters:
  ///   - files: what the descriptors 0, 1 and 2 are: files to read from, and files to write anew.
  ///   - ended: called on another thread once `status` is there.
  /// - Throws: `Failure` when the program cannot be started.
  init(
    _ path: String, _ arguments: [String], files: [Int32: String] = [:],
    ended: @escaping @Sendable () -> Void
  ) throws {
    // We wait for signals in a way of our own, which would be handed down.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&signals, number) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (descriptor, file) in files {
      let mode = descriptor == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC
      posix_spawn_file_actions_addopen(&actions, descriptor, file, mode, 0o600)
    }
    // Our sockets are not theirs.
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
      if let descriptor = Int32(name), descriptor > 2 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    }
    var words = (["usher"] + arguments).map { strdup($0) } + [nil]
    var variables =
      ProcessInfo.processInfo.environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { for pointer in words + variables { free(pointer) } }
    var pid: pid_t = 0
    let result = posix_spawn(&pid, path, &actions, &attributes, &words, &variables)
    guard result == 0 else {
      throw Failure(.failed, "\(path) cannot be started: \(String(cString: strerror(result)))")
    }
    self.pid = pid
    Thread.detachNewThread { [self, pid] in
      var status: Int32 = 0
      // The lock is not held while waiting, but the pid is another's once `waitpid` has returned.
      var info = siginfo_t()
      while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) < 0, errno == EINTR {}
      state.withLock {
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        $0 = signal == 0 ? (status >> 8) & 0xFF : 128 + signal
      }
      ended()
    }
  }

  /// Sends a signal, if the program still runs.
  func send(_ signal: Int32) {
    state.withLock { if $0 == nil { kill(pid, signal) } }
  }
}
