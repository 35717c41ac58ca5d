import Ports

/// What is remembered of each person while a directory is read: one row per person in columns, found by
/// directory id.
struct PersonIndex {
  private var rows: [String: Int32] = [:]
  private var settled: [UInt64?] = []
  private var mirrored: [UInt64?] = []
  private var flags: [Flags] = []
  /// When people have to be looked at again although nothing of theirs changes; few have such a moment.
  private var due: [Int32: Int64] = [:]

  private struct Flags: OptionSet {
    let rawValue: UInt8
    static let hasAccount = Flags(rawValue: 1)
    static let isRemembered = Flags(rawValue: 2)
    /// The entry came in this read.
    static let isInMirror = Flags(rawValue: 4)
    /// It came, and it is a person.
    static let isSeen = Flags(rawValue: 8)
    static let isAbsent = Flags(rawValue: 16)
    static let isEvaluated = Flags(rawValue: 32)
  }

  mutating func add(_ person: KnownPerson) {
    let row = entry(for: person.person)
    settled[row] = person.settled
    if let moment = person.due { due[Int32(row)] = moment }
    flags[row].insert(.isRemembered)
    if person.account != nil { flags[row].insert(.hasAccount) }
    if person.absentSince != nil { flags[row].insert(.isAbsent) }
  }

  /// The person is looked at again, whatever the fingerprint says.
  mutating func unsettle(_ person: String) { settled[entry(for: person)] = nil }

  mutating func addMirrored(_ key: String, fingerprint: UInt64) {
    mirrored[entry(for: key)] = fingerprint
  }

  /// The row of a key; a new one where the key is new.
  mutating func entry(for key: String) -> Int {
    if let known = rows[key] { return Int(known) }
    let row = settled.count
    rows[key] = Int32(row)
    settled.append(nil)
    mirrored.append(nil)
    flags.append([])
    return row
  }

  func isMirrored(_ row: Int) -> Bool { flags[row].contains(.isInMirror) }

  /// Whether the mirror had the entry before this read.
  func wasMirrored(_ row: Int) -> Bool { mirrored[row] != nil }

  /// Notes that the entry came.
  /// - Returns: whether it differs from the mirror's.
  mutating func mirror(_ row: Int, as fingerprint: UInt64) -> Bool {
    flags[row].insert(.isInMirror)
    return mirrored[row] != fingerprint
  }

  /// Notes that a person came.
  /// - Returns: false when they came before.
  mutating func see(_ row: Int) -> Bool { flags[row].insert(.isSeen).inserted }

  mutating func evaluate(_ row: Int) { flags[row].insert(.isEvaluated) }
  func isEvaluated(_ row: Int) -> Bool { flags[row].contains(.isEvaluated) }

  func isSettled(_ row: Int, with fingerprint: UInt64, at now: Int64) -> Bool {
    guard settled[row] == fingerprint, !flags[row].contains(.isAbsent) else { return false }
    return due.isEmpty || due[Int32(row)].map { $0 > now } ?? true
  }

  func isSeen(_ person: String) -> Bool {
    rows[person].map { flags[Int($0)].contains(.isSeen) } ?? false
  }

  /// Whether the person is one of those looked at.
  func isKnown(_ person: String) -> Bool { rows[person] != nil }

  /// People with an account who were not seen, and those without one.
  var unseen: (withAccount: [String], withoutAccount: [String]) {
    var found: (withAccount: [String], withoutAccount: [String]) = ([], [])
    for (person, row) in rows {
      let flags = flags[Int(row)]
      guard flags.contains(.isRemembered), !flags.contains(.isSeen) else { continue }
      if flags.contains(.hasAccount) {
        found.withAccount.append(person)
      } else {
        found.withoutAccount.append(person)
      }
    }
    found.withAccount.sort()
    found.withoutAccount.sort()
    return found
  }

  /// Keys of the mirror that did not come.
  var goneFromMirror: [String] {
    rows.filter { mirrored[Int($0.value)] != nil && !flags[Int($0.value)].contains(.isInMirror) }
      .map(\.key)
  }

  var accountCount: Int { flags.count { $0.contains(.hasAccount) } }
}
