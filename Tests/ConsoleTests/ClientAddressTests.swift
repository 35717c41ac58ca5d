import Settings
import Testing

@testable import Console

@Suite struct ClientAddressTests {
  private func address(_ peer: String, _ forwarded: [String], _ console: Console) -> ClientAddress {
    ClientAddress(peer: peer, forwarded: forwarded, console: console)
  }

  @Test func onlyAConfiguredProxyIsBelieved() throws {
    let proxies = try ["127.0.0.1", "10.0.0.0/8"].map { try #require(AddressRange($0)) }
    let console = Console(listens: nil, url: "https://usher.example", proxies: proxies)
    #expect(address("127.0.0.1", ["192.0.2.1"], console).text == "192.0.2.1")
    #expect(address("127.0.0.1", ["192.0.2.1, 198.51.100.2"], console).text == "198.51.100.2")
    #expect(
      address("127.0.0.1", ["192.0.2.1", "198.51.100.2, 10.1.2.3"], console).text == "198.51.100.2")
    #expect(address("203.0.113.5", ["192.0.2.1"], console).text == "203.0.113.5")
    #expect(address("127.0.0.1", ["192.0.2.1, nonsense"], console).text == "127.0.0.1")
    #expect(address("127.0.0.1", [], console).text == "127.0.0.1")
    // Of whom a proxy says nothing, nothing is counted: it would be all.
    #expect(address("127.0.0.1", [], console).owner == nil)
    #expect(address("127.0.0.1", ["192.0.2.1:4711"], console).owner == nil)
    #expect(address("127.0.0.1", ["192.0.2.1"], console).owner == "192.0.2.1")
  }

  @Test func withoutConfiguredProxiesNothingIsBelieved() {
    let near = address("127.0.0.1", ["192.0.2.1"], Console(listens: nil))
    #expect(near.text == "127.0.0.1" && near.owner == "127.0.0.1")
    // A proxy that is not named has all failures, which say nothing of anybody.
    let shared = address("127.0.0.1", ["192.0.2.1"], Console(listens: nil, url: "https://x"))
    #expect(shared.owner == nil)
  }

  @Test func rangesAreOfBitsAndANetworkOfIPv6IsOneVisitor() throws {
    let range = try #require(AddressRange("192.0.2.128/25"))
    #expect(range.contains("192.0.2.128") && range.contains("::ffff:192.0.2.255"))
    #expect(!range.contains("192.0.2.127") && !range.contains("::1") && !range.contains("x"))
    #expect(try #require(AddressRange("::/0")).contains("fe80::1%eth0"))
    for text in [
      "", "10.0.0.0/33", "10.0.0", "::/129", "10.0.0.0/-1", "10.0.0.0/", "a/8", "10.0.0.0/8/8",
    ] {
      #expect(AddressRange(text) == nil, "\(text)")
    }
    #expect(AddressRange.owner(of: "2001:db8::1") == AddressRange.owner(of: "2001:db8::ffff:2"))
    #expect(AddressRange.owner(of: "2001:db8::1") != AddressRange.owner(of: "2001:db8:0:1::1"))
  }
}
