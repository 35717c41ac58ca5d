import Settings
import Synchronization

/// Somebody who is signed in.
struct Visitor: Sendable, Hashable {
  let name: String
  let account: String
  /// What tells people apart.
  let identity: String
  let role: Role
  /// What every change has to bring along; empty for bearer tokens, which no browser sends by itself.
  let formToken: String
  /// Whether a program asks, and nobody in person.
  var isProgram = false

  /// How the journal names who did it.
  var signature: String { "\(account) (console)" }
}

/// What a request is for, as far as it decides how certain a role has to be.
enum Purpose: Sendable {
  case reading
  case change
  case approval
}

/// Who is signed in. Sessions live here alone: signing out, or a restart, ends them for good.
final class Sessions: Sendable {
  static let idleSeconds: Int64 = 30 * 60
  static let longestSeconds: Int64 = 12 * 3600
  /// A role that the directory gave holds so long without asking it again.
  static let roleSeconds: Int64 = 15 * 60
  /// Readers do not have a directory asked more often that cannot be.
  static let retrySeconds: Int64 = 60

  private struct Session {
    let who: DirectoryVisitor
    var visitor: Visitor
    /// The groups that gave the role; others, and it is asked for anew.
    let groups: [Role: [String]]
    let began: Int64
    var seen: Int64
    /// When the directory gave the role, and when it was last asked.
    var confirmedAt: Int64
    var askedAt: Int64
    var notice: String?

    func isAlive(_ now: Int64) -> Bool {
      now - seen < Sessions.idleSeconds && now - began < Sessions.longestSeconds
    }
  }

  private let sessions = Mutex<[String: Session]>([:])

  /// - Parameter groups: the groups that give roles.
  /// - Returns: what the cookie holds.
  func begin(
    _ who: DirectoryVisitor, _ role: Role, under groups: [Role: [String]] = [:], now: Int64
  ) -> String {
    let id = Secret.random()
    let visitor = Visitor(
      name: who.name, account: who.account, identity: who.identity, role: role,
      formToken: Secret.random())
    sessions.withLock { sessions in
      sessions = sessions.filter { $0.value.isAlive(now) }
      sessions[Secret.digest(id)] = Session(
        who: who, visitor: visitor, groups: groups, began: now, seen: now, confirmedAt: now,
        askedAt: now)
    }
    return id
  }

  /// - Parameter groups: the groups that give roles now.
  func visitor(_ id: String, under groups: [Role: [String]] = [:], now: Int64) -> Visitor? {
    sessions.withLock { sessions in
      let key = Secret.digest(id)
      guard let session = sessions[key], session.isAlive(now), session.groups == groups else {
        sessions[key] = nil
        return nil
      }
      sessions[key]?.seen = now
      return session.visitor
    }
  }

  /// Whose role has to be asked for again before they may do this.
  /// - Returns: nil: it is certain enough.
  func uncertain(_ id: String, for purpose: Purpose, now: Int64) -> DirectoryVisitor? {
    sessions.withLock { sessions in
      let key = Secret.digest(id)
      guard let session = sessions[key], session.who.login != nil else { return nil }
      let isOld = now - session.confirmedAt >= Self.roleSeconds
      let isDue =
        switch purpose {
        case .reading: isOld && now - session.askedAt >= Self.retrySeconds
        case .change: isOld
        case .approval: true
        }
      guard isDue else { return nil }
      sessions[key]?.askedAt = now
      return session.who
    }
  }

  /// Keeps the role that the directory gave again; nil ends the session.
  func confirm(_ id: String, as role: Role?, now: Int64) {
    sessions.withLock { sessions in
      let key = Secret.digest(id)
      guard let role, let old = sessions[key]?.visitor else {
        sessions[key] = nil
        return
      }
      sessions[key]?.visitor = Visitor(
        name: old.name, account: old.account, identity: old.identity, role: role,
        formToken: old.formToken)
      sessions[key]?.confirmedAt = now
    }
  }

  func end(_ id: String) { sessions.withLock { $0[Secret.digest(id)] = nil } }

  /// Keeps what the next page says.
  func leave(_ notice: String, for id: String) {
    sessions.withLock { $0[Secret.digest(id)]?.notice = notice }
  }

  func takeNotice(for id: String) -> String? {
    sessions.withLock { sessions in
      let key = Secret.digest(id)
      defer { sessions[key]?.notice = nil }
      return sessions[key]?.notice
    }
  }
}
