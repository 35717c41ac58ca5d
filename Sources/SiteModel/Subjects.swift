extension Plan {
  /// The account or coming account that changes are about.
  package struct Subject: Sendable, Hashable, Codable {
    /// nil before creation.
    package let account: Int64?
    package let person: String?
    /// After the plan.
    package let email: String
    package let name: String
    package let username: String?
    /// For a new account: whether it is created marked.
    package let portalOnly: Bool
    /// For a new account: whether the email is known to be the person's.
    package let isEmailVerified: Bool
    /// For a new account: whether it is created active.
    package let isActive: Bool
  }

  /// The subjects of a plan by number, in columns: of a first run there are as many as people.
  package struct Subjects: Sendable, RandomAccessCollection {
    /// 0 before creation.
    private var accounts: [Int64] = []
    private var flags: [Flags] = []
    /// Of each subject person, email, name and username; empty where there is none.
    private var texts = SharedTexts()

    package struct Flags: OptionSet, Sendable {
      package let rawValue: UInt8

      package init(rawValue: UInt8) { self.rawValue = rawValue }

      fileprivate static let hasPerson = Flags(rawValue: 1)
      fileprivate static let hasUsername = Flags(rawValue: 2)
      package static let isPortalOnly = Flags(rawValue: 4)
      package static let isEmailVerified = Flags(rawValue: 8)
      package static let isActive = Flags(rawValue: 16)
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { accounts.count }

    package subscript(number: Int) -> Subject {
      let flags = flags[number]
      return Subject(
        account: account(number), person: person(number), email: email(number),
        name: name(number),
        username: flags.contains(.hasUsername) ? texts.text(number, 3) : nil,
        portalOnly: flags.contains(.isPortalOnly),
        isEmailVerified: flags.contains(.isEmailVerified), isActive: flags.contains(.isActive))
    }

    /// nil before creation.
    package func account(_ number: Int) -> Int64? {
      accounts[number] == 0 ? nil : accounts[number]
    }

    package func person(_ number: Int) -> String? {
      flags[number].contains(.hasPerson) ? texts.text(number) : nil
    }

    package func email(_ number: Int) -> String { texts.text(number, 1) }
    package func name(_ number: Int) -> String { texts.text(number, 2) }

    /// - Parameter texts: of entitlements, of people who may get an account.
    init(sharing texts: PackedTexts = PackedTexts()) { self.texts = SharedTexts(texts) }

    mutating func reserveCapacity(_ count: Int) {
      accounts.reserveCapacity(count)
      flags.reserveCapacity(count)
      texts.reserveCapacity(count)
    }

    /// Adds a coming account that has the email, name and username of an entitlement, by its number.
    mutating func append(sharing entitlement: Int, hasUsername: Bool, portalOnly: Bool) {
      accounts.append(0)
      var flags: Flags = [.hasPerson, .isActive]
      if hasUsername { flags.insert(.hasUsername) }
      if portalOnly { flags.insert(.isPortalOnly) }
      self.flags.append(flags)
      texts.append(sharing: entitlement)
    }

    mutating func append(_ subject: Subject) {
      accounts.append(subject.account ?? 0)
      var flags: Flags = []
      if subject.person != nil { flags.insert(.hasPerson) }
      if subject.username != nil { flags.insert(.hasUsername) }
      if subject.portalOnly { flags.insert(.isPortalOnly) }
      if subject.isEmailVerified { flags.insert(.isEmailVerified) }
      if subject.isActive { flags.insert(.isActive) }
      self.flags.append(flags)
      texts.append(subject.person ?? "", subject.email, subject.name, subject.username ?? "")
    }

    /// All subjects where they lie, for whoever looks at everybody.
    package func withBytes<Result>(_ body: (Bytes) throws -> Result) rethrows -> Result {
      try texts.withBytes { texts in
        try flags.withUnsafeBufferPointer { flags in
          try accounts.withUnsafeBufferPointer {
            try body(Bytes(accounts: $0, flags: flags, texts: texts))
          }
        }
      }
    }

    /// Texts are in UTF-8, and last as long as the call.
    package struct Bytes {
      fileprivate let accounts: UnsafeBufferPointer<Int64>
      fileprivate let flags: UnsafeBufferPointer<Flags>
      fileprivate let texts: SharedTexts.Bytes

      package var indices: Range<Int> { 0..<accounts.count }
      /// 0 before creation.
      package func account(_ number: Int) -> Int64 { accounts[number] }
      package func flags(_ number: Int) -> Flags { flags[number] }
      /// nil where there is none.
      package func person(_ number: Int) -> UnsafeRawBufferPointer? {
        flags[number].contains(.hasPerson) ? texts.text(number) : nil
      }
      package func email(_ number: Int) -> UnsafeRawBufferPointer { texts.text(number, 1) }
      package func name(_ number: Int) -> UnsafeRawBufferPointer { texts.text(number, 2) }
      /// nil where there is none.
      package func username(_ number: Int) -> UnsafeRawBufferPointer? {
        flags[number].contains(.hasUsername) ? texts.text(number, 3) : nil
      }
    }
  }
}

extension Plan.Subjects: Codable {
  package init(from decoder: any Decoder) throws {
    self.init()
    var list = try decoder.unkeyedContainer()
    while !list.isAtEnd { append(try list.decode(Plan.Subject.self)) }
  }

  package func encode(to encoder: any Encoder) throws {
    var list = encoder.unkeyedContainer()
    for subject in self { try list.encode(subject) }
  }
}

extension Memory {
  /// A person about whom nothing is left to do.
  package struct Settled: Sendable, Hashable, Codable {
    package let person: String
    package let fingerprint: UInt64
  }

  /// Many of them, in columns.
  package struct SettledPeople: Sendable, RandomAccessCollection {
    package private(set) var fingerprints: [UInt64] = []
    /// Their directory ids.
    private var people: SharedTexts

    /// - Parameter texts: of entitlements, of people who may be settled.
    init(sharing texts: PackedTexts = PackedTexts()) { people = SharedTexts(texts) }

    package var startIndex: Int { 0 }
    package var endIndex: Int { fingerprints.count }

    package subscript(number: Int) -> Settled {
      Settled(person: people.text(number), fingerprint: fingerprints[number])
    }

    mutating func reserveCapacity(_ count: Int) {
      fingerprints.reserveCapacity(count)
      people.reserveCapacity(count)
    }

    mutating func append(_ person: String, fingerprint: UInt64) {
      people.append(person)
      fingerprints.append(fingerprint)
    }

    /// Adds the person of an entitlement, by its number.
    mutating func append(sharing entitlement: Int, fingerprint: UInt64) {
      people.append(sharing: entitlement)
      fingerprints.append(fingerprint)
    }

    /// All directory ids where they lie, see `SharedTexts.Bytes`.
    package func withIDs<Result>(_ body: (SharedTexts.Bytes) throws -> Result) rethrows -> Result {
      try people.withBytes(body)
    }
  }
}

extension Memory.SettledPeople: Hashable {
  package static func == (left: Self, right: Self) -> Bool { left.elementsEqual(right) }

  package func hash(into hasher: inout Hasher) { for one in self { hasher.combine(one) } }
}

extension Memory.SettledPeople: Codable {
  package init(from decoder: any Decoder) throws {
    self.init()
    var list = try decoder.unkeyedContainer()
    while !list.isAtEnd {
      let one = try list.decode(Memory.Settled.self)
      append(one.person, fingerprint: one.fingerprint)
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var list = encoder.unkeyedContainer()
    for one in self { try list.encode(one) }
  }
}
