import Crypto
import DirectoryModel
import Foundation
import SiteModel

/// Up to a thousand changes of a run as bytes. What is a person's (names, emails, directory ids) lies in
/// `personal`, each piece with a salt of its own; `bytes` holds its salted digest in its place, so that blanking
/// a piece leaves `bytes`, and the audit chain over it, as they are.
struct JournalBlock {
  private(set) var bytes: [UInt8] = []
  private(set) var personal: [UInt8] = []
  private(set) var count = 0
  /// In which range the numbers of all accounts are; nil: there are none.
  private(set) var accounts: ClosedRange<Int64>?

  private struct Flags: OptionSet {
    let rawValue: UInt8
    static let keepsGivers = Flags(rawValue: 1)
    static let hasBefore = Flags(rawValue: 2)
    static let hasAfter = Flags(rawValue: 4)
    static let isPersonal = Flags(rawValue: 8)
    static let hasGivers = Flags(rawValue: 16)
  }

  private static let createAccount = ChangeKind.createAccount.number
  /// Of one random number.
  private static let saltSize = 8
  private static let digestSize = 16

  /// - Parameters:
  ///   - rule, reason, givers: numbers in the run's own tables, -1 for none.
  mutating func append(
    _ kind: ChangeKind, account: Int64, before: String?, after: String?, rule: Int, reason: Int,
    givers: Int, keepsGivers: Bool, salting: inout Salting
  ) {
    var flags: Flags = []
    if keepsGivers { flags.insert(.keepsGivers) }
    if before != nil { flags.insert(.hasBefore) }
    if after != nil { flags.insert(.hasAfter) }
    if kind.isPersonal { flags.insert(.isPersonal) }
    if givers >= 0 { flags.insert(.hasGivers) }
    appendHead(kind.number, flags, account, rule, reason, givers)
    func appendValues(to bytes: inout [UInt8]) {
      if let before { bytes.appendField(before.utf8) }
      if let after { bytes.appendField(after.utf8) }
    }
    if kind.isPersonal {
      salting.begin()
      appendValues(to: &salting.piece)
      append(salting)
    } else {
      appendValues(to: &bytes)
    }
  }

  /// The same for a gift, as most changes of a first run are.
  /// - Parameter name: of the right, in UTF-8.
  mutating func append(
    _ gift: Plan.Gift, kind: UInt8, account: Int64, name: UnsafeRawBufferPointer, rule: Int
  ) {
    appendHead(kind, [.hasAfter, .hasGivers], account, rule, -1, gift.givers)
    bytes.appendField(name)
  }

  /// The same for a new account: email, name, username, mark and directory id, one a line.
  mutating func append(
    new subject: Int, of subjects: Plan.Subjects.Bytes, account: Int64, rule: Int, reason: Int,
    givers: Int, salting: inout Salting
  ) {
    let isPortalOnly = subjects.flags(subject).contains(.isPortalOnly)
    let (email, name) = (subjects.email(subject), subjects.name(subject))
    let (username, person) = (subjects.username(subject), subjects.person(subject))
    let mark: StaticString = isPortalOnly ? "portal-only" : ""
    appendHead(
      Self.createAccount,
      givers < 0 ? [.hasAfter, .isPersonal] : [.hasAfter, .isPersonal, .hasGivers],
      account, rule, reason, givers)
    salting.begin()
    let size = email.count + name.count + (username?.count ?? 0) + (person?.count ?? 0)
    salting.piece.appendVarint(UInt64(size + mark.utf8CodeUnitCount + 4))
    salting.piece.append(contentsOf: email)
    salting.endLine()
    salting.piece.append(contentsOf: name)
    salting.endLine()
    if let username { salting.piece.append(contentsOf: username) }
    salting.endLine()
    mark.withUTF8Buffer { salting.piece.append(contentsOf: $0) }
    salting.endLine()
    if let person { salting.piece.append(contentsOf: person) }
    append(salting)
  }

  /// Adds a person's data.
  private mutating func append(_ salting: Salting) {
    SHA256.hash(data: salting.piece).withUnsafeBytes {
      bytes.append(contentsOf: $0.prefix(Self.digestSize))
    }
    personal.appendField(salting.piece)
  }

  private mutating func appendHead(
    _ kind: UInt8, _ flags: Flags, _ account: Int64, _ rule: Int, _ reason: Int, _ givers: Int
  ) {
    if let known = accounts {
      if !known.contains(account) {
        accounts = min(known.lowerBound, account)...max(known.upperBound, account)
      }
    } else {
      accounts = account...account
    }
    bytes.append(kind)
    bytes.append(flags.rawValue)
    bytes.appendVarint(UInt64(account))
    bytes.appendVarint(UInt64(rule + 1))
    bytes.appendVarint(UInt64(reason + 1))
    if givers >= 0 { bytes.appendVarint(UInt64(givers)) }
    count += 1
  }

  /// Salts pieces. The random numbers are fetched some at a time: to ask the system for each costs as much as its digest.
  struct Salting {
    /// The piece that is put together, after its salt.
    fileprivate var piece: [UInt8] = []
    /// As much as `getentropy` gives at once.
    private var numbers = [UInt64](repeating: 0, count: 32)
    private var left = 0

    fileprivate mutating func begin() {
      piece.removeAll(keepingCapacity: true)
      withUnsafeBytes(of: next()) { piece.append(contentsOf: $0) }
    }

    fileprivate mutating func endLine() { piece.append(UInt8(ascii: "\n")) }

    private mutating func next() -> UInt64 {
      if left == 0, numbers.withUnsafeMutableBytes({ getentropy($0.baseAddress, $0.count) }) == 0 {
        left = numbers.count
      }
      if left == 0 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
      }
      left -= 1
      return numbers[left]
    }
  }

  /// What a run's blocks refer to by number.
  struct Tables {
    let rules: [RuleReference]
    let reasons: [String]
    let givers: [GiversChange]
  }

  struct Damage: Error { let message: String }

  /// Reads a block back.
  /// - Parameter only: the account whose changes alone are told; nil: all are.
  /// - Throws: `Damage` where the bytes are not a block, or a person's data are not what was written.
  static func read(
    _ changes: Data, personal: Data, tables: Tables, only: Int64? = nil,
    _ body: (JournalEntry) throws -> Void
  ) throws {
    try changes.withUnsafeBytes { raw in
      try personal.withUnsafeBytes { personalRaw in
        var cursor = ByteCursor(raw)
        var pieces = ByteCursor(personalRaw)
        while !cursor.isAtEnd {
          if let entry = try entry(&cursor, &pieces, tables, only: only) { try body(entry) }
        }
        guard pieces.isAtEnd else { throw Damage(message: "there is more than was written") }
      }
    }
  }

  private static func entry(
    _ cursor: inout ByteCursor, _ pieces: inout ByteCursor, _ tables: Tables, only: Int64?
  ) throws -> JournalEntry? {
    let damage = Damage(message: "a block cannot be read")
    guard let kindNumber = cursor.byte(), Int(kindNumber) < ChangeKind.byNumber.count,
      let flagByte = cursor.byte(), let account = cursor.varint().flatMap(Int64.init(exactly:)),
      let rule = cursor.varint(),
      let reason = cursor.varint(), rule <= tables.rules.count, reason <= tables.reasons.count
    else { throw damage }
    let flags = Flags(rawValue: flagByte)
    var givers: GiversChange?
    if flags.contains(.hasGivers) {
      guard let number = cursor.varint(), number < tables.givers.count else { throw damage }
      givers = tables.givers[Int(number)]
    }
    var values: (before: String?, after: String?) = (nil, nil)
    var isErased = false
    if flags.contains(.isPersonal) {
      guard let digest = cursor.bytes(digestSize), let piece = pieces.field() else { throw damage }
      isErased = piece.isEmpty
      if let only, only != account { return nil }
      if !isErased {
        guard SHA256.hash(data: piece).prefix(digestSize).elementsEqual(digest),
          piece.count >= saltSize
        else { throw Damage(message: "a person's data were edited") }
        var own = ByteCursor(UnsafeRawBufferPointer(rebasing: piece[saltSize...]))
        values = try fields(&own, flags)
      }
    } else {
      values = try fields(&cursor, flags)
    }
    if let only, only != account { return nil }
    return JournalEntry(
      kind: ChangeKind.byNumber[Int(kindNumber)], account: account, before: values.before,
      after: values.after, rule: rule == 0 ? nil : tables.rules[Int(rule) - 1],
      reason: reason == 0 ? nil : tables.reasons[Int(reason) - 1], givers: givers,
      keepsGivers: flags.contains(.keepsGivers), isErased: isErased)
  }

  private static func fields(
    _ cursor: inout ByteCursor, _ flags: Flags
  ) throws -> (before: String?, after: String?) {
    func field() throws -> String {
      guard let field = cursor.field() else { throw Damage(message: "a block cannot be read") }
      return String(decoding: field, as: UTF8.self)
    }
    let before = flags.contains(.hasBefore) ? try field() : nil
    let after = flags.contains(.hasAfter) ? try field() : nil
    return (before, after)
  }

  /// The personal part of a block with one account's pieces blanked; nil when it has none.
  static func blanked(
    _ changes: Data, personal: Data, tables: Tables, account: Int64
  ) throws -> [UInt8]? {
    var blank: [Bool] = []
    try read(changes, personal: personal, tables: tables) { entry in
      if entry.kind.isPersonal { blank.append(entry.account == account) }
    }
    guard blank.contains(true) else { return nil }
    var kept: [UInt8] = []
    try personal.withUnsafeBytes { raw in
      var pieces = ByteCursor(raw)
      for isBlank in blank {
        guard let piece = pieces.field() else { throw Damage(message: "a block cannot be read") }
        kept.appendField(isBlank ? UnsafeRawBufferPointer(start: nil, count: 0) : piece)
      }
    }
    return kept
  }
}

extension ChangeKind {
  /// Whether the values of such a change are a person's data.
  var isPersonal: Bool {
    switch self {
    case .createAccount, .linkAccount, .updateProfile, .changeEmail: true
    default: false
    }
  }
}
