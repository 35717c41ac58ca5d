import NIOCore
import Settings
import Synchronization

/// The connections that are open. Where there are too many, the server closes the one that has been silent longest. A client
/// that opens many connections and sends no request so loses its own ones.
final class Connections: Sendable {
  private static let most = 512
  private static let mostOfOne = 64

  private struct Open {
    let channel: any Channel
    /// Of IPv6 its network.
    let address: String
  }

  /// The one that has been silent longest first.
  private let open = Mutex<[Open]>([])
  /// Whether an address stands for one visitor, and not for all behind a proxy.
  private let countsAddress: @Sendable (String) -> Bool

  init(countsAddress: @escaping @Sendable (String) -> Bool) { self.countsAddress = countsAddress }

  func opened(_ channel: any Channel) {
    let peer = channel.remoteAddress?.ipAddress ?? ""
    let address = AddressRange.owner(of: peer) ?? peer
    let surplus = open.withLock { open -> (any Channel)? in
      defer { open.append(Open(channel: channel, address: address)) }
      if countsAddress(peer), open.count(where: { $0.address == address }) >= Self.mostOfOne {
        return open.firstIndex { $0.address == address }.map { open.remove(at: $0).channel }
      }
      return open.count >= Self.most ? open.removeFirst().channel : nil
    }
    surplus?.close(promise: nil)
  }

  func spoke(_ channel: any Channel) {
    open.withLock { open in
      guard let index = open.firstIndex(where: { $0.channel === channel }) else { return }
      open.append(open.remove(at: index))
    }
  }

  func closed(_ channel: any Channel) {
    open.withLock { open in open.removeAll { $0.channel === channel } }
  }
}

/// Watches one connection: it counts among all, and its first request has to come soon.
final class ConnectionWatch: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = Any

  /// From the connection, its TLS handshake included, to the whole head of the first request.
  private static let patience = TimeAmount.seconds(10)
  private let connections: Connections
  private var deadline: Scheduled<Void>?

  init(_ connections: Connections) { self.connections = connections }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { begin(context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard deadline == nil else { return }
    let channel = context.channel
    connections.opened(channel)
    deadline = context.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    deadline?.cancel()
    connections.spoke(context.channel)
    context.fireChannelRead(data)
  }

  func channelInactive(context: ChannelHandlerContext) {
    deadline?.cancel()
    connections.closed(context.channel)
    context.fireChannelInactive()
  }
}
