import Diagnostics

/// The keys of `usher serve`.
extension ConfigurationReader {
  mutating func schedule(_ node: YAMLNode) -> Schedule? {
    guard
      let map = MapReader(
        node, what: "`schedule`", known: ["every", "full", "jitter"], into: &findings)
    else { return nil }
    let sync = map["every"].flatMap { recurrence($0, "`every`") }
    let full = map["full"].flatMap { recurrence($0, "`full`") }
    let jitter = map["jitter"].flatMap { $0.seconds("`jitter`", into: &findings) }
    return Schedule(
      sync: sync ?? Schedule.standard.sync, full: full ?? Schedule.standard.full,
      jitterSeconds: jitter ?? 0)
  }

  /// `15m`, `daily 03:00`, or a line of crontab(5) without its command.
  private mutating func recurrence(_ node: YAMLNode, _ what: String) -> Recurrence? {
    guard let text = node.string(what, into: &findings) else { return nil }
    let words = text.split(separator: " ")
    if words.count == 1, text.first.map({ "0"..."9" ~= $0 }) == true {
      guard let seconds = node.seconds(what, into: &findings) else { return nil }
      if seconds < 60 {
        findings.error("\(what) must be at least a minute", at: node.position)
        return nil
      }
      return .every(seconds: seconds)
    }
    if words.count == 2, words[0] == "daily", let time = Self.time(words[1]) { return .cron(time) }
    if let line = CronLine(text) { return .cron(line) }
    findings.error(
      "\(what) must be a length of time, a time of day, or a line of crontab(5)", at: node.position,
      hint: "for example 15m, \"daily 03:00\", or \"*/10 7-19 * * mon-fri\"")
    return nil
  }

  /// A time of day as 03:00.
  private static func time(_ text: Substring) -> CronLine? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ (1...2).contains($0.count) }),
      let hour = Int(parts[0]), let minute = Int(parts[1]), (0...23).contains(hour),
      (0...59).contains(minute)
    else { return nil }
    return CronLine(minutes: [minute], hours: [hour])
  }
}

// MARK: Telling people

extension ConfigurationReader {
  mutating func notices(_ node: YAMLNode) -> Notices? {
    guard
      let map = MapReader(
        node, what: "`notify`", known: ["email", "from", "smtp", "webhook"], into: &findings)
    else { return nil }
    let to = map["email"]?.items.compactMap { address($0, "`email`") } ?? []
    let from = map["from"].flatMap { address($0, "`from`") }
    let server = map["smtp"].flatMap { mailServer($0) }
    for key in ["from", "smtp"] where map["email"] == nil {
      guard let node = map[key] else { continue }
      findings.error(
        "`\(key)` has no meaning without `email`", at: node.position,
        hint: "say who is told: email: [it@acme.example]")
    }
    return Notices(
      email: to.isEmpty ? nil : Notices.Email(to: to, from: from, server: server),
      webhook: map["webhook"].flatMap { webhook($0) })
  }

  private mutating func address(_ node: YAMLNode, _ what: String) -> String? {
    guard let text = node.string(what, into: &findings) else { return nil }
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    if parts.count == 2, parts.allSatisfy({ !$0.isEmpty }), !text.hasPrefix("-"),
      text.allSatisfy({ $0.isASCII && !$0.isWhitespace && !"<>,;\"".contains($0) })
    {
      return text
    }
    findings.error("\(what) must be an address such as it@acme.example", at: node.position)
    return nil
  }

  private mutating func mailServer(_ node: YAMLNode) -> Notices.Server? {
    guard let text = node.string("`smtp`", into: &findings) else { return nil }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    if parts.count == 2 || parts.count == 3, parts[0] == "smtp", parts[1].hasPrefix("//"),
      let port = parts.count == 3 ? Int(parts[2]) : 25, (1...65_535).contains(port)
    {
      let host = parts[1].dropFirst(2)
      if !host.isEmpty, host.allSatisfy({ $0.isLetter || $0.isNumber || ".-".contains($0) }) {
        return Notices.Server(host: String(host), port: port)
      }
    }
    findings.error(
      "`smtp` must be a mail server", at: node.position,
      hint: "for example smtp://mail.acme.example:25; without it the system's sendmail is used")
    return nil
  }

  private mutating func webhook(_ node: YAMLNode) -> Notices.Webhook? {
    guard
      let map = MapReader(
        node, what: "`webhook`", known: ["url", "secret", "format"], into: &findings)
    else { return nil }
    let url = map.required("url", "where it is sent", into: &findings).flatMap {
      webURL($0, "`url`")
    }
    let secret = map["secret"].flatMap {
      self.secret($0, what: "secret", example: "secret: { file: hook }")
    }
    let format = map["format"].flatMap {
      $0.word("`format`", as: Notices.Webhook.Format.self, into: &findings)
    }
    return url.map { Notices.Webhook(url: $0, secret: secret, format: format ?? .json) }
  }
}
