import CLDAP
import Foundation

/// What the system knows of a connection.
extension LDAPConnection {
  /// Reads and writes in the middle of a message end, too.
  func limitSocketWaits() {
    guard let descriptor else { return }
    var wait = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &wait, size)
  }

  var descriptor: Int32? {
    var descriptor: Int32 = -1
    let result = ldap_get_option(handle, LDAP_OPT_DESC, &descriptor)
    return result == LDAP_OPT_SUCCESS && descriptor >= 0 ? descriptor : nil
  }

  /// The address of the server at the other end, as the system has it; empty where it has none.
  var peer: [UInt8] { address(getpeername) }

  /// Whether the other end of a TCP connection is on this machine: the server, or somebody who stands for it.
  var isOnThisMachine: Bool {
    let (own, other) = (address(getsockname), peer)
    // After the family comes the port, and then the address.
    return own.count > 4 && own.prefix(2) == other.prefix(2)
      && own.dropFirst(4) == other.dropFirst(4)
  }

  private func address(
    _ ask: (Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> Int32
  ) -> [UInt8] {
    guard let descriptor else { return [] }
    var address = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let found = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { ask(descriptor, $0, &size) }
    }
    return found == 0 ? withUnsafeBytes(of: address) { Array($0.prefix(Int(size))) } : []
  }
}
