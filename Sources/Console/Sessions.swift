import Crypto
import Foundation
import Settings
import SiteModel
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

  /// How the journal names who did it.
  var signature: String { "\(account) (console)" }
}

/// Who is signed in. Sessions live here alone: signing out, or a restart, ends them for good.
final class Sessions: Sendable {
  static let idleSeconds: Int64 = 30 * 60
  static let longestSeconds: Int64 = 12 * 3600

  private struct Session {
    let visitor: Visitor
    /// The groups that gave the role; others, and it is asked for anew.
    let groups: [Role: [String]]
    let began: Int64
    var seen: Int64
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
        visitor: visitor, groups: groups, began: now, seen: now)
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

/// Makes guessing slow: after a few failures a name, and after many an address, has to wait.
final class Throttle: Sendable {
  private struct Failures {
    var count = 0
    var last: Int64 = 0
  }

  private static let freeForName = 5
  private static let freeForAddress = 50
  private static let memorySeconds: Int64 = 900

  private let failures = Mutex<[String: Failures]>([:])

  /// Counts a try as failed until it is taken back, so that many at once are counted, too.
  /// - Parameter address: nil where it says nothing of who it is.
  /// - Returns: how many seconds the try has to wait instead; nil: none.
  func begin(name: String, address: String?, now: Int64) -> Int64? {
    failures.withLock { failures in
      failures = failures.filter { now - $0.value.last < Self.memorySeconds }
      let keys = Self.keys(name, address)
      let wait = keys.compactMap { key, free -> Int64? in
        guard let known = failures[key], known.count >= free else { return nil }
        let wait = min(Self.memorySeconds, 1 << min(10, known.count - free + 1))
        return known.last + wait > now ? known.last + wait - now : nil
      }.max()
      if let wait { return wait }
      for (key, _) in keys {
        failures[key, default: Failures()].count += 1
        failures[key]?.last = now
      }
      return nil
    }
  }

  /// What was begun was no failure.
  /// - Parameter forgets: the name's failures before, too.
  func takeBack(name: String, address: String?, forgets: Bool = false) {
    failures.withLock { failures in
      for (number, key) in Self.keys(name, address).map(\.0).enumerated() {
        failures[key]?.count -= 1
        if number == 0, forgets { failures[key] = nil }
      }
    }
  }

  private static func keys(_ name: String, _ address: String?) -> [(String, Int)] {
    [("name \(name.lowercased())", freeForName)]
      + (address.map { [("address \($0)", freeForAddress)] } ?? [])
  }
}

/// Random texts and what is kept of them.
package enum Secret {
  /// 256 random bits as hexadecimal digits.
  package static func random() -> String {
    SymmetricKey(size: .bits256).withUnsafeBytes { $0.hexadecimal }
  }

  /// A SHA-256 as hexadecimal digits.
  package static func digest(_ secret: String) -> String {
    SHA256.hash(data: Array(secret.utf8)).hexadecimal
  }

  /// Compares in the same time wherever two texts differ.
  static func areEqual(_ left: String, _ right: String) -> Bool {
    let left = Array(left.utf8), right = Array(right.utf8)
    guard left.count == right.count else { return false }
    return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
