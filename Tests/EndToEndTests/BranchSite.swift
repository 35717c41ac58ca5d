import Foundation
import TestSupport

/// A branch on a server or in a file, and a site that is kept in step with it.
final class BranchSite {
  private(set) var branch: Branch
  private let server: DirectoryServer?
  let place: Workplace
  private let directory: String

  /// - Parameter kind: nil for an LDIF file.
  init(
    _ name: String, on kind: DirectoryServer.Kind?, rules: String, more: String = "",
    lines: String = ""
  ) throws {
    branch = Branch(name, on: kind)
    server = try kind.map { try DirectoryServer.shared($0) }
    let mapping = branch.mapping(rules: rules, more: more)
    directory = (server.map(Self.lines) ?? "ldif: data.ldif") + "\n" + lines
    place = try Workplace(
      directory: directory, mapping: mapping,
      password: server?.kind.manager.password ?? "none")
    // The story is not about limits.
    try limit("limits: { free-below: 100000 }")
    if let server {
      try server.modify(branch.root())
    } else {
      try place.folder.write(branch.ldif(), to: "data.ldif")
    }
  }

  func limit(_ lines: String) throws { try place.configure(directory, extra: lines) }

  /// The lines of a server's directory, signed in as its manager.
  static func lines(_ server: DirectoryServer) -> String {
    """
    url: \(server.tlsURL)
    bind: { dn: "\(server.kind.manager.dn)", password: { file: bind-password } }
    tls: { ca: \(server.ca) }
    """
  }

  func take(_ steps: Branch.Step...) throws { try take(steps) }

  func take(_ steps: [Branch.Step]) throws {
    let records = steps.map { branch.take($0) }.filter { !$0.isEmpty }
    guard let server else {
      try place.folder.write(branch.ldif(), to: "data.ldif")
      return
    }
    if !records.isEmpty { try server.modify(records.joined(separator: "\n")) }
  }
}
