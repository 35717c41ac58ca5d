import Foundation
import Settings
import SiteModel
import Views

/// Decides what people are told of a sync, and puts it into the queue from which it is sent. What goes wrong with it is a
/// warning, and never the sync's failure.
struct Messenger {
  private let notices: Notices
  private let queue: NoticeQueue
  private let terminal: Terminal
  private let now: Int64
  private let memoryFile: String

  init(_ notices: Notices, _ session: Session) {
    self.notices = notices
    terminal = session.terminal
    now = session.now
    queue = NoticeQueue(storePath: session.configuration.site.storePath)
    memoryFile = session.configuration.site.storePath + ".told"
  }

  /// Puts what is worth telling into the queue.
  func tell(_ notice: SyncNotice) {
    var memory =
      FileManager.default.contents(atPath: memoryFile).flatMap {
        try? JSONDecoder().decode(NoticeMemory.self, from: $0)
      } ?? NoticeMemory()
    var notice = notice
    notice.held.removeAll { memory.held[$0.hash] != nil }
    var isNews = !notice.changes.isEmpty || !notice.held.isEmpty
    var recoversAt: Int64?
    if notice.isFailure {
      let isUntold = queue.withdrawRecoveries()
      let isNew = memory.isNewFailure(
        notice.failureMark, exitCode: notice.exitCode, now: now, recoveryIsUntold: isUntold)
      isNews = isNews || isNew
    } else if let due = memory.recovery(now: now) {
      notice.isRecovery = due <= now
      isNews = isNews || notice.isRecovery
      if !notice.isRecovery { recoversAt = due }
    }
    do {
      if isNews, notice.isWorthTelling { try put(notice, at: now) }
      if let recoversAt { try put(notice.recovery, at: recoversAt) }
      for held in notice.held { memory.held[held.hash] = now }
      keep(memory)
    } catch {
      terminal.warn("nobody can be told: \(Failure(error).message)")
    }
  }

  private func put(_ notice: SyncNotice, at moment: Int64) throws {
    var removed = 0
    func put(_ channel: QueuedNotice.Channel, _ body: String) throws {
      removed += try queue.put(
        QueuedNotice(
          channel: channel, subject: notice.subject, body: body, madeAt: now, notBefore: moment,
          isRecovery: moment > now))
    }
    if notices.email != nil { try put(.mail, notice.text) }
    if let webhook = notices.webhook {
      try put(.webhook, webhook.format == .slack ? notice.slack() : notice.json())
    }
    if removed > 0 {
      terminal.warn(
        "\(removed.of("notice", "notices")) could not be sent and will not be: more than \(NoticeQueue.capacity) wait"
      )
    }
  }

  /// Sends what is in the queue, where no service does.
  func send() {
    let sender = NoticeSender(queue: queue) { [terminal] in terminal.warn($0) }
    _ = sender.send(notices, now: Int64(Date().timeIntervalSince1970))
  }

  private func keep(_ memory: NoticeMemory) {
    guard let data = try? JSONEncoder().encode(memory.without(olderThan: now - 30 * 86_400))
    else { return }
    let partial = "\(memoryFile).\(getpid())"
    unlink(partial)
    if !PrivateFile.replace(memoryFile, with: data, by: partial) {
      terminal.warn("\(memoryFile) cannot be written, and the same may be told again")
    }
  }
}
