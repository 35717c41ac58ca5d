import AsyncHTTPClient
import Crypto
import Foundation
import Ports
import Settings
import Views

/// Sends what waits in the queue, by mail and webhook. What cannot be sent stays there, and is a warning.
struct NoticeSender: Sendable {
  private static let patienceSeconds = 15

  let queue: NoticeQueue
  let warn: @Sendable (String) -> Void

  /// What sending came to.
  struct Result: Equatable, Sendable {
    var sent = 0
    var failed = 0
    /// When the next one is to be sent that waits for its time; nil: none does.
    var nextAt: Int64?
  }

  /// The channel itself does not work, so that its other notices need not be tried now.
  private struct ChannelDown: Error { let reason: String }

  /// Sends all that is due. Nothing is sent while another process sends.
  /// - Parameters:
  ///   - notices: whom to tell; what waits for a channel that is not there any more is removed.
  ///   - now: seconds since 1970.
  func send(_ notices: Notices, now: Int64) -> Result {
    var result = Result()
    queue.sending { result = sendAll(notices, now: now) }
    return result
  }

  private func sendAll(_ notices: Notices, now: Int64) -> Result {
    var result = Result()
    var down: Set<QueuedNotice.Channel> = []
    queue.removeLeftovers(before: now - 3600)
    var entries = queue.entries()
    let old = entries.filter { $0.notice.madeAt < now - NoticeQueue.keepSeconds }
    for entry in old { queue.remove(entry.name) }
    if !old.isEmpty {
      let names = Set(old.map(\.name))
      entries.removeAll { names.contains($0.name) }
      warn(
        "\(old.count.of("notice", "notices")) could not be sent within \(NoticeQueue.keepSeconds / 86_400) days and will not be"
      )
    }
    for (name, notice) in entries {
      // A moment that is further ahead was written by a clock that was wrong.
      if notice.notBefore > now, notice.notBefore <= now + NoticeMemory.quietSeconds {
        result.nextAt = min(result.nextAt ?? .max, notice.notBefore)
        continue
      }
      if down.contains(notice.channel) {
        result.failed += 1
        continue
      }
      do {
        try send(notice, id: name, notices, now: now)
        queue.remove(name)
        result.sent += 1
      } catch {
        result.failed += 1
        var reason = Failure(error).message
        if let channel = error as? ChannelDown {
          down.insert(notice.channel)
          reason = channel.reason
        }
        warn("nobody could be told by \(notice.channel.rawValue): \(reason)")
      }
    }
    return result
  }

  private func send(
    _ notice: QueuedNotice, id: String, _ notices: Notices, now: Int64
  ) throws {
    switch notice.channel {
    case .mail:
      guard let email = notices.email else { return }
      do { try mail(notice, email, now: now) } catch {
        throw ChannelDown(reason: Failure(error).message)
      }
    case .webhook:
      guard let webhook = notices.webhook else { return }
      try post(notice, id: String(id.dropLast(NoticeQueue.suffix.count)), webhook)
    }
  }

  private func mail(_ notice: QueuedNotice, _ email: Notices.Email, now: Int64) throws {
    let host = ProcessInfo.processInfo.hostName
    let message = MailMessage(
      from: email.from ?? "usher@\(host)", to: email.to, subject: notice.subject,
      text: notice.body, now: notice.madeAt, host: host)
    if let server = email.server {
      try SMTP.send(message, to: server, patienceSeconds: Self.patienceSeconds)
    } else {
      try message.giveToSendmail()
    }
  }

  private func post(_ notice: QueuedNotice, id: String, _ webhook: Notices.Webhook) throws {
    var request = HTTPClientRequest(url: webhook.url)
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/json")
    request.headers.add(name: "User-Agent", value: "usher")
    // The same when it is sent again because the first answer was lost.
    request.headers.add(name: "X-Usher-Delivery", value: id)
    let body = Array(notice.body.utf8)
    if let secret = try webhook.secret?.read("secret") {
      let code = HMAC<SHA256>.authenticationCode(
        for: body, using: SymmetricKey(data: Array(secret.utf8)))
      request.headers.add(name: "X-Usher-Signature", value: "sha256=\(code.hexadecimal)")
    }
    request.body = .bytes(body)
    let status: UInt
    do {
      status = try waiting { [request] in
        try await HTTPClient.shared.execute(
          request, timeout: .seconds(Int64(Self.patienceSeconds))
        ).status.code
      }
    } catch { throw ChannelDown(reason: Failure(error).message) }
    guard (200..<300).contains(status) else {
      throw Failure(.failed, "the webhook answers \(status)")
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
