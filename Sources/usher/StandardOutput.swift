import Foundation
import Synchronization

/// Descriptor 1, buffered. The first error of a write is kept, what follows is dropped, and `finish` reports the error: a file
/// that was cut short must not look like a complete one.
enum StandardOutput {
  private struct State {
    var buffer: [UInt8] = []
    /// The `errno` of the first write that failed; 0: none did.
    var error: Int32 = 0
    /// On a terminal each line is written at once.
    let writesLines = isatty(1) == 1
  }

  private static let state = Mutex(State())
  private static let bufferSize = 1 << 16

  /// Adds a line.
  static func write(_ line: String) {
    state.withLock { state in
      guard state.error == 0 else { return }
      state.buffer += line.utf8
      state.buffer.append(UInt8(ascii: "\n"))
      if state.writesLines || state.buffer.count >= bufferSize { flush(&state) }
    }
  }

  /// Writes what is buffered. Errors are kept for `finish`.
  static func flush() { state.withLock { flush(&$0) } }

  private static func flush(_ state: inout State) {
    if state.error == 0 { state.error = writeAll(state.buffer, to: 1) }
    state.buffer.removeAll(keepingCapacity: true)
  }

  /// Writes what is buffered and checks that all output arrived. A reader that has closed its pipe (`usher list users | head`)
  /// has what it wanted; that is no failure.
  /// - Throws: `Failure` when a write has failed. A second call does not throw it again.
  static func finish() throws(Failure) {
    let error = state.withLock { state in
      flush(&state)
      // Network file systems and quotas tell of a failed write when a descriptor is closed.
      if state.error == 0 {
        let copy = dup(1)
        if copy >= 0, close(copy) < 0 { state.error = errno }
      }
      let first = state.error
      // Nothing more is written after an error.
      if first != 0 { state.error = EPIPE }
      return first
    }
    guard error != 0, error != EPIPE else { return }
    throw Failure(
      .failed,
      "standard output could not be written completely: \(String(cString: strerror(error)))",
      remedy: "free some space or choose another file, and run the command again")
  }
}

/// Descriptor 2, not buffered. Messages that cannot be written are dropped: a run is never ended by its log.
enum StandardError {
  static func write(_ text: String) {
    StandardOutput.flush()  // What was printed before comes before.
    _ = writeAll(Array(text.utf8), to: 2)
  }
}

/// Opens descriptors 0 to 2 where the caller has closed them. Otherwise the next file that is opened gets their number and
/// receives what is meant for people. They are opened so that reading and writing fail.
func reserveStandardDescriptors() {
  for (descriptor, mode) in [(Int32(0), O_WRONLY), (1, O_RDONLY), (2, O_RDONLY)] {
    if fcntl(descriptor, F_GETFD) < 0 { _ = open("/dev/null", mode) }
  }
}

/// - Returns: 0, or the `errno` of the write that failed.
private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
  bytes.withUnsafeBytes { bytes in
    var rest = UnsafeRawBufferPointer(bytes)
    while let start = rest.baseAddress, !rest.isEmpty {
      let count = write(descriptor, start, rest.count)
      if count > 0 {
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
      } else if count < 0, errno == EAGAIN {
        var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&ready, 1, -1)
      } else if count == 0 || errno != EINTR {
        return count == 0 ? EIO : errno
      }
    }
    return 0
  }
}
