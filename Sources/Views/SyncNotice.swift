import SiteModel

/// What people are told of a sync: how it ended, what it changed, what waits for them. Nobody's name is in it.
package struct SyncNotice: Sendable {
  private let site: String
  /// When it began, in seconds since 1970.
  private let at: Int64
  /// Where the console is; nil: nowhere.
  private let link: String?
  package var exitCode: Int32 = 0
  package var run: Int64?
  package var changes: [ChangeKind: Int] = [:]
  package var peopleHeld = 0
  /// What was held back and can be approved.
  package var held: [HeldSet] = []
  /// Directories that could not be read.
  package var unread: [String] = []
  package var failure: (message: String, remedy: String?)?
  /// The last thing that was told was a failure, and this sync went well.
  package var isRecovery = false

  package init(site: String, at: Int64, link: String?) {
    self.site = site
    self.at = at
    self.link = link
  }

  /// The same sync's notice that says nothing but that syncs work again.
  package var recovery: SyncNotice {
    var notice = SyncNotice(site: site, at: at, link: link)
    notice.isRecovery = true
    return notice
  }

  private var changeCount: Int { changes.values.reduce(0, +) }

  /// Whether there is something to tell at all.
  package var isWorthTelling: Bool {
    changeCount > 0 || !held.isEmpty || isFailure || isRecovery
  }

  /// Whether it failed, wholly or for some directories.
  package var isFailure: Bool { exitCode != 0 && exitCode != 3 }

  /// What tells one failure from another.
  package var failureMark: String {
    isFailure ? "\(exitCode) \(failure?.message ?? unread.joined(separator: ","))" : ""
  }

  /// One line.
  package var subject: String {
    var parts: [String] = []
    if isFailure {
      parts.append(unread.isEmpty ? "the sync failed" : "a directory could not be read")
    } else if isRecovery {
      parts.append("syncs work again")
    }
    if changeCount > 0 { parts.append("\(changeCount.of("change", "changes")) applied") }
    if !held.isEmpty { parts.append("approval needed") }
    return "[usher \(site.shown)] \(parts.joined(separator: ", "))"
  }

  /// A few paragraphs of plain text.
  package var text: String {
    var lines = ["Sync of \(site.shown), \(timeText(at))"]
    if let failure {
      lines += ["", "It failed: \(failure.message.shown)."]
      if let remedy = failure.remedy { lines.append("→ \(remedy.shown)") }
    }
    if isRecovery { lines += ["", "Syncs work again."] }
    for directory in unread {
      lines += [
        "", "The directory \(directory.shown) could not be read; its people stay as they are.",
      ]
    }
    if let run, changeCount > 0 {
      lines += ["", "\(changeCount.of("change", "changes")) applied, run \(run):"]
      for kind in ChangeKind.allCases {
        if let count = changes[kind] { lines.append("  \(kind.rawValue)  \(count.grouped)") }
      }
      if let link { lines.append("  \(link)/runs/\(run)") }
    }
    for held in held {
      lines += [
        "",
        "Held back, and waiting for approval: \(held.shortHash)"
          + (held.changes.isEmpty ? "" : ", \(held.changes.count.of("change", "changes"))"),
      ]
      lines += held.causes.map { "  \($0.shown)" }
      lines.append("  usher approve \(held.shortHash)" + (link.map { ", or \($0)/preview" } ?? ""))
    }
    if peopleHeld > 0 {
      lines += [
        "",
        "\(peopleHeld.of("person is", "people are")) held: "
          + (link.map { "\($0)/holds" } ?? "usher list holds"),
      ]
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// As Slack's incoming webhooks take it.
  package func slack() throws -> String {
    let text = "*\(subject)*\n\(text)".replacing("&", with: "&amp;").replacing("<", with: "&lt;")
      .replacing(">", with: "&gt;")
    return try JSONText.of(["text": text], isPretty: false)
  }

  /// The public format `usher_notice` 1.
  package func json() throws -> String { try JSONText.of(Document(self), isPretty: false) }

  private struct Document: Encodable {
    struct Held: Encodable {
      let hash: String
      let kind: String
      let causes: [String]
      let changes: Int
    }

    struct Failure: Encodable {
      let message: String
      let remedy: String?
    }

    let usherNotice = 1
    let site: String
    let startedAt: String
    let subject: String
    let exitCode: Int32
    let run: Int64?
    let changes: [String: Int]
    let held: [Held]
    let peopleHeld: Int
    let unreadDirectories: [String]
    let failure: Failure?
    let recovered: Bool
    let link: String?

    init(_ notice: SyncNotice) {
      site = notice.site
      startedAt = timeText(notice.at)
      subject = notice.subject
      exitCode = notice.exitCode
      run = notice.run
      changes = Dictionary(
        uniqueKeysWithValues: notice.changes.map { ($0.key.rawValue, $0.value) })
      held = notice.held.map {
        Held(hash: $0.hash, kind: $0.kind.rawValue, causes: $0.causes, changes: $0.changes.count)
      }
      peopleHeld = notice.peopleHeld
      unreadDirectories = notice.unread
      failure = notice.failure.map { Failure(message: $0.message, remedy: $0.remedy) }
      recovered = notice.isRecovery
      link = notice.link
    }
  }
}
