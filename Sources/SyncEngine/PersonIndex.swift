import DirectoryModel
import Ports

/// What is remembered of each person while a directory is read: one row per person, found by a hash of the key, which is
/// the directory id or stands for the name of an entry without one. Nobody who is as before costs a string. What is known of one person lies
/// together, since with many people each place that is looked at is a wait for memory.
struct PersonIndex {
  let hash: ByteHash
  /// Numbers of rows at the places that their hashes say, or at the next free ones; -1 is free.
  private var places: [Int32] = Array(repeating: -1, count: 16)
  private var rows: [Row] = []
  /// When people have to be looked at again although nothing of theirs changes; few have such a moment.
  private var due: [Int32: Int64] = [:]
  /// The row after the one that was found last: people mostly come in the order of the last time.
  private var next = 0
  /// The keys of rows of which they may be asked for.
  private var keys: [Int32: String] = [:]
  /// How many of those whose keys are not kept are remembered, or were in the mirror, and did not come.
  private var unseenCount = 0
  private var goneCount = 0

  private struct Row {
    let hash: WideHash
    var settled: UInt64 = 0
    /// The fingerprint of the mirror's entry; once one came in this read, that one's.
    var mirrored: UInt64 = 0
    /// Stands for the name of the entry that came.
    var name: UInt32 = 0
    /// The account's id; 0 where there is none, or where it does not fit.
    var account: Int32 = 0
    var flags: Flags = []
  }

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

  /// - Parameter count: about so many people are expected.
  init(hash: ByteHash, expecting count: Int = 0) {
    self.hash = hash
    while places.count * 3 < count * 4 { places += places }
    rows.reserveCapacity(count)
  }

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
      if rows[row].hash == wide { return row }
      place = (place + 1) & (places.count - 1)
    }
    return nil
  }

  /// The row of a key's hash; a new one where it is new.
  mutating func row(of wide: WideHash) -> Int {
    if next < rows.count, rows[next].hash == wide {
      next += 1
      return next - 1
    }
    if let known = find(wide) {
      next = known + 1
      return known
    }
    if (rows.count + 1) * 4 > places.count * 3 { grow() }
    let row = rows.count
    rows.append(Row(hash: wide))
    put(row)
    return row
  }

  /// The rows of many keys' hashes: looked for one right after the other, the processor waits for several places of the
  /// memory at a time.
  mutating func rows(of hashes: [WideHash]) -> [Int] { hashes.map { row(of: $0) } }

  private mutating func put(_ row: Int) {
    var place = Int(truncatingIfNeeded: rows[row].hash.low) & (places.count - 1)
    while places[place] >= 0 { place = (place + 1) & (places.count - 1) }
    places[place] = Int32(row)
  }

  private mutating func grow() {
    places = Array(repeating: -1, count: places.count * 2)
    for row in rows.indices { put(row) }
  }

  // MARK: What is known

  /// - Parameter key: kept, so that it can be told should the person not come.
  mutating func add(_ person: KnownPerson) {
    let row = row(of: wide(person.person))
    add(
      row,
      KnownState(
        account: person.account, settled: person.settled,
        isAbsent: person.absentSince != nil, due: person.due))
    keep(person.person, of: row)
  }

  /// Adds what is remembered of some people.
  /// - Parameter some: for each the hash of the directory id; the id itself where the person is absent.
  mutating func add(_ some: [(hash: WideHash, state: KnownState, absent: String?)]) {
    for (row, person) in zip(rows(of: some.map(\.hash)), some) {
      add(row, person.state)
      // Whoever was gone the last time is most likely gone still.
      if let key = person.absent { keep(key, of: row) }
    }
  }

  private mutating func add(_ row: Int, _ state: KnownState) {
    rows[row].flags.insert(.isRemembered)
    if let settled = state.settled {
      rows[row].settled = settled
      rows[row].flags.insert(.isSettled)
    }
    if let account = state.account {
      rows[row].account = Int32(exactly: account) ?? 0
      rows[row].flags.insert(.hasAccount)
    }
    if state.isAbsent { rows[row].flags.insert(.isAbsent) }
    if let due = state.due { self.due[Int32(row)] = due }
    unseenCount += 1
  }

  private mutating func keep(_ key: String, of row: Int) {
    if keys.updateValue(key, forKey: Int32(row)) == nil { unseenCount -= 1 }
  }

  /// The person is looked at again, whatever the fingerprint says.
  mutating func unsettle(_ person: String) {
    let row = row(of: wide(person))
    rows[row].flags.remove(.isSettled)
  }

  /// Adds entries of the mirror.
  /// - Parameter some: for each the hash of its key.
  mutating func addMirrored(_ some: [(hash: WideHash, fingerprint: UInt64)]) {
    for (row, entry) in zip(rows(of: some.map(\.hash)), some) {
      rows[row].mirrored = entry.fingerprint
      rows[row].flags.insert(.wasMirrored)
    }
    goneCount += some.count
  }

  // MARK: What comes

  func isMirrored(_ row: Int) -> Bool { rows[row].flags.contains(.isInMirror) }

  /// Whether the mirror had the entry before this read.
  func wasMirrored(_ row: Int) -> Bool { rows[row].flags.contains(.wasMirrored) }

  /// Notes that the entry came, for the first time.
  /// - Returns: whether it differs from the mirror's.
  mutating func mirror(_ row: Int, as candidate: Candidate) -> Bool {
    let before = rows[row].mirrored
    rows[row].mirrored = candidate.mirrored
    rows[row].name = candidate.nameMark
    rows[row].flags.insert(.isInMirror)
    guard rows[row].flags.contains(.wasMirrored) else { return true }
    goneCount -= 1
    return before != candidate.mirrored
  }

  /// What an entry is to the one that came before with the same key.
  enum Repetition { case same, contradiction, twin }

  /// - Returns: nil where none came before.
  func repetition(_ row: Int, of candidate: Candidate) -> Repetition? {
    guard isMirrored(row) else { return nil }
    if rows[row].mirrored == candidate.mirrored { return .same }
    return rows[row].name == candidate.nameMark ? .contradiction : .twin
  }

  /// Notes that a person came.
  /// - Returns: false when they came before.
  mutating func see(_ row: Int) -> Bool {
    guard rows[row].flags.insert(.isSeen).inserted else { return false }
    if rows[row].flags.contains(.isRemembered), keys[Int32(row)] == nil { unseenCount -= 1 }
    return true
  }

  /// The id of the account that the person is remembered with; 0: none.
  func account(of row: Int) -> Int32 { rows[row].account }

  mutating func evaluate(_ row: Int) { rows[row].flags.insert(.isEvaluated) }

  func isSettled(_ row: Int, with fingerprint: UInt64, at now: Int64) -> Bool {
    guard rows[row].flags.isSuperset(of: .isSettled), rows[row].settled == fingerprint,
      !rows[row].flags.contains(.isAbsent)
    else { return false }
    return due.isEmpty || due[Int32(row)].map { $0 > now } ?? true
  }

  // MARK: What is asked afterwards

  func isSeen(_ person: String) -> Bool {
    find(wide(person)).map { rows[$0].flags.contains(.isSeen) } ?? false
  }

  /// Who of some people came, and was not evaluated.
  func passedOver(among people: [String]) -> [String] {
    func isPassedOver(_ row: Row) -> Bool {
      row.flags.contains(.isSeen) && !row.flags.contains(.isEvaluated)
    }
    // Where everybody was, they need not be looked for one by one.
    guard rows.contains(where: isPassedOver) else { return [] }
    return people.filter { find(wide($0)).map { isPassedOver(rows[$0]) } ?? false }
  }

  /// Whether the person is one of those looked at.
  func isKnown(_ person: String) -> Bool { find(wide(person)) != nil }

  /// How many who are remembered did not come this time, and did the last.
  var newlyUnseenCount: Int {
    rows.count {
      $0.flags.contains(.isRemembered) && $0.flags.isDisjoint(with: [.isSeen, .isAbsent])
    }
  }

  var accountCount: Int { rows.count { $0.flags.contains(.hasAccount) } }

  /// People with an account who were not seen, and those without one.
  /// - Parameter remembered: tells the keys of all who are remembered; asked only where one of them did not come.
  func unseen(
    _ remembered: ((String) -> Void) throws -> Void
  ) rethrows -> (withAccount: [String], withoutAccount: [String]) {
    var found: (withAccount: [String], withoutAccount: [String]) = ([], [])
    func add(_ person: String, _ row: Int) {
      let flags = rows[row].flags
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

  /// How many of the people whom the mirror had did not come, and how many it had.
  var goneFromMirrorCount: (gone: Int, known: Int) {
    goneCount == 0 ? (0, 0) : (goneCount, rows.count { $0.flags.contains(.wasMirrored) })
  }

  /// Whether an entry came that the mirror had before; nil: it did not have it.
  func wasMirrored(_ key: String) -> Bool? {
    guard let row = find(wide(key)), rows[row].flags.contains(.wasMirrored) else { return nil }
    return rows[row].flags.contains(.isInMirror)
  }

  /// Keys of the mirror that did not come.
  /// - Parameter all: tells the mirror's keys; asked only where one of them did not come.
  func goneFromMirror(_ all: ((String) -> Void) throws -> Void) rethrows -> [String] {
    var gone: [String] = []
    if goneCount > 0 {
      try all { key in
        if let row = find(wide(key)), !rows[row].flags.contains(.isInMirror) { gone.append(key) }
      }
    }
    return gone
  }
}
