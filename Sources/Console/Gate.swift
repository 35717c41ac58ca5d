import Foundation
import Settings

/// Who may come in, and as what.
final class Gate: Sendable {
  let sessions = Sessions()
  private let throttle = Throttle()
  private let house: any ConsoleHouse
  /// The digest of the token of the first run; nil where others can sign in.
  private let firstRun: String?

  init(house: any ConsoleHouse, firstRunToken: String?) {
    self.house = house
    firstRun = firstRunToken.map(Secret.digest)
  }

  var hasFirstRunToken: Bool { firstRun != nil }

  /// - Returns: what the session's cookie holds.
  /// - Throws: `Problem` for whoever does not get in.
  func signIn(_ name: String, password: String, address: String) throws -> String {
    let now = house.now
    if let wait = throttle.wait(name: name, address: address, now: now) {
      throw Problem(429, "too many failed tries: wait \(wait) seconds and try again")
    }
    guard let visitor = try find(name, password) else {
      throttle.failed(name: name, address: address, now: now)
      throw Problem(401, "this name and password let nobody in")
    }
    guard let role = visitor.role else {
      throw Problem(
        403, "\(visitor.name) is in no directory group that may enter",
        remedy: "console.viewers, operators and approvers in the configuration name these groups")
    }
    throttle.succeeded(name: name)
    return sessions.begin(visitor, role, now: now)
  }

  private func find(_ name: String, _ password: String) throws -> DirectoryVisitor? {
    if let firstRun, name.isEmpty {
      return Secret.areEqual(Secret.digest(password), firstRun)
        ? DirectoryVisitor(
          name: "first run", account: "first run", identity: "first run", role: .approver) : nil
    }
    return try house.signIn(name, password: password)
  }

  /// Whoever shows a token of the configuration, as in `Authorization: Bearer …` (RFC 6750). Its 256 bits are not guessed.
  func visitor(bearer token: String) throws -> Visitor {
    let digest = Secret.digest(token)
    let found = house.configuration.console.tokens.first { Secret.areEqual($0.sha256, digest) }
    guard let found else { throw Problem(401, "this token lets nobody in") }
    return Visitor(
      name: found.name, account: found.name, identity: "token \(found.name)", role: found.role,
      formToken: "")
  }
}
