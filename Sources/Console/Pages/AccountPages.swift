import Foundation
import Ports
import Reconciliation
import Settings
import SiteModel
import SyncEngine
import Views

extension ConsoleSite {
  private static let accountsOnPage = 50
  private static let historyOnPage = 50

  // MARK: Lists

  func users(_ asked: Asked) throws -> Answer {
    var filter = AccountFilter()
    filter.text = asked.query["q"]
    filter.license = asked.query["license"]
    filter.group = asked.query["group"]
    filter.kind = asked.query["kind"]
    filter.isActive = asked.query["state"].map { $0 == "active" }
    return try accounts(
      asked, filter, title: "Users", at: "/users",
      more: ["is_users": true, "license": filter.license ?? "", "group": filter.group ?? ""])
  }

  func customers(_ asked: Asked) throws -> Answer {
    var filter = AccountFilter()
    filter.text = asked.query["q"]
    filter.kind = "portal-only"
    return try accounts(
      asked, filter, title: "Portal only customers", at: "/customers",
      more: ["is_customers": true])
  }

  func unassigned(_ asked: Asked) throws -> Answer {
    var filter = AccountFilter()
    filter.text = asked.query["q"]
    filter.isUnassigned = true
    return try accounts(
      asked, filter, title: "Unassigned", at: "/unassigned", more: ["is_unassigned": true])
  }

  private func accounts(
    _ asked: Asked, _ filter: AccountFilter, title: String, at place: String, more: [String: Any]
  ) throws -> Answer {
    try house.reading { office in
      let site = try office.desk.site()
      let found = try office.store.accounts(
        filter, after: asked.query["after"], count: Self.accountsOnPage)
      var values = more
      values["place"] = place
      values["q"] = asked.query["q"] ?? ""
      values["total"] = found.total.of("account", "accounts")
      values["is_before"] = site.transition == .before
      values["is_after"] = site.transition == .after
      values["products"] = options(site.policy.ceilings.keys.sorted(), asked.query["license"])
      values["kinds"] = options(
        site.transition == .before ? ["site-user", "portal-only"] : ["atlassian", "portal-only"],
        asked.query["kind"])
      values["states"] = options(["active", "deactivated"], asked.query["state"])
      values["accounts"] = found.accounts.map { row($0, site.transition) }
      if let next = found.next {
        let kept = ["q", "license", "group", "kind", "state"].compactMap { name in
          asked.query[name].map { "\(name)=\($0.percentEncoded)" }
        }
        values["next"] =
          "\(place)?" + (kept + ["after=\(next.percentEncoded)"]).joined(separator: "&")
      }
      return try page("users", title: title, at: place, asked, values)
    }
  }

  private func options(_ names: [String], _ chosen: String?) -> [[String: Any]] {
    names.map { ["name": $0.shown, "is_chosen": $0 == chosen] }
  }

  private func row(_ account: Account, _ transition: Site.Transition) -> [String: Any] {
    let held = account.holdings.filter { !$0.isSuspended }.map(\.right)
    func names(_ kind: Right.Kind) -> String {
      held.filter { $0.kind == kind }.map(\.name).joined(separator: ", ").shown
    }
    return [
      "id": "\(account.id)", "email": account.email.shown, "name": account.name.shown,
      "kind": account.kindName(transition), "is_active": account.isActive,
      "licenses": names(.license), "groups": names(.group),
    ]
  }

  // MARK: One account

  func account(_ asked: Asked) throws -> Answer {
    try house.reading { office in
      let account = try office.store.accounts([asked.part("id")])[0]
      let profile = try self.profile(account, office)
      let site = try office.desk.site()
      let visitor = asked.visitor
      var values: [String: Any] = [
        "id": "\(account.id)", "email": account.email.shown, "name": account.name.shown,
        "kind": account.kindName(site.transition), "is_active": account.isActive,
        "is_before": site.transition == .before,
        "is_marked": account.isPortalOnly, "marked_by": account.mark.text.shown,
        "may_convert": site.transition == .after && account.isPortalOnly && account.isActive,
        "facts": [
          ("Account", "\(account.id)"), ("State", profile.state), ("Sign-in", profile.signIn),
          ("Email verified", account.isEmailVerified ? "yes" : "no"),
          ("Username", account.username ?? "none"), ("Knowledge base", profile.knowledgeBase),
          ("Directory", profile.directory),
        ].map { ["label": $0, "value": $1.shown] },
        "entries": profile.entries.map(\.shown),
        "access": access(account, site),
        "groups": account.holdings.filter { $0.right.kind == .group }.map { held($0) },
        "waiting": profile.waiting.map(\.shown), "holds": profile.holds.map { hold($0, visitor) },
        "pins": profile.pins.map { pin($0, email: account.email, office.now) },
        "products": options(site.policy.ceilings.keys.sorted(), nil),
        "history": profile.history.prefix(Self.historyOnPage).map { run, entry -> [String: Any] in
          [
            "run": "\(run.id)", "started": Moment(seconds: run.startedAt).values,
            "command": run.command.shown, "user": run.user.shown, "text": EntryText.text(entry),
          ]
        },
        "tomorrow": timeText(office.now + 30 * 86_400).prefix(10),
      ]
      do {
        let explanation = try house.explain(account.email)
        values["why"] = ExplanationText.text(
          of: explanation, transition: site.transition, style: .plain)
      } catch { values["why"] = problem(error).message.shown }
      return try page("account", title: account.name.shown, at: "/users", asked, values)
    }
  }

  /// R4: the products that somebody may use, whoever gives them.
  private func access(_ account: Account, _ site: Site) -> [[String: Any]] {
    let held = account.holdings.filter { $0.right.kind == .license }
    let products = Set(site.policy.ceilings.keys).union(held.map(\.right.name)).sorted()
    return products.map { product in
      let holding = held.first { $0.right.name == product }
      return [
        "right": "license=\(product)", "name": product.shown, "is_held": holding != nil,
        "givers": holding.map { $0.givers.text.shown } ?? "",
        "is_suspended": holding?.isSuspended ?? false,
        "is_by_rule": holding?.givers.rule != nil,
      ]
    }
  }

  private func held(_ holding: Holding) -> [String: Any] {
    [
      "right": "group=\(holding.right.name)", "name": holding.right.name.shown,
      "givers": holding.givers.text.shown, "is_suspended": holding.isSuspended,
      "is_by_rule": holding.givers.rule != nil,
    ]
  }

  func pin(_ pin: Pin, email: String, _ now: Int64) -> [String: Any] {
    [
      "id": "\(pin.id)", "account": "\(pin.account)", "email": email.shown, "text": pin.text.shown,
      "until": Moment(seconds: pin.until).human, "by": pin.by.shown, "reason": pin.reason.shown,
      "has_ended": !pin.holds(at: now),
    ]
  }

  func profile(_ account: Account, _ office: Office) throws -> Profile {
    let store = office.store
    var history: [(run: JournaledRun, entry: JournalEntry)] = []
    try store.history(ofAccount: account.id) { history.append(($0, $1)) }
    let questions = try store.openQuestions()
    let site = house.configuration.site
    return Profile(
      account: account, transition: try store.transition(), rootURL: site.rootURL,
      portalURL: site.portalURL,
      pins: try store.pins().map(\.pin).filter { $0.account == account.id },
      holds: questions.holds.filter { $0.account == account.id },
      leaving: questions.leaving.first { $0.account == account.id },
      entries: try house.entries(of: account),
      waiting: questions.waiting.filter { account.person.map($0.value.contains) ?? false }.keys
        .sorted(), history: history)
  }

  // MARK: Orders

  /// An order as a plan, to be looked at before it is carried out.
  func order(_ asked: Asked) throws -> Answer {
    let form = asked.form
    // A box that is not ticked is not sent; what stands for it then comes before it.
    let name = form.all("order").last ?? ""
    let catalogue = Set(house.configuration.site.licenses.keys)
    var rights = form.all("right")
    if let group = form["group"] { rights.append("group=\(group)") }
    var link: (Int64, String)?
    if let person = form["directory_id"] {
      let account = try house.reading { try $0.store.accounts([form["who"] ?? ""])[0] }
      link = (account.id, person.lowercased())
    }
    let order = try Handwork.Order(name, rights: rights, catalogue: catalogue, link: link)
    let who: Work.Who = form["all"] == nil ? .named(form.all("who")) : .all
    if case .named(let names) = who, names.isEmpty { throw Problem(422, "no account was named") }
    let plan = try work.order(order, on: who, by: asked.visitor)
    return .seeOther("/plans/\(plan.hash)")
  }

  // MARK: Holds

  func holds(_ asked: Asked) throws -> Answer {
    try house.reading { office in
      let questions = try office.store.openQuestions()
      let text = asked.query["q"].map(emailKey)
      let holds = questions.holds.filter { hold in
        guard let text else { return true }
        return [hold.email, hold.name, hold.person].contains {
          $0.map { emailKey($0).contains(text) } ?? false
        }
      }
      let from = asked.from
      var values: [String: Any] = [
        "q": asked.query["q"] ?? "", "total": holds.count.of("person is", "people are"),
        "holds": holds.dropFirst(from).prefix(Self.accountsOnPage).map { hold($0, asked.visitor) },
        "leaving": questions.leaving.prefix(200).map(leaving),
        "leaving_count": questions.leaving.count.grouped,
        "waiting": try waiting(questions, office),
        "approvals": try office.desk.waiting(now: office.now).map(held),
      ]
      if from + Self.accountsOnPage < holds.count {
        values["next"] =
          "/holds?q=\((asked.query["q"] ?? "").percentEncoded)&from=\(from + Self.accountsOnPage)"
      }
      return try page("holds", title: "Holds", at: "/holds", asked, values)
    }
  }

  private func waiting(_ questions: OpenQuestions, _ office: Office) throws -> [[String: Any]] {
    let people = Set(questions.waiting.values.flatMap(\.self))
    let accounts = try office.store.accounts(ofPeople: people.sorted(), emails: [])
    let byPerson = Dictionary(
      accounts.map { ($0.person ?? "", $0) }, uniquingKeysWith: { first, _ in first })
    return questions.waiting.sorted { $0.key < $1.key }.map { product, people in
      [
        "product": product.shown, "count": people.count.of("person waits", "people wait"),
        "people": people.prefix(Self.accountsOnPage).map { person -> [String: Any] in
          let account = byPerson[person]
          return [
            "name": (account?.name ?? person).shown, "email": (account?.email ?? "").shown,
            "account": section(account.map { "\($0.id)" }),
          ]
        },
      ]
    }
  }

  /// A hold with the buttons that resolve it.
  func hold(_ hold: Hold, _ visitor: Visitor) -> [String: Any] {
    [
      "name": (hold.name ?? hold.email ?? hold.person).shown, "email": (hold.email ?? "").shown,
      "person": hold.person.shown, "account": section(hold.account.map { "\($0)" }),
      "doubts": hold.doubts.map { doubt -> [String: Any] in
        let orders = visitor.role >= .operator ? doubt.orders ?? [] : []
        return [
          "reason": doubt.reason.shown, "remedy": doubt.remedy.shown,
          "orders": orders.map { order -> [String: Any] in
            [
              "order": order.command, "who": order.who, "label": order.label.shown,
              "right": section(order.right),
              "directory_id": section(order.person),
            ]
          },
        ]
      },
    ]
  }

  // MARK: Pins

  func pins(_ asked: Asked) throws -> Answer {
    try house.reading { office in
      let pins = try office.store.pins().map { pin($0.pin, email: $0.email, office.now) }
      return try page(
        "pins", title: "Pins", at: "/pins", asked,
        ["pins": pins, "tomorrow": timeText(office.now + 30 * 86_400).prefix(10)])
    }
  }

  func setPin(_ asked: Asked) throws -> Answer {
    let form = asked.form
    var text = form["kind"] ?? ""
    if text == "keep" { text += " \(form["right"] ?? "")" }
    guard let kind = Pin.Kind(text: text) else {
      throw Problem(422, "choose what the pin says; a right to keep is license=… or group=…")
    }
    try work.pin(
      form["who"] ?? "", kind, until: form["until"] ?? "", reason: form["reason"] ?? "",
      by: asked.visitor)
    return .seeOther(Self.back(form), notice: "The pin is set.")
  }

  func removePin(_ asked: Asked) throws -> Answer {
    guard let id = Int64(asked.part("id")) else { throw Problem(404, "there is no such pin") }
    try work.removePin(id, by: asked.visitor)
    return .seeOther(Self.back(asked.form), notice: "The pin is gone.")
  }

  private static func back(_ form: Fields) -> String {
    form["account"].flatMap { Int64($0) }.map { "/users/\($0)" } ?? "/pins"
  }
}
