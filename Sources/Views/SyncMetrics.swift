import SiteModel

/// What a sync came to, as Prometheus reads it: its text format, version 0.0.4.
package struct SyncMetrics: Sendable {
  private let site: String
  package var exitCode: Int32 = 0
  /// When it began, and when the last one began that was applied, in seconds since 1970.
  package let startedAt: Int64
  package var appliedAt: Int64?
  /// How long each stage took, in seconds.
  package var stages: [(name: String, seconds: Double)] = []
  /// nil where none was made.
  package var plan: Plan?
  /// Limits by name, and whether the plan went beyond them.
  package var limits: [(name: String, isExceeded: Bool)] = []
  /// How many directories could not be read; nil where that is not known.
  package var unreadDirectories: Int?

  package init(site: String, startedAt: Int64) {
    self.site = site
    self.startedAt = startedAt
  }

  package var text: String {
    var page = PrometheusPage(site: site)
    page.gauge("sync_started_timestamp_seconds", Self.startedHelp, startedAt)
    page.gauge("sync_exit_code", Self.exitHelp, Int64(exitCode))
    if let appliedAt {
      page.gauge("sync_applied_timestamp_seconds", Self.appliedHelp, appliedAt)
    }
    page.gauge(
      "sync_stage_seconds", "How long each stage of the last sync took.",
      stages.map { ([("stage", $0.name)], "\($0.seconds)") })
    if let unreadDirectories {
      page.gauge(
        "directories_unread", "Directories that the last sync could not read.",
        Int64(unreadDirectories))
    }
    page.gauge(
      "limit_exceeded", "1 where the last plan went beyond a limit.",
      limits.map { ([("limit", $0.name)], $0.isExceeded ? "1" : "0") })
    if let plan { page.write(plan) }
    return page.text
  }

  /// What a sync's file says once the sync came to an end without writing it: when it began, how it ended and, where it
  /// was applied, that. What the last plan was stays; how long its stages took goes.
  /// - Parameters:
  ///   - text: the file so far.
  ///   - appliedAt: nil where nothing was applied.
  package static func text(
    _ text: String, endedWith exitCode: Int32, site: String, startedAt: Int64, appliedAt: Int64?
  ) -> String {
    var page = PrometheusPage(site: site)
    page.gauge("sync_started_timestamp_seconds", startedHelp, startedAt)
    page.gauge("sync_exit_code", exitHelp, Int64(exitCode))
    var gone = ["sync_started_timestamp_seconds", "sync_exit_code", "sync_stage_seconds"]
    if let appliedAt {
      page.gauge("sync_applied_timestamp_seconds", appliedHelp, appliedAt)
      gone.append("sync_applied_timestamp_seconds")
    }
    let kept = text.split(separator: "\n").filter { line in
      !gone.contains { name in
        ["# HELP usher_\(name) ", "# TYPE usher_\(name) ", "usher_\(name){"].contains {
          line.hasPrefix($0)
        }
      }
    }
    return page.text + kept.map { $0 + "\n" }.joined()
  }

  /// Whether a file tells of a sync that began at a moment or later, and ended so.
  package static func says(
    _ text: String, exitCode: Int32, site: String, since moment: Int64
  ) -> Bool {
    var page = PrometheusPage(site: site)
    page.gauge("sync_exit_code", exitHelp, Int64(exitCode))
    let lines = text.split(separator: "\n")
    let started = lines.last { $0.hasPrefix("usher_sync_started_timestamp_seconds{") }
      .flatMap { $0.split(separator: " ").last }.flatMap { Int64($0) }
    return page.text.split(separator: "\n").allSatisfy(lines.contains) && (started ?? 0) >= moment
  }

  private static let startedHelp = "When the last sync began."
  private static let exitHelp = "How it ended, as the exit code of usher sync."
  private static let appliedHelp = "When the last sync began that was applied."
}

/// Gauges and counters in Prometheus's text format, each with the site as a label.
package struct PrometheusPage {
  private let site: String
  package private(set) var text = ""

  package init(site: String) { self.site = site }

  package mutating func gauge(_ name: String, _ help: String, _ value: Int64) {
    gauge(name, help, [([], "\(value)")])
  }

  package mutating func gauge(
    _ name: String, _ help: String, _ samples: [(labels: [(String, String)], value: String)]
  ) {
    write(name, help, type: "gauge", samples)
  }

  package mutating func counter(
    _ name: String, _ help: String, _ samples: [(labels: [(String, String)], value: String)]
  ) {
    write(name, help, type: "counter", samples)
  }

  private mutating func write(
    _ name: String, _ help: String, type: String,
    _ samples: [(labels: [(String, String)], value: String)]
  ) {
    if samples.isEmpty { return }
    text += "# HELP usher_\(name) \(help)\n# TYPE usher_\(name) \(type)\n"
    for sample in samples {
      let labels = ([("site", site)] + sample.labels).map { "\($0)=\"\(Self.escaped($1))\"" }
      text += "usher_\(name){\(labels.joined(separator: ","))} \(sample.value)\n"
    }
  }

  private static func escaped(_ value: String) -> String {
    value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }

  fileprivate mutating func write(_ plan: Plan) {
    let summary = plan.summary
    gauge(
      "entries_read", "Entries of the directory that the last sync saw.",
      [
        ([("kind", "person")], "\(plan.basis.peopleRead)"),
        ([("kind", "group")], "\(plan.basis.groupsRead)"),
      ])
    gauge(
      "planned_changes", "Changes of the last plan.",
      ChangeKind.allCases.map { ([("kind", $0.rawValue)], "\(summary[$0] ?? 0)") })
    gauge("held_people", "People who are held.", Int64(plan.holds.count))
    gauge("leaving_accounts", "Accounts of leavers in their grace.", Int64(plan.leaving.count))
    let seats = plan.seats.sorted { $0.key < $1.key }
    gauge(
      "seats_taken", "Seats that are taken after the last plan.",
      seats.map { ([("product", $0.key)], "\($0.value.after)") })
    gauge(
      "seats_ceiling", "Seats that there are; products without a ceiling are left out.",
      seats.compactMap { product, seats in
        seats.ceiling.map { ([("product", product)], "\($0)") }
      })
    gauge(
      "seats_waited_for", "People who wait for a seat.",
      seats.map { ([("product", $0.key)], "\($0.value.waiting.count)") })
  }
}
