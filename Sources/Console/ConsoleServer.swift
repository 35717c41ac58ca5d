import Dispatch
import Foundation
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOSSL
import Ports
import Settings

/// The console as a web server. It has nothing to remember but who is signed in and what they look at, so that it can
/// be stopped at any moment.
package final class ConsoleServer: Sendable {
  private let task: Task<Void, Never>
  /// Where it listens, for example `http://127.0.0.1:8480`.
  package let address: String

  /// Listens, and answers from then on.
  /// - Parameters:
  ///   - firstRunToken: what lets somebody in where neither groups nor tokens are configured.
  ///   - trouble: told what goes wrong later on.
  /// - Throws: `Problem` when it cannot listen, or the certificate cannot be read.
  package init(
    at listens: Console.Address, house: any ConsoleHouse, firstRunToken: String?,
    trouble: @escaping @Sendable (String) -> Void
  ) throws {
    let console = house.configuration.console
    let site = ConsoleSite(house: house, gate: Gate(house: house, firstRunToken: firstRunToken))
    let router = try site.router()
    let connections = Connections { peer in
      ClientAddress(peer: peer, forwarded: [], console: console).owner != nil
        && !console.proxies.contains { $0.contains(peer) }
    }
    var server = HTTPServerBuilder.http1(
      configuration: .init(
        additionalChannelHandlers: [ConnectionWatch(connections)], idleTimeout: .seconds(60)))
    if let tls = console.tls {
      do {
        var configuration = TLSConfiguration.makeServerConfiguration(
          certificateChain: try NIOSSLCertificate.fromPEMFile(tls.certificatePath).map {
            .certificate($0)
          },
          privateKey: .privateKey(try NIOSSLPrivateKey(file: tls.keyPath, format: .pem)))
        configuration.minimumTLSVersion = .tlsv12
        server = try .tls(server, tlsConfiguration: configuration)
      } catch {
        throw Problem(
          500, "the console's certificate or key cannot be used: \(error)",
          remedy: "check console.tls in the configuration")
      }
    }
    var logger = Logger(label: "console") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    let bound = Outcome<Int>()
    let application = Application(
      router: router, server: server,
      configuration: ApplicationConfiguration(
        address: .hostname(listens.host, port: listens.port), serverName: nil),
      onServerRunning: { bound.tell(.success($0.localAddress?.port ?? listens.port)) },
      logger: logger)
    task = Task {
      do {
        try await application.run()
      } catch {
        if !bound.tell(.failure(error)) { trouble("the console has stopped: \(error)") }
      }
    }
    switch bound.wait() {
    case .success(let port):
      let scheme = console.tls == nil ? "http" : "https"
      address = "\(scheme)://\(Console.Address(host: listens.host, port: port).text)"
    case .failure(let error):
      task.cancel()
      throw Problem(
        500, "the console cannot listen at \(listens.text): \(error)",
        remedy: "choose another address, or none: console: { listen: off }")
    }
  }

  package func stop() { task.cancel() }
}
