/// What a run held back and somebody may approve: changes over a limit, a changed mapping, directory groups
/// that are not what they were, a read of the directory that is hard to believe, or a clock that looks wrong.
package struct HeldSet: Sendable, Hashable, Codable {
  package enum Kind: String, Sendable, Hashable, Codable {
    case changes, mapping, group, read, clock
  }

  package let kind: Kind
  /// A SHA-256 as hexadecimal digits: over the sorted pairs of account and change, or over the mapping.
  package let hash: String
  package let changes: [HeldChange]
  /// Why, each as one sentence without a full stop.
  package let causes: [String]
  /// The digest of the mapping that waits; nil: none does, or `hash` is the digest.
  package let mapping: String?

  package init(
    kind: Kind, hash: String, changes: [HeldChange], causes: [String], mapping: String? = nil
  ) {
    self.kind = kind
    self.hash = hash
    self.changes = changes
    self.causes = causes
    self.mapping = mapping
  }

  /// Enough of the hash to type.
  package var shortHash: String { String(hash.prefix(12)) }
}

/// One change that was held back.
package struct HeldChange: Sendable, Hashable, Codable {
  /// Account and change as text: what the hash is over, and what an approval lets pass.
  package let pair: String
  package let email: String
  package let name: String
  package let what: String

  package init(pair: String, email: String, name: String, what: String) {
    self.pair = pair
    self.email = email
    self.name = name
    self.what = what
  }
}

extension Plan {
  /// What identifies a change in whatever plan it comes.
  package func pair(at index: Int) -> String { pair(of: change(at: index)) }

  private func pair(of change: Change) -> String {
    let subject = subjects[change.subject]
    let account = subject.account.map(String.init) ?? "person \(subject.person ?? subject.email)"
    return
      "\(account)\n\(change.kind.rawValue)\n\(change.before?.text ?? "")\n\(change.after?.text ?? "")"
  }

  /// One change as a held one.
  package func heldChange(at index: Int) -> HeldChange {
    let change = change(at: index)
    let subject = subjects[change.subject]
    let value: String? =
      switch (change.before, change.after) {
      case (.text(let before), .text(let after)): "\(before) → \(after)"
      case (.text(let text), nil), (nil, .text(let text)): text
      default: nil
      }
    return HeldChange(
      pair: pair(of: change),
      email: subject.email, name: subject.name,
      what: change.kind.rawValue + (value.map { " \($0)" } ?? ""))
  }

  /// Gives everybody held for this reason another remedy, once it is known.
  package mutating func setRemedy(_ remedy: String, of people: Set<String>, reason: String) {
    for index in holds.indices where people.contains(holds[index].person) {
      let hold = holds[index]
      holds[index] = Hold(
        person: hold.person, account: hold.account, email: hold.email, name: hold.name,
        doubts: hold.doubts.map { $0.reason == reason ? Doubt($0.reason, remedy: remedy) : $0 })
    }
  }
}

extension Sequence<UInt8> {
  /// Two hexadecimal digits a byte.
  package var hexadecimal: String {
    map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }
}
