/// Directory servers through libldap: connections, TLS, complete reads. An answer that is not complete
/// is a failure here; nothing above this room sees a result code or a C pointer.

import DirectoryModel
import Ports

/// Where a server is and how to sign in to it.
package struct LDAPServer: Sendable {
  /// Tried in order until one lets us in.
  package let urls: [String]
  /// nil: anonymous.
  package let bind: Bind?
  /// A file of certificate authorities; nil: the system's.
  package let caPath: String?
  package let clientIdentity: ClientIdentity?
  /// Allows a password to travel without TLS.
  package let allowsClearText: Bool
  package let timeoutSeconds: Int
  /// Names of entries that have to be visible, or a read is not believed.
  package let canaries: [String]

  package enum Bind: Sendable {
    case simple(dn: String, password: String)
    /// SASL EXTERNAL (RFC 4422 appendix A): who we are on this machine, or by our certificate.
    case external
    /// SASL GSSAPI (RFC 4752): the Kerberos ticket that is there.
    case gssapi
  }

  /// A certificate by which we sign in, and its key, both PEM.
  package struct ClientIdentity: Sendable {
    package let certificatePath: String
    package let keyPath: String

    package init(certificatePath: String, keyPath: String) {
      self.certificatePath = certificatePath
      self.keyPath = keyPath
    }
  }

  package init(
    urls: [String], bind: Bind?, caPath: String?, clientIdentity: ClientIdentity? = nil,
    allowsClearText: Bool, timeoutSeconds: Int, canaries: [String] = []
  ) {
    self.urls = urls
    self.bind = bind
    self.caPath = caPath
    self.clientIdentity = clientIdentity
    self.allowsClearText = allowsClearText
    self.timeoutSeconds = timeoutSeconds
    self.canaries = canaries
  }

  /// Whether StartTLS comes before everything else; GSSAPI encrypts by itself.
  func startsTLS(_ url: String) -> Bool {
    guard url.hasPrefix("ldap:"), !allowsClearText else { return false }
    if case .gssapi = bind { return false }
    return true
  }
}

/// A directory server as a source of entries. Connects at the first read, and stays connected.
package struct LDAPDirectory: DirectorySource {
  private let server: LDAPServer
  let log: @Sendable (String) -> Void
  let pageSize: Int
  /// How many bases of a search are read at once.
  private let connections: Int
  let limiter: LoadLimiter
  private let deadline: ReadDeadline
  private(set) var connection: LDAPConnection?
  private var known: ServerProfile?
  /// Who the server takes us for; nil where it does not say.
  private var signedInAs: String?
  /// URLs that failed in mid-read.
  private var failed: [String] = []
  /// Long answers are asked for in one stream, which costs the server least; whoever reads begins anew where it is cut.
  private var streams = false
  private var wasCut = false
  package private(set) var isLimited = false
  /// Reads searches before they are asked for.
  private var ahead: ReadAhead?

  /// - Parameters:
  ///   - pageSize: entries asked for at a time (RFC 2696); made smaller where the server wants it so.
  ///   - connections: how many bases of a search are read at once, each over a connection of its own.
  ///   - limiter: shared by all who read this server.
  ///   - runSeconds: all that is read of this server, from now on, may take so long.
  ///   - mostEntries: one search may bring so many; nil: 100,000 and four times what the last complete read brought.
  ///   - log: told each connection and each search, as a line that ldapsearch would take.
  package init(
    server: LDAPServer, pageSize: Int = 1000, connections: Int = 1,
    limiter: LoadLimiter = LoadLimiter(), runSeconds: Int = 3600,
    mostEntries: Int? = nil,
    log: @escaping @Sendable (String) -> Void
  ) {
    self.connections = connections
    self.server = server
    self.pageSize = pageSize
    self.limiter = limiter
    deadline = ReadDeadline(
      runSeconds: runSeconds, mostEntries: mostEntries, limiter: limiter)
    self.log = log
  }

  /// Says that nobody signs in by a Kerberos ticket in this process, so that what that needs is not loaded. To be called
  /// before the first connection.
  package static func doWithoutTickets() {
    LDAPConnection.usesTickets.store(false, ordering: .relaxed)
  }

  /// Connects and signs in, trying one URL after the other. What was announced and is not read yet is given up.
  /// - Returns: the URL that let us in.
  /// - Throws: `ReadFailure` with what each URL answered, or naming the canaries that cannot be seen.
  package mutating func connect() throws -> String { try connect(asking: []).url }

  /// - Parameter names: of entries whose versions are asked for together with what the server is, which saves a round trip.
  /// - Returns: also the messages that ask for them; none where there was a connection.
  private mutating func connect(
    asking names: [String]
  ) throws -> (url: String, asked: [AskedEntry]) {
    readNoFurther()
    if let connection { return (connection.url, []) }
    var failures: [ReadFailure] = []
    for url in server.urls where !failed.contains(url) {
      do {
        let connection = try LDAPConnection(
          url: url, server: server, deadline: deadline, log: log)
        log("connected to \(url)")
        self.connection = connection
        // All at once: one after the other would cost a round trip each.
        let aboutServer = try connection.askForProfile()
        let aboutUs = connection.askWhoAmI()
        let asked = try ask(for: names, connection)
        let profile = try connection.receiveProfile(aboutServer)
        known = profile
        let whoAmI = try aboutUs.flatMap(connection.receiveWhoAmI)
        signedInAs = profile.knowsWhoAmI ? whoAmI : nil
        try refuseAnonymity(connection)
        try lookForCanaries(connection)
        return (url, asked)
      } catch let failure as ConnectFailure {
        failures.append(failure.failure)
        if failure.isFinal { break }
      } catch let failure as ReadFailure where connection == nil {
        failures.append(failure)
      }
    }
    if failures.count == 1 { throw failures[0] }
    throw ReadFailure(
      "no server lets us in: " + failures.map(\.message).joined(separator: "; "),
      remedy: failures.compactMap(\.remedy).first)
  }

  package mutating func beginRead(lastSeconds: Double?, lastEntries: Int?) {
    deadline.beginRead(lastSeconds: lastSeconds, lastEntries: lastEntries)
  }

  package mutating func mayBeginAnew(_ isAllowed: Bool) { streams = isAllowed && !isLimited }

  package mutating func expectLimits() { (isLimited, streams) = (true, false) }

  package mutating func failOver() -> FailOver {
    readNoFurther()
    if wasCut {
      wasCut = false
      expectLimits()
      log("the server limits its answers; reading anew in pages")
      return .pages
    }
    guard let url = connection?.url else { return .none }
    failed.append(url)
    connection = nil
    known = nil
    guard server.urls.contains(where: { !failed.contains($0) }) else { return .none }
    log("\(url) failed; reading anew from the next server")
    return .nextServer
  }

  /// Signs somebody in on a connection of its own.
  /// - Throws: `ConnectFailure` when the server does not let them in.
  func signedIn(as dn: String, _ password: String, at url: String) throws -> LDAPConnection {
    let own = LDAPServer(
      urls: [url], bind: .simple(dn: dn, password: password), caPath: server.caPath,
      allowsClearText: server.allowsClearText, timeoutSeconds: server.timeoutSeconds)
    return try LDAPConnection(url: url, server: own, deadline: deadline, log: log)
  }

  /// What the server says of itself.
  package mutating func profile() throws -> ServerProfile {
    let url = try connect()
    guard let known else { throw ReadFailure("\(url) does not say what it is") }
    return known
  }

  package mutating func versions(of names: [String]) throws -> [String: EntryVersion] {
    var asked = try connect(asking: names).asked
    let profile = try profile()
    guard let connection else { return [:] }
    if asked.isEmpty { asked = try ask(for: names, connection) }
    var found: [String: EntryVersion] = [:]
    for one in asked {
      do {
        let entry = try connection.receiveEntry(one.name, message: one.message)
        found[one.name] = profile.version(of: entry)
      } catch let failure as ReadFailure where !failure.isOfServer {
        // The entry is gone; a server that does not answer has said nothing of it.
        continue
      }
    }
    return found
  }

  /// An entry whose version was asked for, and the message that does.
  private typealias AskedEntry = (name: String, message: Int32)

  /// Asks for the versions of entries, all together.
  private func ask(for names: [String], _ connection: LDAPConnection) throws -> [AskedEntry] {
    try names.map { ($0, try connection.askForEntry($0, attributes: ServerProfile.versions)) }
  }

  package mutating func reader() throws -> String? {
    _ = try connect()
    return signedInAs
  }

  package mutating func announce(_ searches: [DirectorySearch], expecting entries: Int) throws {
    let profile = try profile()
    guard let connection else { return }
    var parts: [ReadAhead.Part] = []
    for search in searches {
      let bases = try bases(of: search, connection)
      // They are read side by side.
      if connections > 1, bases.count > 1 { return }
      for base in bases {
        parts.append(
          ReadAhead.Part(
            search: search, base: base, pageSize: pages(profile), isStream: isStream(profile)))
      }
    }
    ahead = ReadAhead(parts, over: connection, expecting: entries, limiter: limiter)
  }

  private mutating func readNoFurther() {
    ahead?.stop()
    ahead = nil
  }

  private func isStream(_ profile: ServerProfile) -> Bool {
    streams && profile.hasPages && profile.product != .activeDirectory
  }

  package mutating func read(
    _ search: DirectorySearch, deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> ReadSummary {
    do {
      if let ahead, ahead.isNext(search) {
        self.ahead = nil
        let summary = try ahead.read(deliver)
        if ahead.isMore { self.ahead = ahead }
        return summary
      }
      let profile = try profile()
      guard let connection else { return ReadSummary() }
      let bases = try bases(of: search, connection)
      if connections > 1, bases.count > 1 {
        return try readSideBySide(search, bases, profile, connection, deliver)
      }
      var summary = ReadSummary()
      for base in bases {
        var reader = SearchReader(
          connection: connection, search: search, base: base, pageSize: pages(profile),
          isStream: isStream(profile), limiter: limiter)
        summary += try reader.read(deliver)
      }
      return summary
    } catch is SearchReader.StreamCut {
      wasCut = true
      throw ReadFailure("\(connection?.url ?? "") cut its answer at a limit", isOfServer: true)
    }
  }

  private mutating func bases(
    of search: DirectorySearch, _ connection: LDAPConnection
  ) throws -> [String] {
    try search.bases.flatMap { try $0.isEmpty ? namingContexts(connection) : [$0] }
  }

  private func pages(_ profile: ServerProfile) -> Int? {
    profile.hasPages && !isStream(profile) ? pageSize : nil
  }

  /// Reads each base over a connection of its own to the server that let us in.
  private func readSideBySide(
    _ search: DirectorySearch, _ bases: [String], _ profile: ServerProfile, _ first: LDAPConnection,
    _ deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> ReadSummary {
    let (server, log, signedInAs, deadline) = (server, log, signedInAs, deadline)
    let (url, peer) = (first.url, first.peer)
    let (pages, isStream) = (pages(profile), isStream(profile))
    return try SideBySideReading(bases: bases, connections: connections).run {
      [limiter] base, put in
      do {
        let connection = try LDAPConnection(
          url: url, server: server, deadline: deadline, log: log)
        log("connected to \(url) once more")
        // A name may stand for several servers, and parts of two fit nowhere.
        if connection.peer != peer {
          throw ReadFailure(
            "\(url) leads to several servers",
            remedy: "name one of them under `url`, or leave out `connections`")
        }
        if let signedInAs,
          try connection.askWhoAmI().flatMap(connection.receiveWhoAmI) != signedInAs
        {
          throw ReadFailure("\(url) takes us for somebody else on another connection")
        }
        var reader = SearchReader(
          connection: connection, search: search, base: base, pageSize: pages, isStream: isStream,
          limiter: limiter)
        return try reader.read(put)
      } catch let failure as ConnectFailure { throw failure.failure }
    } deliver: {
      try deliver($0)
    }
  }

  /// What the server holds.
  private mutating func namingContexts(_ connection: LDAPConnection) throws -> [String] {
    let contexts = try profile().namingContexts
    guard !contexts.isEmpty else {
      throw ReadFailure(
        "\(connection.url) does not say what it holds (namingContexts)",
        remedy: "name the base in the mapping")
    }
    return contexts
  }

  /// A server that takes somebody with a name for nobody shows less than it should.
  private func refuseAnonymity(_ connection: LDAPConnection) throws {
    guard case .simple(let dn, _) = server.bind, signedInAs?.isEmpty == true else { return }
    throw ReadFailure(
      "\(connection.url) let \(dn) in, but takes us for an anonymous user",
      remedy: "check bind.dn and what stands between here and the server")
  }

  /// A server that hides the canaries hides others, too.
  private func lookForCanaries(_ connection: LDAPConnection) throws {
    let missing = server.canaries.filter {
      (try? connection.readEntry($0, attributes: ["1.1"])) == nil
    }
    guard missing.isEmpty else {
      throw ReadFailure(
        "\(connection.url) does not show \(missing.joined(separator: " and ")), which `canaries` says must be visible",
        remedy:
          "check the rights of the bind account, or take the name out of `canaries` if it is gone for good"
      )
    }
  }
}
