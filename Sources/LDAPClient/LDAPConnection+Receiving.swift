import CLDAP
import DirectoryModel
import Foundation
import Ports

/// Receiving messages, in time and within limits: a server may send whatever it likes, as long and as much as it likes.
extension LDAPConnection {
  /// What has come over one connection, and what is waited for.
  struct Receiving {
    /// A message until the first search of a read: whoever is asked what it is, needs no more.
    static let smallMessageBytes = 4 << 20
    /// So many messages may come before somebody waits for them.
    static let mostEarly = 64

    /// Messages so far; every 256th looks at the clock.
    fileprivate var messages: UInt = 0
    /// Whether an entry came since `idleSince`, in seconds of the machine's uptime.
    fileprivate var hasEntry = false
    fileprivate var idleSince = 0.0
    /// The operation whose answer came last.
    fileprivate var answered: Int32 = 0
    fileprivate var mostBytes = Self.smallMessageBytes
    /// Operations whose answers may come while another one's is waited for.
    fileprivate var awaited: Set<Int32> = []
    /// What has come of them, by operation.
    fileprivate var early: [Int32: [OpaquePointer]] = [:]

    fileprivate mutating func takeEarly(_ message: Int32) -> OpaquePointer? {
      guard !early.isEmpty, let first = early[message]?.first else { return nil }
      early[message]?.removeFirst()
      if early[message]?.isEmpty == true { early[message] = nil }
      return first
    }

    mutating func freeEarly() {
      for message in early.values.joined() { ldap_msgfree(message) }
      early.removeAll()
    }
  }

  /// A search begins: entries may be large.
  func expectEntries() {
    guard receiving.mostBytes != EntryLimits.entryBytes else { return }
    receiving.mostBytes = EntryLimits.entryBytes
    usher_ldap_limit_messages(handle, ber_len_t(receiving.mostBytes))
  }

  /// Keeps the answer of an operation that comes while another one's is waited for.
  func expect(_ message: Int32) { receiving.awaited.insert(message) }

  /// The next message of an operation.
  /// - Throws: `ReadFailure` or `ConnectFailure` where none comes in time, or none that brings reading on.
  func result(of message: Int32, while doing: String) throws -> OpaquePointer {
    if let early = receiving.takeEarly(message) { return early }
    var since: Double?
    while true {
      let received = try next(doing)
      let own = ldap_msgid(received)
      if own == message {
        do { try noteProgress(received, message, doing) } catch {
          ldap_msgfree(received)
          throw error
        }
        return received
      }
      // Nobody but an odd server sends many of these.
      let now = Self.uptime
      if now - (since ?? now) > Double(timeoutSeconds) {
        ldap_msgfree(received)
        throw late(doing)
      }
      since = since ?? now
      try keep(received, of: own, doing)
    }
  }

  /// Waits for no more messages of an operation (RFC 4511 §4.11).
  func abandon(_ message: Int32) {
    ldap_abandon_ext(handle, message, nil, nil)
    receiving.awaited.remove(message)
  }

  private static var uptime: Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }

  /// The next message of any operation.
  private func next(_ doing: String) throws -> OpaquePointer {
    var wait = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
    var isShortened = false
    receiving.messages &+= 1
    // A look at the clock for each entry would cost as much as some of what is done with it.
    if receiving.messages & 0xFF == 0 || socket.map({ usher_ldap_holds_data($0) == 0 }) ?? true {
      let seconds = try deadline.secondsToWait(most: timeoutSeconds, url, doing)
      wait.tv_sec = Int(seconds)
      wait.tv_usec = Int(seconds.truncatingRemainder(dividingBy: 1) * 1e6)
      isShortened = seconds < Double(timeoutSeconds)
    }
    var received: OpaquePointer?
    var refusesLength: Int32 = 0
    watch.beginCall()
    let type = usher_ldap_next(handle, &wait, &received, &refusesLength)
    watch.endCall()
    if type > 0, let received { return received }
    // The deadline says why.
    if type == 0, isShortened { return try next(doing) }
    if type == 0 || watch.hasExpired {
      _ = try deadline.secondsToWait(most: timeoutSeconds, url, doing)
      throw late(doing)
    }
    let most = EntryLimits.megabytes(receiving.mostBytes)
    let what =
      refusesLength != 0
      ? "\(url) announced a message of more than \(most), or of a length that makes no sense, while \(doing)"
      : "the connection to \(url) was lost while \(doing) (\(lastError))"
    throw ConnectFailure(
      failure: ReadFailure(
        what, remedy: refusesLength != 0 ? "check the server, and what stands before it" : nil,
        isOfServer: true), isFinal: false)
  }

  /// Keeps a message for whoever will wait for it; what nobody will wait for is freed.
  private func keep(_ received: OpaquePointer, of message: Int32, _ doing: String) throws {
    if message == LDAP_RES_UNSOLICITED, let notice = notice(received, doing) {
      ldap_msgfree(received)
      throw notice
    }
    guard receiving.awaited.contains(message) else {
      ldap_msgfree(received)
      return
    }
    guard receiving.early.values.reduce(0, { $0 + $1.count }) < Receiving.mostEarly else {
      ldap_msgfree(received)
      throw ConnectFailure(
        failure: ReadFailure(
          "\(url) answers one question with more than \(Receiving.mostEarly) messages while \(doing)",
          remedy: "check the server", isOfServer: true), isFinal: false)
    }
    receiving.early[message, default: []].append(received)
  }

  /// The server says that it ends the connection (RFC 4511 §4.4.1); nil: it says something else.
  private func notice(_ received: OpaquePointer, _ doing: String) -> ConnectFailure? {
    var name: UnsafeMutablePointer<CChar>?
    guard Int(ldap_msgtype(received)) == usher_res_extended,
      ldap_parse_extended_result(handle, received, &name, nil, 0) == LDAP_SUCCESS
    else { return nil }
    defer { ldap_memfree(name) }
    guard let name, String(cString: name) == LDAP_NOTICE_OF_DISCONNECTION else { return nil }
    let answer = try? Answer(received, of: self)
    return ConnectFailure(
      failure: ReadFailure(
        "\(url) ended the connection while \(doing) (\(answer?.text ?? "no reason given"))",
        isOfServer: true), isFinal: false)
  }

  /// Messages that bring no entry, for example references, count as progress for twice the patience.
  private func noteProgress(
    _ received: OpaquePointer, _ message: Int32, _ doing: String
  ) throws {
    let type = Int(ldap_msgtype(received))
    if type == usher_res_search_entry {
      receiving.hasEntry = true
      return
    }
    let goesOn = type == usher_res_search_reference || type == usher_res_intermediate
    if !goesOn, !receiving.awaited.isEmpty { receiving.awaited.remove(message) }
    let now = Self.uptime
    if receiving.hasEntry || message != receiving.answered {
      (receiving.hasEntry, receiving.answered, receiving.idleSince) = (false, message, now)
    } else if now - receiving.idleSince > Double(2 * timeoutSeconds) {
      throw ReadFailure(
        "\(url) sent messages and no entry for \(2 * timeoutSeconds) s while \(doing)",
        remedy: "check the server; `timeout` sets the patience", isOfServer: true)
    }
  }

  func late(_ doing: String) -> ConnectFailure {
    ConnectFailure(
      failure: ReadFailure(
        "\(url) did not answer within \(timeoutSeconds) s while \(doing)",
        remedy: "is the server overloaded or stopped? `timeout` sets the patience",
        isOfServer: true),
      isFinal: false)
  }
}
