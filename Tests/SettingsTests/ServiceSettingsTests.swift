import Diagnostics
import Settings
import Testing

private func read(_ extra: String) -> (configuration: Configuration?, faults: [String]) {
  var findings = Findings()
  let text = """
    site: { name: acme, store: "sqlite:usher.db" }
    directories: [{ name: corporate, ldif: acme.ldif, mapping: acme.yaml }]
    \(extra)
    """
  let configuration = ConfigurationReader.read(text, path: "/etc/usher/usher.yaml", into: &findings)
  return (configuration, findings.all.map(\.message))
}

@Suite struct ServiceSettingsTests {
  @Test func theConsoleListensOnLoopbackWhereNothingIsSaid() throws {
    let (configuration, faults) = read("")
    #expect(faults.isEmpty)
    #expect(configuration?.console == .standard)
    #expect(configuration?.console.link == "http://127.0.0.1:8480")
    #expect(configuration?.notices == nil)
  }

  @Test func everyKeyOfTheConsole() throws {
    let digest = String(repeating: "aB", count: 32)
    let (configuration, faults) = read(
      """
      console:
        listen: "[::]:443"
        url: https://usher.acme.example/
        viewers: staff
        approvers: ["cn=admins,dc=acme", root]
        second-approver: true
        tls: { certificate: tls/cert.pem, key: /tls/key.pem }
        tokens: [{ name: ci, role: operator, sha256: \(digest) }]
      """)
    #expect(faults.isEmpty)
    let console = try #require(configuration?.console)
    #expect(console.listens == Console.Address(host: "::", port: 443))
    #expect(console.link == "https://usher.acme.example")
    #expect(console.groups == [.viewer: ["staff"], .approver: ["cn=admins,dc=acme", "root"]])
    #expect(console.needsSecondApprover)
    #expect(
      console.tls?.certificatePath == "/etc/usher/tls/cert.pem"
        && console.tls?.keyPath == "/tls/key.pem")
    #expect(
      console.tokens
        == [Console.Token(name: "ci", role: .operator, sha256: digest.lowercased())])
    #expect(read("console: { listen: off }").configuration?.console.listens == nil)
  }

  @Test(arguments: [
    ("listen: 8480", "must be an address and a port"), ("listen: \":1\"", "must be an address"),
    ("listen: \"a:b\"", "must be an address"),
    ("listen: \"127.0.0.1:70000\"", "must be an address"),
    ("listen: \"::1:80\"", "must be an address"),
    ("listen: \"0.0.0.0:8480\"", "without TLS"),
    ("listen: \"0.0.0.0:8480\", url: \"http://a\"", "without TLS"),
    ("url: usher.example", "must begin with https://"),
    ("url: \"https://root@usher.example\"", "must begin with https://"),
    ("tls: { certificate: a }", "`key` is missing"), ("second-approver: maybe", "true or false"),
    ("tokens: [{ name: a, role: root, sha256: 00 }]", "must be one of"),
    ("tokens: [{ name: a, role: viewer, sha256: 00 }]", "64 hexadecimal digits"),
    ("port: 1", "unknown key `port`"),
  ])
  func faultsOfTheConsoleAreSaid(_ keys: String, _ words: String) {
    let (configuration, faults) = read("console: { \(keys) }")
    #expect(configuration == nil)
    #expect(faults.contains { $0.contains(words) }, "\(faults)")
  }

  @Test func severalDirectoriesNeedGroupsByDN() {
    func faults(_ group: String) -> [String] {
      var findings = Findings()
      let text = """
        site: { name: acme, store: "sqlite:usher.db" }
        directories:
          - { name: a, ldif: a.ldif, mapping: a.yaml }
          - { name: b, ldif: b.ldif, mapping: b.yaml }
        console: { approvers: [\(group)] }
        """
      _ = ConfigurationReader.read(text, path: "usher.yaml", into: &findings)
      return findings.all.map(\.message)
    }
    #expect(faults("\"cn=it,dc=acme\"").isEmpty)
    #expect(faults("it").contains { $0.contains("names its groups by DN") })
  }

  @Test func everyKeyOfNotify() throws {
    let (configuration, faults) = read(
      """
      notify:
        email: it@acme.example
        from: usher@acme.example
        smtp: smtp://mail.acme.example:2525
        webhook: { url: "https://hooks.example/T0", secret: { env: HOOK }, format: slack }
      """)
    #expect(faults.isEmpty)
    let notices = try #require(configuration?.notices)
    #expect(notices.email?.to == ["it@acme.example"] && notices.email?.from == "usher@acme.example")
    #expect(notices.email?.server == Notices.Server(host: "mail.acme.example", port: 2525))
    #expect(notices.webhook?.format == .slack)
    #expect(notices.webhook?.secret == .environment(name: "HOOK"))
    #expect(
      read("notify: { email: [a@x], smtp: \"smtp://m\" }").configuration?.notices?.email?.server?
        .port
        == 25)
  }

  @Test(arguments: [
    ("email: nobody", "must be an address"), ("email: \"-oQ/tmp@x\"", "must be an address"),
    ("email: \"a@x, b@x\"", "must be an address"), ("from: a@x", "no meaning without `email`"),
    ("email: a@x, smtp: mail", "must be a mail server"),
    ("email: a@x, smtp: \"smtps://mail\"", "must be a mail server"),
    ("webhook: { format: json }", "`url` is missing"),
    ("webhook: { url: \"ftp://x\" }", "must begin with https://"),
    ("webhook: { url: \"https://x\", secret: hunter2 }", "does not stand in the configuration"),
    ("webhook: { url: \"https://x\", format: xml }", "must be one of"),
  ])
  func faultsOfNotifyAreSaid(_ keys: String, _ words: String) {
    let (configuration, faults) = read("notify: { \(keys) }")
    #expect(configuration == nil)
    #expect(faults.contains { $0.contains(words) }, "\(faults)")
  }
}
