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
    // Each proxy appends whom it was asked by; what stands before is the client's own word.
    var before = forwarded.flatMap { $0.split(separator: ",") }.map {
      String($0).trimmingCharacters(in: .whitespaces)
    }
    while isProxy(address), let next = before.popLast(), AddressRange.owner(of: next) != nil {
      address = next
    }
    text = address
    // A proxy that does not say for whom it asks stands for all.
    owner = isProxy(address) ? nil : AddressRange.owner(of: address)
  }
}
