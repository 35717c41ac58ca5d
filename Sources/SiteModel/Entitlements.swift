/// What the mapping says of many people, by number from 0, in columns: of a first run there is one for everybody.
package struct Entitlements: Sendable, RandomAccessCollection {
  /// Of each the person, the first email, the first name and the username; empty where there is none.
  package private(set) var texts = PackedTexts()
  private var flags: [Flags] = []
  private var directories: [UInt8] = []
  private var fingerprints: [UInt64] = []
  /// Of each the number of the ruling.
  private var rulingNumbers: [Int32] = []
  private var rulings: [Ruling] = []
  private var grants: [Grant] = []
  /// Of each the number in `rarities`; -1: none.
  private var rarityNumbers: [Int32] = []
  /// What few people have.
  private var rarities: [Rarity] = []
  /// Numbers of rulings, by those that whoever evaluates has for them; -1: not here yet.
  private var known: [Int32] = []
  /// What was said so far of the person who was begun with last.
  private var open = Open()

  private struct Flags: OptionSet {
    let rawValue: UInt8
    static let hasID = Flags(rawValue: 1)
    static let isByRule = Flags(rawValue: 2)
    static let isActive = Flags(rawValue: 4)
    static let hasEmail = Flags(rawValue: 8)
    static let hasName = Flags(rawValue: 16)
    static let hasUsername = Flags(rawValue: 32)
  }

  /// What a person is called; of usernames there is one at most.
  package enum Field { case email, name, username }

  private enum Kind: UInt8 { case account, nothing, leaver }

  /// An outcome; many people share one.
  private struct Ruling {
    let kind: Kind
    /// The number of a rule; -1: none.
    let portalOnly: Int32
    /// Places in `grants`.
    let start, end: Int32
  }

  private struct Open {
    var flags: Flags = []
    /// Where there are several.
    var emails = UsableValues.none
    var names = UsableValues.none
  }

  private struct Rarity {
    /// Where there are several.
    let emails, names: UsableValues
    let match: String?
    let doubts: [Doubt]
    let denied: Set<Right>
    let nextChange: Int64?
    let others: [Entitlement.JoinedEntry]
  }

  package init() {}

  package init(_ all: some Sequence<Entitlement>) {
    var known: [Entitlement.Outcome: Int32] = [:]
    for one in all {
      let ruling = known[one.outcome] ?? add(one.outcome)
      known[one.outcome] = ruling
      append(one, ruling)
    }
  }

  package var startIndex: Int { 0 }
  package var endIndex: Int { flags.count }

  package subscript(number: Int) -> Entitlement {
    let flags = flags[number]
    let rarity = rarity(number)
    return Entitlement(
      person: person(number), hasID: flags.contains(.hasID), directory: directories[number],
      emails: emails(number), names: names(number), username: username(number),
      match: rarity?.match, isActive: flags.contains(.isActive), outcome: outcome(number),
      isByRule: flags.contains(.isByRule), doubts: rarity?.doubts ?? [],
      denied: rarity?.denied ?? [], fingerprint: fingerprints[number],
      nextChange: rarity?.nextChange, others: rarity?.others ?? [])
  }

  // MARK: Columns

  package func person(_ number: Int) -> String { texts.text(number) }

  package func emails(_ number: Int) -> UsableValues {
    if let several = rarity(number)?.emails, !several.isEmpty { return several }
    return firstEmail(number).map { .one($0) } ?? .none
  }

  package func firstEmail(_ number: Int) -> String? {
    flags[number].contains(.hasEmail) ? texts.text(number, 1) : nil
  }

  package func names(_ number: Int) -> UsableValues {
    if let several = rarity(number)?.names, !several.isEmpty { return several }
    return firstName(number).map { .one($0) } ?? .none
  }

  package func firstName(_ number: Int) -> String? {
    flags[number].contains(.hasName) ? texts.text(number, 2) : nil
  }

  package func username(_ number: Int) -> String? {
    flags[number].contains(.hasUsername) ? texts.text(number, 3) : nil
  }

  package func hasEmail(_ number: Int) -> Bool { flags[number].contains(.hasEmail) }
  package func hasName(_ number: Int) -> Bool { flags[number].contains(.hasName) }
  package func hasUsername(_ number: Int) -> Bool { flags[number].contains(.hasUsername) }
  package func hasID(_ number: Int) -> Bool { flags[number].contains(.hasID) }
  package func isActive(_ number: Int) -> Bool { flags[number].contains(.isActive) }
  package func fingerprint(_ number: Int) -> UInt64 { fingerprints[number] }
  /// The number of the directory that shows the person.
  package func directory(_ number: Int) -> UInt8 { directories[number] }
  package func match(_ number: Int) -> String? { rarity(number)?.match }
  package func doubts(_ number: Int) -> [Doubt] { rarity(number)?.doubts ?? [] }
  package func nextChange(_ number: Int) -> Int64? { rarity(number)?.nextChange }
  package func others(_ number: Int) -> [Entitlement.JoinedEntry] { rarity(number)?.others ?? [] }

  /// The values of `account.match` that there are, in no particular order.
  package var matches: [String] { rarities.compactMap(\.match) }

  /// Whether this person is to have an account that can be signed in to.
  package func wantsAccount(_ number: Int) -> Bool {
    isActive(number) && ruling(number).kind == .account
  }

  package func isLeaver(_ number: Int) -> Bool { ruling(number).kind == .leaver }

  /// The number of the rule that marks the account.
  package func portalOnly(_ number: Int) -> Int? {
    let rule = ruling(number).portalOnly
    return rule < 0 ? nil : Int(rule)
  }

  /// What rules give; empty where there is to be no account.
  package func grants(_ number: Int) -> ArraySlice<Grant> {
    let own = ruling(number)
    return grants[Int(own.start)..<Int(own.end)]
  }

  /// How many rights rules give to all of them.
  var grantCount: Int {
    rulingNumbers.reduce(0) { $0 + Int(rulings[Int($1)].end - rulings[Int($1)].start) }
  }

  package func outcome(_ number: Int) -> Entitlement.Outcome {
    switch ruling(number).kind {
    case .account: .account(portalOnly: portalOnly(number), grants: Array(grants(number)))
    case .nothing: .nothing
    case .leaver: .leaver
    }
  }

  private func ruling(_ number: Int) -> Ruling { rulings[Int(rulingNumbers[number])] }

  private func rarity(_ number: Int) -> Rarity? {
    rarityNumbers[number] < 0 ? nil : rarities[Int(rarityNumbers[number])]
  }

  // MARK: Adding

  private mutating func append(_ one: Entitlement, _ ruling: Int32) {
    begin(
      one.person, hasID: one.hasID, directory: one.directory, fingerprint: one.fingerprint)
    add(.email, one.emails)
    add(.name, one.names)
    add(.username, one.username.map { .one($0) } ?? .none)
    end(
      ruling, isActive: one.isActive, isByRule: one.isByRule, match: one.match,
      doubts: one.doubts, denied: one.denied, nextChange: one.nextChange, others: one.others)
  }

  package mutating func append(contentsOf others: Entitlements) {
    var known: [Int32] = []
    for number in others.indices { append(number, of: others, &known) }
  }

  /// Adds a copy of another one's entitlement.
  /// - Parameter known: the numbers here of the other one's rulings, as far as they are here; empty at first.
  package mutating func append(_ number: Int, of other: Entitlements, _ known: inout [Int32]) {
    texts.append(record: number, of: other.texts)
    add(other.rarity(number))
    flags.append(other.flags[number])
    directories.append(other.directories[number])
    fingerprints.append(other.fingerprints[number])
    let ruling = Int(other.rulingNumbers[number])
    if known.isEmpty { known = Array(repeating: -1, count: other.rulings.count) }
    if known[ruling] < 0 {
      let own = other.rulings[ruling]
      known[ruling] = add(
        own.kind, portalOnly: own.portalOnly, other.grants[Int(own.start)..<Int(own.end)])
    }
    rulingNumbers.append(known[ruling])
  }

  /// Gives somebody another outcome.
  package mutating func change(_ number: Int, to outcome: Entitlement.Outcome) {
    rulingNumbers[number] = add(outcome)
  }

  /// Begins with another person; each `Field` follows, and the end.
  package mutating func begin(
    _ person: String, hasID: Bool, directory: UInt8, fingerprint: UInt64
  ) {
    texts.beginRecord()
    texts.append(person)
    open = Open(flags: hasID ? .hasID : [])
    directories.append(directory)
    fingerprints.append(fingerprint)
  }

  /// Adds what a person is called; fields come in their order.
  package mutating func add(_ field: Field, _ values: UsableValues) {
    if values.count > 1 {
      if field == .email { open.emails = values } else { open.names = values }
    }
    if var first = values.first {
      first.withUTF8 { add(field, UnsafeRawBufferPointer($0)) }
    } else {
      texts.append("")
    }
  }

  /// The same of one value, in UTF-8.
  package mutating func add(_ field: Field, _ value: UnsafeRawBufferPointer) {
    switch field {
    case .email: open.flags.insert(.hasEmail)
    case .name: open.flags.insert(.hasName)
    case .username: open.flags.insert(.hasUsername)
    }
    texts.append(value)
  }

  /// Ends with a person.
  /// - Parameter ruling: the number of what they should have.
  package mutating func end(
    _ ruling: Int32, isActive: Bool, isByRule: Bool, match: String? = nil, doubts: [Doubt] = [],
    denied: Set<Right> = [], nextChange: Int64? = nil, others: [Entitlement.JoinedEntry] = []
  ) {
    if isActive { open.flags.insert(.isActive) }
    if isByRule { open.flags.insert(.isByRule) }
    let isRare =
      match != nil || !doubts.isEmpty || !denied.isEmpty || nextChange != nil || !others.isEmpty
      || !open.emails.isEmpty || !open.names.isEmpty
    add(
      isRare
        ? Rarity(
          emails: open.emails, names: open.names, match: match, doubts: doubts, denied: denied,
          nextChange: nextChange, others: others) : nil)
    flags.append(open.flags)
    rulingNumbers.append(ruling)
  }

  private mutating func add(_ rarity: Rarity?) {
    rarityNumbers.append(rarity == nil ? -1 : Int32(rarities.count))
    if let rarity { rarities.append(rarity) }
  }

  /// Adds an outcome.
  package mutating func add(_ outcome: Entitlement.Outcome) -> Int32 {
    switch outcome {
    case .account(let portalOnly, let grants):
      add(.account, portalOnly: portalOnly.map { Int32($0) } ?? -1, grants[...])
    case .nothing: add(.nothing, portalOnly: -1, [])
    case .leaver: add(.leaver, portalOnly: -1, [])
    }
  }

  /// Adds an outcome that others may have, or finds it.
  /// - Parameter key: the number that it has for whoever evaluates: one evaluator fills one value of this type.
  package mutating func add(_ outcome: @autoclosure () -> Entitlement.Outcome, as key: Int) -> Int32
  {
    if key >= known.count {
      known += Array(repeating: -1, count: Swift.max(key + 1, 2 * known.count) - known.count)
    }
    if known[key] < 0 { known[key] = add(outcome()) }
    return known[key]
  }

  private mutating func add(
    _ kind: Kind, portalOnly: Int32, _ own: ArraySlice<Grant>
  ) -> Int32 {
    let start = Int32(grants.count)
    grants.append(contentsOf: own)
    rulings.append(
      Ruling(kind: kind, portalOnly: portalOnly, start: start, end: Int32(grants.count)))
    return Int32(rulings.count - 1)
  }
}
