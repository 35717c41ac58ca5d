import Foundation
import Settings
import Synchronization

/// Who may come in, and as what.
final class Gate: Sendable {
  let sessions = Sessions()
  private let throttle = Throttle()
  private let house: any ConsoleHouse
  /// The digest of the token of the first run; nil where others can sign in.
  private let firstRun: String?
  private let failures = Mutex<Int64>(0)
  /// No name in a directory is longer.
  private static let longestName = 256

  init(house: any ConsoleHouse, firstRunToken: String?) {
    self.house = house
    firstRun = firstRunToken.map(Secret.digest)
  }

  /// A configuration that was read anew may name who signs in; the token then lets nobody in any more.
  var hasFirstRunToken: Bool { firstRun != nil && house.configuration.needsFirstRunToken }

  /// How often signing in has failed since the service began.
  var failedSignIns: Int64 { failures.withLock { $0 } }

  /// - Returns: what the session's cookie holds.
  /// - Throws: `Problem` for whoever does not get in.
  func signIn(_ name: String, password: String, from address: ClientAddress) throws -> String {
    let shown = String(name.prefix(100)).shown + (name.count > 100 ? "…" : "")
    func log(_ outcome: String) {
      house.record("sign-in as \"\(shown)\" from \(address.text): \(outcome)")
    }
    do {
      let (visitor, role) = try letIn(name, password, from: address)
      log("let in as \(role.rawValue)")
      return sessions.begin(
        visitor, role, under: house.configuration.console.groups, now: house.now)
    } catch let refusal as Refusal {
      failures.withLock { $0 += 1 }
      log(refusal.reason)
      throw refusal.problem
    } catch {
      failures.withLock { $0 += 1 }
      log("not possible: \(house.problem(error).message)")
      throw error
    }
  }

  /// Why a sign-in is refused: the reason goes into the log, the problem to the visitor.
  private struct Refusal: Error {
    let reason: String
    let problem: Problem

    init(_ reason: String, _ problem: Problem) {
      self.reason = reason
      self.problem = problem
    }

    static func throttled(_ seconds: Int64) -> Refusal {
      Refusal(
        "throttled for \(seconds) s",
        Problem(429, "too many failed tries: wait \(seconds) seconds and try again"))
    }
  }

  private func letIn(
    _ name: String, _ password: String, from address: ClientAddress
  ) throws -> (DirectoryVisitor, Role) {
    let now = house.now
    let wrong = Problem(401, "this name and password let nobody in")
    var keys: [Throttle.Key] = [.name(Secret.digest(name.lowercased()))]
    if let owner = address.owner { keys.append(.address(owner)) }
    if let wait = throttle.begin(keys, now: now) { throw Refusal.throttled(wait) }
    guard name.count <= Self.longestName else { throw Refusal("refused: no such name", wrong) }
    let answer: SignInAnswer
    do {
      answer = try find(name, password) { person in
        let key = Throttle.Key.person(person)
        if let wait = throttle.goOn(with: key, now: now) { throw Refusal.throttled(wait) }
        keys.append(key)
      }
    } catch let refusal as Refusal {
      throw refusal
    } catch {
      throttle.takeBack(keys)
      throw error
    }
    switch answer {
    case .refused(let reason): throw Refusal("refused: \(reason)", wrong)
    case .visitor(let visitor):
      throttle.takeBack(keys, forgets: true)
      guard let role = visitor.role else {
        throw Refusal(
          "refused: in no group that may enter",
          Problem(
            403, "\(visitor.name) is in no directory group that may enter",
            remedy:
              "console.viewers, operators and approvers in the configuration name these groups"))
      }
      return (visitor, role)
    }
  }

  private func find(
    _ name: String, _ password: String, admits: (String) throws -> Void
  ) throws -> SignInAnswer {
    guard let firstRun, hasFirstRunToken, name.isEmpty else {
      return try house.signIn(name, password: password, admits: admits)
    }
    guard Secret.areEqual(Secret.digest(password), firstRun) else { return .refused("wrong token") }
    return .visitor(
      DirectoryVisitor(
        name: "first run", account: "first run", identity: "first run", role: .approver))
  }

  /// Whose session a cookie stands for.
  func visitor(session: String) -> Visitor? {
    sessions.visitor(session, under: house.configuration.console.groups, now: house.now)
  }

  /// Whether the directory has to be asked again before somebody may do this.
  func isUncertain(_ session: String, for purpose: Purpose) -> DirectoryVisitor? {
    sessions.uncertain(session, for: purpose, now: house.now)
  }

  /// Asks the directory again for the role of somebody who is signed in.
  /// - Throws: `Problem` where it cannot be asked, and the purpose needs it to be.
  func lookAgain(for who: DirectoryVisitor, session: String, _ purpose: Purpose) throws {
    do {
      let found = try house.look(for: who)
      if found?.role == nil {
        house.record(
          "session of \"\(who.account.shown)\": ended, the directory gives no role any more")
      }
      sessions.confirm(session, as: found?.role, now: house.now)
    } catch {
      house.record("role of \"\(who.account.shown)\": \(house.problem(error).message)")
      if purpose == .reading { return }
      throw Problem(
        503, "the directory cannot be asked whether you may still do this",
        remedy:
          "reading goes on meanwhile; the command line on the machine of the service always works")
    }
  }

  /// Whoever shows a token of the configuration, as in `Authorization: Bearer …` (RFC 6750). Its 256 bits are not guessed.
  func visitor(bearer token: String) throws -> Visitor {
    let digest = Secret.digest(token)
    let found = house.configuration.console.tokens.first { Secret.areEqual($0.sha256, digest) }
    guard let found else { throw Problem(401, "this token lets nobody in") }
    return Visitor(
      name: found.name, account: found.name, identity: "token \(found.name)", role: found.role,
      formToken: "", isProgram: true)
  }
}
