import DirectoryModel
import Ports

/// What is remembered of each person while a directory is read: one row per person in columns, found by a hash of the
/// key, which is the directory id or stands for the name of an entry without one. Nobody who is as before costs a string.
struct PersonIndex {
  let hash: ByteHash
  /// Numbers of rows at the places that their hashes say, or at the next free ones; -1 is free.
  private var places: [Int32] = Array(repeating: -1, count: 16)
  private var hashes: [WideHash] = []
  private var settled: [UInt64] = []
  private var mirrored: [UInt64] = []
  private var flags: [Flags] = []
  /// When people have to be looked at again although nothing of theirs changes; few have such a moment.
  private var due: [Int32: Int64] = [:]
  /// The keys of rows of which they may be asked for.
  private var keys: [Int32: String] = [:]
  /// How many of those whose keys are not kept are remembered, or were in the mirror, and did not come.
  private var unseenCount = 0
  private var goneCount = 0

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
    static let isSettled = Flags(rawValue: 64)
    static let wasMirrored = Flags(rawValue: 128)
  }

  init(hash: ByteHash) { self.hash = hash }

  // MARK: Rows

  func wide(_ key: String) -> WideHash {
    var key = key
    return key.withUTF8 { hash.wide(UnsafeRawBufferPointer($0)) }
  }

  /// The row of a key's hash; nil where there is none.
  private func find(_ wide: WideHash) -> Int? {
    var place = Int(truncatingIfNeeded: wide.low) & (places.count - 1)
    while places[place] >= 0 {
      let row = Int(places[place])
      if hashes[row] == wide { return row }
      place = (place + 1) & (places.count - 1)
    }
    return nil
  }

  /// The row of a key's hash; a new one where it is new.
  mutating func row(of wide: WideHash) -> Int {
    if let known = find(wide) { return known }
    if (hashes.count + 1) * 4 > places.count * 3 { grow() }
    let row = hashes.count
    hashes.append(wide)
    settled.append(0)
    mirrored.append(0)
    flags.append([])
    put(row)
    return row
  }

  private mutating func put(_ row: Int) {
    var place = Int(truncatingIfNeeded: hashes[row].low) & (places.count - 1)
    while places[place] >= 0 { place = (place + 1) & (places.count - 1) }
    places[place] = Int32(row)
  }

  private mutating func grow() {
    places = Array(repeating: -1, count: places.count * 2)
    for row in hashes.indices { put(row) }
  }

  // MARK: What is known

  /// - Parameter key: kept, so that it can be told should the person not come.
  mutating func add(_ person: KnownPerson) {
    let row = add(
      wide(person.person), hasAccount: person.account != nil, settled: person.settled,
      isAbsent: person.absentSince != nil, due: person.due)
    keep(person.person, of: row)
  }

  /// - Parameter key: the person's directory id.
  mutating func add(
    key: UnsafeRawBufferPointer, hasAccount: Bool, settled: UInt64?, isAbsent: Bool, due: Int64?
  ) {
    let row = add(
      hash.wide(key), hasAccount: hasAccount, settled: settled, isAbsent: isAbsent, due: due)
    // Whoever was gone the last time is most likely gone still.
    if isAbsent { keep(String(decoding: key, as: UTF8.self), of: row) }
  }

  private mutating func add(
    _ wide: WideHash, hasAccount: Bool, settled: UInt64?, isAbsent: Bool, due: Int64?
  ) -> Int {
    let row = row(of: wide)
    flags[row].insert(.isRemembered)
    if let settled {
      self.settled[row] = settled
      flags[row].insert(.isSettled)
    }
    if hasAccount { flags[row].insert(.hasAccount) }
    if isAbsent { flags[row].insert(.isAbsent) }
    if let due { self.due[Int32(row)] = due }
    unseenCount += 1
    return row
  }

  private mutating func keep(_ key: String, of row: Int) {
    if keys.updateValue(key, forKey: Int32(row)) == nil { unseenCount -= 1 }
  }

  /// The person is looked at again, whatever the fingerprint says.
  mutating func unsettle(_ person: String) { flags[row(of: wide(person))].remove(.isSettled) }

  mutating func addMirrored(_ key: UnsafeRawBufferPointer, fingerprint: UInt64) {
    let row = row(of: hash.wide(key))
    mirrored[row] = fingerprint
    flags[row].insert(.wasMirrored)
    goneCount += 1
  }

  // MARK: What comes

  func isMirrored(_ row: Int) -> Bool { flags[row].contains(.isInMirror) }

  /// Whether the mirror had the entry before this read.
  func wasMirrored(_ row: Int) -> Bool { flags[row].contains(.wasMirrored) }

  /// Notes that the entry came.
  /// - Returns: whether it differs from the mirror's.
  mutating func mirror(_ row: Int, as fingerprint: UInt64) -> Bool {
    let isNew = flags[row].insert(.isInMirror).inserted
    guard flags[row].contains(.wasMirrored) else { return true }
    if isNew { goneCount -= 1 }
    return mirrored[row] != fingerprint
  }

  /// Notes that a person came.
  /// - Returns: false when they came before.
  mutating func see(_ row: Int) -> Bool {
    guard flags[row].insert(.isSeen).inserted else { return false }
    if flags[row].contains(.isRemembered), keys[Int32(row)] == nil { unseenCount -= 1 }
    return true
  }

  mutating func evaluate(_ row: Int) { flags[row].insert(.isEvaluated) }
  func isEvaluated(_ row: Int) -> Bool { flags[row].contains(.isEvaluated) }

  func isSettled(_ row: Int, with fingerprint: UInt64, at now: Int64) -> Bool {
    guard flags[row].isSuperset(of: .isSettled), settled[row] == fingerprint,
      !flags[row].contains(.isAbsent)
    else { return false }
    return due.isEmpty || due[Int32(row)].map { $0 > now } ?? true
  }

  // MARK: What is asked afterwards

  func isSeen(_ person: String) -> Bool {
    find(wide(person)).map { flags[$0].contains(.isSeen) } ?? false
  }

  /// Whether the person came, and was not evaluated.
  func isPassedOver(_ person: String) -> Bool {
    find(wide(person)).map { flags[$0].contains(.isSeen) && !flags[$0].contains(.isEvaluated) }
      ?? false
  }

  /// Whether the person is one of those looked at.
  func isKnown(_ person: String) -> Bool { find(wide(person)) != nil }

  /// How many who are remembered did not come this time, and did the last.
  var newlyUnseenCount: Int {
    flags.count { $0.contains(.isRemembered) && $0.isDisjoint(with: [.isSeen, .isAbsent]) }
  }

  var accountCount: Int { flags.count { $0.contains(.hasAccount) } }

  /// People with an account who were not seen, and those without one.
  /// - Parameter remembered: tells the keys of all who are remembered; asked only where one of them did not come.
  func unseen(
    _ remembered: ((String) -> Void) throws -> Void
  ) rethrows -> (withAccount: [String], withoutAccount: [String]) {
    var found: (withAccount: [String], withoutAccount: [String]) = ([], [])
    func add(_ person: String, _ row: Int) {
      let flags = flags[row]
      guard flags.contains(.isRemembered), !flags.contains(.isSeen) else { return }
      if flags.contains(.hasAccount) {
        found.withAccount.append(person)
      } else {
        found.withoutAccount.append(person)
      }
    }
    for (row, key) in keys { add(key, Int(row)) }
    if unseenCount > 0 {
      try remembered { person in
        if let row = find(wide(person)), keys[Int32(row)] == nil { add(person, row) }
      }
    }
    found.withAccount.sort()
    found.withoutAccount.sort()
    return found
  }

  /// Keys of the mirror that did not come.
  /// - Parameter all: tells the mirror's keys; asked only where one of them did not come.
  func goneFromMirror(_ all: ((String) -> Void) throws -> Void) rethrows -> [String] {
    var gone: [String] = []
    if goneCount > 0 {
      try all { key in
        if let row = find(wide(key)), !flags[row].contains(.isInMirror) { gone.append(key) }
      }
    }
    return gone
  }
}
