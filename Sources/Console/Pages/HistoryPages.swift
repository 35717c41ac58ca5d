import Diagnostics
import Hummingbird
import Ports
import SiteModel
import SyncEngine
import Views

extension ConsoleSite {
  func addPages(to router: Router<Visit>) throws {
    get(router, "/", handler: overview)
    get(router, "/preview", handler: preview)
    post(router, "/preview", .operator, beginPreview)
    post(router, "/approvals", .approver, for: .approval, approve)
    get(router, "/plans/{hash}", handler: plan)
    post(router, "/plans/{hash}/apply", .operator, for: .approval, apply)
    get(router, "/holds", handler: holds)
    get(router, "/users", handler: users)
    get(router, "/users/{id}", handler: account)
    get(router, "/customers", handler: customers)
    get(router, "/unassigned", handler: unassigned)
    post(router, "/orders", .operator, order)
    get(router, "/pins", handler: pins)
    post(router, "/pins", .operator, setPin)
    post(router, "/pins/{id}/remove", .operator, removePin)
    get(router, "/mapping", handler: mapping)
    post(router, "/mapping", .operator, tryMapping)
    get(router, "/runs", handler: runs)
    get(router, "/runs/{run}", handler: run)
    post(router, "/runs/{run}/undo", .approver, for: .approval, undo)
    post(router, "/sync", .operator) { _ in
      house.syncNow()
      return .seeOther("/", notice: "A sync begins.")
    }
  }

  private func get(
    _ router: Router<Visit>, _ path: String, handler: @escaping @Sendable (Asked) throws -> Answer
  ) {
    get(router, path, .viewer, handler)
  }

  // MARK: Runs

  private static let runsOnPage = 60
  private static let entriesOnPage = 500

  func runs(_ asked: Asked) throws -> Answer {
    try house.reading { office in
      let runs = try office.store.runs(last: Self.runsOnPage)
      return try page(
        "runs", title: "Runs", at: "/runs", asked,
        ["runs": runs.map(row), "chart": chart(runs), "has_chart": runs.count > 1])
    }
  }

  /// One bar a run, the latest at the right; heights by the square root, so that small runs show beside large ones.
  private func chart(_ runs: [JournaledRun]) -> [[String: Any]] {
    let most = Double(max(1, runs.map(\.changes).max() ?? 1)).squareRoot()
    return runs.reversed().enumerated().map { place, run in
      let height = run.changes == 0 ? 1 : max(2, Int(Double(run.changes).squareRoot() / most * 96))
      return [
        "x": "\(place * 10)", "y": "\(100 - height)", "height": "\(height)", "run": "\(run.id)",
        "label":
          "Run \(run.id), \(Moment(seconds: run.startedAt).human): \(run.changes.of("change", "changes"))",
      ]
    }
  }

  func run(_ asked: Asked) throws -> Answer {
    try house.reading { office in
      guard let id = Int64(asked.part("run")), let run = try office.store.run(id) else {
        throw Problem(404, "there is no run \(asked.part("run").shown)")
      }
      var entries: [JournalEntry] = []
      var byKind: [ChangeKind: Int] = [:]
      try office.store.entries(of: id) { entry in
        byKind[entry.kind, default: 0] += 1
        if entries.count < Self.entriesOnPage { entries.append(entry) }
      }
      let accounts = try office.store.accounts(ids: Array(Set(entries.map(\.account))))
      let emails = Dictionary(uniqueKeysWithValues: accounts.map { ($0.id, $0.email) })
      var values = row(run)
      values["generation"] = "\(run.generation)"
      values["plan_hash"] = run.planHash
      values["link"] = run.link
      values["undoes"] = section(run.undoes.map { "\($0)" })
      values["may_undo"] = run.undoneBy == nil && run.changes > 0
      values["kinds"] = ChangeKind.allCases.compactMap { kind in
        byKind[kind].map { ["kind": kind.rawValue, "count": $0.grouped, "tone": Self.tone(kind)] }
      }
      values["entries"] = entries.map { entry -> [String: Any] in
        [
          "account": "\(entry.account)",
          "email": (emails[entry.account] ?? "account \(entry.account)").shown,
          "text": EntryText.text(entry), "tone": Self.tone(entry.kind),
        ]
      }
      values["more"] =
        run.changes > entries.count ? (run.changes - entries.count).grouped : false
      return try page("run", title: "Run \(id)", at: "/runs", asked, values)
    }
  }

  func undo(_ asked: Asked) throws -> Answer {
    guard let run = Int64(asked.part("run")) else { throw Problem(404, "there is no such run") }
    return .seeOther("/plans/\(try work.undo(run, by: asked.visitor).hash)")
  }

  // MARK: Mappings

  func mapping(_ asked: Asked) throws -> Answer {
    let name = asked.query["directory"] ?? house.configuration.directories[0].name
    return try page(
      "mapping", title: "Mapping", at: "/mapping", asked,
      values(of: try house.mapping(of: name, text: nil)))
  }

  /// Shows a changed text with its faults, or what it would do; nothing is kept of it.
  func tryMapping(_ asked: Asked) throws -> Answer {
    let name = asked.form["directory"] ?? house.configuration.directories[0].name
    let text = (asked.form.all("text").first ?? "").replacing("\r\n", with: "\n")
    let sheet = try house.mapping(of: name, text: text)
    var values = values(of: sheet)
    values["is_trial"] = true
    if !sheet.diagnostics.contains(where: { $0.severity == .error }) {
      do {
        values["effect"] = try house.tryMapping(of: name, text: text)
      } catch let problem as Problem where problem.status == 409 {
        // The page keeps the text that was typed.
        values["effect"] = problem.remedy.map { "\(problem.message).\n\($0)." } ?? problem.message
      }
    }
    return try page("mapping", title: "Mapping", at: "/mapping", asked, values)
  }

  private func values(of sheet: MappingSheet) -> [String: Any] {
    let lines = sheet.text.split(separator: "\n", omittingEmptySubsequences: false)
    let all = house.configuration.directories
    // Files that the mapping extends have diagnostics, too; those stand above the text.
    let (here, elsewhere) = sheet.diagnostics.reduce(into: ([Int: [Diagnostic]](), [Diagnostic]()))
    {
      if $1.position.file == sheet.path {
        $0.0[$1.position.line, default: []].append($1)
      } else {
        $0.1.append($1)
      }
    }
    return [
      "directory": sheet.directory.shown, "path": sheet.path.shown, "text": sheet.text,
      "directories": all.count > 1
        ? all.map { ["name": $0.name.shown, "is_chosen": $0.name == sheet.directory] } : [],
      "has_directories": all.count > 1,
      "has_faults": !sheet.diagnostics.isEmpty,
      "fault_count": sheet.diagnostics.count.of("finding", "findings"),
      "elsewhere": elsewhere.map { DiagnosticText.text(of: $0, style: .plain) },
      "lines": lines.enumerated().map { number, line -> [String: Any] in
        [
          "number": "\(number + 1)", "text": String(line).shown,
          "findings": (here[number + 1] ?? []).map { finding -> [String: Any] in
            [
              "is_error": finding.severity == .error, "severity": finding.severity.rawValue,
              "message": finding.message.shown, "hint": (finding.hint ?? "").shown,
              "has_hint": finding.hint != nil, "column": "\(finding.position.column)",
            ]
          },
        ]
      },
      "people": section(sheet.people.map { $0.of("person", "people") }),
      "rules": sheet.rules.map { rule -> [String: Any] in
        [
          "rule": rule.reference.place.shown, "line": "\(rule.reference.line)",
          "matches": rule.matches.map(\.grouped) ?? "–",
          "decides": rule.decides.map(\.grouped) ?? "–",
          "note": rule.matches == 0
            ? "matches nobody" : rule.decides == 0 ? "other rules give it all" : "",
        ]
      },
    ]
  }
}
