import AsyncHTTPClient
import Ports
import Crypto
import Foundation
import Settings
import SiteModel
import Views

/// Tells people of a sync, by mail and webhook. What goes wrong with it is a warning, and never the sync's failure.
struct Messenger {
  private static let patienceSeconds = 15
  /// A failure that lasts is told again after a day.
  private static let againSeconds: Int64 = 86_400

  private let notices: Notices
  private let terminal: Terminal
  private let now: Int64
  private let memoryFile: String

  init(_ notices: Notices, _ session: Session) {
    self.notices = notices
    terminal = session.terminal
    now = session.now
    memoryFile = session.configuration.site.storePath + ".told"
  }

  /// What was told before, so that nothing is told every fifteen minutes.
  private struct Memory: Codable {
    /// When a hash was told, in seconds since 1970.
    var held: [String: Int64] = [:]
    var failure = ""
    var failedAt: Int64 = 0
  }

  func tell(_ notice: SyncNotice) {
    var memory =
      FileManager.default.contents(atPath: memoryFile).flatMap {
        try? JSONDecoder().decode(Memory.self, from: $0)
      } ?? Memory()
    var notice = notice
    notice.isRecovery = !notice.isFailure && !memory.failure.isEmpty
    notice.held.removeAll { memory.held[$0.hash] != nil }
    let isKnownFailure =
      notice.isFailure && notice.failureMark == memory.failure
      && now - memory.failedAt < Self.againSeconds
    guard notice.isWorthTelling, !isKnownFailure || !notice.held.isEmpty || !notice.changes.isEmpty
    else { return }
    let sent = [mail(notice), post(notice)].compactMap(\.self)
    // What reached nobody is tried again with the next sync.
    guard sent.contains(true) else { return }
    memory.held = memory.held.filter { now - $0.value < 30 * 86_400 }
    for held in notice.held { memory.held[held.hash] = now }
    if notice.failureMark != memory.failure || !isKnownFailure { memory.failedAt = now }
    memory.failure = notice.failureMark
    keep(memory)
  }

  private func keep(_ memory: Memory) {
    guard let data = try? JSONEncoder().encode(memory) else { return }
    let partial = "\(memoryFile).\(getpid())"
    unlink(partial)
    let isWritten = PrivateFile.create(partial, data) && rename(partial, memoryFile) == 0
    if !isWritten {
      unlink(partial)
      terminal.warn("\(memoryFile) cannot be written, and the same may be told again")
    }
  }

  // MARK: Mail

  /// - Returns: whether it was handed on; nil where nobody is to get mail.
  private func mail(_ notice: SyncNotice) -> Bool? {
    guard let email = notices.email else { return nil }
    let host = ProcessInfo.processInfo.hostName
    let from = email.from ?? "usher@\(host)"
    let message = MailMessage(
      from: from, to: email.to, subject: notice.subject, text: notice.text, now: now, host: host)
    do {
      if let server = email.server {
        try SMTP.send(message, to: server, patienceSeconds: Self.patienceSeconds)
      } else {
        try message.giveToSendmail()
      }
      return true
    } catch {
      terminal.warn("nobody could be told by mail: \(Failure(error).message)")
      return false
    }
  }

  // MARK: Webhook

  private func post(_ notice: SyncNotice) -> Bool? {
    guard let webhook = notices.webhook else { return nil }
    do {
      let body = try webhook.format == .slack ? notice.slack() : notice.json()
      var request = HTTPClientRequest(url: webhook.url)
      request.method = .POST
      request.headers.add(name: "Content-Type", value: "application/json")
      request.headers.add(name: "User-Agent", value: "usher")
      if let secret = try webhook.secret?.read("secret") {
        let code = HMAC<SHA256>.authenticationCode(
          for: Array(body.utf8), using: SymmetricKey(data: Array(secret.utf8)))
        request.headers.add(name: "X-Usher-Signature", value: "sha256=\(code.hexadecimal)")
      }
      request.body = .bytes(Array(body.utf8))
      let status = try waiting { [request] in
        try await HTTPClient.shared.execute(
          request, timeout: .seconds(Int64(Self.patienceSeconds))
        ).status.code
      }
      guard (200..<300).contains(status) else {
        throw Failure(.failed, "the webhook answers \(status)")
      }
      return true
    } catch {
      terminal.warn("nobody could be told by webhook: \(Failure(error).message)")
      return false
    }
  }

  private func waiting<Value: Sendable>(
    _ body: @escaping @Sendable () async throws -> Value
  ) throws -> Value {
    let outcome = Outcome<Value>()
    Task {
      do { outcome.tell(.success(try await body())) } catch { outcome.tell(.failure(error)) }
    }
    return try outcome.wait().get()
  }
}
