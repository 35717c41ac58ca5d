/// Whom `usher serve` tells after a sync that changed something, failed, or held something back.
package struct Notices: Sendable, Hashable {
  package let email: Email?
  package let webhook: Webhook?

  package struct Email: Sendable, Hashable {
    package let to: [String]
    package let from: String?
    /// A mail server; nil: the system's sendmail.
    package let server: Server?
  }

  package struct Server: Sendable, Hashable {
    package let host: String
    package let port: Int

    package init(host: String, port: Int) {
      self.host = host
      self.port = port
    }
  }

  package struct Webhook: Sendable, Hashable {
    package enum Format: String, Sendable, CaseIterable { case json, slack }

    package let url: String
    /// Signs what is sent; nil: it is not signed.
    package let secret: SecretSource?
    package let format: Format
  }
}
