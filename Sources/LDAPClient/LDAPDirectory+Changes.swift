import DirectoryModel
import Foundation
import Ports

/// Reading what changed, in the way that the server offers: content synchronization (RFC 4533), DirSync and update
/// sequence numbers of Active Directory, or the times at which entries were modified.
extension LDAPDirectory {
  /// Where a read stood.
  struct Bookmark: Codable {
    enum Way: String, Codable { case contentSync, changelog, dirSync, numbers, times }

    let way: Way
    /// Cookies and numbers of another server mean nothing here.
    let server: String
    /// One for each base of each search and each base's containers, or one for each naming context.
    var cookies: [[UInt8]] = []
    /// The highest update sequence number.
    var number: Int64?
    /// The latest time at which an entry was modified, and a hash of each id with its time.
    var time: String?
    var stamps: Data?
    /// Ids of all containers.
    var containers: Set<String> = []

    var bytes: Data { get throws { try JSONEncoder().encode(self) } }
  }

  /// Entries that others are below. When one of them changes, names of entries may have changed that the server
  /// does not tell as changed.
  static let containers = Filter.or(
    [
      "organizationalUnit", "organization", "domain", "dcObject", "locality", "country",
      "container",
    ]
    .map { .equal("objectClass", Array($0.utf8)) })

  /// One part of what is read: a search under one of its bases.
  struct Part {
    /// nil: containers.
    let number: Int?
    let search: DirectorySearch
    let base: String
  }

  package mutating func identity() throws -> String? { try profile().identity }

  package mutating func bookmark(_ searches: [DirectorySearch]) throws -> Data? {
    guard try identity() != nil, let connection else { return nil }
    let server = try server()
    var containers: Set<String> = []
    for part in try parts(searches) where part.number == nil {
      containers.formUnion(try ids(part, connection))
    }
    for way in try profile().waysOfChanges {
      var bookmark = Bookmark(way: way, server: server, containers: containers)
      let isMarked =
        switch way {
        case .contentSync: try mark(&bookmark, parts: parts(searches), connection)
        case .changelog: try mark(&bookmark, contexts: contexts(searches), connection)
        case .dirSync: try markDirSync(&bookmark, contexts(searches), connection)
        case .numbers: try markNumber(&bookmark)
        case .times: try markTimes(&bookmark, searches, connection)
        }
      if isMarked { return try bookmark.bytes }
    }
    return nil
  }

  package mutating func changes(
    _ searches: [DirectorySearch], since bookmark: Data,
    deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges? {
    guard try identity() != nil, let connection,
      let mark = try? JSONDecoder().decode(Bookmark.self, from: bookmark),
      try mark.server == server()
    else { return nil }
    switch mark.way {
    case .contentSync: return try synchronized(searches, from: mark, connection, deliver)
    case .changelog: return try told(searches, from: mark, connection, deliver)
    case .dirSync: return try replicated(searches, from: mark, connection, deliver)
    case .numbers: return try numbered(searches, from: mark, connection, deliver)
    case .times: return try timed(searches, from: mark, connection, deliver)
    }
  }

  // MARK: What the ways have in common

  mutating func parts(_ searches: [DirectorySearch]) throws -> [Part] {
    var parts: [Part] = []
    var bases: Set<String> = []
    for (number, search) in searches.enumerated() {
      for base in try search.bases.flatMap({ try $0.isEmpty ? profile().namingContexts : [$0] }) {
        parts.append(Part(number: number, search: search, base: base))
        bases.insert(base)
      }
    }
    for base in bases.sorted() {
      let search = DirectorySearch(
        bases: [base], scope: .subtree, filter: Self.containers, slots: AttributeSlots([]))
      parts.append(Part(number: nil, search: search, base: base))
    }
    return parts
  }

  /// The naming contexts in which searches have a base.
  mutating func contexts(_ searches: [DirectorySearch]) throws -> [String] {
    let bases = searches.flatMap(\.bases)
    return try profile().namingContexts.filter { context in
      guard let top = DistinguishedName(context) else { return false }
      return bases.contains { base in
        base.isEmpty || DistinguishedName(base)?.isWithin(top) == true
      }
    }.sorted()
  }

  /// Which server numbers and cookies belong to.
  private mutating func server() throws -> String {
    let profile = try profile()
    guard profile.product == .activeDirectory, let connection else { return try connect() }
    // Another number begins when a domain controller is restored.
    let own = try connection.readEntry(profile.serviceName, attributes: ["invocationId"])
    let invocation = own.first?.values.first.map { DirectoryID.uuidText(of: $0) } ?? ""
    return "\(profile.serviceName) \(invocation)"
  }

  /// Reads entries again that the server names as changed or gone: whoever is not found is gone from the search.
  mutating func readAgain(
    _ ids: Set<String>, _ searches: [DirectorySearch], _ mark: Bookmark,
    _ deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges {
    var changes = DirectoryChanges(searches: searches.count, bookmark: try mark.bytes)
    for (number, search) in searches.enumerated() {
      let found = try readAgain(ids, search) { try deliver(number, $0) }
      changes.gone[number] = ids.subtracting(found)
    }
    return changes
  }

  /// Reads those entries of a search that bear one of these ids.
  /// - Returns: the ids that were found.
  mutating func readAgain(
    _ ids: Set<String>, _ search: DirectorySearch, _ deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> Set<String> {
    guard let identity = try identity(), let slot = search.slots.slot(of: identity) else {
      return []
    }
    var found: Set<String> = []
    var rest = ids.sorted()[...]
    while !rest.isEmpty {
      let some = rest.prefix(50)
      rest = rest.dropFirst(50)
      let filter = Filter.and([
        search.filter, .or(some.map { .equal(identity, DirectoryID.bytes(of: $0, identity)) }),
      ])
      let again = DirectorySearch(
        bases: search.bases, scope: search.scope, filter: filter, slots: search.slots,
        subject: search.subject)
      _ = try read(again) { batch in
        for entry in 0..<batch.count {
          for id in batch.values(of: entry, slot: slot) { found.insert(DirectoryID.text(of: id)) }
        }
        try deliver(batch)
      }
    }
    return found
  }

  /// The ids of all that one part selects.
  mutating func ids(_ part: Part, _ connection: LDAPConnection) throws -> Set<String> {
    var ids: Set<String> = []
    try sweep(part, connection, attributes: []) { id, _ in ids.insert(id) }
    return ids
  }

  /// Tells the ids of all that one part selects, each with the first value of one more attribute.
  mutating func sweep(
    _ part: Part, _ connection: LDAPConnection, attributes: [String],
    _ body: (String, ArraySlice<UInt8>?) -> Void
  ) throws {
    let search = DirectorySearch(
      bases: [part.base], scope: part.search.scope, filter: part.search.filter,
      slots: AttributeSlots([try identity() ?? ""] + attributes))
    var reader = SearchReader(
      connection: connection, search: search, base: part.base,
      pageSize: try profile().hasPages ? pageSize : nil, limiter: limiter)
    _ = try reader.read { batch in
      for entry in 0..<batch.count {
        let more = attributes.isEmpty ? nil : batch.values(of: entry, slot: 1).first
        for value in batch.values(of: entry, slot: 0) { body(DirectoryID.text(of: value), more) }
      }
    }
  }
}
