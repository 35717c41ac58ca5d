import CLDAP
import Ports

/// An LDAPResult (RFC 4511 §4.1.9).
struct Answer {
  let code: Int32
  let diagnostic: String
  let matchedDN: String
  /// The cookie of the paged results control; nil when the server sent no such control.
  let cookie: [UInt8]?

  /// - Throws: `ReadFailure` when the message is not a result.
  init(_ message: OpaquePointer, of connection: LDAPConnection) throws {
    let handle = connection.handle
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
      throw ReadFailure(
        "\(connection.url) sent an answer that makes no sense (\(resultWords(parsed)))",
        remedy: "check the server", isOfServer: true)
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

  /// Whether the server ended its answer at one of its limits.
  var isLimit: Bool {
    [LDAP_SIZELIMIT_EXCEEDED, LDAP_TIMELIMIT_EXCEEDED, LDAP_ADMINLIMIT_EXCEEDED].contains(code)
  }

  /// "Size limit exceeded: the server's own words".
  var text: String {
    diagnostic.isEmpty ? resultWords(code) : "\(resultWords(code)): \(diagnostic)"
  }
}

/// The words for a result code (RFC 4511 appendix A).
func resultWords(_ code: Int32) -> String { String(cString: ldap_err2string(code)) }
