import CLDAP
import Foundation
import Ports

/// Why a server did not let us in; final failures are not tried on the next URL.
struct ConnectFailure: Error {
  let failure: ReadFailure
  let isFinal: Bool
}

/// One connection, signed in. libldap's own configuration files and variables have no say in it.
final class LDAPConnection {
  let url: String
  let handle: OpaquePointer
  let timeoutSeconds: Int
  private let watch: HandshakeWatch
  private let callback: UnsafeMutablePointer<ldap_conncb>

  init(url: String, server: LDAPServer) throws {
    self.url = url
    timeoutSeconds = server.timeoutSeconds
    setenv("LDAPNOINIT", "1", 1)
    var handle: OpaquePointer?
    guard ldap_initialize(&handle, url) == LDAP_SUCCESS, let handle else {
      throw ConnectFailure(
        failure: ReadFailure("\(url) is not a server's URL"), isFinal: true)
    }
    self.handle = handle
    watch = HandshakeWatch(seconds: timeoutSeconds)
    callback = watch.callback()
    ldap_set_option(handle, LDAP_OPT_CONNECT_CB, callback)
    do {
      try setOptions(server)
      try secure(server)
      try signIn(server.bind)
    } catch {
      if watch.hasExpired { throw late("connecting") }
      throw error
    }
    watch.end()
    limitSocketWaits()
    _ = usher_ldap_read_ahead(handle, 65_536)
  }

  deinit {
    watch.end()
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
    guard !url.hasPrefix("ldapi:") else { return }
    let ca = server.caPath ?? "/etc/ssl/certs/ca-certificates.crt"
    guard FileManager.default.isReadableFile(atPath: ca) else {
      if server.allowsClearText && url.hasPrefix("ldap:") { return }
      throw ConnectFailure(
        failure: ReadFailure(
          "the file of certificate authorities \(ca) cannot be read",
          remedy: "name the file that holds the server's authority: tls: { ca: … }"),
        isFinal: true)
    }
    set(LDAP_OPT_X_TLS_REQUIRE_CERT, Int32(LDAP_OPT_X_TLS_DEMAND))
    ldap_set_option(handle, LDAP_OPT_X_TLS_CACERTFILE, ca)
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
    guard url.hasPrefix("ldap:"), !server.allowsClearText else { return }
    var message: Int32 = 0
    let sent = ldap_start_tls(handle, nil, nil, &message)
    guard sent == LDAP_SUCCESS else { throw unreachable(sent) }
    let answer = try result(of: message, while: "asking for TLS")
    defer { ldap_msgfree(answer) }
    let code = try Answer(handle, answer).code
    guard code == LDAP_SUCCESS else {
      throw ConnectFailure(
        failure: ReadFailure(
          "\(url) refuses StartTLS (\(words(code)))",
          remedy: "use ldaps://, or allow a password without TLS: tls: { clear-text: true }"),
        isFinal: false)
    }
    let installed = ldap_install_tls(handle)
    guard installed == LDAP_SUCCESS else { throw untrusted() }
  }

  // MARK: Signing in

  private func signIn(_ credentials: LDAPServer.Credentials?) throws {
    let dn = credentials?.dn ?? ""
    var message: Int32 = 0
    let password = credentials?.password ?? ""
    let sent = Array(password.utf8CString).withUnsafeBufferPointer { bytes in
      var value = berval(
        bv_len: ber_len_t(bytes.count - 1),
        bv_val: UnsafeMutablePointer(mutating: bytes.baseAddress))
      return ldap_sasl_bind(handle, dn, nil, &value, nil, nil, &message)
    }
    guard sent == LDAP_SUCCESS else { throw unreachable(sent) }
    let received = try result(of: message, while: "signing in")
    defer { ldap_msgfree(received) }
    let answer = try Answer(handle, received)
    if answer.code == LDAP_SUCCESS { return }
    throw ConnectFailure(
      failure: refusal(answer, dn: dn),
      isFinal: answer.code == LDAP_INVALID_CREDENTIALS
        || answer.code == LDAP_CONFIDENTIALITY_REQUIRED)
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

  /// Reads and writes in the middle of a message end, too.
  private func limitSocketWaits() {
    var socket: Int32 = -1
    guard ldap_get_option(handle, LDAP_OPT_DESC, &socket) == LDAP_OPT_SUCCESS, socket >= 0 else {
      return
    }
    var wait = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, size)
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &wait, size)
  }

  // MARK: Waiting

  /// The next message of an operation.
  func result(of message: Int32, while doing: String) throws -> OpaquePointer {
    var wait = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
    var received: OpaquePointer?
    let type = ldap_result(handle, message, 0, &wait, &received)
    if type > 0, let received { return received }
    if type == 0 { throw late(doing) }
    throw ConnectFailure(
      failure: ReadFailure("the connection to \(url) was lost while \(doing) (\(lastError))"),
      isFinal: false)
  }

  private func late(_ doing: String) -> ConnectFailure {
    ConnectFailure(
      failure: ReadFailure(
        "\(url) did not answer within \(timeoutSeconds) s while \(doing)",
        remedy: "is the server overloaded or stopped? `timeout` sets the patience"),
      isFinal: false)
  }

  private func unreachable(_ code: Int32) -> ConnectFailure {
    let diagnostic = diagnosticMessage
    if url.hasPrefix("ldaps:"), code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR,
      let diagnostic, !diagnostic.isEmpty
    {
      return untrusted()
    }
    return ConnectFailure(
      failure: ReadFailure(
        "\(url) cannot be reached (\(words(code)))",
        remedy: "is the server running, and is the port right?"), isFinal: false)
  }

  private func untrusted() -> ConnectFailure {
    ConnectFailure(
      failure: ReadFailure(
        "no TLS connection to \(url): \(diagnosticMessage ?? lastError)",
        remedy:
          "the certificate must be valid, bear the server's name and be signed by an authority in tls.ca"
      ),
      isFinal: false)
  }

  private var diagnosticMessage: String? {
    var message: UnsafeMutablePointer<CChar>?
    ldap_get_option(handle, LDAP_OPT_DIAGNOSTIC_MESSAGE, &message)
    defer { ldap_memfree(message) }
    return message.map { String(cString: $0) }
  }

  private var lastError: String {
    var code: Int32 = 0
    ldap_get_option(handle, LDAP_OPT_RESULT_CODE, &code)
    return words(code)
  }

  private func set(_ option: Int32, _ value: Int32) {
    var value = value
    ldap_set_option(handle, option, &value)
  }
}

/// The words for a result code (RFC 4511 appendix A).
func words(_ code: Int32) -> String { String(cString: ldap_err2string(code)) }

/// An LDAPResult (RFC 4511 §4.1.9).
struct Answer {
  let code: Int32
  let diagnostic: String
  let matchedDN: String
  /// The cookie of the paged results control; nil when the server sent no such control.
  let cookie: [UInt8]?

  /// - Throws: `ReadFailure` when the message is not a result.
  init(_ handle: OpaquePointer, _ message: OpaquePointer) throws {
    var code: Int32 = 0
    var matched: UnsafeMutablePointer<CChar>?
    var diagnostic: UnsafeMutablePointer<CChar>?
    var controls: UnsafeMutablePointer<UnsafeMutablePointer<LDAPControl>?>?
    let parsed = ldap_parse_result(
      handle, message, &code, &matched, &diagnostic, nil, &controls, 0)
    defer {
      ldap_memfree(matched)
      ldap_memfree(diagnostic)
      ldap_controls_free(controls)
    }
    guard parsed == LDAP_SUCCESS else {
      throw ReadFailure("the server's answer makes no sense (\(words(parsed)))")
    }
    self.code = code
    self.matchedDN = matched.map { String(cString: $0) } ?? ""
    self.diagnostic = diagnostic.map { String(cString: $0) } ?? ""
    cookie = Self.cookie(handle, controls)
  }

  private static func cookie(
    _ handle: OpaquePointer, _ controls: UnsafeMutablePointer<UnsafeMutablePointer<LDAPControl>?>?
  ) -> [UInt8]? {
    guard let control = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, nil) else {
      return nil
    }
    var estimate: ber_int_t = 0
    var value = berval()
    guard ldap_parse_pageresponse_control(handle, control, &estimate, &value) == LDAP_SUCCESS
    else { return nil }
    defer { ber_memfree(value.bv_val) }
    return Array(UnsafeRawBufferPointer(start: value.bv_val, count: Int(value.bv_len)))
  }

  /// "Size limit exceeded: the server's own words".
  var text: String {
    diagnostic.isEmpty ? words(code) : "\(words(code)): \(diagnostic)"
  }
}
