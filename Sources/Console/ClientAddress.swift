import Foundation
import Settings

/// From which address a request comes.
struct ClientAddress: Sendable, Hashable {
  /// As the log names it.
  let text: String
  /// What failures are counted by; nil where everybody behind a proxy would be counted as one.
  let owner: String?

  /// - Parameters:
  ///   - peer: who is connected to us.
  ///   - forwarded: the values of X-Forwarded-For, which only a configured proxy is believed.
  init(peer: String, forwarded: [String], console: Console) {
    func isProxy(_ address: String) -> Bool {
      console.proxies.contains { $0.contains(address) }
    }
    guard !console.proxies.isEmpty else {
      let isShared = console.url != nil && console.tls == nil
      text = isShared ? "behind the proxy \(peer)" : peer
      owner = isShared ? nil : AddressRange.owner(of: peer)
      return
    }
    var address = peer
    // Each proxy appends the address of its client. A client may have written any addresses before that.
    var before = forwarded.flatMap { $0.split(separator: ",") }.map {
      String($0).trimmingCharacters(in: .whitespaces)
    }
    while isProxy(address), let next = before.popLast(), AddressRange.owner(of: next) != nil {
      address = next
    }
    text = address
    // All visitors share the address of a proxy that does not name its client.
    owner = isProxy(address) ? nil : AddressRange.owner(of: address)
  }
}
