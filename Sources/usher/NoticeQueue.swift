import Foundation
import Views

/// One notice on its way by one channel, as it will be sent.
struct QueuedNotice: Codable, Equatable {
  enum Channel: String, Codable, CaseIterable { case mail, webhook }

  let channel: Channel
  let subject: String
  /// The mail's text, or the webhook's JSON.
  let body: String
  /// In seconds since 1970.
  let madeAt: Int64
  /// It is not sent before this moment.
  let notBefore: Int64
  /// It only says that syncs work again, and is withdrawn when one fails before it was sent.
  let isRecovery: Bool
}

/// Notices that are still to be sent: a file for each in a folder beside the store, so that no sync waits for a mail server or
/// a webhook, and a restart loses none. Addresses and secrets are not in it; the configuration names them when it is sent.
struct NoticeQueue: Sendable {
  /// So many wait at most. Then the oldest are removed.
  static let capacity = 200
  /// So long a notice is tried.
  static let keepSeconds: Int64 = 7 * 86_400

  let folder: String

  init(storePath: String) { folder = storePath + ".notices" }

  /// A notice, and the name of its file.
  typealias Entry = (name: String, notice: QueuedNotice)

  /// - Returns: how many older ones were removed to make room.
  /// - Throws: `Failure` when it cannot be written.
  func put(_ notice: QueuedNotice) throws -> Int {
    if !FileManager.default.fileExists(atPath: folder) {
      guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw unwritable(folder) }
    }
    let data = try JSONEncoder().encode(notice)
    // Names are in the order of time, also those of one second.
    let uptime = String(DispatchTime.now().uptimeNanoseconds)
    let name =
      "\(padded(String(notice.madeAt), to: 12))-\(padded(uptime, to: 20))-\(getpid())\(Self.suffix)"
    guard PrivateFile.replace("\(folder)/\(name)", with: data, by: "\(folder)/.\(name)") else {
      throw unwritable(folder)
    }
    let excess = names().dropLast(Self.capacity)
    for name in excess { remove(name) }
    return excess.count
  }

  /// All that wait, the oldest first. A file that is no notice is left out.
  func entries() -> [Entry] {
    names().compactMap { name in
      guard let data = FileManager.default.contents(atPath: "\(folder)/\(name)"),
        let notice = try? JSONDecoder().decode(QueuedNotice.self, from: data)
      else { return nil }
      return (name, notice)
    }
  }

  /// How many wait.
  var count: Int { names().count }

  func remove(_ name: String) { unlink("\(folder)/\(name)") }

  /// Takes back what would say that syncs work again.
  /// - Returns: whether any of it was not sent yet.
  func withdrawRecoveries() -> Bool {
    let found = entries().filter(\.notice.isRecovery)
    for entry in found { remove(entry.name) }
    return !found.isEmpty
  }

  /// Runs the body unless another process is sending, or nothing was ever queued.
  func sending(_ body: () -> Void) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { body() }
  }

  /// Removes what a process has left that was ended while it wrote.
  func removeLeftovers(before moment: Int64) {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      var status = stat()
      guard name.hasPrefix("."), lstat("\(folder)/\(name)", &status) == 0,
        Int64(status.st_mtim.tv_sec) < moment
      else { continue }
      unlink("\(folder)/\(name)")
    }
  }

  static let suffix = ".json"

  private func names() -> [String] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return all.filter { !$0.hasPrefix(".") && $0.hasSuffix(Self.suffix) }.sorted()
  }

  private func padded(_ number: String, to width: Int) -> String {
    String(repeating: "0", count: max(0, width - number.count)) + number
  }

  private func unwritable(_ path: String) -> Failure {
    Failure(.failed, "\(path) cannot be written: \(String(cString: strerror(errno)))")
  }
}
