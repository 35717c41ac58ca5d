import Diagnostics
import DirectoryModel
import SiteModel

/// A compiled mapping made ready for one read: filters bound to slots, group names to groups.
package struct PersonEvaluator: Sendable {
  let mapping: CompiledMapping
  package let slots: AttributeSlots
  package var groups: DirectoryGroups
  let rules: [BoundRule]
  /// When each rule holds, by its number, with the filters of all of them in one.
  private var conditions: [Condition] = []
  private var filters = CompiledFilter()
  /// By number of the directory group, whether a member of it is meant; for each rule that names groups.
  private var isMeant: [Bool] = []
  /// Where people's entries say in which groups they are.
  package let membership: DirectoryGroups.PersonSlots
  /// The slots whose values count through the resolved groups, not by themselves.
  package let membershipSlots: [Int]
  /// The searches of the mapping, by number.
  private let searches: [BoundSearch]
  private let now: Int64
  /// The number of the directory that is read.
  private let directory: UInt8
  /// Whether any condition depends on the time.
  private let hasTime: Bool
  /// Which directory groups the rules mean.
  package let binding: GroupBinding
  /// Keys of groups that no template may produce (R22).
  let protectedGroups: Set<String>
  /// What templates would have produced of them, with the rule.
  package var refused: Set<String> = []
  private let groupTests: [CompiledFilter.GroupTest: Set<Int32>]
  /// The first is the last person's for whom nobody else's would do.
  private var rulings = [Ruling(outcome: .nothing)]
  private static let ownRuling = 0
  private var rulingNumbers: [RulingKey: Int] = [:]
  /// What `each-group` conditions choose of each directory group, by rule and group; nil: not worked out yet.
  private var groupChoices: [[[GroupChoice]?]]
  /// Whether it is anything, by group, for each such rule; asked for everybody.
  private var chosenGroups: [IsChosen] = []
  /// What such a rule gives through each directory group, where it does not depend on the person: where it stands in
  /// `allGroupRights`, since an array for each would be counted for everybody.
  var groupRights: [[Range<Int>?]]
  var allGroupRights: [Right] = []
  /// By number of a right, for whom it was given last: of the people who are evaluated, each has a number.
  private var lastGiven: [Int] = []
  private var evaluated = 0
  /// What the last ruling granted: room for the next one.
  var lastGrants: [Grant] = []

  struct RulingKey: Hashable {
    let rules: [Int]
    let groups: [Int32]

    func hash(into hasher: inout Hasher) {
      // One for everybody: bytes cost less than numbers one by one.
      rules.withUnsafeBytes { hasher.combine(bytes: $0) }
      groups.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
  }

  /// By number of the rule, the directory groups with which its pattern could not be matched; empty nearly always.
  var undecidedChoices: [Int: Set<Int32>] = [:]

  private enum IsChosen: BitwiseCopyable { case unknown, no, yes }

  /// Without references, which would be counted for everybody.
  private struct Condition: BitwiseCopyable {
    /// Where its groups begin in `isMeant`.
    var meant = 0
    /// Where its filter begins in `filters`; -1: it has none.
    var when = -1
    /// Where its groups begin in `chosenGroups`; -1: it chooses none.
    var chosen = -1
    let namesGroups: Bool
    let hasPlaces: Bool
    let isBroken: Bool
    let readsPerson: Bool
  }

  /// A directory group that an `each-group` condition chose, with what its pattern caught.
  struct GroupChoice {
    let group: Int
    let caught: [String]
  }

  /// What one search says of its people. A class as `BoundRule` is.
  private final class BoundSearch: Sendable {
    let users: CompiledMapping.UserSearch
    let account: CompiledMapping.AccountFields
    let emails, names: [BoundSource]
    let username: BoundSource?
    let idSlot: Int
    let matchSlot: Int?
    let active: CompiledFilter?
    /// What of the search filter the source has not applied; nil mostly.
    let filter: CompiledFilter?
    let exclude: CompiledFilter?

    init(
      users: CompiledMapping.UserSearch, account: CompiledMapping.AccountFields,
      slots: AttributeSlots, idSlot: Int, active: CompiledFilter?, filter: CompiledFilter?,
      exclude: CompiledFilter?
    ) {
      self.users = users
      self.account = account
      emails = account.emails.map { BoundSource($0, slots) }
      names = account.names.map { BoundSource($0, slots) }
      username = account.username.map { BoundSource($0, slots) }
      self.idSlot = idSlot
      matchSlot = account.match.flatMap(slots.slot(of:))
      self.active = active
      self.filter = filter
      self.exclude = exclude
    }

    var filters: [CompiledFilter] { [active, filter, exclude].compactMap(\.self) }
  }

  /// A class, so that looking at each rule for each person copies nothing.
  final class BoundRule: Sendable {
    let number: Int
    let rule: Rule
    let when: CompiledFilter?
    /// By number of the directory group: whether a member of it is meant; empty: the rule names none.
    let memberOf: [Bool]
    let each: CompiledFilter?
    /// Whether a template of the rule reads attributes of the person.
    let readsPerson: Bool
    /// A directory group of the rule's filter is gone; the rule matches nobody.
    let isBroken: Bool
    /// Whether a template of the rule makes names of groups.
    let makesGroups: Bool

    init(
      number: Int, rule: Rule, when: CompiledFilter?, memberOf: [Bool], each: CompiledFilter?,
      readsPerson: Bool, isBroken: Bool
    ) {
      self.number = number
      self.rule = rule
      self.when = when
      self.memberOf = memberOf
      self.each = each
      self.readsPerson = readsPerson
      self.isBroken = isBroken
      makesGroups = !rule.groups.allSatisfy(\.isLiteral)
    }
  }

  /// - Parameters:
  ///   - groups: closed; nil when the mapping uses none.
  ///   - now: seconds since 1970, for conditions on moments.
  ///   - directory: its number in the configuration.
  ///   - remembered: ids of directory groups by the names that rules give them.
  ///   - protectedGroups: keys of groups that no template produces.
  ///   - usesMemberOf: whether `memberOf` of people counts beside the members of groups.
  /// - Returns: nil when a rule names a directory group that is not there, or that two bear.
  package init?(
    mapping: CompiledMapping, slots: AttributeSlots, groups: DirectoryGroups, now: Int64 = 0,
    directory: UInt8 = 0, remembered: [String: String] = [:], protectedGroups: Set<String> = [],
    usesMemberOf: Bool = true, into findings: inout Findings
  ) {
    self.mapping = mapping
    self.slots = slots
    self.groups = groups
    self.now = now
    self.directory = directory
    self.protectedGroups = protectedGroups
    membership = DirectoryGroups.PersonSlots(slots, usesMemberOf: usesMemberOf)
    membershipSlots = [slots.slot(of: "memberOf")].compactMap(\.self)
    var binder = GroupBinder(
      groups: groups, now: now, remembered: remembered, findings: findings)
    do {
      var searches: [BoundSearch] = []
      for search in mapping.searches {
        guard let idSlot = slots.slot(of: search.account.id) else { return nil }
        func compile(_ filter: Filter?) throws -> CompiledFilter? {
          try filter.map { try CompiledFilter($0, slots: slots, membership: true, now: now) }
        }
        searches.append(
          BoundSearch(
            users: search.users, account: search.account, slots: slots, idSlot: idSlot,
            active: try compile(search.account.active),
            filter: try compile(search.users.filter.evaluatedHere),
            exclude: try compile(search.users.exclude)))
      }
      self.searches = searches
      var bound: [BoundRule] = []
      for (number, rule) in mapping.rules.enumerated() {
        bound.append(try binder.bind(rule, number: number, slots: slots))
      }
      rules = bound
      // Only rules that choose groups need room for them.
      let each = bound.map { $0.rule.eachGroup == nil ? 0 : groups.count }
      groupChoices = each.map { Array(repeating: nil, count: $0) }
      groupRights = each.map { Array(repeating: nil, count: $0) }
    } catch {
      return nil  // Every filter was compiled once when the mapping was read.
    }
    hasTime =
      searches.contains { $0.filters.contains(where: \.hasTime) }
      || rules.contains { $0.when?.hasTime ?? false }
    let start = SourcePosition(
      file: mapping.references[mapping.leaversRule].file, line: 1, column: 1)
    for filter in searches.flatMap(\.filters) {
      binder.resolve(filter.groupTests, at: start)
    }
    groupTests = binder.tests
    binding = binder.binding
    findings = binder.findings
    if findings.hasErrors { return nil }
    for rule in rules {
      var condition = Condition(
        namesGroups: !rule.rule.memberOf.isEmpty, hasPlaces: !rule.rule.under.isEmpty,
        isBroken: rule.isBroken, readsPerson: rule.readsPerson)
      condition.meant = isMeant.count
      isMeant += rule.memberOf
      if let when = rule.when { condition.when = filters.append(when) }
      if rule.rule.eachGroup != nil {
        condition.chosen = chosenGroups.count
        chosenGroups += Array(repeating: .unknown, count: groups.count)
      }
      conditions.append(condition)
    }
  }

  /// Whether an entry is a person of the mapping.
  /// - Parameter search: the number of the search that brought the entry.
  package func selects(
    _ entry: Int, of batch: EntryBatch, groups set: GroupSet, search: Int = 0
  ) -> Bool {
    exclusion(entry, of: batch, groups: set, search: search) == nil
  }

  /// What leaves an entry out; nil when it is a person.
  package func exclusion(
    _ entry: Int, of batch: EntryBatch, groups set: GroupSet, search: Int = 0
  ) -> String? {
    let own = searches[search]
    if let filter = own.filter, !matches(filter, entry, batch, set) {
      return "search.users.filter does not match: \(own.users.filter.text)"
    }
    if let exclude = own.exclude, matches(exclude, entry, batch, set) {
      return "search.users.exclude matches: \(own.users.exclude?.text ?? "")"
    }
    if !own.users.excludeUnder.isEmpty, isUnder(own.users.excludeUnder, entry, batch) {
      return "search.users.exclude-under holds the entry's place"
    }
    return nil
  }

  /// The key by which directory groups know an entry's name.
  package mutating func nameKey(of entry: Int, in batch: EntryBatch) -> WideHash {
    groups.nameKey(of: entry, in: batch)
  }

  /// The directory groups of an entry.
  /// - Parameter name: the key of its name.
  package mutating func groups(
    of entry: Int, in batch: EntryBatch, name: WideHash
  ) -> GroupSet {
    groups.groups(of: entry, in: batch, name: name, slots: membership)
  }

  /// The same of somebody whose name's key nobody has.
  package mutating func groups(of entry: Int, in batch: EntryBatch) -> GroupSet {
    groups(of: entry, in: batch, name: nameKey(of: entry, in: batch))
  }

  /// The person's key: the id, or nil when there is none or several.
  package func id(of entry: Int, in batch: EntryBatch, search: Int = 0) -> String? {
    idValue(of: entry, in: batch, search).map(DirectoryID.text(of:))
  }

  /// The hash of the person's key; nil when there is none or several.
  package func idHash(
    of entry: Int, in batch: EntryBatch, search: Int, _ hash: ByteHash
  ) -> WideHash? {
    idValue(of: entry, in: batch, search).map { DirectoryID.wide($0, hash) }
  }

  private func idValue(
    of entry: Int, in batch: EntryBatch, _ search: Int
  ) -> ArraySlice<UInt8>? {
    let value = batch.onlyValue(of: entry, slot: searches[search].idSlot)
    return value.map { 1...NameLimits.characters ~= $0.count } == true ? value : nil
  }

  /// What one person should have.
  package mutating func evaluate(
    _ entry: Int, of batch: EntryBatch, groups set: GroupSet, id: String?,
    fingerprint: UInt64, search: Int = 0
  ) -> Entitlement {
    var one = Entitlements()
    evaluate(
      entry, of: batch, groups: set, id: id, fingerprint: fingerprint, search: search, into: &one)
    return one[0]
  }

  /// The same, added to others.
  /// - Parameter all: this evaluator's alone.
  package mutating func evaluate(
    _ entry: Int, of batch: EntryBatch, groups set: GroupSet, id: String?,
    fingerprint: UInt64, search: Int = 0, into all: inout Entitlements
  ) {
    let matched = matched(entry, of: batch, groups: set)
    let ruling = ruling(matched, entry, batch, set)
    let own = searches[search]
    all.begin(
      id ?? String(decoding: batch.dn(of: entry), as: UTF8.self), hasID: id != nil,
      directory: directory, fingerprint: fingerprint)
    /// - Parameter plain: taken as it lies where there is one.
    func add(
      _ field: Entitlements.Field, _ plain: ArraySlice<UInt8>?, else values: () -> UsableValues
    ) {
      guard let plain else { return all.add(field, values()) }
      plain.withUnsafeBytes { all.add(field, $0) }
    }
    let email = own.emails.first?.plainValue(of: entry, in: batch)
    var undecided: UndecidedPattern?
    add(.email, email?.isUsablePlainEmail == true ? email : nil) {
      emails(of: entry, in: batch, search: search, undecided: &undecided)
    }
    var doubts = rulings[ruling].doubts
    add(.name, own.names.first?.plainName(of: entry, in: batch)) {
      let names = names(of: entry, in: batch, search: search, undecided: &undecided)
      return NameLimits.keep(names, as: "account name", &doubts)
    }
    add(.username, own.username?.plainName(of: entry, in: batch)) {
      let name = own.username?.values(of: entry, in: batch, undecided: &undecided)
        .map(\.withoutHiddenCharacters).filter { !$0.isEmpty }.min(by: bytewise)
      return NameLimits.keep(name.map { .one($0) } ?? .none, as: "user name", &doubts)
    }
    let match = own.matchSlot.flatMap { batch.texts(of: entry, slot: $0).min(by: bytewise) }
      .map { NameLimits.keep(.one($0), as: "value of `account.match`", &doubts) }
    if id == nil { doubts.append(doubtfulID(entry, batch, own)) }
    if let undecided { doubts.append(.undecided(undecided)) }
    if !undecidedChoices.isEmpty { doubts += doubtfulChoices(matched, entry, batch, set) }
    all.end(
      ruling == Self.ownRuling
        ? all.add(rulings[ruling].outcome) : all.add(rulings[ruling].outcome, as: ruling),
      isActive: own.active.map { matches($0, entry, batch, set) } ?? true,
      isByRule: rulings[ruling].isByRule,
      match: match?.first,
      doubts: doubts, denied: rulings[ruling].denied,
      nextChange: hasTime ? nextChange(entry, batch, own) : nil)
  }

  private func doubtfulID(_ entry: Int, _ batch: EntryBatch, _ own: BoundSearch) -> Doubt {
    let count = batch.values(of: entry, slot: own.idSlot).count
    if let id = batch.onlyValue(of: entry, slot: own.idSlot), !id.isEmpty {
      return .tooLong("value of \(own.account.id), the immutable id,", characters: id.count)
    }
    return Doubt(
      count == 0
        ? "the entry has no value for \(own.account.id), its immutable id"
        : "the entry has \(count) values for \(own.account.id), its immutable id",
      remedy: "let the reading account see \(own.account.id), or choose another `account.id`")
  }

  /// When a condition on a moment answers differently for this entry, in seconds since 1970.
  private func nextChange(_ entry: Int, _ batch: EntryBatch, _ own: BoundSearch) -> Int64? {
    (own.filters + rules.compactMap(\.when))
      .compactMap { $0.secondsToChange(of: entry, in: batch) }.min().map { now + $0 }
  }

  // MARK: Fields

  package func emails(of entry: Int, in batch: EntryBatch, search: Int = 0) -> UsableValues {
    var undecided: UndecidedPattern?
    return emails(of: entry, in: batch, search: search, undecided: &undecided)
  }

  private func emails(
    of entry: Int, in batch: EntryBatch, search: Int, undecided: inout UndecidedPattern?
  ) -> UsableValues {
    for source in searches[search].emails {
      switch source.values(of: entry, in: batch, undecided: &undecided) {
      case .none: continue
      case .one(let value): if value.isUsableEmail { return .one(value) }
      case .several(let values):
        var seen: Set<String> = []
        let usable = values.filter(\.isUsableEmail).sorted(by: bytewise)
          .filter { seen.insert(emailKey($0)).inserted }
        if !usable.isEmpty { return UsableValues(usable) }
      }
    }
    return .none
  }

  private func names(
    of entry: Int, in batch: EntryBatch, search: Int, undecided: inout UndecidedPattern?
  ) -> UsableValues {
    for source in searches[search].names {
      switch source.values(of: entry, in: batch, undecided: &undecided) {
      case .none: continue
      case .one(let value):
        let name = value.withoutHiddenCharacters
        if !name.isEmpty { return .one(name) }
      case .several(let values):
        let names = Set(values.map(\.withoutHiddenCharacters)).filter { !$0.isEmpty }
        if !names.isEmpty { return UsableValues(names.sorted(by: bytewise)) }
      }
    }
    return .none
  }

  // MARK: Rules

  func matches(
    _ filter: CompiledFilter, from start: Int = 0, _ entry: Int, _ batch: EntryBatch,
    _ set: GroupSet
  ) -> Bool {
    filter.matches(entry, of: batch, from: start) { test in
      if test == .any { return !set.members.isEmpty }
      guard let wanted = groupTests[test] else { return false }
      return set.members.contains { wanted.contains($0) }
    }
  }

  /// The numbers of the rules whose conditions hold.
  mutating func matched(
    _ entry: Int, of batch: EntryBatch, groups set: GroupSet
  ) -> [Int] {
    var matched: [Int] = []
    matched.reserveCapacity(conditions.count)
    for rule in conditions.indices where holds(rule, entry, batch, set) { matched.append(rule) }
    return matched
  }

  private mutating func holds(
    _ rule: Int, _ entry: Int, _ batch: EntryBatch, _ set: GroupSet
  ) -> Bool {
    let own = conditions[rule]
    guard holdsWithoutChoice(rule, entry, batch, set) else { return false }
    if own.chosen < 0 { return true }
    for group in set.members where chooses(rule, group) { return true }
    return false
  }

  /// The same without the rule's `each-group`.
  private func holdsWithoutChoice(
    _ rule: Int, _ entry: Int, _ batch: EntryBatch, _ set: GroupSet
  ) -> Bool {
    let own = conditions[rule]
    if own.isBroken { return false }
    if own.namesGroups, !set.members.contains(where: { isMeant[own.meant + Int($0)] }) {
      return false
    }
    if own.hasPlaces, !isUnder(rules[rule].rule.under, entry, batch) { return false }
    return own.when < 0 || matches(filters, from: own.when, entry, batch, set)
  }

  /// A doubt for each rule whose pattern could not be matched with one of the person's directory groups. A rule that gives the same
  /// through another group is beyond doubt.
  private func doubtfulChoices(
    _ matched: [Int], _ entry: Int, _ batch: EntryBatch, _ set: GroupSet
  ) -> [Doubt] {
    undecidedChoices.sorted { $0.key < $1.key }.compactMap { number, groups in
      let rule = rules[number].rule
      guard let group = set.members.first(where: groups.contains),
        !rule.groups.isEmpty || !matched.contains(number),
        holdsWithoutChoice(number, entry, batch, set),
        case .pattern(let attribute, let pattern) = rule.eachGroup
      else { return nil }
      return .undecided(
        UndecidedPattern(pattern: pattern.text, attribute: attribute), of: rule.reference,
        group: self.groups.dn(of: Int(group)))
    }
  }

  func isUnder(_ places: [DistinguishedName], _ entry: Int, _ batch: EntryBatch) -> Bool {
    guard let own = DistinguishedName(batch.dn(of: entry)) else { return false }
    return places.contains { own.isWithin($0) }
  }

  /// Whether a rule's `each-group` condition chooses anything of one directory group.
  mutating func chooses(_ rule: Int, _ group: Int32) -> Bool {
    let place = conditions[rule].chosen + Int(group)
    if chosenGroups[place] == .unknown {
      chosenGroups[place] = choices(rules[rule], group).isEmpty ? .no : .yes
    }
    return chosenGroups[place] == .yes
  }

  /// The person's directory groups that an `each-group` condition chooses.
  mutating func choices(_ bound: BoundRule, _ set: GroupSet) -> [GroupChoice] {
    set.members.flatMap { choices(bound, $0) }
  }

  /// What an `each-group` condition chooses of one directory group: nothing, or once for each value that its pattern fits.
  mutating func choices(_ bound: BoundRule, _ group: Int32) -> [GroupChoice] {
    if bound.rule.eachGroup == nil { return [] }
    if let known = groupChoices[bound.number][Int(group)] { return known }
    let chosen = chosen(bound, Int(group))
    groupChoices[bound.number][Int(group)] = chosen
    return chosen
  }

  /// Begins with the rights of another person, see `isFirst`.
  mutating func beginPerson() { evaluated += 1 }

  /// Whether the person was not given the right so far.
  mutating func isFirst(_ right: Right) -> Bool {
    let number = right.number
    if number >= lastGiven.count {
      lastGiven += Array(
        repeating: 0, count: max(number + 1, 2 * lastGiven.count) - lastGiven.count)
    }
    if lastGiven[number] == evaluated { return false }
    lastGiven[number] = evaluated
    return true
  }

  private mutating func chosen(_ bound: BoundRule, _ group: Int) -> [GroupChoice] {
    switch bound.rule.eachGroup {
    case nil: return []
    case .filter:
      let isChosen = bound.each?.matches(group, of: groups.entries) == true
      return isChosen ? [GroupChoice(group: group, caught: [])] : []
    case .pattern(let attribute, let pattern):
      guard let slot = groups.entries.slots.slot(of: attribute) else { return [] }
      var choices: [GroupChoice] = []
      for value in groups.entries.texts(of: group, slot: slot) {
        switch pattern.match(value) {
        case .none: break
        case .caught(let texts): choices.append(GroupChoice(group: group, caught: texts))
        case .undecided: undecidedChoices[bound.number, default: []].insert(Int32(group))
        }
      }
      return choices
    }
  }

  /// - Returns: a number into `rulings`.
  private mutating func ruling(
    _ matched: [Int], _ entry: Int, _ batch: EntryBatch, _ set: GroupSet
  ) -> Int {
    let usesGroups = matched.contains { conditions[$0].chosen >= 0 }
    // People in many groups are each a case of their own.
    if usesGroups && set.members.count > 8
      || matched.contains(where: { conditions[$0].readsPerson })
    {
      rulings[Self.ownRuling] = makeRuling(matched, entry, batch, set)
      return Self.ownRuling
    }
    let key = RulingKey(rules: matched, groups: usesGroups ? set.members : [])
    if let known = rulingNumbers[key] { return known }
    let number = rulings.count
    rulings.append(makeRuling(matched, entry, batch, set))
    rulingNumbers[key] = number
    return number
  }
}
