import Ports
import Settings
import SiteModel
import SyncEngine
import Views

extension ConsoleSite {
  private static let peopleOnPage = 50

  // MARK: The preview of the next sync

  func preview(_ asked: Asked) throws -> Answer {
    var values: [String: Any] = [:]
    var waits = false
    switch work.pending.preview(now: house.now) {
    case .none: values["is_none"] = true
    case .underWay(let since, let by):
      values["under_way"] = ["since": Moment(seconds: since).human, "by": by.shown]
      waits = true
    case .failed(let problem): values["failed"] = problem.values
    case .ready(let hash): return .seeOther("/plans/\(hash)")
    }
    if (try? house.reading({ values["approvals"] = try $0.desk.waiting(now: $0.now).map(held) }))
      == nil
    {
      values["approvals"] = [] as [Any]
    }
    let text = try html(
      "preview", title: "Preview", at: "/preview", for: asked.visitor, notice: asked.notice, values)
    return waits ? .waiting(text, seconds: 2) : .page(text)
  }

  func beginPreview(_ asked: Asked) throws -> Answer {
    try work.beginPreview(by: asked.visitor)
    return .seeOther("/preview")
  }

  // MARK: One plan

  func plan(_ asked: Asked) throws -> Answer {
    let hash = asked.part("hash")
    guard let kept = work.pending.plan(hash, now: house.now) else {
      throw Problem(404, "there is no such plan any more", remedy: "make a new preview")
    }
    var isStale = false
    var approvals: [[String: Any]] = []
    try house.reading { office in
      isStale = kept.isStale(try office.desk.site())
      if kept.isPreview { approvals = try office.desk.waiting(now: office.now).map(held) }
    }
    let plan = kept.plan
    let isPreview = kept.isPreview
    let people = PeopleOfPlan(plan, asked.query)
    let from = asked.from
    let shown = people.subjects.dropFirst(from).prefix(Self.peopleOnPage)
    let mayApply = asked.visitor.role >= (kept.takesApprover ? .approver : .operator)
    let needsTwo = kept.takesApprover && house.configuration.console.needsSecondApprover
    var values: [String: Any] = [
      "hash": hash, "short_hash": String(hash.prefix(12)), "is_stale": isStale,
      "is_empty": plan.isEmpty, "is_preview": isPreview, "by": kept.by.name.shown,
      "made_at": Moment(seconds: kept.madeAt).values,
      "notes": (kept.notes + plan.warnings).map(\.shown),
      "people_read": plan.basis.peopleRead.grouped, "groups_read": plan.basis.groupsRead.grouped,
      "generation": "\(plan.basis.generation)", "count": plan.rows.count.of("change", "changes"),
      "may_apply": mayApply && !isStale && !plan.isEmpty, "needs_role": !mayApply && !plan.isEmpty,
      "first_approver": section(kept.firstApprover?.name.shown),
      "waits_for_second": needsTwo && kept.firstApprover == nil,
      "is_own_second": kept.firstApprover?.identity == asked.visitor.identity,
      "approvals": approvals, "kinds": people.kinds, "rules": people.rules,
      "q": asked.query["q"] ?? "", "kind": asked.query["kind"] ?? "",
      "rule": asked.query["rule"] ?? "",
      "is_filtered": people.isFiltered, "found": people.subjects.count.of("account", "accounts"),
      "people": shown.map { person($0, people) },
      "holds": plan.holds.prefix(Self.peopleOnPage).map { hold($0, asked.visitor) },
      "hold_count": plan.holds.count.grouped,
      "has_more_holds": plan.holds.count > Self.peopleOnPage,
      "leaving": plan.leaving.prefix(Self.peopleOnPage).map(leaving),
      "leaving_count": plan.leaving.count.grouped,
      "seats": forecast(plan),
    ]
    if from > 0 { values["before"] = people.link(from: max(0, from - Self.peopleOnPage), hash) }
    if from + Self.peopleOnPage < people.subjects.count {
      values["after"] = people.link(from: from + Self.peopleOnPage, hash)
    }
    let title = isPreview ? "Preview" : "Plan: \(kept.command)"
    return try page("plan", title: title, at: isPreview ? "/preview" : "", asked, values)
  }

  private func person(_ subject: Int, _ people: PeopleOfPlan) -> [String: Any] {
    let who = people.plan.subjects[subject]
    return [
      "name": who.name.shown, "email": who.email.shown,
      "account": section(who.account.map { "\($0)" }), "is_new": who.account == nil,
      "changes": (people.rows[subject] ?? []).map { index -> [String: Any] in
        let change = people.plan.change(at: index)
        return [
          "kind": change.kind.rawValue, "value": change.valueText.shown,
          "because": change.because.shown, "tone": Self.tone(change.kind),
        ]
      },
    ]
  }

  static func tone(_ kind: ChangeKind) -> String {
    switch kind {
    case .createAccount, .grantLicense, .joinGroup, .reactivateAccount, .linkAccount: "gives"
    case .revokeLicense, .leaveGroup, .deactivateAccount: "takes"
    default: "alters"
    }
  }

  func leaving(_ leaving: Leaving) -> [String: Any] {
    [
      "name": leaving.name.shown, "email": leaving.email.shown, "account": "\(leaving.account)",
      "due": Moment(seconds: leaving.due).human,
      "moved_to": section(leaving.movedTo?.shown), "directory": section(leaving.directory?.shown),
    ]
  }

  private func forecast(_ plan: Plan) -> [[String: Any]] {
    plan.seats.sorted { $0.key < $1.key }.map { product, seats in
      [
        "product": product.shown, "now": seats.now.grouped, "after": seats.after.grouped,
        "ceiling": seats.ceiling.map(\.grouped) ?? "unlimited",
        "waiting": seats.waiting.isEmpty
          ? "" : seats.waiting.count.of("person waits", "people wait"),
      ]
    }
  }

  func apply(_ asked: Asked) throws -> Answer {
    let hash = asked.part("hash")
    switch try work.apply(hash, by: asked.visitor) {
    case .waiting:
      return .seeOther(
        "/plans/\(hash)", notice: "Approved. It is applied once a second approver says yes, too.")
    case .run(let run, let changes):
      return .seeOther(
        "/runs/\(run)", notice: "Applied: \(changes.of("change", "changes")), run \(run).")
    }
  }

  func approve(_ asked: Asked) throws -> Answer {
    switch try work.approve(asked.form["hash"] ?? "", by: asked.visitor) {
    case .waiting:
      return .seeOther("/preview", notice: "Approved, and waiting for a second approver.")
    case .run:
      return .seeOther(
        "/preview",
        notice:
          "Approved for 24 hours. The next sync plans anew and lets it pass; a new preview shows it."
      )
    }
  }
}

/// Whom a plan is about, as the visitor narrows it down.
struct PeopleOfPlan {
  let plan: Plan
  /// By number, in the order of emails.
  private(set) var subjects: [Int] = []
  /// By subject the numbers of their changes.
  private(set) var rows: [Int: [Int]] = [:]
  private(set) var kinds: [[String: Any]] = []
  private(set) var rules: [[String: Any]] = []
  let isFiltered: Bool
  private let query: Fields

  init(_ plan: Plan, _ query: Fields) {
    self.plan = plan
    self.query = query
    let text = query["q"].map(emailKey)
    let kind = query["kind"].flatMap(ChangeKind.init(rawValue:))
    let rule = query["rule"].flatMap { Int32($0) }
    isFiltered = text != nil || kind != nil || rule != nil
    var byKind: [ChangeKind: Int] = [:]
    var byRule: [Int32: Int] = [:]
    for (index, row) in plan.rows.enumerated() {
      let own = plan.kind(at: index)
      byKind[own, default: 0] += 1
      byRule[plan.ruleNumber(row), default: 0] += 1
      if let kind, own != kind { continue }
      if let rule, plan.ruleNumber(row) != rule { continue }
      rows[plan.subject(row), default: []].append(index)
    }
    subjects = rows.keys.filter { subject in
      guard let text else { return true }
      return emailKey(plan.subjects.email(subject)).contains(text)
        || emailKey(plan.subjects.name(subject)).contains(text)
    }
    let keys = Dictionary(
      uniqueKeysWithValues: subjects.map { ($0, emailKey(plan.subjects.email($0))) })
    subjects.sort { keys[$0] ?? "" < keys[$1] ?? "" }
    let chosen = (kind, rule)
    kinds = ChangeKind.allCases.compactMap { kind in
      byKind[kind].map {
        [
          "kind": kind.rawValue, "count": $0.grouped, "tone": ConsoleSite.tone(kind),
          "is_chosen": chosen.0 == kind,
        ]
      }
    }
    rules = byRule.sorted { $0.key < $1.key }.map { number, count in
      [
        "number": "\(number)", "count": count.grouped, "is_chosen": chosen.1 == number,
        "rule": number < 0 ? "no rule" : plan.rules[Int(number)].place.shown,
      ]
    }
  }

  func link(from: Int, _ hash: String) -> String {
    let kept = ["q", "kind", "rule"].compactMap { name in
      query[name].map { "\(name)=\($0.percentEncoded)" }
    }
    return "/plans/\(hash)?" + (kept + ["from=\(from)"]).joined(separator: "&") + "#people"
  }
}
