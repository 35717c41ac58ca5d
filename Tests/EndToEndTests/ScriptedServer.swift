import Foundation
import TestSupport

/// A Python script of `Tests/Servers` that listens on loopback and prints its port; ended with the value.
final class ScriptedServer: Sendable {
  let url: String
  private let child: Child
  private let folder: TemporaryFolder

  /// A proxy before a directory server that lets the bind pass and then stalls.
  static func stalling(before server: String) throws -> ScriptedServer {
    try ScriptedServer("proxy.py", port(of: server), "stall")
  }

  /// A proxy that cuts the connection after so many bytes of the server's answers.
  static func cutting(before server: String, after bytes: Int) throws -> ScriptedServer {
    try ScriptedServer("proxy.py", port(of: server), String(bytes))
  }

  /// A server that answers every search with this result code (RFC 4511 §4.1.9) and never with a control.
  static func answering(_ code: Int, entries: Int) throws -> ScriptedServer {
    try ScriptedServer("fake.py", String(code), String(entries))
  }

  /// A server that cuts streams and does not say of a page whether it is the last.
  static func forgettingTheLastPage() throws -> ScriptedServer {
    try ScriptedServer("fake.py", "lastpage")
  }

  /// A server that lets everybody in and takes them for nobody (RFC 4532).
  static func anonymous() throws -> ScriptedServer { try ScriptedServer("fake.py", "anonymous") }

  /// An Active Directory that hands out a group's members so many at a time, with a fault, see `fake.py`.
  static func ranges(_ size: Int, fault: String) throws -> ScriptedServer {
    try ScriptedServer("fake.py", "ranges", String(size), fault)
  }

  private static func port(of url: String) -> String {
    url.split(separator: ":").last.map(String.init) ?? ""
  }

  private init(_ script: String, _ arguments: String...) throws {
    folder = try TemporaryFolder()
    child = try Child(
      "/usr/bin/env", ["python3", repositoryRoot + "/Tests/Servers/" + script] + arguments,
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
