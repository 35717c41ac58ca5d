import Foundation

/// A private OpenLDAP server on loopback, stopped with the value.
public final class Slapd: Sendable {
  public let folder: TemporaryFolder
  public let url: String
  public let tlsURL: String
  public let ca: String
  public let pid: Int32

  public struct NotStarted: Error, CustomStringConvertible {
    public let description: String
  }

  /// - Parameter settings: variables of `Tests/Servers/slapd.sh`, for example SIZELIMIT.
  public init(ldif: String, suffix: String = "dc=acme,dc=example", settings: [String: String] = [:])
    throws
  {
    folder = try TemporaryFolder()
    let file = try folder.write(ldif, to: "data.ldif")
    let environment = settings.merging(["SUFFIX": suffix]) { given, _ in given }
    let made = try Self.script(["init", folder.path + "/server", file], environment)
    guard made.status == 0 else {
      throw NotStarted(description: "slapd: \(made.errors)\nInstall it with Tests/install.sh")
    }
    let started = try Self.script(["start", folder.path + "/server"], environment)
    guard started.status == 0 else { throw NotStarted(description: "slapd: \(started.errors)") }
    var values: [String: String] = [:]
    for line in started.output.split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
      if parts.count == 2 { values[parts[0]] = parts[1] }
    }
    url = values["LDAP_URL"] ?? ""
    tlsURL = values["LDAPS_URL"] ?? ""
    ca = values["CA"] ?? ""
    pid = Int32(values["PID"] ?? "") ?? 0
  }

  deinit { _ = try? Self.script(["stop", folder.path + "/server"], [:]) }

  public func stop() throws { _ = try Self.script(["stop", folder.path + "/server"], [:]) }

  /// Changes the directory as its manager.
  public func modify(_ ldif: String) throws {
    let file = try folder.write(ldif, to: "change.ldif")
    let done = try run(
      "/usr/bin/ldapmodify",
      ["-x", "-H", url, "-D", "cn=admin,dc=acme,dc=example", "-w", "secret", "-f", file])
    if done.status != 0 { throw NotStarted(description: done.errors) }
  }

  private static func script(_ arguments: [String], _ environment: [String: String]) throws
    -> Finished
  {
    try run(repositoryRoot + "/Tests/Servers/slapd.sh", arguments, environment: environment)
  }
}
