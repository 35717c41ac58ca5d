/// Puts a plan together, change by change.
package struct PlanBuilder {
  private var plan: Plan
  private let entitlements: Entitlements
  private var releases: [Plan.Rows.Cell] = []
  private var middle: [Plan.Rows.Cell] = []
  private var grants: [Plan.Rows.Cell] = []
  private var contents = Plan.RowContents()
  private var textNumbers: [String: Int32] = [:]
  /// Of each right, by number of the spelling, the last gift of it.
  private var lastGifts: [LastGift] = []
  private var giversNumbers: [GiversChange: Int32] = [:]
  /// For each rule the number of "from nobody to this rule", which most changes say.
  private var ruleGivers: [Int32]

  private struct LastGift {
    /// The number of the rule; -1: there is none yet.
    var rule: Int32 = -1
    /// By number in `contents`.
    var content: Int32 = -1
  }

  /// - Parameters:
  ///   - rules: the mapping's rules; changes name them by number.
  ///   - entitlements: of the people who are decided about, who may be named by number; room is made for what they may
  ///     be given.
  package init(
    basis: Plan.Basis, rules: [RuleReference], warnings: [String] = [],
    expecting entitlements: Entitlements = Entitlements()
  ) {
    plan = Plan(basis: basis)
    self.entitlements = entitlements
    plan.subjects = Plan.Subjects(sharing: entitlements.texts)
    plan.memory.settled = Memory.SettledPeople(sharing: entitlements.texts)
    // What is not used of it takes no memory.
    plan.subjects.reserveCapacity(entitlements.count)
    plan.memory.settled.reserveCapacity(entitlements.count)
    grants.reserveCapacity(entitlements.count + entitlements.grantCount)
    plan.rules = rules
    plan.warnings = warnings
    ruleGivers = [Int32](repeating: -1, count: rules.count)
  }

  /// Adds a subject and returns its number.
  package mutating func addSubject(
    account: Int64?, person: String?, email: String, name: String, username: String?,
    portalOnly: Bool = false, isEmailVerified: Bool = false,
    isActive: Bool = true
  ) -> Int {
    plan.subjects.append(
      Plan.Subject(
        account: account, person: person, email: email, name: name, username: username,
        portalOnly: portalOnly, isEmailVerified: isEmailVerified, isActive: isActive))
    return plan.subjects.count - 1
  }

  /// Adds a subject for the new account of somebody, and returns its number.
  /// - Parameters:
  ///   - number: of the entitlement.
  ///   - email: nil: the entitlement's first.
  package mutating func addNew(_ number: Int, email: String?, portalOnly: Bool) -> Int {
    guard email == nil, entitlements.hasName(number) else {
      let email = email ?? entitlements.firstEmail(number) ?? ""
      return addSubject(
        account: nil, person: entitlements.person(number), email: email,
        name: entitlements.firstName(number) ?? email, username: entitlements.username(number),
        portalOnly: portalOnly)
    }
    plan.subjects.append(
      sharing: number, hasUsername: entitlements.hasUsername(number), portalOnly: portalOnly)
    return plan.subjects.count - 1
  }

  /// Adds a change. It takes its place by kind: releases, then accounts and marks, then grants.
  /// - Parameters:
  ///   - before, after: the license, group, email or id; for a profile `name=…` or `username=…`.
  ///   - rule: the number of the rule behind it.
  ///   - givers: of the right or mark; nil where the rule gives it anew.
  package mutating func add(
    _ kind: ChangeKind, subject: Int, before: String? = nil, after: String? = nil,
    rule: Int? = nil, reason: String? = nil, givers: GiversChange? = nil, keepsGivers: Bool = false
  ) {
    let content = Plan.Row.Content(
      kind, keepsGivers: keepsGivers, before: number(before), after: number(after),
      rule: Int32(rule ?? -1), reason: number(reason),
      givers: givers.map { number($0) } ?? (kind.isGift ? rule.map { given(by: $0) } : nil) ?? -1)
    let isPersonal = kind == .linkAccount || kind == .changeEmail || kind == .updateProfile
    let cell = Plan.Rows.Cell(
      subject: Int32(subject), content: contents.number(of: content, isPersonal: isPersonal))
    switch kind {
    case .revokeLicense, .leaveGroup, .deactivateAccount: releases.append(cell)
    case .grantLicense, .joinGroup: grants.append(cell)
    default: middle.append(cell)
    }
  }

  /// Adds a right that a rule gives anew: most changes are such.
  package mutating func give(_ right: Right, to subject: Int, rule: Int) {
    let spelling = right.spellingNumber
    if spelling >= lastGifts.count {
      let room = max(spelling + 1, 2 * lastGifts.count)
      lastGifts += Array(repeating: LastGift(), count: room - lastGifts.count)
    }
    // Mostly one rule gives it to everybody.
    if lastGifts[spelling].rule != Int32(rule) {
      let content = Plan.Row.Content(
        right.kind == .group ? .joinGroup : .grantLicense, after: number(right.name),
        rule: Int32(rule), givers: given(by: rule))
      lastGifts[spelling] = LastGift(rule: Int32(rule), content: contents.number(of: content))
    }
    grants.append(
      Plan.Rows.Cell(subject: Int32(subject), content: lastGifts[spelling].content))
  }

  /// The directory id of a subject, or the email where there is none.
  package func personOfSubject(_ subject: Int) -> String {
    plan.subjects.person(subject) ?? plan.subjects.email(subject)
  }

  package func nameOfSubject(_ subject: Int) -> String {
    "\(plan.subjects.name(subject)) <\(plan.subjects.email(subject))>"
  }

  package mutating func hold(_ hold: Hold) { plan.holds.append(hold) }
  package mutating func leaving(_ leaving: Leaving) { plan.leaving.append(leaving) }
  package mutating func expire(_ pin: NamedPin) { plan.expiredPins.append(pin) }
  package mutating func seats(_ seats: Seats, of product: String) { plan.seats[product] = seats }

  package mutating func settle(_ person: String, fingerprint: UInt64, due: Int64? = nil) {
    plan.memory.settled.append(person, fingerprint: fingerprint)
    if let due { plan.memory.due[person] = due }
  }

  /// Settles the person of an entitlement, by its number.
  package mutating func settle(_ number: Int) {
    plan.memory.settled.append(
      sharing: number, fingerprint: entitlements.fingerprint(number))
    if let due = entitlements.nextChange(number) {
      plan.memory.due[entitlements.person(number)] = due
    }
  }

  package mutating func unsettle(_ person: String) { plan.memory.unsettled.append(person) }

  package mutating func absence(of person: String, since: Int64?) {
    plan.memory.absences.append(.init(person: person, since: since))
  }

  /// Notes that the plan treats a person as gone; apply checks that they have not come back since.
  /// - Parameter place: where the person is now, outside of the searches.
  package mutating func depart(_ person: String, since: Int64?, movedTo place: String? = nil) {
    if let place { plan.memory.movedOut[person] = place }
    plan.memory.departed.append(.init(person: person, since: since))
  }

  /// Notes that another rule gives what a person has.
  package mutating func regive(_ right: Right, of account: Int64, rule: String) {
    plan.memory.regiven.append(
      .init(account: account, kind: right.kind.rawValue, key: right.key, rule: rule))
  }

  package mutating func forget(_ person: String) { plan.memory.forgotten.append(person) }

  package mutating func accept(
    _ mappings: [Memory.Acceptance], replaced: [HeldChange]
  ) {
    plan.memory.accepted = mappings
    plan.memory.replacedGroups = replaced
  }

  package mutating func note(_ lookedAt: [LookedAt]) { plan.memory.lookedAt = lookedAt }

  /// Notes the directories whose rules give something for the first time; see `Memory.firstGiving`.
  package mutating func giveFirst(_ directories: Set<String>) {
    plan.memory.firstGiving = directories
  }

  /// Whether anything is given so far: an account, a right or a mark.
  package var givesAnything: Bool {
    !grants.isEmpty
      || middle.contains { cell in
        let kind = ChangeKind.byNumber[Int(contents.all[Int(cell.content)].kind)]
        return kind == .createAccount || kind == .markPortalOnly
      }
  }

  package mutating func place(_ place: Memory.Place) { plan.memory.places.append(place) }

  /// The plan, its changes in the order in which they are made; none is added afterwards.
  package mutating func finish() -> Plan {
    if releases.isEmpty, middle.isEmpty, grants.isEmpty { return plan }
    releases += middle
    // The larger part stays where it is: it may be millions of rows.
    if grants.count > releases.count {
      grants.insert(contentsOf: releases, at: 0)
    } else {
      grants = releases + grants
    }
    plan.rows = Plan.Rows(grants, contents.all)
    (releases, middle, grants, contents) = ([], [], [], Plan.RowContents())
    return plan
  }

  private mutating func given(by rule: Int) -> Int32 {
    if ruleGivers[rule] < 0 {
      ruleGivers[rule] = number(GiversChange(to: Givers(rule: plan.rules[rule].name)))
    }
    return ruleGivers[rule]
  }

  private mutating func number(_ givers: GiversChange) -> Int32 {
    if let known = giversNumbers[givers] { return known }
    let number = Int32(plan.givers.count)
    plan.givers.append(givers)
    giversNumbers[givers] = number
    return number
  }

  private mutating func number(_ text: String?) -> Int32 {
    guard let text else { return -1 }
    if let known = textNumbers[text] { return known }
    let number = Int32(plan.texts.count)
    plan.texts.append(text)
    textNumbers[text] = number
    return number
  }
}
