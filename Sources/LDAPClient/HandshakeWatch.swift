import CLDAP
import Dispatch
import Foundation
import Synchronization

/// Ends a connection that is not made in time. libldap has no deadline for a TLS handshake, so the socket
/// is shut down under it.
final class HandshakeWatch: Sendable {
  private struct State {
    var socket: Int32 = -1
    var isOver = false
    var hasExpired = false
  }

  private let state = Mutex(State())

  /// Starts to watch.
  init(seconds: Int) {
    DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(seconds)) { [weak self] in
      self?.expire()
    }
  }

  /// The connection is made; the watch is over.
  func end() { state.withLock { $0.isOver = true } }

  var hasExpired: Bool { state.withLock { $0.hasExpired } }

  private func expire() {
    state.withLock { state in
      guard !state.isOver else { return }
      state.hasExpired = true
      if state.socket >= 0 { shutdown(state.socket, Int32(SHUT_RDWR)) }
    }
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
            Unmanaged<HandshakeWatch>.fromOpaque(watch).takeUnretainedValue().note(socket)
          }
          return 0
        }, lc_del: { _, _, _ in }, lc_arg: Unmanaged.passUnretained(self).toOpaque()))
    return callback
  }
}
