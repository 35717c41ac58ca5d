import Foundation
import Synchronization

public typealias Slapd = DirectoryServer

/// A private directory server on loopback, stopped with the value.
public final class DirectoryServer: Sendable {
  public enum Kind: String, Sendable, CaseIterable {
    case slapd, ds389, samba

    /// Who may change everything, and by which password.
    public var manager: (dn: String, password: String) {
      switch self {
      case .slapd: ("cn=admin,dc=acme,dc=example", "secret")
      case .ds389: ("cn=Directory Manager", "Secret-words1")
      case .samba: ("administrator@acme.example", "Secret-words1")
      }
    }
  }

  public let kind: Kind
  public let folder: TemporaryFolder
  public let url: String
  public let tlsURL: String
  /// The `ldapi://` URL; empty where the server has none.
  public let localURL: String
  public let ca: String
  public let pid: Int32

  public struct NotStarted: Error, CustomStringConvertible {
    public let description: String
  }

  /// - Parameter settings: variables of the script in `Tests/Servers`, for example SIZELIMIT.
  public init(
    _ kind: Kind = .slapd, ldif: String, suffix: String = "dc=acme,dc=example",
    settings: [String: String] = [:]
  ) throws {
    self.kind = kind
    folder = try TemporaryFolder()
    // Servers that give up their rights have to reach their files.
    if kind == .ds389 { chmod(folder.path, 0o755) }
    let file = try folder.write(ldif, to: "data.ldif")
    let environment = settings.merging(["SUFFIX": suffix]) { given, _ in given }
    let made = try Self.script(kind, ["init", folder.path + "/server", file], environment)
    guard made.status == 0 else {
      throw NotStarted(
        description: "\(kind.rawValue): \(made.errors)\nInstall it with Tests/install.sh")
    }
    let started = try Self.script(kind, ["start", folder.path + "/server"], environment)
    guard started.status == 0 else {
      throw NotStarted(description: "\(kind.rawValue): \(started.errors)")
    }
    var values: [String: String] = [:]
    for line in started.output.split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
      if parts.count == 2 { values[parts[0]] = parts[1] }
    }
    url = values["LDAP_URL"] ?? ""
    tlsURL = values["LDAPS_URL"] ?? ""
    localURL = values["LDAPI_URL"] ?? ""
    ca = values["CA"] ?? ""
    pid = Int32(values["PID"] ?? "") ?? 0
  }

  deinit { try? end() }

  /// Stops the server and takes away what it left outside of its folder.
  public func end() throws {
    try command(kind == .ds389 ? "remove" : "stop")
  }

  public func stop() throws { try command("stop") }
  public func start() throws { try command("start") }

  /// Keeps what the server holds, to come back to it; the server is stopped meanwhile.
  public func backUp() throws { try whileStopped { ["-a", $0, $0 + ".kept"] } }

  /// Brings back what `backUp` kept.
  public func restore() throws { try whileStopped { ["-a", $0 + ".kept", $0] } }

  private func whileStopped(_ copy: (String) -> [String]) throws {
    try stop()
    let data = folder.path + "/server/" + (kind == .samba ? "private" : "db")
    let words = copy(data)
    let script = "rm -rf \(words[2]) && cp \(words.joined(separator: " "))"
    let done = try run("/bin/sh", ["-c", script])
    if done.status != 0 { throw NotStarted(description: done.errors) }
    try start()
  }

  private func command(_ word: String) throws {
    let done = try Self.script(kind, [word, folder.path + "/server"], [:])
    if done.status != 0 { throw NotStarted(description: "\(kind.rawValue): \(done.errors)") }
  }

  /// Changes the directory as its manager.
  public func modify(_ ldif: String) throws {
    let file = try folder.write(ldif, to: "change-\(UUID().uuidString).ldif")
    defer { try? FileManager.default.removeItem(atPath: file) }
    let done = try run(
      "/usr/bin/ldapmodify",
      [
        "-x", "-H", kind == .samba ? tlsURL : url, "-D", kind.manager.dn, "-w",
        kind.manager.password, "-f", file,
      ], environment: ["LDAPTLS_CACERT": ca])
    if done.status != 0 { throw NotStarted(description: done.errors + "\n" + ldif) }
  }

  private static func script(
    _ kind: Kind, _ arguments: [String], _ environment: [String: String]
  ) throws -> Finished {
    try run(
      repositoryRoot + "/Tests/Servers/\(kind.rawValue).sh", arguments, environment: environment)
  }

  // MARK: Servers that tests share

  /// A server of each kind that lasts as long as the tests; every test has a subtree of its own in it.
  public static func shared(_ kind: Kind) throws -> DirectoryServer {
    switch kind {
    case .slapd: try sharedSlapd.get()
    case .ds389: try sharedDS389.get()
    case .samba: try sharedSamba.get()
    }
  }

  private static let sharedSlapd = lasting(.slapd)
  private static let sharedDS389 = lasting(.ds389)
  private static let sharedSamba = lasting(.samba)

  private static let started = Mutex<[DirectoryServer]>([])

  private static func lasting(_ kind: Kind) -> Result<DirectoryServer, any Error> {
    Result {
      let root = kind == .samba ? "" : "dn: dc=acme,dc=example\nobjectClass: domain\ndc: acme\n"
      let server = try DirectoryServer(
        kind, ldif: root, settings: ["MEMBEROF": "1", "SYNCPROV": "1"])
      let isFirst = started.withLock { servers in
        servers.append(server)
        return servers.count == 1
      }
      if isFirst {
        atexit {
          for server in DirectoryServer.started.withLock({ $0 }) { try? server.end() }
        }
      }
      return server
    }
  }
}
