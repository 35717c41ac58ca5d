import CLDAP
import DirectoryModel
import Foundation
import Ports

/// Reads one search under one base to its end: in one stream, or page by page. The next page is asked for before the last one is
/// handed on, so that the server works while we do.
struct SearchReader {
  private let connection: LDAPConnection
  private let search: DirectorySearch
  private let base: String
  /// Entries a page; nil: none, the answer comes in one stream.
  private var pageSize: Int?
  private var batch: EntryBatch
  private var summary = ReadSummary()
  /// Entries of this page with an attribute of which more values are to be fetched.
  private var ranged: [RangedEntry] = []
  private let limiter: LoadLimiter
  /// How many entries the limiter knows of.
  private var paced = 0
  /// The slot of each attribute of the entry before, in the order in which they came.
  private var slotsBefore: [Int] = []
  /// Pages are to be had, should the server cut the answer.
  private let isStream: Bool
  private var pages = PageProgress()
  private var place: BaseCheck
  /// So many entries of one answer may come with a part of their values.
  private static let mostRanged = 10_000

  /// A server cut a stream at one of its limits; what came counts for nothing, and pages may get it all.
  struct StreamCut: Error {}

  init(
    connection: LDAPConnection, search: DirectorySearch, base: String, pageSize: Int?,
    isStream: Bool = false, limiter: LoadLimiter = LoadLimiter()
  ) {
    self.isStream = isStream
    self.connection = connection
    self.search = search
    self.base = base
    place = BaseCheck(base)
    self.pageSize = pageSize
    self.limiter = limiter
    batch = EntryBatch(slots: search.slots)
  }

  /// - Throws: `ReadFailure` for any answer but a complete one.
  mutating func read(_ deliver: (borrowing EntryBatch) throws -> Void) throws -> ReadSummary {
    do {
      connection.expectEntries()
      connection.tell(search, base: base, pageSize: pageSize)
      var message = try send(cookie: [])
      while true {
        let answer = try receivePage(message, deliver)
        if answer.code != LDAP_SUCCESS {
          if isStream, answer.isLimit { throw StreamCut() }
          guard try adaptPages(to: answer) else { throw failure(answer) }
          message = try send(cookie: [])
          continue
        }
        guard pageSize != nil else { break }
        guard let cookie = answer.cookie else {
          throw ReadFailure(
            "\(connection.url) ended its answer under \(shownBase) without saying whether that was the last page"
          )
        }
        if cookie.isEmpty { break }
        if let fault = pages.fault(cookie: cookie) {
          throw ReadFailure(
            "\(connection.url) \(fault) under \(shownBase)", remedy: "check the server",
            isOfServer: true)
        }
        try completeRanges(deliver)
        message = try send(cookie: cookie)
        try flush(deliver)
      }
      try completeRanges(deliver)
      try flush(deliver)
      return summary
    } catch let failure as ConnectFailure {
      throw failure.failure
    }
  }

  /// Asks in smaller pages, or in none, where the server says so before it has sent any entry.
  private mutating func adaptPages(to answer: Answer) throws -> Bool {
    guard summary.entries == 0, let size = pageSize else { return false }
    switch answer.code {
    case LDAP_UNAVAILABLE_CRITICAL_EXTENSION:
      pageSize = nil
      return true
    case LDAP_ADMINLIMIT_EXCEEDED where size > 50:
      pageSize = size / 2
      return true
    default: return false
    }
  }

  private func send(cookie: [UInt8]) throws -> Int32 {
    var control: UnsafeMutablePointer<LDAPControl>?
    if let pageSize {
      var cookie = cookie
      let made = cookie.withUnsafeMutableBytes { bytes in
        var value = berval(
          bv_len: ber_len_t(bytes.count),
          bv_val: bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
        let pages = ber_int_t(pageSize)
        return bytes.isEmpty
          ? ldap_create_page_control(connection.handle, pages, nil, 1, &control)
          : ldap_create_page_control(connection.handle, pages, &value, 1, &control)
      }
      guard made == LDAP_SUCCESS else { throw ReadFailure("no page control: \(resultWords(made))") }
    }
    defer { ldap_control_free(control) }
    limiter.beforeSearch()
    let names = search.slots.names.isEmpty ? ["1.1"] : search.slots.names
    var attributes: [UnsafeMutablePointer<CChar>?] = names.map { strdup($0) } + [nil]
    defer { attributes.forEach { free($0) } }
    var controls = [control, nil]
    var message: Int32 = 0
    let sent = controls.withUnsafeMutableBufferPointer { controls in
      ldap_search_ext(
        connection.handle, base, scope, search.filter.text, &attributes, 0,
        control == nil ? nil : controls.baseAddress, nil, nil, 0, &message)
    }
    guard sent == LDAP_SUCCESS else {
      throw ReadFailure(
        "the search under \(shownBase) could not be sent to \(connection.url): \(resultWords(sent))",
        isOfServer: true)
    }
    return message
  }

  private var scope: Int32 {
    switch search.scope {
    case .base: 0
    case .one: 1
    case .subtree: 2
    }
  }

  private mutating func receivePage(
    _ message: Int32, _ deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> Answer {
    let doing = "reading under \(shownBase)"
    while true {
      // A page comes at once, and the next one waits for us.
      if pageSize == nil { connection.gather(after: summary.entries) }
      let received = try connection.result(of: message, while: doing)
      defer { ldap_msgfree(received) }
      switch Int(ldap_msgtype(received)) {
      case usher_res_search_entry: try take(received)
      case usher_res_search_reference: summary.referrals += 1
      case usher_res_search_result: return try Answer(received, of: connection)
      default: break
      }
      // The last batch of a page waits until the next page is asked for.
      if batch.isFull, batch.count != pageSize { try flush(deliver) }
      if summary.entries - paced >= 100 {
        limiter.after(newEntries: summary.entries - paced)
        paced = summary.entries
      }
    }
  }

  private mutating func take(_ message: OpaquePointer) throws {
    var parts: [RangedEntry.Part] = []
    try ReceivedEntry.read(message, of: connection) { entry in
      guard place.holds(entry.name) else { throw entry.outside(base) }
      batch.beginEntry(dn: entry.name)
      if pages.isAwaitingEntry { pages.begin(entry.name) }
    } attribute: { entry, place, description, values in
      if let part = try add(description, values, at: place, of: entry) { parts.append(part) }
    }
    summary.entries += 1
    if summary.entries > connection.deadline.mostEntries { throw endless }
    guard !parts.isEmpty else { return }
    var whole = EntryBatch(slots: search.slots)
    whole.appendEntry(batch.count - 1, of: batch)
    batch.removeLastEntry()
    ranged.append(
      RangedEntry(
        dn: String(decoding: whole.dn(of: 0), as: UTF8.self), entry: whole, parts: parts))
    if ranged.count > max(Self.mostRanged, pageSize ?? 0) { throw overfull }
  }

  /// - Parameter place: how many attributes of the entry came before.
  /// - Returns: what is to be fetched where the server sent a part of the values only.
  private mutating func add(
    _ description: UnsafeRawBufferPointer, _ values: BERReader<UnsafeRawBufferPointer>,
    at place: Int, of entry: ReceivedEntry
  ) throws -> RangedEntry.Part? {
    func append() throws {
      try entry.forEachValue(values, of: description) { batch.appendValue($0) }
    }
    if slotsBefore.count == place { slotsBefore.append(0) }
    if let slot = search.slots.plainSlot(of: description, likely: slotsBefore[place]) {
      slotsBefore[place] = slot
      batch.beginAttribute(slot: slot, hasOptions: false)
      try append()
      return nil
    }
    if let range = ValueRange(description) {
      if range.last != nil { return RangedEntry.Part(attribute: range.attribute) }
      guard range.first == 0 else {
        throw RangedEntry.gap(range, after: range.attribute, connection)
      }
      if let slot = search.slots.slot(of: range.attribute) {
        batch.beginAttribute(slot: slot, hasOptions: false)
        try append()
      }
      return nil
    }
    for place in search.slots.places(of: description) {
      batch.beginAttribute(slot: place.slot, hasOptions: place.hasOptions)
      try append()
    }
    return nil
  }

  /// Fetches the values that the page left out, and hands the whole entries on.
  private mutating func completeRanges(_ deliver: (borrowing EntryBatch) throws -> Void) throws {
    for var entry in ranged {
      try entry.complete(connection, limiter)
      batch.appendEntry(0, of: entry.entry)
      if batch.isFull { try flush(deliver) }
    }
    ranged.removeAll()
  }

  private mutating func flush(_ deliver: (borrowing EntryBatch) throws -> Void) throws {
    if batch.isEmpty { return }
    try deliver(batch)
    batch.removeAll()
  }

  private var endless: ReadFailure {
    ReadFailure(
      "\(connection.url) sent more than \(connection.deadline.mostEntries) entries under \(shownBase), far more than the last time",
      remedy:
        "check the server and the search's filter; where there are so many, say so by `entries-at-most` of the directory in usher.yaml",
      isOfServer: true)
  }

  private var overfull: ReadFailure {
    ReadFailure(
      "\(connection.url) sent a part of the values only for more entries than a page may hold, under \(shownBase)",
      remedy: "check the server", isOfServer: true)
  }

  private var shownBase: String { base.isEmpty ? "the root" : base }

  private func failure(_ answer: Answer) -> ReadFailure {
    let place = "\(connection.url), under \(shownBase)"
    switch answer.code {
    case LDAP_NO_SUCH_OBJECT:
      let seen = answer.matchedDN.isEmpty ? "" : "; the nearest that exists is \(answer.matchedDN)"
      return ReadFailure(
        "the base \(shownBase) does not exist on \(connection.url), or may not be seen\(seen)",
        remedy: "check `base` in the mapping and the rights of the bind account", isOfBase: true)
    case LDAP_INSUFFICIENT_ACCESS:
      return ReadFailure(
        "the search failed (\(answer.text)): \(place)",
        remedy: "check the rights of the bind account", isOfBase: true)
    case LDAP_SIZELIMIT_EXCEEDED, LDAP_ADMINLIMIT_EXCEEDED, LDAP_TIMELIMIT_EXCEEDED:
      return ReadFailure(
        "the answer was cut short after \(summary.entries) entries (\(answer.text)): \(place)",
        remedy: "raise the server's limits for the bind account")
    case LDAP_REFERRAL:
      return ReadFailure(
        "the server refers to another one: \(place)",
        remedy: "name that server under `url`; referrals are not followed")
    default:
      return ReadFailure("the search failed (\(answer.text)): \(place)", isOfServer: true)
    }
  }
}

extension berval {
  /// The bytes, for as long as the message lives.
  var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: bv_val, count: Int(bv_len))
  }
}
