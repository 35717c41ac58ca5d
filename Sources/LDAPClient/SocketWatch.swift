import CLDAP
import Dispatch
import Foundation
import Synchronization

/// Shuts a connection's socket down under libldap, which has no deadline for a TLS handshake, and none while a server floods it with
/// answers that nobody waits for.
final class SocketWatch: Sendable {
  private struct State {
    var socket: Int32 = -1
    var isConnected = false
    var isOver = false
    var hasExpired = false
    /// How many calls had begun or ended when somebody last looked.
    var calls = 0
  }

  private let state = Mutex(State())
  /// Calls of libldap that wait, each counted when it begins and when it ends: odd within one.
  private let calls = Atomic(0)
  private let seconds: Int

  /// Starts to watch.
  /// - Parameter seconds: connecting may take so long, and a call after that.
  init(seconds: Int) {
    self.seconds = seconds
    lookLater()
  }

  /// The connection is made.
  func noteConnected() { state.withLock { $0.isConnected = true } }

  /// The connection ends; the watch is over.
  func end() { state.withLock { $0.isOver = true } }

  var hasExpired: Bool { state.withLock { $0.hasExpired } }

  /// A call that waits begins. It ends by itself within the time, or is looked at twice.
  func beginCall() { calls.add(1, ordering: .relaxed) }
  func endCall() { calls.add(1, ordering: .relaxed) }

  private func lookLater() {
    DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(seconds)) { [weak self] in
      self?.look()
    }
  }

  private func look() {
    let calls = calls.load(ordering: .relaxed)
    let goesOn = state.withLock { state in
      if state.isOver { return false }
      let stands = calls % 2 == 1 && calls == state.calls
      state.calls = calls
      guard stands || !state.isConnected else { return true }
      state.hasExpired = true
      if state.socket >= 0 { shutdown(state.socket, Int32(SHUT_RDWR)) }
      return false
    }
    if goesOn { lookLater() }
  }

  /// Notes the socket, which libldap tells once it is connected and before TLS begins.
  private func note(_ socket: Int32) {
    state.withLock { state in
      state.socket = socket
      if state.hasExpired { shutdown(socket, Int32(SHUT_RDWR)) }
    }
  }

  /// What libldap calls; lives as long as the connection.
  func callback() -> UnsafeMutablePointer<ldap_conncb> {
    let callback = UnsafeMutablePointer<ldap_conncb>.allocate(capacity: 1)
    callback.initialize(
      to: ldap_conncb(
        lc_add: { _, buffer, _, _, context in
          var socket: Int32 = -1
          ber_sockbuf_ctrl(buffer, LBER_SB_OPT_GET_FD, &socket)
          if let watch = context?.pointee.lc_arg {
            Unmanaged<SocketWatch>.fromOpaque(watch).takeUnretainedValue().note(socket)
          }
          return 0
        }, lc_del: { _, _, _ in }, lc_arg: Unmanaged.passUnretained(self).toOpaque()))
    return callback
  }
}
