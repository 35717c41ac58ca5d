import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Settings
import Views

/// Every path of the console, who may take it, and what stands before it.
struct ConsoleSite: Sendable {
  let house: any ConsoleHouse
  let gate: Gate
  let work: Work
  private let readiness = Readiness()

  static let cookie = "__Host-usher"
  private static let largestForm = 1 << 20

  init(house: any ConsoleHouse, gate: Gate) {
    self.house = house
    self.gate = gate
    work = Work(house: house, pending: PendingPlans())
  }

  func router() throws -> Router<Visit> {
    let router = Router(context: Visit.self, options: .autoGenerateHeadEndpoints)
    router.add(middleware: SafeHeaders(isSecure: isSecure, lost: lost))
    try addAssets(to: router)
    addHealth(to: router)
    addSignIn(to: router)
    try addPages(to: router)
    try addAPI(to: router)
    return router
  }

  /// Whether visitors come over TLS, to us or to a proxy before us.
  private var isSecure: Bool {
    let console = house.configuration.console
    return console.tls != nil || console.url?.hasPrefix("https:") == true
  }

  /// What an error means, those of the web server too.
  func problem(_ error: any Error) -> Problem {
    guard let error = error as? any HTTPResponseError else { return house.problem(error) }
    return Problem(
      error.status.code,
      error.status == .contentTooLarge
        ? "this is too large" : error.status.reasonPhrase.lowercased())
  }

  // MARK: Pages

  typealias Handler = @Sendable (Asked) throws -> Answer

  /// A page for whoever is signed in with at least this role.
  func get(
    _ router: Router<Visit>, _ path: String, _ role: Role = .viewer, _ handler: @escaping Handler
  ) {
    router.get(RouterPath(path)) { request, visit in
      try await answer(request, visit, role, .reading) { visitor, session in
        Asked(
          visitor: visitor, notice: gate.sessions.takeNotice(for: session),
          parts: parts(visit), query: Fields(request.uri.query ?? ""), form: .none, body: Data())
      } handler: {
        try handler($0)
      }
    }
  }

  /// A change. It has to come from one of our own pages. Nothing is read of it before it is clear who sends it.
  func post(
    _ router: Router<Visit>, _ path: String, _ role: Role, for purpose: Purpose = .change,
    _ handler: @escaping Handler
  ) {
    router.post(RouterPath(path)) { request, visit in
      try await answer(request, visit, role, purpose) { visitor, _ in
        let stranger = Problem(
          403, "this form is from elsewhere, or too old: load the page again")
        guard isOwn(request) else { throw stranger }
        let form = Fields(String(buffer: try await request.body(upTo: Self.largestForm)))
        guard Secret.areEqual(form["form_token"] ?? "", visitor.formToken) else { throw stranger }
        return Asked(
          visitor: visitor, notice: nil, parts: parts(visit),
          query: Fields(request.uri.query ?? ""), form: form, body: Data())
      } handler: {
        try handler($0)
      }
    }
  }

  /// - Parameter asking: makes of the visitor and the session what is asked.
  private func answer(
    _ request: Request, _ visit: Visit, _ role: Role, _ purpose: Purpose,
    asking: (Visitor, String) async throws -> Asked,
    handler: @escaping Handler
  ) async throws -> Response {
    let session = request.cookies[Self.cookie]?.value ?? ""
    guard var visitor = gate.visitor(session: session) else { return toSignIn(request) }
    do {
      if let who = gate.isUncertain(session, for: purpose) {
        do {
          try await away(.roles) { try gate.lookAgain(for: who, session: session, purpose) }
        } catch  where purpose == .reading {}
        guard let known = gate.visitor(session: session) else { return toSignIn(request) }
        visitor = known
      }
      guard visitor.role >= role else {
        throw Problem(
          403, "this takes the role \(role.rawValue), and you are \(visitor.role.rawValue)")
      }
      let asked = try await asking(visitor, session)
      let answer = try await away { try handler(asked) }
      if case .seeOther(_, let notice?) = answer { gate.sessions.leave(notice, for: session) }
      return answer.response()
    } catch {
      let problem = self.problem(error)
      let text = try? ProblemPage(problem).html(in: self, for: visitor)
      return Answer.text(
        text ?? problem.message, type: "text/html; charset=utf-8", status: problem.status
      ).response()
    }
  }

  private func toSignIn(_ request: Request) -> Response {
    let here = request.method == .get ? request.uri.description : "/"
    let place = here == "/" ? "/sign-in" : "/sign-in?to=\(here.percentEncoded)"
    return Answer.seeOther(place).response()
  }

  /// What stands where there is nothing.
  private func lost(_ request: Request) throws -> Response {
    if request.uri.path.hasPrefix("/api/") {
      return try problemBody(Problem(404, "there is no such path"))
    }
    let session = request.cookies[Self.cookie]?.value ?? ""
    let text =
      if let visitor = gate.visitor(session: session) {
        try ProblemPage(Problem(404, "there is no such page")).html(in: self, for: visitor)
      } else {
        try Renderer.html("lost", ["site": house.configuration.site.name.shown])
      }
    return Answer.text(text, type: "text/html; charset=utf-8", status: 404).response()
  }

  private func parts(_ visit: Visit) -> [String: String] {
    Dictionary(
      visit.parameters.map { (String($0.key), String($0.value).removingPercentEncoding ?? "") },
      uniquingKeysWith: { $1 })
  }

  /// Whether a browser says that a change comes from one of our own pages.
  func isOwn(_ request: Request) -> Bool {
    let site = HTTPField.Name("Sec-Fetch-Site").flatMap { request.headers[$0] }
    if let site, site != "same-origin", site != "none" { return false }
    guard let origin = request.headers[.origin] else { return true }
    // A proxy may put its own name in the place of the host.
    if let url = house.configuration.console.url, url == origin || url.hasPrefix(origin + "/") {
      return true
    }
    let host = origin.split(separator: "/").last.map(String.init)
    return host != nil && host == request.head.authority
  }

  // MARK: Signing in

  private func addSignIn(to router: Router<Visit>) {
    router.get("/sign-in") { request, _ in
      let fields = Fields(request.uri.query ?? "")
      return Answer.page(try signInPage(to: fields["to"], problem: nil)).response()
    }
    router.post("/sign-in") { request, visit in
      let form = Fields(String(buffer: try await request.body(upTo: 10_000)))
      let name = (form["name"] ?? "").trimmingCharacters(in: .whitespaces)
      let password = form.all("password").first ?? ""
      do {
        guard isOwn(request) else { throw Problem(403, "this form is from elsewhere") }
        let address = ClientAddress(
          peer: visit.peer,
          forwarded: HTTPField.Name("X-Forwarded-For").map { request.headers[values: $0] } ?? [],
          console: house.configuration.console)
        let session = try await away(.signIns) {
          try gate.signIn(name, password: password, from: address)
        }
        var response = Answer.seeOther(Self.local(form["to"])).response()
        response.headers[.setCookie] =
          "\(Self.cookie)=\(session); Path=/; Secure; HttpOnly; SameSite=Strict"
        return response
      } catch {
        // Whoever is not signed in learns nothing of the house.
        var problem = self.problem(error)
        if !(error is Problem) {
          problem = Problem(
            503, "nobody can be let in just now: the directory cannot be asked",
            remedy: house.configuration.directories.count > 1
              ? "directory\\name asks one directory alone" : nil)
        }
        let page = try signInPage(to: form["to"], problem: problem)
        return Answer.text(page, type: "text/html; charset=utf-8", status: problem.status)
          .response()
      }
    }
    router.post("/sign-out") { request, _ in
      let form = Fields(String(buffer: try await request.body(upTo: 10_000)))
      let session = request.cookies[Self.cookie]?.value ?? ""
      if let visitor = gate.visitor(session: session),
        isOwn(request), Secret.areEqual(form["form_token"] ?? "", visitor.formToken)
      {
        gate.sessions.end(session)
      }
      var response = Answer.seeOther("/sign-in").response()
      response.headers[.setCookie] =
        "\(Self.cookie)=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"
      return response
    }
  }

  /// A path of our own, whatever a link says.
  private static func local(_ path: String?) -> String {
    guard let path, path.hasPrefix("/"), !path.hasPrefix("//"), !path.contains("\\"),
      path.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value < 0x7F })
    else { return "/" }
    return path
  }

  // MARK: What needs nobody

  private func addAssets(to router: Router<Visit>) throws {
    for (name, type, bytes) in [
      ("usher.css", "text/css; charset=utf-8", PackageResources.usher_css),
      ("usher.svg", "image/svg+xml", PackageResources.usher_svg),
    ] {
      let buffer = ByteBuffer(bytes: bytes)
      router.get(RouterPath("/assets/\(name)")) { _, _ in
        Response(
          status: .ok, headers: [.contentType: type, .cacheControl: "public, max-age=3600"],
          body: .init(byteBuffer: buffer))
      }
    }
  }

  private func addHealth(to router: Router<Visit>) {
    router.get("/healthz") { _, _ in Answer.text("ok\n", type: "text/plain").response() }
    router.get("/readyz") { _, _ in
      if let reason = house.service.unready {
        return Answer.text("not ready: \(reason)\n", type: "text/plain", status: 503).response()
      }
      if readiness.begins(now: house.now) {
        do {
          _ = try await away(.health) { try house.reading { try $0.store.transition() } }
          readiness.ends(nil, now: house.now)
        } catch {
          let problem = self.problem(error)
          if problem.status != 404 { house.warn("not ready: \(problem.message)") }
          readiness.ends(problem, now: house.now)
        }
      }
      guard let problem = readiness.problem(now: house.now) else {
        return Answer.text("ready\n", type: "text/plain").response()
      }
      // Before the first sync there is no store, and nothing is wrong.
      let isNew = problem.status == 404
      return Answer.text(
        isNew ? "ready, before the first sync\n" : "not ready\n", type: "text/plain",
        status: isNew ? 200 : 503
      ).response()
    }
    router.get("/metrics") { request, _ in
      let console = house.configuration.console
      let isNear =
        console.listens?.isLoopback == true && console.url == nil
        && HTTPField.Name("X-Forwarded-For").map { request.headers[$0] == nil } ?? false
      do {
        if !isNear { _ = try bearer(request) }
        var page = PrometheusPage(site: house.configuration.site.name)
        page.counter(
          "sign_in_failures_total", "Sign-ins to the console that failed.",
          [([], "\(gate.failedSignIns)")])
        let text = try await away(.metrics) { house.metrics } + page.text
        return Answer.text(text, type: "text/plain; version=0.0.4").response()
      } catch {
        let problem = self.problem(error)
        return Answer.text("\(problem.message)\n", type: "text/plain", status: problem.status)
          .response()
      }
    }
  }

  /// Whoever shows a bearer token.
  func bearer(_ request: Request) throws -> Visitor {
    let words = (request.headers[.authorization] ?? "").split(separator: " ")
    guard words.count == 2, words[0].lowercased() == "bearer" else {
      throw Problem(401, "this takes a token: Authorization: Bearer …")
    }
    return try gate.visitor(bearer: String(words[1]))
  }
}

/// What every answer says about itself.
private struct SafeHeaders: RouterMiddleware {
  typealias Context = Visit
  let isSecure: Bool
  /// Answers where there is nothing.
  let lost: @Sendable (Request) throws -> Response

  func handle(
    _ request: Request, context: Visit, next: (Request, Visit) async throws -> Response
  ) async throws -> Response {
    var response: Response
    do {
      response = try await next(request, context)
    } catch let problem as Problem {
      response = Answer.text(
        "\(problem.message)\n", type: "text/plain", status: problem.status
      ).response()
    } catch let error as any HTTPResponseError where error.status == .notFound {
      response = try lost(request)
    } catch let error as any HTTPResponseError {
      response = try error.response(from: request, context: context)
    }
    func set(_ name: String, _ value: String) {
      if let name = HTTPField.Name(name) { response.headers[name] = value }
    }
    set(
      "Content-Security-Policy",
      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    set("X-Content-Type-Options", "nosniff")
    set("X-Frame-Options", "DENY")
    set("Referrer-Policy", "same-origin")
    set("Cross-Origin-Opener-Policy", "same-origin")
    set("Cross-Origin-Resource-Policy", "same-origin")
    if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
    if isSecure { set("Strict-Transport-Security", "max-age=31536000") }
    return response
  }
}

extension String {
  /// As a value in a query.
  var percentEncoded: String {
    let kept = CharacterSet.alphanumerics.intersection(CharacterSet(charactersIn: " "..."~"))
      .union(CharacterSet(charactersIn: "-._~"))
    return addingPercentEncoding(withAllowedCharacters: kept) ?? ""
  }
}
