import CLDAP
import DirectoryModel
import Foundation
import Ports
import Synchronization

/// Why a server did not let us in; final failures are not tried on the next URL.
struct ConnectFailure: Error {
  let failure: ReadFailure
  let isFinal: Bool
  /// Whether the server was asked, and does not let this name in with this password.
  var isRefusal = false
  /// Whether the server says that name and password do not go together, or that there is no such name.
  var isOfPassword = false
}

/// One connection, signed in. libldap's own configuration files and variables have no say in it.
final class LDAPConnection {
  let url: String
  let handle: OpaquePointer
  let timeoutSeconds: Int
  let deadline: ReadDeadline
  /// What has come so far, see `result`.
  var receiving = Receiving()
  /// Told each search, as a line that ldapsearch would take.
  private let log: @Sendable (String) -> Void
  /// How ldapsearch would connect and sign in.
  private let words: String
  let watch: SocketWatch
  private let callback: UnsafeMutablePointer<ldap_conncb>
  /// The socket below libldap, with what it has read ahead.
  private(set) var socket: OpaquePointer?
  /// When it was last read from in the middle of an answer, in nanoseconds of the machine's uptime.
  private var gatheredAt: UInt64 = 0
  /// Whether the server is on this machine, so that what may be on its way is limited, see `gather`.
  private var isLocal = false
  /// In bytes: two of the loopback's segments. With less it stands still, with more it takes longer to fill.
  private static let localWindow: Int32 = 131_072

  /// Whether some bind may be by a Kerberos ticket; before the first connection somebody may say that none is.
  static let usesTickets = Atomic(true)

  /// Readies libldap, which looks at its surroundings once in a process. It loads all SASL mechanisms that it finds then,
  /// Kerberos' libraries among them, which takes as long as a small sync; binds of other kinds need none.
  private static let library: Void = {
    setenv("LDAPNOINIT", "1", 1)
    let loadsNone = !usesTickets.load(ordering: .relaxed) && getenv("SASL_PATH") == nil
    if loadsNone { setenv("SASL_PATH", "/dev/null", 1) }
    var version: Int32 = 0
    ldap_get_option(nil, LDAP_OPT_PROTOCOL_VERSION, &version)
    if loadsNone { unsetenv("SASL_PATH") }
  }()

  init(
    url: String, server: LDAPServer, deadline: ReadDeadline,
    log: @escaping @Sendable (String) -> Void
  ) throws {
    self.url = url
    self.deadline = deadline
    self.log = log
    words = Self.commandWords(url, server)
    timeoutSeconds = server.timeoutSeconds
    var handle: OpaquePointer?
    _ = Self.library
    guard ldap_initialize(&handle, url) == LDAP_SUCCESS, let handle else {
      throw ConnectFailure(
        failure: ReadFailure("\(url) is not a server's URL"), isFinal: true)
    }
    self.handle = handle
    usher_ldap_limit_messages(handle, ber_len_t(Receiving.smallMessageBytes))
    watch = SocketWatch(seconds: timeoutSeconds)
    callback = watch.callback()
    ldap_set_option(handle, LDAP_OPT_CONNECT_CB, callback)
    do {
      try setOptions(server)
      try secure(server)
      try signIn(server)
    } catch {
      if watch.hasExpired { throw late("connecting") }
      throw error
    }
    watch.noteConnected()
    limitSocketWaits()
    socket = usher_ldap_read_ahead(handle, 1 << 20)
    if let descriptor, isOnThisMachine {
      var window = Self.localWindow
      let size = socklen_t(MemoryLayout.size(ofValue: window))
      isLocal = setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &window, size) == 0
    }
  }

  deinit {
    watch.end()
    receiving.freeEarly()
    ldap_unbind_ext(handle, nil, nil)
    callback.deallocate()
  }

  // MARK: Options and TLS

  private func setOptions(_ server: LDAPServer) throws {
    set(LDAP_OPT_PROTOCOL_VERSION, Int32(LDAP_VERSION3))
    ldap_set_option(handle, LDAP_OPT_REFERRALS, nil)  // nil is LDAP_OPT_OFF: never chased
    set(LDAP_OPT_DEREF, Int32(LDAP_DEREF_NEVER))
    ldap_set_option(handle, LDAP_OPT_RESTART, nil)
    var wait = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
    ldap_set_option(handle, LDAP_OPT_NETWORK_TIMEOUT, &wait)
    ldap_set_option(handle, LDAP_OPT_TIMEOUT, &wait)
    // Where no TLS can come, reading all authorities of the system would be for nothing.
    let isClear = url.hasPrefix("ldap:") && server.allowsClearText
    guard !url.hasPrefix("ldapi:"), !isClear else { return }
    let ca = server.caPath ?? "/etc/ssl/certs/ca-certificates.crt"
    guard FileManager.default.isReadableFile(atPath: ca) else {
      throw ConnectFailure(
        failure: ReadFailure(
          "the file of certificate authorities \(ca) cannot be read",
          remedy: "name the file that holds the server's authority: tls: { ca: … }"),
        isFinal: true)
    }
    set(LDAP_OPT_X_TLS_REQUIRE_CERT, Int32(LDAP_OPT_X_TLS_DEMAND))
    ldap_set_option(handle, LDAP_OPT_X_TLS_CACERTFILE, ca)
    if let identity = server.clientIdentity {
      for file in [identity.certificatePath, identity.keyPath]
      where !FileManager.default.isReadableFile(atPath: file) {
        throw ConnectFailure(
          failure: ReadFailure(
            "\(file) cannot be read", remedy: "check tls.certificate and tls.key"), isFinal: true)
      }
      ldap_set_option(handle, LDAP_OPT_X_TLS_CERTFILE, identity.certificatePath)
      ldap_set_option(handle, LDAP_OPT_X_TLS_KEYFILE, identity.keyPath)
    }
    set(LDAP_OPT_X_TLS_PROTOCOL_MIN, Int32(0x303))  // TLS 1.2, where the library is OpenSSL
    if tlsPackage == "GnuTLS" {
      ldap_set_option(
        handle, LDAP_OPT_X_TLS_CIPHER_SUITE, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")
    }
    var asClient: Int32 = 0
    let result = ldap_set_option(handle, LDAP_OPT_X_TLS_NEWCTX, &asClient)
    guard result == LDAP_OPT_SUCCESS else {
      throw ConnectFailure(
        failure: ReadFailure(
          "TLS cannot be set up with the certificate authorities in \(ca)",
          remedy: "the file must hold PEM certificates"), isFinal: true)
    }
  }

  private var tlsPackage: String {
    var name: UnsafeMutablePointer<CChar>?
    ldap_get_option(handle, LDAP_OPT_X_TLS_PACKAGE, &name)
    defer { ldap_memfree(name) }
    return name.map { String(cString: $0) } ?? ""
  }

  /// StartTLS (RFC 4511 §4.14) before anything secret is sent over `ldap://`.
  private func secure(_ server: LDAPServer) throws {
    guard server.startsTLS(url) else { return }
    var message: Int32 = 0
    let sent = ldap_start_tls(handle, nil, nil, &message)
    guard sent == LDAP_SUCCESS else { throw unreachable(sent) }
    let answer = try result(of: message, while: "asking for TLS")
    defer { ldap_msgfree(answer) }
    let code = try Answer(answer, of: self).code
    guard code == LDAP_SUCCESS else {
      throw ConnectFailure(
        failure: ReadFailure(
          "\(url) refuses StartTLS (\(resultWords(code)))",
          remedy: "use ldaps://, or allow a password without TLS: tls: { clear-text: true }"),
        isFinal: false)
    }
    let installed = ldap_install_tls(handle)
    guard installed == LDAP_SUCCESS else { throw noTLS() }
  }

  // MARK: Signing in

  private func signIn(_ server: LDAPServer) throws {
    switch server.bind {
    case .simple(let dn, let password): try bind(dn, mechanism: nil, Array(password.utf8))
    case nil: try bind("", mechanism: nil, [])
    case .external: try bind("", mechanism: "EXTERNAL", [])
    case .gssapi: try bindWithTicket()
    }
  }

  private func bind(_ dn: String, mechanism: String?, _ credentials: [UInt8]) throws {
    var message: Int32 = 0
    let sent = (credentials + [0]).withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { bytes in
        var value = berval(
          bv_len: ber_len_t(credentials.count),
          bv_val: UnsafeMutablePointer(mutating: bytes.baseAddress))
        return ldap_sasl_bind(handle, dn, mechanism, &value, nil, nil, &message)
      }
    }
    guard sent == LDAP_SUCCESS else { throw unreachable(sent) }
    let received = try result(of: message, while: "signing in")
    defer { ldap_msgfree(received) }
    let answer = try Answer(received, of: self)
    if answer.code == LDAP_SUCCESS { return }
    throw ConnectFailure(
      failure: refusal(answer, dn: mechanism.map { "the SASL mechanism \($0)" } ?? dn),
      isFinal: answer.code == LDAP_INVALID_CREDENTIALS
        || answer.code == LDAP_CONFIDENTIALITY_REQUIRED,
      isRefusal: [
        LDAP_INVALID_CREDENTIALS, LDAP_INAPPROPRIATE_AUTH, LDAP_INSUFFICIENT_ACCESS,
        LDAP_UNWILLING_TO_PERFORM, LDAP_CONSTRAINT_VIOLATION,
      ].contains(answer.code),
      isOfPassword: [LDAP_INVALID_CREDENTIALS, LDAP_NO_SUCH_OBJECT].contains(answer.code))
  }

  /// SASL GSSAPI (RFC 4752) with the Kerberos ticket that is there. Without TLS the mechanism itself has to
  /// encrypt.
  private func bindWithTicket() throws {
    ldap_set_option(handle, LDAP_OPT_X_SASL_NOCANON, usher_ldap_on())
    let isEncrypted = !url.hasPrefix("ldap:")
    var least: UInt = isEncrypted ? 0 : 56
    ldap_set_option(handle, LDAP_OPT_X_SASL_SSF_MIN, &least)
    if isEncrypted {
      var most: UInt = 0
      ldap_set_option(handle, LDAP_OPT_X_SASL_SSF_MAX, &most)
    }
    let result = ldap_sasl_interactive_bind_s(
      handle, nil, "GSSAPI", nil, nil, UInt32(LDAP_SASL_QUIET), { _, _, _, _ in 0 }, nil)
    if result == LDAP_SUCCESS { return }
    let reason = diagnosticMessage.flatMap { $0.isEmpty ? nil : $0 } ?? resultWords(result)
    throw ConnectFailure(
      failure: ReadFailure(
        "\(url) does not accept a Kerberos ticket: \(reason)",
        remedy:
          "is there a ticket (klist), and is the GSSAPI module of SASL installed (libsasl2-modules-gssapi-mit)?"
      ), isFinal: false)
  }

  private func refusal(_ answer: Answer, dn: String) -> ReadFailure {
    let who = dn.isEmpty ? "an anonymous user" : dn
    switch answer.code {
    case LDAP_INVALID_CREDENTIALS:
      return ReadFailure(
        "\(url) does not accept the password of \(who)",
        remedy: "check bind.dn and the password")
    case LDAP_CONFIDENTIALITY_REQUIRED, LDAP_STRONG_AUTH_REQUIRED:
      return ReadFailure(
        "\(url) wants TLS before it lets \(who) in (\(answer.text))",
        remedy: "use ldaps://, or ldap:// without clear-text")
    default:
      return ReadFailure("\(url) does not let \(who) in: \(answer.text)", remedy: nil)
    }
  }

  // MARK: Telling

  /// Tells a search as a line that can be pasted.
  func tell(
    _ search: DirectorySearch, base: String, pageSize: Int? = nil, extra: String = ""
  ) {
    let scope = search.scope == .subtree ? "sub" : search.scope.rawValue
    let pages = pageSize.map { " -E pr=\($0)/noprompt" } ?? ""
    let names = search.slots.names.isEmpty ? ["1.1"] : search.slots.names
    let attributes = names.map { $0.contains(";") ? Self.quoted($0) : $0 }
    log(
      "ldapsearch \(words)\(pages)\(extra) -s \(scope) -b \(Self.quoted(base)) \(Self.quoted(search.filter.text)) \(attributes.joined(separator: " "))"
    )
  }

  /// Tells something else that is worth a line.
  func say(_ line: String) { log(line) }

  private static func commandWords(_ url: String, _ server: LDAPServer) -> String {
    let startTLS = server.startsTLS(url) ? " -ZZ" : ""
    switch server.bind {
    case .simple(let dn, _): return "-x\(startTLS) -H \(url) -D \(quoted(dn)) -W"
    case .external: return "-Q -Y EXTERNAL\(startTLS) -H \(url)"
    case .gssapi: return "-Q -Y GSSAPI -N -H \(url)"
    case nil: return "-x\(startTLS) -H \(url)"
    }
  }

  private static func quoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
      + "'"
  }

  // MARK: Waiting

  /// In the middle of a long answer, lets messages gather: where somebody reads all the time, each entry travels in a
  /// segment of its own, which costs the server half as much again as the entry. The longer the answer, the longer;
  /// what came before is still being worked on.
  ///
  /// On one machine little may be on its way at a time: once that is full, the server's system gathers what it writes. The
  /// pause is some times as long as filling it takes; then all comes at once, since nothing has to travel. Between
  /// machines such a limit would hold back the network.
  func gather(after entries: Int) {
    guard entries > 0, let socket, usher_ldap_holds_data(socket) == 0 else { return }
    if isLocal {
      usleep(UInt32(min(8000, 4 * entries)))
      return
    }
    let wait = UInt64(max(min(15_000, entries), min(40_000, entries / 8)))
    let now = DispatchTime.now().uptimeNanoseconds
    let passed = (now - gatheredAt) / 1000
    if passed < wait { usleep(UInt32(wait - passed)) }
    gatheredAt = DispatchTime.now().uptimeNanoseconds
  }

  private func unreachable(_ code: Int32) -> ConnectFailure {
    let diagnostic = diagnosticMessage
    if url.hasPrefix("ldaps:"), code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR,
      let diagnostic, !diagnostic.isEmpty
    {
      return noTLS()
    }
    return ConnectFailure(
      failure: ReadFailure(
        "\(url) cannot be reached (\(resultWords(code)))",
        remedy: "is the server running, and is the port right?"), isFinal: false)
  }

  /// Why TLS did not come about. A proxy takes a connection and closes it again while the server behind it is down: nothing is
  /// wrong with a certificate then, since none was shown.
  private func noTLS() -> ConnectFailure {
    let reason = diagnosticMessage.flatMap { $0.isEmpty ? nil : $0 } ?? lastError
    let failure =
      Self.isEnd(reason)
      ? ReadFailure(
        "no TLS connection to \(url): the connection was closed in the handshake (\(reason))",
        remedy:
          "is the server running, also behind a proxy or load balancer? Does this port speak TLS, and does the server ask for tls.certificate?"
      )
      : ReadFailure(
        "no TLS connection to \(url): \(reason)",
        remedy:
          "the certificate must be valid, bear the server's name and be signed by an authority in tls.ca"
      )
    return ConnectFailure(failure: failure, isFinal: false)
  }

  /// Whether GnuTLS or OpenSSL say that the other side has closed the connection, and nothing of a certificate.
  static func isEnd(_ reason: String) -> Bool {
    let text = reason.lowercased()
    if text.contains("certificate") || text.contains("hostname") { return false }
    return [
      "eof", "terminated", "reset", "closed", "broken pipe", "pull function", "push function",
      "syscall", "can't contact", "connection refused", "unknown error code",
    ].contains { text.contains($0) }
  }

  private var diagnosticMessage: String? {
    var message: UnsafeMutablePointer<CChar>?
    ldap_get_option(handle, LDAP_OPT_DIAGNOSTIC_MESSAGE, &message)
    defer { ldap_memfree(message) }
    return message.map { String(cString: $0) }
  }

  var lastError: String {
    var code: Int32 = 0
    ldap_get_option(handle, LDAP_OPT_RESULT_CODE, &code)
    return resultWords(code)
  }

  private func set(_ option: Int32, _ value: Int32) {
    var value = value
    ldap_set_option(handle, option, &value)
  }
}
