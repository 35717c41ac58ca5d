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

  /// A configuration that was read anew may name who signs in; the token then lets nobody in any more.
  var hasFirstRunToken: Bool { firstRun != nil && house.configuration.needsFirstRunToken }

  /// - Returns: what the session's cookie holds.
  /// - Throws: `Problem` for whoever does not get in.
  func signIn(_ name: String, password: String, address: String) throws -> String {
    let now = house.now
    // Behind a proxy everybody has its address.
    let place = house.configuration.console.url == nil ? address : nil
    if let wait = throttle.begin(name: name, address: place, now: now) {
      throw Problem(429, "too many failed tries: wait \(wait) seconds and try again")
    }
    let found: DirectoryVisitor?
    do { found = try find(name, password) } catch {
      throttle.takeBack(name: name, address: place)
      throw error
    }
    guard let visitor = found else {
      throw Problem(401, "this name and password let nobody in")
    }
    throttle.takeBack(name: name, address: place, forgets: true)
    guard let role = visitor.role else {
      throw Problem(
        403, "\(visitor.name) is in no directory group that may enter",
        remedy: "console.viewers, operators and approvers in the configuration name these groups")
    }
    return sessions.begin(visitor, role, under: house.configuration.console.groups, now: now)
  }

  /// Whose session a cookie stands for.
  func visitor(session: String) -> Visitor? {
    sessions.visitor(session, under: house.configuration.console.groups, now: house.now)
  }

  private func find(_ name: String, _ password: String) throws -> DirectoryVisitor? {
    if let firstRun, hasFirstRunToken, name.isEmpty {
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
