import Foundation
import SiteModel

/// A plan in the public format `usher_plan` 1.
package enum PlanJSON {
  package static func text(of plan: Plan) throws -> String {
    try JSONText.of(Document(plan))
  }

  private struct Document: Encodable {
    let usherPlan = 1
    let site: String
    let generation: Int64
    let summary: [String: Int]
    let changes: [Row]
    let holds: [Held]
    let leaving: [Gone]
    let seats: [String: Pool]

    init(_ plan: Plan) {
      site = plan.basis.site
      generation = plan.basis.generation
      summary = Dictionary(uniqueKeysWithValues: plan.summary.map { ($0.key.rawValue, $0.value) })
      changes = plan.rows.indices.map { Row(plan.change(at: $0), plan.subjects) }
      holds = plan.holds.map(Held.init)
      leaving = plan.leaving.map {
        Gone(account: $0.account, email: $0.email, due: timeText($0.due))
      }
      seats = plan.seats.mapValues(Pool.init)
    }
  }

  private struct Row: Encodable {
    let kind: String
    let account: Int64?
    let email: String
    let before: JSONValue
    let after: JSONValue
    let rule: RuleReference?
    let reason: String?

    init(_ change: Change, _ subjects: Plan.Subjects) {
      let email = subjects.email(change.subject)
      kind = change.kind.rawValue
      account = subjects.account(change.subject)
      self.email = email
      before = JSONValue(change.before)
      after = JSONValue(change.after, email: email)
      rule = change.rule
      reason = change.reason
    }

    enum Key: CodingKey { case kind, account, email, before, after, rule, reason }

    /// Every key is there, null where there is no value.
    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(kind, forKey: .kind)
      try container.encode(account, forKey: .account)
      try container.encode(email, forKey: .email)
      try container.encode(before, forKey: .before)
      try container.encode(after, forKey: .after)
      try container.encode(rule, forKey: .rule)
      try container.encode(reason, forKey: .reason)
    }
  }

  private struct Held: Encodable {
    let person: String
    let email: String?
    let reasons: [String]

    init(_ hold: Hold) {
      person = hold.person
      email = hold.email
      reasons = hold.doubts.map(\.reason)
    }

    enum Key: CodingKey { case person, email, reasons }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(person, forKey: .person)
      try container.encode(email, forKey: .email)
      try container.encode(reasons, forKey: .reasons)
    }
  }

  private struct Gone: Encodable {
    let account: Int64
    let email: String
    let due: String
  }

  private struct Pool: Encodable {
    let ceiling: Int?
    let now: Int
    let after: Int
    let waiting: [String]

    init(_ seats: Seats) {
      ceiling = seats.ceiling
      now = seats.now
      after = seats.after
      waiting = seats.waiting
    }

    enum Key: CodingKey { case ceiling, now, after, waiting }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(ceiling, forKey: .ceiling)
      try container.encode(now, forKey: .now)
      try container.encode(after, forKey: .after)
      try container.encode(waiting, forKey: .waiting)
    }
  }
}

/// A value before or after a change.
private enum JSONValue: Encodable {
  case null
  case text(String)
  case flag(Bool)
  case fields([String: JSONValue])

  init(_ value: Change.Value?, email: String = "") {
    switch value {
    case nil: self = .null
    case .text(let text): self = .text(text)
    case .flag(let flag): self = .flag(flag)
    case .field(let name, let text): self = .fields([name: text.map { .text($0) } ?? .null])
    case .profile(let name, let username, let portalOnly):
      self = .fields([
        "email": .text(email), "name": .text(name), "username": username.map { .text($0) } ?? .null,
        "portal_only": .flag(portalOnly),
      ])
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .text(let text): try container.encode(text)
    case .flag(let flag): try container.encode(flag)
    case .fields(let fields): try container.encode(fields)
    }
  }
}

/// JSON with sorted keys, so that the same value gives the same bytes.
package enum JSONText {
  package static func of(_ value: some Encodable, isPretty: Bool = true) throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting =
      isPretty
      ? [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      : [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
