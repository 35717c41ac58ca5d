/// A filter made ready to run over slots. Two-valued: an absent attribute is false, its negation
/// true. `attr` also matches `attr;option`.
///
/// The common parts lie in one list without references: a filter is asked about everybody, and counting references would cost
/// more than its comparisons.
package struct CompiledFilter: Sendable {
  private var steps: [Step] = []
  /// The folded values that steps compare with, one after the other.
  private var bytes: [UInt8] = []
  private var tests: [Test] = []

  /// A part of the filter; its own parts follow it.
  private struct Step: BitwiseCopyable {
    let kind: Kind
    let slot: Int16
    /// Of how many steps the part consists.
    var count: Int32 = 1
    /// What is compared with, in `bytes`; of a test its number.
    var start: Int32 = 0
    var end: Int32 = 0
  }

  private enum Kind: UInt8, BitwiseCopyable {
    case and, or, not, present, equal, initial, test
  }

  private enum Test: Sendable {
    /// With a value that may be a name.
    case equal(slot: Int, Assertion)
    case substring(slot: Int, Substrings)
    case ordered(slot: Int, Assertion, atLeast: Bool)
    /// Active Directory's objectCategory: a name, also known by its first part ([MS-ADTS] 3.1.1.3.1.3.5).
    case category(slot: Int, folded: [UInt8])
    case exact(slot: Int, [UInt8])
    case bits(slot: Int, mask: Int64, all: Bool)
    /// One of many values: folded, and as normalised DNs.
    case oneOf(slot: Int, folded: Set<[UInt8]>, names: Set<[UInt8]>)
    /// A moment, compared with seconds since 1970; what never comes is later than any.
    case time(slot: Int, AttributeTime, threshold: Int64, atLeast: Bool)
    /// True for people in one of these directory groups.
    case group(GroupTest)
  }

  // Classes, so that a filter that is asked about everybody copies nothing.

  private final class Substrings: Sendable {
    /// Folded; spaces at the edges of pieces count.
    let initial: [UInt8]
    let any: [[UInt8]]
    let final: [UInt8]

    init(_ initial: [UInt8], _ any: [[UInt8]], _ final: [UInt8]) {
      self.initial = foldPiece(initial)
      self.any = any.map(foldPiece)
      self.final = foldPiece(final)
    }
  }

  private final class Assertion: Sendable {
    let bytes: [UInt8]
    let folded: [UInt8]
    let integer: Int64?
    let name: [UInt8]?

    init(_ bytes: [UInt8]) {
      self.bytes = bytes
      folded = TextFold.fold(bytes[...])
      integer = Int64(String(decoding: folded, as: UTF8.self))
      name = bytes.contains(UInt8(ascii: "=")) ? DistinguishedName.normalise(bytes[...]) : nil
    }
  }

  /// What a filter says about `memberOf`.
  package enum GroupTest: Sendable, Hashable {
    case any
    /// By cn or DN, as written.
    case named(String)
    /// By cn; folded.
    case matching(initial: [UInt8], any: [[UInt8]], final: [UInt8])
  }

  /// Makes a filter ready.
  /// - Parameter membership: whether `memberOf` means the groups that Usher resolved; otherwise it is an
  ///   attribute like any other.
  /// - Parameter now: seconds since 1970.
  /// - Throws: a fault for what cannot be evaluated here; its offset is 0.
  package init(
    _ filter: Filter, slots: AttributeSlots, membership: Bool, now: Int64 = 0
  ) throws(FilterFault) {
    try add(filter, slots: slots, membership: membership, now: now)
  }

  /// Several filters in one, for `matches(from:)`.
  package init() {}

  /// - Returns: where the filter begins in this one.
  package mutating func append(_ filter: CompiledFilter) -> Int {
    let place = steps.count
    for var step in filter.steps {
      let before = step.kind == .test ? tests.count : bytes.count
      step.start += Int32(before)
      step.end += Int32(before)
      steps.append(step)
    }
    bytes += filter.bytes
    tests += filter.tests
    return place
  }

  private mutating func add(
    _ filter: Filter, slots: AttributeSlots, membership: Bool, now: Int64
  ) throws(FilterFault) {
    func slot(_ name: String) throws(FilterFault) -> Int {
      if let slot = slots.slot(of: name) { return slot }
      throw FilterFault(message: "the attribute `\(name)` was not read", offset: 0, hint: nil)
    }
    if membership, let test = try Self.groupTest(filter) { return add(.group(test)) }
    switch filter {
    case .and(let parts): try add(.and, parts, slots, membership, now)
    case .or(let parts): try add(.or, parts, slots, membership, now)
    case .not(let part): try add(.not, [part], slots, membership, now)
    case .present(let name): add(.present, try slot(name), [])
    case .equal(let name, let value)
    where name.lowercased() == "objectcategory" && !value.contains(UInt8(ascii: "=")):
      add(.category(slot: try slot(name), folded: TextFold.fold(value[...])))
    case .equal(let name, let value), .approximate(let name, let value):
      addEqual(try slot(name), value)
    case .substring(let name, let initial, let any, let final):
      let pieces = Substrings(initial, any, final)
      if any.isEmpty, final.isEmpty {
        add(.initial, try slot(name), pieces.initial)
      } else {
        add(.substring(slot: try slot(name), pieces))
      }
    case .greaterOrEqual(let name, let value):
      add(.ordered(slot: try slot(name), Assertion(value), atLeast: true))
    case .lessOrEqual(let name, let value):
      add(.ordered(slot: try slot(name), Assertion(value), atLeast: false))
    case .extensible(let name, let rule, let value):
      try addExtensible(slot: slot(name), rule: rule, value: value)
    case .oneOf(let name, _, let values):
      let assertions = values.map(Assertion.init)
      add(
        .oneOf(
          slot: try slot(name), folded: Set(assertions.map(\.folded)),
          names: Set(assertions.compactMap(\.name))))
    case .time(let name, let offset, let atLeast):
      add(
        .time(
          slot: try slot(name), AttributeTime(of: name), threshold: now + offset, atLeast: atLeast))
    }
  }

  private mutating func add(
    _ kind: Kind, _ parts: [Filter], _ slots: AttributeSlots, _ membership: Bool, _ now: Int64
  ) throws(FilterFault) {
    let place = steps.count
    steps.append(Step(kind: kind, slot: 0))
    for part in parts { try add(part, slots: slots, membership: membership, now: now) }
    steps[place].count = Int32(steps.count - place)
  }

  private mutating func add(_ kind: Kind, _ slot: Int, _ folded: [UInt8]) {
    steps.append(
      Step(
        kind: kind, slot: Int16(slot), start: Int32(bytes.count),
        end: Int32(bytes.count + folded.count)))
    bytes += folded
  }

  private mutating func add(_ test: Test) {
    steps.append(Step(kind: .test, slot: 0, start: Int32(tests.count)))
    tests.append(test)
  }

  private mutating func addEqual(_ slot: Int, _ value: [UInt8]) {
    let assertion = Assertion(value)
    if assertion.name == nil {
      add(.equal, slot, assertion.folded)
    } else {
      add(.equal(slot: slot, assertion))
    }
  }

  private static func groupTest(_ filter: Filter) throws(FilterFault) -> GroupTest? {
    guard case let names = filter.attributes, names.count == 1, names[0].lowercased() == "memberof"
    else { return nil }
    switch filter {
    case .and, .or, .not: return nil
    case .present: return .any
    case .equal(_, let value), .approximate(_, let value):
      return .named(String(decoding: value, as: UTF8.self))
    case .extensible(_, nil, let value), .extensible(_, rule: Rule.inChain, let value):
      return .named(String(decoding: value, as: UTF8.self))
    case .substring(_, let initial, let any, let final):
      return .matching(
        initial: foldPiece(initial), any: any.map(foldPiece), final: foldPiece(final))
    default:
      throw FilterFault(
        message: "memberOf can be compared by =, =* and substrings only", offset: 0, hint: nil)
    }
  }

  private mutating func addExtensible(
    slot: Int, rule: String?, value: [UInt8]
  ) throws(FilterFault) {
    let text = String(decoding: value, as: UTF8.self)
    switch rule?.lowercased() {
    case nil, "caseignorematch", "2.5.13.2", "caseignoreia5match", "1.3.6.1.4.1.1466.109.114.2",
      "distinguishednamematch", "2.5.13.1", "integermatch", "2.5.13.14":
      addEqual(slot, value)
    case "caseexactmatch", "2.5.13.5", "caseexactia5match", "1.3.6.1.4.1.1466.109.114.1",
      "octetstringmatch", "2.5.13.17":
      add(.exact(slot: slot, value))
    case Rule.bitAnd, Rule.bitOr:
      guard let mask = Int64(text) else {
        throw FilterFault(
          message: "a bit test needs a whole number, not `\(text)`", offset: 0, hint: nil)
      }
      add(.bits(slot: slot, mask: mask, all: rule == Rule.bitAnd))
    default:
      throw FilterFault(
        message: "usher does not know the matching rule `\(rule ?? "")`", offset: 0,
        hint:
          "known: caseIgnoreMatch, caseExactMatch, \(Rule.bitAnd) (bits, all), \(Rule.bitOr) (bits, any)"
      )
    }
  }

  /// Object identifiers of Active Directory's matching rules ([MS-ADTS] 3.1.1.3.4.4).
  private enum Rule {
    static let bitAnd = "1.2.840.113556.1.4.803"
    static let bitOr = "1.2.840.113556.1.4.804"
    static let inChain = "1.2.840.113556.1.4.1941"
  }

  /// Folds a piece of a substring; a space at its edge counts.
  private static func foldPiece(_ piece: [UInt8]) -> [UInt8] {
    let space = UInt8(ascii: " ")
    guard let first = piece.first, let last = piece.last else { return [] }
    let folded = TextFold.fold(piece[...])
    if folded.isEmpty { return [space] }
    return (first == space ? [space] : []) + folded + (last == space ? [space] : [])
  }
}

extension CompiledFilter {
  /// Whether an entry matches.
  /// - Parameters:
  ///   - start: where the filter begins, of several in one.
  ///   - isMember: answers for the person's directory groups.
  package func matches(
    _ entry: Int, of batch: EntryBatch, from start: Int = 0,
    isMember: (GroupTest) -> Bool = { _ in false }
  ) -> Bool {
    steps.withUnsafeBufferPointer { steps in
      bytes.withUnsafeBufferPointer { bytes in
        matches(start, Program(steps: steps, bytes: bytes), entry, batch, isMember)
      }
    }
  }

  private struct Program {
    let steps: UnsafeBufferPointer<Step>
    let bytes: UnsafeBufferPointer<UInt8>
  }

  private func matches(
    _ place: Int, _ program: Program, _ entry: Int, _ batch: EntryBatch,
    _ isMember: (GroupTest) -> Bool
  ) -> Bool {
    let step = program.steps[place]
    let slot = Int(step.slot)
    func folded() -> UnsafeBufferPointer<UInt8> {
      UnsafeBufferPointer(rebasing: program.bytes[Int(step.start)..<Int(step.end)])
    }
    switch step.kind {
    case .not: return !matches(place + 1, program, entry, batch, isMember)
    case .and, .or:
      var part = place + 1
      while part < place + Int(step.count) {
        if matches(part, program, entry, batch, isMember) == (step.kind == .or) {
          return step.kind == .or
        }
        part += Int(program.steps[part].count)
      }
      return step.kind == .and
    case .present: return batch.anyBytes(of: entry, slot: slot, withOptions: true) { _ in true }
    case .equal:
      return batch.anyBytes(of: entry, slot: slot, withOptions: true) {
        TextFold.fold($0, is: folded())
      }
    case .initial:
      return batch.anyBytes(of: entry, slot: slot, withOptions: true) {
        TextFold.withFolded($0) { $0.starts(with: folded()) }
      }
    case .test: return Self.passes(tests[Int(step.start)], entry, batch, isMember)
    }
  }

  private static func passes(
    _ test: Test, _ entry: Int, _ batch: EntryBatch, _ isMember: (GroupTest) -> Bool
  ) -> Bool {
    switch test {
    case .group(let test): isMember(test)
    case .category(let slot, let folded):
      batch.anyValue(of: entry, slot: slot, withOptions: true) {
        let name = DistinguishedName.normalise($0) ?? []
        return name.starts(with: Array("cn=".utf8) + folded + [UInt8(ascii: ",")])
      }
    case .exact(let slot, let bytes):
      batch.anyValue(of: entry, slot: slot, withOptions: true) { $0 == bytes[...] }
    case .equal(let slot, let assertion):
      batch.anyValue(of: entry, slot: slot, withOptions: true) { equals($0, assertion) }
    case .substring(let slot, let pieces):
      batch.anyBytes(of: entry, slot: slot, withOptions: true) {
        TextFold.withFolded($0) {
          contains($0, pieces.initial, pieces.any, pieces.final)
        }
      }
    case .ordered(let slot, let assertion, let atLeast):
      batch.anyValue(of: entry, slot: slot, withOptions: true) {
        compare($0, assertion, atLeast: atLeast)
      }
    case .oneOf(let slot, let folded, let names):
      batch.anyValue(of: entry, slot: slot, withOptions: true) {
        folded.contains(TextFold.fold($0))
          || !names.isEmpty && DistinguishedName.normalise($0).map(names.contains) ?? false
      }
    case .time(let slot, let kind, let threshold, let atLeast):
      batch.anyValue(of: entry, slot: slot, withOptions: true) {
        switch kind.moment($0) {
        case .never: atLeast
        case .at(let moment): atLeast ? moment >= threshold : moment <= threshold
        case nil: false
        }
      }
    case .bits(let slot, let mask, let all):
      batch.anyValue(of: entry, slot: slot, withOptions: true) {
        guard let number = Int64(String(decoding: $0, as: UTF8.self)) else { return false }
        return all ? number & mask == mask : number & mask != 0
      }
    }
  }

  /// How long from now until a condition on a moment answers differently for this entry, in seconds; nil: never,
  /// or there is none.
  package func secondsToChange(of entry: Int, in batch: EntryBatch) -> Int64? {
    var soonest: Int64?
    for case .time(let slot, let kind, let threshold, let atLeast) in tests {
      _ = batch.anyValue(of: entry, slot: slot, withOptions: true) {
        if case .at(let moment)? = kind.moment($0) {
          // `<=` begins to hold at the moment itself; `>=` ends to hold one second later.
          let left = moment - threshold + (atLeast ? 1 : 0)
          if left > 0 { soonest = min(soonest ?? left, left) }
        }
        return false
      }
    }
    return soonest
  }

  /// Whether a part of the filter depends on the time.
  package var hasTime: Bool {
    tests.contains { if case .time = $0 { true } else { false } }
  }

  /// Every test of directory groups in the filter.
  package var groupTests: [GroupTest] {
    tests.compactMap { if case .group(let test) = $0 { test } else { nil } }
  }

  private static func equals(_ value: ArraySlice<UInt8>, _ assertion: Assertion) -> Bool {
    if TextFold.fold(value, is: assertion.folded) { return true }
    guard let name = assertion.name else { return false }
    return DistinguishedName.normalise(value) == name
  }

  private static func compare(
    _ value: ArraySlice<UInt8>, _ assertion: Assertion, atLeast: Bool
  ) -> Bool {
    let folded = TextFold.fold(value)
    if let right = assertion.integer, let left = Int64(String(decoding: folded, as: UTF8.self)) {
      return atLeast ? left >= right : left <= right
    }
    let isLess = folded.lexicographicallyPrecedes(assertion.folded)
    return folded == assertion.folded || isLess != atLeast
  }

  /// Substrings in order and without overlap (RFC 4511 §4.5.1.7.2). All arguments are folded.
  package static func contains(
    _ value: UnsafeBufferPointer<UInt8>, _ initial: [UInt8], _ any: [[UInt8]], _ final: [UInt8]
  ) -> Bool {
    guard value.count >= initial.count + final.count, value.starts(with: initial),
      value.suffix(final.count).elementsEqual(final)
    else { return false }
    var rest = value[initial.count..<(value.count - final.count)]
    for piece in any {
      guard let found = rest.firstRange(of: piece) else { return false }
      rest = rest[found.upperBound...]
    }
    return true
  }
}
