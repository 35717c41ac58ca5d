import Foundation
import TestSupport

/// A proxy before a directory server that lets the bind pass and then stalls, or cuts the connection after
/// so many bytes of the server's answers. A process of its own, see `Tests/Servers/proxy.py`.
final class StallingProxy: Sendable {
  let url: String
  private let child: Child
  private let folder: TemporaryFolder

  /// - Parameter cutsAfter: bytes from the server before the cut; nil stalls after the bind's answer.
  init(to server: String, cutsAfter: Int? = nil) throws {
    let port = server.split(separator: ":").last.map(String.init) ?? ""
    folder = try TemporaryFolder()
    child = try Child(
      "/usr/bin/env",
      [
        "python3", repositoryRoot + "/Tests/Servers/proxy.py", port,
        cutsAfter.map(String.init) ?? "stall",
      ],
      output: folder.path + "/port")
    var line = ""
    while !line.hasSuffix("\n") {
      usleep(10_000)
      line = try folder.read("port")
    }
    url = "ldap://127.0.0.1:" + line.dropLast()
  }

  deinit { child.stop() }
}
