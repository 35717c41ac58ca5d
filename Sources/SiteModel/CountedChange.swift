/// A kind of change that limits count, and the part of it that a limit counts by itself.
package struct CountedChange: Sendable, Hashable {
  package enum Part: Sendable, Hashable {
    /// All changes of the kind.
    case whole
    /// The product that is granted, or the key of the group that is left.
    case right(String)
    /// Deactivations that the person's own entry asks for.
    case disabled
    /// Accounts of people who moved out of the searches, whatever happens to them.
    case movedOut
  }

  package let kind: ChangeKind
  package let part: Part

  package init(kind: ChangeKind, part: Part = .whole) {
    self.kind = kind
    self.part = part
  }

  /// The part as the store has it. Names of products and keys of groups never begin with a space.
  package var storedPart: String {
    switch part {
    case .whole: ""
    case .right(let name): name
    case .disabled: " disabled"
    case .movedOut: " moved-out"
    }
  }

  /// - Parameter stored: see `storedPart`.
  package init(kind: ChangeKind, storedPart stored: String) {
    let part: Part =
      switch stored {
      case "": .whole
      case " disabled": .disabled
      case " moved-out": .movedOut
      default: .right(stored)
      }
    self.init(kind: kind, part: part)
  }
}

/// So many changes of one kind may pass beyond its limit: one decision for a day that is known to be large.
package struct Budget: Sendable, Hashable {
  /// The limit's name.
  package let kind: String
  /// How many may pass in all, from `since` on.
  package let upTo: Int
  /// Seconds since 1970.
  package let since: Int64
  /// The moment at which it ends, in seconds since 1970.
  package let until: Int64
  package let reason: String
  package let by: String

  package init(kind: String, upTo: Int, since: Int64, until: Int64, reason: String, by: String) {
    self.kind = kind
    self.upTo = upTo
    self.since = since
    self.until = until
    self.reason = reason
    self.by = by
  }

  package func holds(at now: Int64) -> Bool { now < until }
}
