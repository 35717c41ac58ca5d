import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Ports
import Reconciliation
import Settings
import SiteModel
import SyncEngine
import Views

/// The same as the pages for programs: JSON under `/api/v1`, as `openapi.json` describes it.
extension ConsoleSite {
  private static let largestBody = 1 << 20

  func addAPI(to router: Router<Visit>) throws {
    let description = String(decoding: PackageResources.openapi_json, as: UTF8.self)
    router.get("/api/v1/openapi.json") { _, _ in Answer.json(description).response() }
    api(router, .get, "site", .viewer) { _ in try .of(site()) }
    api(router, .get, "accounts", .viewer) { try .of(accounts($0)) }
    api(router, .get, "accounts/{who}", .viewer) { asked in
      try house.reading { office in
        try .of(
          AccountBody(try office.store.accounts([asked.part("who")])[0], office.store.transition()))
      }
    }
    api(router, .get, "holds", .viewer) { _ in
      try house.reading { office in
        try .of(try office.store.openQuestions().holds.map(HoldBody.init))
      }
    }
    api(router, .get, "approvals", .viewer) { _ in
      try house.reading { office in
        try .of(try office.desk.waiting(now: office.now).map { HeldBody($0, work.pending) })
      }
    }
    api(router, .post, "approvals", .approver) { asked in
      let hash = try asked.json(ApprovalOrder.self).hash
      return try .of(AppliedBody(try work.approve(hash, by: asked.visitor)))
    }
    api(router, .get, "preview", .viewer) { _ in
      try .of(PreviewBody(work.pending.preview(now: house.now)))
    }
    api(router, .post, "preview", .operator) { asked in
      try work.beginPreview(by: asked.visitor)
      return try .of(PreviewBody(work.pending.preview(now: house.now)), status: 202)
    }
    api(router, .post, "orders", .operator) { asked in
      let plan = try order(asked.json(OrderBody.self), by: asked.visitor)
      return try .of(PlanBody(plan), status: 201)
    }
    api(router, .get, "plans/{hash}", .viewer) { asked in
      guard let kept = work.pending.plan(asked.part("hash"), now: house.now) else {
        throw Problem(404, "there is no such plan any more")
      }
      return .json(try PlanJSON.text(of: kept.plan))
    }
    api(router, .post, "plans/{hash}/apply", .operator) { asked in
      try .of(AppliedBody(try work.apply(asked.part("hash"), by: asked.visitor)))
    }
    api(router, .get, "pins", .viewer) { _ in
      try house.reading { try .of(try $0.store.pins().map(PinBody.init)) }
    }
    api(router, .post, "pins", .operator) { asked in
      let body = try asked.json(PinOrder.self)
      guard let kind = Pin.Kind(text: body.pin) else {
        throw Problem(
          422, "a pin is ignore, portal-only, no-portal-only, or keep license=… or group=…")
      }
      try work.pin(body.who, kind, until: body.until, reason: body.reason, by: asked.visitor)
      return .nothing
    }
    api(router, .delete, "pins/{id}", .operator) { asked in
      guard let id = Int64(asked.part("id")) else { throw Problem(404, "there is no such pin") }
      try work.removePin(id, by: asked.visitor)
      return .nothing
    }
    api(router, .get, "runs", .viewer) { asked in
      let last = try asked.number("last", 1...1000) ?? 20
      return try house.reading { try .of(try $0.store.runs(last: last).map(RunBody.init)) }
    }
    api(router, .get, "runs/{run}", .viewer) { try .of(run(number: $0.runNumber())) }
    api(router, .post, "runs/{run}/undo", .approver) { asked in
      try .of(PlanBody(try work.undo(asked.runNumber(), by: asked.visitor)), status: 201)
    }
    api(router, .post, "sync", .operator) { _ in
      house.syncNow()
      return .json("{}", status: 202)
    }
    refuseOtherMethods(router)
  }

  /// What a path does not do is a 405 (RFC 9110 §15.5.6).
  private func refuseOtherMethods(_ router: Router<Visit>) {
    let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]
    let all = names.compactMap { HTTPRequest.Method(rawValue: $0) }
    var known: [String: [HTTPRequest.Method]] = [:]
    for route in router.routes where route.path.description.hasPrefix("/api/v1/") {
      known[route.path.description, default: []].append(route.method)
    }
    for (path, named) in known {
      let methods = named.contains(.get) ? named + [.head] : named
      let allowed = methods.map(\.rawValue).sorted().joined(separator: ", ")
      for method in all where !methods.contains(method) {
        router.on(RouterPath(path), method: method) { _, _ in
          var response = try problemBody(Problem(405, "this path takes \(allowed)"))
          response.headers[.allow] = allowed
          return response
        }
      }
    }
  }

  private func api(
    _ router: Router<Visit>, _ method: HTTPRequest.Method, _ path: String, _ role: Role,
    _ handler: @escaping Handler
  ) {
    router.on(RouterPath("/api/v1/\(path)"), method: method) { request, visit in
      do {
        let visitor = try bearer(request)
        guard visitor.role >= role else {
          throw Problem(403, "this takes the role \(role.rawValue)")
        }
        let body =
          method == .get ? ByteBuffer() : try await request.body(upTo: Self.largestBody)
        let asked = Asked(
          visitor: visitor, notice: nil,
          parts: try Dictionary(
            visit.parameters.map {
              guard let text = String($0.value).removingPercentEncoding else {
                throw Problem(400, "the path is not encoded as it should be")
              }
              return (String($0.key), text)
            }, uniquingKeysWith: { $1 }),
          query: Fields(request.uri.query ?? ""), form: .none, body: Data(buffer: body))
        return try await away { try handler(asked) }.response()
      } catch {
        return try problemBody(self.problem(error))
      }
    }
  }

  func problemBody(_ problem: Problem) throws -> Response {
    var response = try Answer.of(ProblemBody(problem), status: problem.status).response()
    response.headers[.contentType] = "application/problem+json"
    if problem.status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
    return response
  }

  // MARK: What is asked

  private func site() throws -> SiteBody {
    try house.reading { office in
      let site = try office.desk.site()
      let questions = try office.store.openQuestions()
      return SiteBody(
        name: site.name, generation: site.generation, transition: site.transition.rawValue,
        activeAccounts: site.totals.activeAccounts,
        lastSync: try office.store.lastSync().map(timeText),
        nextSync: house.service.nextSync.map(timeText),
        held: questions.holds.count, leaving: questions.leaving.count,
        seats: site.policy.ceilings.reduce(into: [:]) { seats, item in
          seats[item.key] = SiteBody.Seats(
            taken: site.seatsTaken[item.key] ?? 0, ceiling: item.value,
            waiting: questions.waiting[item.key]?.count ?? 0)
        })
    }
  }

  private func accounts(_ asked: Asked) throws -> AccountsBody {
    var filter = AccountFilter()
    filter.text = asked.query["q"]
    filter.license = asked.query["license"]
    filter.group = asked.query["group"]
    filter.kind = try asked.word("kind", ["portal-only", "site-user", "atlassian"])
    filter.isActive = try asked.word("state", ["active", "deactivated"]).map { $0 == "active" }
    filter.isUnassigned = try asked.word("unassigned", ["true", "false"]).map { $0 == "true" }
    let count = try asked.number("count", 1...1000) ?? 100
    return try house.reading { office in
      let transition = try office.store.transition()
      let found = try office.store.accounts(filter, after: asked.query["after"], count: count)
      return AccountsBody(
        accounts: found.accounts.map { AccountBody($0, transition) }, total: found.total,
        next: found.next)
    }
  }

  private func order(_ body: OrderBody, by visitor: Visitor) throws -> PendingPlan {
    let isForAll = body.all ?? false
    let names = body.accounts ?? []
    let fits =
      switch body.order {
      case "grant", "revoke": body.rights != nil && body.directoryId == nil && body.all == nil
      case "link": body.directoryId?.isEmpty == false && body.rights == nil && names.count == 1
      case "mark", "convert": body.rights == nil && body.directoryId == nil
      default: body.rights == nil && body.directoryId == nil && body.all == nil
      }
    guard fits, isForAll ? body.accounts == nil : !names.isEmpty, body.all != false,
      !names.contains("")
    else { throw Problem(422, "this does not go together with the order \(body.order.shown)") }
    var link: (Int64, String)?
    if let person = body.directoryId {
      link = (try house.reading { try $0.store.accounts(names)[0].id }, person.lowercased())
    }
    let order = try Handwork.Order(
      body.order, rights: body.rights ?? [],
      catalogue: Set(house.configuration.site.licenses.keys), link: link)
    if isForAll, visitor.role < .approver {
      throw Problem(403, "an order for all takes an approver")
    }
    return try work.order(order, on: isForAll ? .all : .named(names), by: visitor)
  }

  private func run(number: Int64) throws -> RunChangesBody {
    try house.reading { office in
      guard let run = try office.store.run(number) else {
        throw Problem(404, "there is no run \(number)")
      }
      var changes: [EntryBody] = []
      try office.store.entries(of: number) { changes.append(EntryBody($0)) }
      return RunChangesBody(run: RunBody(run), changes: changes)
    }
  }
}

extension Answer {
  fileprivate static func of(_ body: some Encodable, status: Int = 200) throws -> Answer {
    .json(try JSONText.of(body, isPretty: false), status: status)
  }
}

extension Asked {
  fileprivate func json<Body: Known & Decodable>(_: Body.Type) throws -> Body {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let body = try? decoder.decode(Body.self, from: body),
      let keys = try? JSONSerialization.jsonObject(with: self.body) as? [String: Any]
    else { throw Problem(422, "the body is not what the API's description says") }
    if let other = keys.keys.first(where: { !Body.keys.contains($0) }) {
      throw Problem(422, "the body has a key \(other.shown), which is not known")
    }
    return body
  }

  fileprivate func number(_ name: String, _ range: ClosedRange<Int>) throws -> Int? {
    guard let text = query.all(name).first else { return nil }
    if let number = Int(text), range.contains(number) { return number }
    throw Problem(
      422, "\(name) is a whole number from \(range.lowerBound) to \(range.upperBound)")
  }

  fileprivate func word(_ name: String, _ words: [String]) throws -> String? {
    guard let text = query.all(name).first else { return nil }
    if words.contains(text) { return text }
    throw Problem(422, "\(name) is one of: \(words.joined(separator: ", "))")
  }

  fileprivate func runNumber() throws -> Int64 {
    guard let run = Int64(part("run")) else { throw Problem(404, "there is no such run") }
    return run
  }
}
