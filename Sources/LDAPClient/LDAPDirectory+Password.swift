import DirectoryModel
import Foundation
import Ports

/// Whether a password is somebody's. A successful bind alone proves nothing: some servers, and some proxies before them,
/// let every password in and take whoever it is for nobody.
extension LDAPDirectory {
  /// Tries a password on a connection of its own, and makes sure that the server then takes us for that person.
  /// - Throws: `ReadFailure` when the server cannot be asked, or its answer proves nothing.
  package mutating func accepts(_ password: String, of user: DirectoryUser) throws -> Bool {
    // A bind with a name and no password is anonymous, and succeeds (RFC 4513 §5.1.2).
    guard !password.isEmpty, !user.dn.isEmpty else { return false }
    let url = try connect()
    do {
      let own = try signedIn(as: user.dn, password, at: url)
      guard let authorization = try own.askWhoAmI().flatMap(own.receiveWhoAmI) else {
        try refuseAnyPassword(besides: user, at: url)
        return true
      }
      guard user.isMeant(by: authorization) else {
        let who = authorization.isEmpty ? "an anonymous user" : authorization
        throw ReadFailure(
          "\(url) accepted a password of \(user.dn), but takes us for \(who)",
          remedy: "check what stands between here and the server")
      }
      return true
    } catch let refusal as ConnectFailure {
      guard refusal.isRefusal else { throw refusal.failure }
      log("\(user.dn) is not let in: \(refusal.failure.message)")
      return false
    }
  }

  /// Makes sure that a server which does not say who we are (RFC 4532) refuses somebody who does not exist.
  private func refuseAnyPassword(besides user: DirectoryUser, at url: String) throws {
    let above = DistinguishedName.parent(of: user.dn) ?? ""
    let nobody = "cn=\(UUID().uuidString)" + (above.isEmpty ? "" : ",\(above)")
    do {
      _ = try signedIn(as: nobody, UUID().uuidString, at: url)
    } catch let refusal as ConnectFailure where refusal.isOfPassword {
      return
    } catch let other as ConnectFailure {
      throw other.failure
    }
    throw ReadFailure(
      "\(url) lets people in who do not exist, and does not say for whom it takes us",
      remedy: "check what stands between here and the server")
  }
}
