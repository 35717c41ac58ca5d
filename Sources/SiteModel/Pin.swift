import Foundation

/// An administrator's exception for one account that the sync respects until it expires.
package struct Pin: Sendable, Hashable, Codable {
  package enum Kind: Sendable, Hashable, Codable {
    /// The sync does not withdraw the right, whoever gave it.
    case keep(PinnedRight)
    /// As if the mapping made the person portal-only.
    case portalOnly
    /// The sync never marks the account.
    case noPortalOnly
    /// The sync leaves the account exactly as it is.
    case ignore

    /// As the command line writes it: "keep license=confluence", "portal-only".
    package var text: String {
      switch self {
      case .keep(let pinned): "keep \(pinned.kind)=\(pinned.name)"
      case .portalOnly: "portal-only"
      case .noPortalOnly: "no-portal-only"
      case .ignore: "ignore"
      }
    }

    package init?(text: String) {
      switch text {
      case "portal-only": self = .portalOnly
      case "no-portal-only": self = .noPortalOnly
      case "ignore": self = .ignore
      default:
        guard text.hasPrefix("keep "), let right = Right(text: text.dropFirst(5)) else {
          return nil
        }
        self = .keep(PinnedRight(right))
      }
    }
  }

  package struct PinnedRight: Sendable, Hashable, Codable {
    package let kind: String
    package let name: String

    package init(_ right: Right) {
      kind = right.kind.rawValue
      name = right.name
    }

    package var right: Right { Right(kind == "group" ? .group : .license, name) }
  }

  /// 0 before it is stored.
  package let id: Int64
  package let account: Int64
  package let kind: Kind
  /// The first moment at which it no longer holds, in seconds since 1970.
  package let until: Int64
  package let reason: String
  /// Who pinned it, and when, in seconds since 1970.
  package let by: String
  package let since: Int64

  package init(
    id: Int64 = 0, account: Int64, kind: Kind, until: Int64, reason: String, by: String,
    since: Int64
  ) {
    self.id = id
    self.account = account
    self.kind = kind
    self.until = until
    self.reason = reason
    self.by = by
    self.since = since
  }

  /// The end of a day, written YYYY-MM-DD, in UTC and seconds since 1970; nil for anything else.
  package static func end(of day: String) -> Int64? {
    let style = Date.ISO8601FormatStyle().year().month().day()
    guard day.count == 10, let date = try? style.parse(day) else { return nil }
    return Int64(date.timeIntervalSince1970) + 86_400
  }

  package func holds(at now: Int64) -> Bool { now < until }

  package var text: String { kind.text }

  /// The right that the pin keeps; nil for other kinds.
  package var keptRight: Right? {
    if case .keep(let pinned) = kind { return pinned.right }
    return nil
  }
}

extension Right {
  /// Reads `license=confluence` or `group=developers`; nil for anything else.
  package init?(text: some StringProtocol) {
    // A mark that combines with what stands before it makes one character of both.
    let scalars = String(text).unicodeScalars
    guard let equals = scalars.firstIndex(of: "="),
      let kind = Kind(rawValue: String(scalars[..<equals]))
    else { return nil }
    let name = String(scalars[scalars.index(after: equals)...]).trimmed
    if name.isEmpty { return nil }
    self.init(kind, name)
  }
}
