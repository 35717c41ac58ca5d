import Foundation
import Mustache
import SiteModel
import Views

/// Turns values into HTML by the templates, which escape whatever they show.
struct Renderer: Sendable {
  private static let library: Result<MustacheLibrary, any Error> = Result {
    var library = MustacheLibrary()
    for (name, bytes) in [
      ("account", PackageResources.account_mustache),
      ("approvals", PackageResources.approvals_mustache),
      ("hold", PackageResources.hold_mustache), ("holds", PackageResources.holds_mustache),
      ("layout", PackageResources.layout_mustache), ("lost", PackageResources.lost_mustache),
      ("leaving", PackageResources.leaving_mustache),
      ("pin-fields", PackageResources.pin_fields_mustache),
      ("mapping", PackageResources.mapping_mustache),
      ("overview", PackageResources.overview_mustache), ("pins", PackageResources.pins_mustache),
      ("plan", PackageResources.plan_mustache), ("preview", PackageResources.preview_mustache),
      ("problem", PackageResources.problem_mustache), ("run", PackageResources.run_mustache),
      ("runs", PackageResources.runs_mustache),
      ("runs-table", PackageResources.runs_table_mustache),
      ("sign-in", PackageResources.sign_in_mustache),
      ("users", PackageResources.users_mustache),
    ] {
      try library.register(String(decoding: bytes, as: UTF8.self), named: name)
    }
    return library
  }

  /// - Parameter values: by the names in the template: texts, numbers, flags, and lists of the same.
  static func html(_ template: String, _ values: [String: Any]) throws -> String {
    try library.get().render(values, withTemplate: template)
      ?? { throw Problem(500, "there is no template \(template)") }()
  }
}

extension ConsoleSite {
  private static let pages = [
    ("Overview", "/"), ("Preview", "/preview"), ("Holds", "/holds"), ("Users", "/users"),
    ("Portal only customers", "/customers"), ("Unassigned", "/unassigned"), ("Pins", "/pins"),
    ("Mapping", "/mapping"), ("Runs", "/runs"),
  ]

  /// A page with what all have in common.
  func html(
    _ template: String, title: String, at place: String, for visitor: Visitor,
    notice: String? = nil, _ values: [String: Any]
  ) throws -> String {
    var all = values
    all["title"] = title
    all["site"] = house.configuration.site.name.shown
    all["visitor"] = visitor.name.shown
    all["role"] = visitor.role.rawValue
    all["form_token"] = visitor.formToken
    all["is_operator"] = visitor.role >= .operator
    all["is_approver"] = visitor.role >= .approver
    all["notice"] = section(notice)
    all["pages"] = Self.pages.map { name, path -> [String: Any] in
      ["name": name, "href": path, "is_current": path == place]
    }
    return try Renderer.html(template, all)
  }

  func page(
    _ template: String, title: String, at place: String, _ asked: Asked, _ values: [String: Any]
  ) throws -> Answer {
    .page(
      try html(
        template, title: title, at: place, for: asked.visitor, notice: asked.notice, values))
  }

  func signInPage(to place: String?, problem: Problem?) throws -> String {
    let values: [String: Any] = [
      "site": house.configuration.site.name.shown, "to": place ?? "",
      "has_token": gate.hasFirstRunToken, "has_directory": !gate.hasFirstRunToken,
      "problem": section(problem.map { $0.values }),
    ]
    return try Renderer.html("sign-in", values)
  }
}

extension Problem {
  var values: [String: Any] {
    ["message": message.shown, "remedy": (remedy ?? "").shown, "has_remedy": remedy != nil]
  }
}

/// What stands there instead of a page.
struct ProblemPage {
  private let problem: Problem

  init(_ problem: Problem) { self.problem = problem }

  func html(in site: ConsoleSite, for visitor: Visitor) throws -> String {
    try site.html(
      "problem", title: "That did not work", at: "", for: visitor, problem.values)
  }
}

/// Moments as people read them.
struct Moment {
  let seconds: Int64

  var values: [String: Any] { ["machine": timeText(seconds), "human": human] }

  /// 2026-11-25 14:42 UTC.
  var human: String {
    timeText(seconds).prefix(16).replacing("T", with: " ") + " UTC"
  }

  /// "3 minutes".
  static func length(_ seconds: Int64) -> String {
    let seconds = max(0, Int(seconds))
    return switch seconds {
    case ..<60: seconds.of("second", "seconds")
    case ..<3600: (seconds / 60).of("minute", "minutes")
    case ..<172_800: (seconds / 3600).of("hour", "hours")
    default: (seconds / 86_400).of("day", "days")
    }
  }
}

/// A value that may be missing, so that a section of a template asks no one else for it.
func section(_ value: Any?) -> Any { value ?? false }
