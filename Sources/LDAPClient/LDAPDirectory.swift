/// Directory servers through libldap: connections, TLS, complete reads. An answer that is not complete
/// is a failure here; nothing above this room sees a result code or a C pointer.

import DirectoryModel
import Ports

/// Where a server is and how to sign in to it.
package struct LDAPServer: Sendable {
  /// Tried in order until one lets us in.
  package let urls: [String]
  package let bind: Credentials?
  /// A file of certificate authorities; nil: the system's.
  package let caPath: String?
  /// Allows a password to travel without TLS.
  package let allowsClearText: Bool
  package let timeoutSeconds: Int

  package struct Credentials: Sendable {
    package let dn: String
    package let password: String

    package init(dn: String, password: String) {
      self.dn = dn
      self.password = password
    }
  }

  package init(
    urls: [String], bind: Credentials?, caPath: String?, allowsClearText: Bool,
    timeoutSeconds: Int
  ) {
    self.urls = urls
    self.bind = bind
    self.caPath = caPath
    self.allowsClearText = allowsClearText
    self.timeoutSeconds = timeoutSeconds
  }
}

/// A directory server as a source of entries. Connects at the first read, and stays connected.
package struct LDAPDirectory: DirectorySource {
  private let server: LDAPServer
  private let log: (String) -> Void
  private let pageSize: Int
  private var connection: LDAPConnection?

  /// - Parameters:
  ///   - pageSize: entries asked for at a time (RFC 2696); made smaller where the server wants it so.
  ///   - log: told each connection and each search, as a line that ldapsearch would take.
  package init(server: LDAPServer, pageSize: Int = 1000, log: @escaping (String) -> Void) {
    self.server = server
    self.pageSize = pageSize
    self.log = log
  }

  /// Connects and signs in, trying one URL after the other.
  /// - Returns: the URL that let us in.
  /// - Throws: `ReadFailure` with what each URL answered.
  package mutating func connect() throws -> String {
    if let connection { return connection.url }
    var failures: [ReadFailure] = []
    for url in server.urls {
      do {
        let connection = try LDAPConnection(url: url, server: server)
        log("connected to \(url)")
        self.connection = connection
        return url
      } catch let failure as ConnectFailure {
        failures.append(failure.failure)
        if failure.isFinal { break }
      }
    }
    if failures.count == 1 { throw failures[0] }
    throw ReadFailure(
      "no server lets us in: " + failures.map(\.message).joined(separator: "; "),
      remedy: failures.compactMap(\.remedy).first)
  }

  package mutating func read(
    _ search: DirectorySearch, deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> ReadSummary {
    _ = try connect()
    guard let connection else { return ReadSummary() }
    var summary = ReadSummary()
    for base in try search.bases.flatMap({ try $0.isEmpty ? namingContexts(connection) : [$0] }) {
      log(searchLine(search, base: base, url: connection.url))
      var reader = SearchReader(
        connection: connection, search: search, base: base, pageSize: pageSize)
      let part = try reader.read(deliver)
      summary.entries += part.entries
      summary.referrals += part.referrals
    }
    return summary
  }

  /// What the server holds, by its rootDSE (RFC 4512 §5.1).
  private func namingContexts(_ connection: LDAPConnection) throws -> [String] {
    let search = DirectorySearch(
      bases: [""], scope: .base, filter: .present("objectClass"),
      slots: AttributeSlots(["namingContexts"]))
    var reader = SearchReader(connection: connection, search: search, base: "", pageSize: nil)
    var found: [String] = []
    _ = try reader.read { batch in
      for entry in 0..<batch.count {
        found += batch.values(of: entry, slot: 0).map { String(decoding: $0, as: UTF8.self) }
      }
    }
    guard !found.isEmpty else {
      throw ReadFailure(
        "\(connection.url) does not say what it holds (namingContexts)",
        remedy: "name the base in the mapping")
    }
    return found
  }

  private func searchLine(_ search: DirectorySearch, base: String, url: String) -> String {
    func quoted(_ text: String) -> String {
      "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
        + "'"
    }
    let startTLS = url.hasPrefix("ldap://") && !server.allowsClearText ? " -ZZ" : ""
    let bind = server.bind.map { " -D \(quoted($0.dn)) -W" } ?? ""
    let scope = search.scope == .subtree ? "sub" : search.scope.rawValue
    return
      "ldapsearch -x\(startTLS) -H \(url)\(bind) -E pr=\(pageSize)/noprompt -s \(scope) -b \(quoted(base)) \(quoted(search.filter.text)) \(search.slots.names.joined(separator: " "))"
  }
}
