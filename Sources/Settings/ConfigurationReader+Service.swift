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
