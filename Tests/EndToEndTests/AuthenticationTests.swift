import Foundation
import TestSupport
import Testing

/// How Usher signs in, and to whom it shows no password.
@Suite struct AuthenticationTests {
  @Test func whoWeAreOnThisMachineSignsInOverALocalSocket() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let place = try Workplace(
      directory: "url: \(slapd.localURL)\nbind: { sasl: external }\n")
    let check = try place.usher("check", "--connect", "-v")
    #expect(check.status == 0, "\(check.errors)")
    #expect(
      check.output.contains("signed in as: dn:cn=admin,dc=acme,dc=example"), "\(check.output)")
    #expect(check.errors.contains("ldapsearch -Q -Y EXTERNAL -H ldapi:"), "\(check.errors)")
    #expect(try place.usher("sync").status == 0)
  }

  @Test func aCertificateSignsIn() throws {
    let slapd = try Slapd(
      ldif: Company.ldif(), settings: ["TLSVERIFY": "demand"])
    let tls = slapd.folder.path + "/server/tls"
    let lines = { (more: String) in
      "url: \(slapd.tlsURL)\nbind: { sasl: external }\ntls: { ca: \(slapd.ca)\(more) }\n"
    }
    let place = try Workplace(
      directory: lines(", certificate: \(tls)/client.pem, key: \(tls)/client.key"))
    let check = try place.usher("check", "--connect")
    #expect(check.status == 0, "\(check.errors)")
    #expect(check.output.contains("signed in as: dn:cn=usher client"), "\(check.output)")
    try place.configure(lines(""))
    #expect(try place.usher("check", "--connect").status == 5)
    try place.configure(lines(", certificate: client.pem"))
    #expect(try place.usher("check").status == 65)
  }

  @Test func aKerberosTicketSignsIn() throws {
    let samba = try DirectoryServer.shared(.samba)
    let address = samba.url.replacing("ldap://", with: "")
    let place = try Workplace(
      directory: "url: \(samba.url)\nbind: { sasl: gssapi }\n",
      mapping: """
        usher: 1
        extends: active-directory
        search:
          users: { base: "cn=users,dc=acme,dc=example" }
        rules:
          - { name: everyone, when: everyone, licenses: [confluence] }
        """)
    try place.folder.write(
      """
      [libdefaults]
        default_realm = ACME.EXAMPLE
        dns_lookup_kdc = false
        dns_lookup_realm = false
        rdns = false
      [realms]
        ACME.EXAMPLE = {
          kdc = \(address)
        }
      [domain_realm]
        \(address) = ACME.EXAMPLE
      """, to: "krb5.conf")
    let environment = [
      "KRB5_CONFIG": place.folder.path + "/krb5.conf",
      "KRB5CCNAME": "FILE:" + place.folder.path + "/ticket",
    ]
    let without = try place.usher("check", "--connect", environment: environment)
    #expect(without.status == 5 && without.errors.contains("klist"), "\(without.errors)")
    try place.folder.write("Secret-words1\n", to: "words")
    let ticket = try run(
      "/bin/sh", ["-c", "kinit administrator@ACME.EXAMPLE < words"], in: place.folder.path,
      environment: environment)
    #expect(ticket.status == 0, "\(ticket.errors)")
    let check = try place.usher("check", "--connect", environment: environment)
    #expect(check.status == 0, "\(check.errors)")
    #expect(check.output.contains("Active Directory"), "\(check.output)")
  }

  @Test func aPasswordLoadsNoMechanism() throws {
    let slapd = try Slapd(ldif: Company.ldif())
    let place = try Workplace(directory: Workplace.server(slapd.tlsURL, ca: slapd.ca))
    // The dynamic linker's own account of what is loaded.
    let sync = try place.usher("sync", environment: ["LD_DEBUG": "files"])
    #expect(sync.status == 0, "\(sync.output)")
    #expect(sync.errors.contains("libldap"))
    #expect(!sync.errors.contains("/sasl2/"))
  }

  /// Which certificate a server shows, and what stops the sign-in.
  @Test(arguments: ["expired", "wrong-name", "old-tls"], [false, true])
  func badServersSeeNoPassword(fault: String, startTLS: Bool) throws {
    let slapd = try Slapd(ldif: Company.ldif(), settings: ["TLSFAULT": fault])
    let place = try Workplace(
      directory: Workplace.server(startTLS ? slapd.url : slapd.tlsURL, ca: slapd.ca))
    // None of libldap's own places may talk it round.
    try place.folder.write("TLS_REQCERT never\nTLS_PROTOCOL_MIN 3.0\n", to: ".ldaprc")
    try place.folder.write("TLS_REQCERT never\n", to: "ldaprc")
    let environment = [
      "LDAPTLS_REQCERT": "never", "LDAPTLS_CIPHER_SUITE": "NORMAL:+VERS-ALL",
      "LDAPTLS_PROTOCOL_MIN": "3.0", "HOME": place.folder.path, "LDAPRC": "ldaprc",
      "LDAPCONF": place.folder.path + "/ldaprc",
    ]
    let sync = try place.usher("sync", environment: environment)
    #expect(sync.status == 5, "\(sync.output)")
    #expect(sync.errors.contains("no TLS connection"), "\(sync.errors)")
    #expect(!sync.errors.contains("secret words"))
  }
}
