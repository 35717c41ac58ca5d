import Foundation
import Ports
import Synchronization

/// One run at a time: a lock beside the store that ends with the process that holds it, however that ends. A preview also
/// takes it, since it writes the mirror, and gives it up as soon as a run wants it: runs go first.
package final class SiteLease: Sendable {
  /// How long a run waits for a preview to give up the lease.
  private static let patienceSeconds = 5.0
  private static let retryMicroseconds: UInt32 = 20_000
  private static let watchMicroseconds: UInt32 = 50_000
  /// How the text of a preview in the lock file begins.
  private static let previewWord = "preview"

  /// -1 once it is released.
  private let descriptor: Mutex<Int32>

  /// The lease of a run. It waits up to 5 s for a preview to give it up.
  /// - Throws: `StoreFailure.busy` while another run holds the site.
  package init(storePath: String) throws {
    let file = try Self.lockFile(storePath)
    var isTaken = Self.lock(file)
    let deadline = ContinuousClock.now + .seconds(Self.patienceSeconds)
    while !isTaken, ContinuousClock.now < deadline {
      let holder = Self.text(of: file) ?? ""
      if holder.hasPrefix(Self.previewWord) {
        Self.write("wanted by process \(getpid())", to: file)
      } else if !holder.hasPrefix("wanted") {
        break
      }
      usleep(Self.retryMicroseconds)
      isTaken = Self.lock(file)
    }
    guard isTaken else { throw Self.busy(file, storePath) }
    descriptor = Mutex(file)
    Self.write("process \(getpid())", to: file)
  }

  /// The lease of a preview.
  /// - Parameter giveWay: called on another thread when a run wants the site; it ends the process, or releases the lease.
  /// - Throws: `StoreFailure.busy` while a run or another preview holds the site.
  package init(storePath: String, giveWay: @escaping @Sendable () -> Void) throws {
    let file = try Self.lockFile(storePath)
    guard Self.lock(file) else { throw Self.busy(file, storePath) }
    descriptor = Mutex(file)
    let text = "\(Self.previewWord) by process \(getpid())"
    Self.write(text, to: file)
    Thread.detachNewThread { [weak self] in
      while let isWanted = self?.isWanted(since: text) {
        if isWanted { return giveWay() }
        usleep(Self.watchMicroseconds)
      }
    }
  }

  /// - Returns: whether a run has written into the lock file; nil: the lease is released.
  private func isWanted(since text: String) -> Bool? {
    descriptor.withLock { $0 < 0 ? nil : Self.text(of: $0) != text }
  }

  /// Lets others at the site. Called again, it does nothing.
  package func release() {
    descriptor.withLock {
      if $0 >= 0 { close($0) }
      $0 = -1
    }
  }

  deinit { release() }

  // MARK: The lock file

  private static func lockFile(_ storePath: String) throws -> Int32 {
    let path = storePath + ".lock"
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard file >= 0 else {
      throw StoreFailure.unusable(
        path: storePath, reason: "\(path) cannot be written (\(String(cString: strerror(errno))))")
    }
    return file
  }

  private static func lock(_ file: Int32) -> Bool { flock(file, LOCK_EX | LOCK_NB) == 0 }

  private static func busy(_ file: Int32, _ storePath: String) -> StoreFailure {
    let holder = text(of: file)
    close(file)
    return .busy(path: storePath, holder: holder)
  }

  /// What the lock file says; nil: nothing yet.
  private static func text(of file: Int32) -> String? {
    var bytes = [UInt8](repeating: 0, count: textBytes)
    let count = pread(file, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    return String(decoding: bytes[..<count], as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Writes texts of one length, so that nobody reads a part of one.
  private static func write(_ text: String, to file: Int32) {
    let padded = Array(
      (text.padding(toLength: textBytes - 1, withPad: " ", startingAt: 0) + "\n").utf8)
    pwrite(file, padded, padded.count, 0)
  }

  private static let textBytes = 64
}
