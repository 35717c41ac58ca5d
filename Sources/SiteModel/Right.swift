import Synchronization

/// A license or a group of the site. Each is kept once and for good, for millions of memberships say the same few: one costs
/// eight bytes, and no references are counted.
package struct Right: Sendable, Hashable, Comparable {
  package enum Kind: String, Sendable, Hashable, CaseIterable { case license, group }

  /// What is kept of each spelling. Nothing of it changes, and it is never freed.
  private struct Form {
    let spelling: Spelling
    let key: String
    let number, spellingNumber: Int
    let hidden: Unicode.Scalar?
    let nameBegins: (high: UInt64, low: UInt64)
  }

  /// By its bytes: a store finds rights so, and a name stays as it was written.
  private struct Spelling: Hashable {
    let kind: Kind
    let name: String

    static func == (left: Spelling, right: Spelling) -> Bool {
      left.kind == right.kind && isSameBytes(left.name, right.name)
    }
  }

  /// What spellings of one right have in common.
  private struct Key: Hashable {
    let kind: Kind
    let key: String
  }

  /// All forms, and the numbers of rights that are the same.
  private struct Forms {
    var all: [Spelling: Right] = [:]
    var numbers: [Key: Int] = [:]
  }

  private static let forms = Mutex(Forms())

  nonisolated(unsafe) private let form: UnsafePointer<Form>

  /// - Parameter name: white space at its ends does not count.
  package init(_ kind: Kind, _ name: String) {
    let name = name.trimmed
    self = Self.forms.withLock { forms in
      let spelling = Spelling(kind: kind, name: name)
      if let known = forms.all[spelling] { return known }
      let key = Self.key(kind, name)
      let number = forms.numbers[Key(kind: kind, key: key)] ?? forms.numbers.count
      forms.numbers[Key(kind: kind, key: key)] = number
      let made = UnsafeMutablePointer<Form>.allocate(capacity: 1)
      made.initialize(
        to: Form(
          spelling: spelling, key: key, number: number, spellingNumber: forms.all.count,
          hidden: name.hiddenCharacter, nameBegins: firstBytes(of: name)))
      let right = Right(form: UnsafePointer(made))
      forms.all[spelling] = right
      return right
    }
  }

  private init(form: UnsafePointer<Form>) { self.form = form }

  /// What spellings of one right have in common. For names that are only looked for: nothing is kept of them.
  package static func key(_ kind: Kind, _ name: String) -> String {
    kind == .group ? folded(name.trimmed) : name.trimmed
  }

  package var kind: Kind { form.pointee.spelling.kind }
  /// As first written, less white space at its ends; groups are the same when their names differ in letter case only.
  package var name: String { form.pointee.spelling.name }
  /// What two spellings of one right have in common.
  package var key: String { form.pointee.key }
  /// A character of the name that nobody sees: such a right is given to nobody. nil: there is none.
  package var hiddenCharacter: Unicode.Scalar? { form.pointee.hidden }
  /// Counts the rights from 0; spellings of one right have the same number.
  package var number: Int { form.pointee.number }
  /// Counts the spellings from 0.
  var spellingNumber: Int { form.pointee.spellingNumber }

  /// Whether the name comes first by its bytes.
  package func precedes(_ other: Right) -> Bool {
    let (own, others) = (form.pointee.nameBegins, other.form.pointee.nameBegins)
    if own.high != others.high { return own.high < others.high }
    if own.low != others.low { return own.low < others.low }
    return form != other.form && bytewise(name, other.name)
  }

  package static func == (left: Right, right: Right) -> Bool {
    left.form == right.form || left.number == right.number
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(number) }

  package static func < (left: Right, right: Right) -> Bool {
    left.kind == right.kind ? left.key < right.key : left.kind == .license
  }
}
