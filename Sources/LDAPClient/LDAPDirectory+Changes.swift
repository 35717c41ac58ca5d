import DirectoryModel
import Foundation
import Ports

/// Reading what changed: by content synchronization (RFC 4533) from OpenLDAP, by update sequence numbers from
/// Active Directory.
extension LDAPDirectory {
  /// Where a read stood.
  private struct Bookmark: Codable {
    /// Cookies and numbers of another server mean nothing here.
    let server: String
    /// One for each base of each search, then one for each base's containers.
    var cookies: [[UInt8]] = []
    /// The highest update sequence number.
    var number: Int64?
    /// Ids of all containers.
    var containers: Set<String> = []
  }

  /// Entries that others are below. When one of them changes, names of entries may have changed that the server
  /// does not tell as changed.
  private static let containers = Filter.or(
    [
      "organizationalUnit", "organization", "domain", "dcObject", "locality", "country",
      "container",
    ]
    .map { .equal("objectClass", Array($0.utf8)) })

  /// One part of what is read: a search under one of its bases.
  private struct Part {
    /// nil: containers.
    let number: Int?
    let search: DirectorySearch
    let base: String
  }

  package mutating func identity() throws -> String? {
    let profile = try profile()
    switch profile.product {
    case .openLDAP where profile.hasContentSync, .ds389 where profile.hasContentSync,
      .freeIPA where profile.hasContentSync, .activeDirectory:
      return profile.identity
    default: return nil
    }
  }

  private mutating func parts(_ searches: [DirectorySearch]) throws -> [Part] {
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

  /// Which server numbers and cookies belong to.
  private mutating func server() throws -> String {
    let profile = try profile()
    guard profile.product == .activeDirectory, let connection else { return try connect() }
    // Another number begins when a domain controller is restored.
    let own = try connection.readEntry(profile.serviceName, attributes: ["invocationId"])
    let invocation = own.first?.values.first.map { DirectoryID.uuidText(of: $0) } ?? ""
    return "\(profile.serviceName) \(invocation)"
  }

  package mutating func bookmark(_ searches: [DirectorySearch]) throws -> [UInt8]? {
    guard try identity() != nil, let connection else { return nil }
    var bookmark = Bookmark(server: try server())
    for part in try parts(searches) where part.number == nil {
      bookmark.containers.formUnion(try ids(part, connection))
    }
    if try profile().product == .activeDirectory {
      bookmark.number = try highestNumber()
      return bookmark.number == nil ? nil : Array(try JSONEncoder().encode(bookmark))
    }
    if try profile().product != .openLDAP {
      for context in try contexts(searches) {
        var sync = ContentSync(
          connection: connection, search: Self.everything(under: context, scope: .base),
          base: context)
        guard let cookie = try sync.firstCookie() else { return nil }
        bookmark.cookies.append(cookie)
      }
      return Array(try JSONEncoder().encode(bookmark))
    }
    for part in try parts(searches) {
      // Nothing is selected, and the cookie stands for now.
      let nothing = DirectorySearch(
        bases: [part.base], scope: part.search.scope, filter: .not(.present("objectClass")),
        slots: AttributeSlots([]))
      var sync = ContentSync(connection: connection, search: nothing, base: part.base)
      guard let cookie = try sync.firstCookie() else { return nil }
      bookmark.cookies.append(cookie)
    }
    return Array(try JSONEncoder().encode(bookmark))
  }

  private mutating func highestNumber() throws -> Int64? {
    let root = try connection?.readEntry("", attributes: ["highestCommittedUSN"])
    return root?.first?.values.first.flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
  }

  package mutating func changes(
    _ searches: [DirectorySearch], since bookmark: [UInt8],
    deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges? {
    guard try identity() != nil, let connection,
      var mark = try? JSONDecoder().decode(Bookmark.self, from: Data(bookmark)),
      try mark.server == server()
    else { return nil }
    let parts = try parts(searches)
    if let number = mark.number {
      return try changes(parts, searches.count, after: number, mark, deliver)
    }
    if try profile().product != .openLDAP {
      return try changes(searches, from: mark, connection, deliver)
    }
    guard mark.cookies.count == parts.count else { return nil }
    var changes = DirectoryChanges(searches: searches.count, bookmark: bookmark)
    // Containers come first: what changes in them later is told next time, with a later cookie.
    for (index, part) in parts.enumerated().reversed() {
      limiter.beforeSearch()
      var sync = ContentSync(connection: connection, search: part.search, base: part.base)
      let outcome = try sync.refresh(from: mark.cookies[index]) { batch in
        if let number = part.number { try deliver(number, batch) }
      }
      guard let outcome else { return nil }
      guard let number = part.number else {
        let gone = mark.containers.intersection(outcome.gone.map(DirectoryID.uuidText))
        guard outcome.sent.isEmpty, gone.isEmpty else {
          log("containers have changed under \(part.base)")
          return nil
        }
        if let cookie = outcome.cookie { mark.cookies[index] = cookie }
        continue
      }
      if let cookie = outcome.cookie { mark.cookies[index] = cookie }
      changes.gone[number].formUnion(outcome.gone.map(DirectoryID.uuidText))
      if outcome.tellsWhoStays {
        // Of a search with several bases, one does not tell about the others.
        guard searches[number].bases.count == 1 else { return nil }
        changes.present[number] = Set(
          (Array(outcome.present) + outcome.sent).map(DirectoryID.uuidText))
      }
    }
    changes.bookmark = Array(try JSONEncoder().encode(mark))
    return changes
  }

  // MARK: 389 Directory Server

  /// Cookies of 389 hold base and filter, and what leaves a filter or a base is not told: so everything is asked
  /// for, and what changed is read again by its id.
  private static func everything(
    under context: String, scope: DirectorySearch.Scope
  ) -> DirectorySearch {
    DirectorySearch(
      bases: [context], scope: scope, filter: .present("objectClass"),
      slots: AttributeSlots(["objectClass"]))
  }

  /// The naming contexts in which searches have a base.
  private mutating func contexts(_ searches: [DirectorySearch]) throws -> [String] {
    let bases = searches.flatMap(\.bases)
    return try profile().namingContexts.filter { context in
      guard let top = DistinguishedName(context) else { return false }
      return bases.contains { base in
        base.isEmpty || DistinguishedName(base)?.isWithin(top) == true
      }
    }.sorted()
  }

  private mutating func changes(
    _ searches: [DirectorySearch], from mark: Bookmark, _ connection: LDAPConnection,
    _ deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges? {
    let contexts = try contexts(searches)
    guard mark.cookies.count == contexts.count else { return nil }
    var mark = mark
    var changed: Set<String> = []
    var gone: Set<String> = []
    let containers = try CompiledFilter(
      Self.containers, slots: AttributeSlots(["objectClass"]), membership: false)
    for (index, context) in contexts.enumerated() {
      limiter.beforeSearch()
      var isOfContainers = false
      var sync = ContentSync(
        connection: connection, search: Self.everything(under: context, scope: .subtree),
        base: context)
      let outcome = try sync.refresh(from: mark.cookies[index], byChangelog: true) { batch in
        if containers.matches(0, of: batch) { isOfContainers = true }
      }
      guard let outcome, !isOfContainers else { return nil }
      if let cookie = outcome.cookie { mark.cookies[index] = cookie }
      changed.formUnion(outcome.sent.map(DirectoryID.uniqueIDText))
      gone.formUnion(outcome.gone.map(DirectoryID.uniqueIDText))
    }
    guard mark.containers.isDisjoint(with: gone) else { return nil }
    var changes = DirectoryChanges(
      searches: searches.count, bookmark: Array(try JSONEncoder().encode(mark)))
    for (number, search) in searches.enumerated() {
      let found = try readAgain(changed.union(gone), search) { try deliver(number, $0) }
      changes.gone[number] = changed.union(gone).subtracting(found)
    }
    return changes
  }

  /// Reads those entries of a search that bear one of these ids.
  /// - Returns: the ids that were found.
  private mutating func readAgain(
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
      let filter = Filter.and([search.filter, .or(some.map { .equal(identity, Array($0.utf8)) })])
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

  // MARK: Active Directory

  /// By numbers: what has a higher one has changed; who is gone is told by who is there.
  private mutating func changes(
    _ parts: [Part], _ count: Int, after number: Int64, _ mark: Bookmark,
    _ deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges? {
    guard let highest = try highestNumber(), highest >= number, let connection else { return nil }
    let newer = Filter.greaterOrEqual("uSNChanged", Array(String(number + 1).utf8))
    var changes = DirectoryChanges(searches: count, bookmark: [])
    var containers: Set<String> = []
    for part in parts.reversed() {
      let changed = DirectorySearch(
        bases: [part.base], scope: part.search.scope, filter: .and([part.search.filter, newer]),
        slots: part.search.slots, subject: part.search.subject)
      var reader = SearchReader(
        connection: connection, search: changed, base: part.base, pageSize: pageSize,
        limiter: limiter)
      let summary = try reader.read { batch in
        if let number = part.number { try deliver(number, batch) }
      }
      let there = try ids(part, connection)
      guard let number = part.number else {
        containers.formUnion(there)
        guard summary.entries == 0, there.isSubset(of: mark.containers) else {
          log("containers have changed under \(part.base)")
          return nil
        }
        continue
      }
      changes.present[number] = (changes.present[number] ?? []).union(there)
    }
    if containers != mark.containers { return nil }
    var next = mark
    next.number = highest
    changes.bookmark = Array(try JSONEncoder().encode(next))
    return changes
  }

  /// The ids of all that one part selects.
  private mutating func ids(_ part: Part, _ connection: LDAPConnection) throws -> Set<String> {
    let search = DirectorySearch(
      bases: [part.base], scope: part.search.scope, filter: part.search.filter,
      slots: AttributeSlots([try identity() ?? ""]))
    var reader = SearchReader(
      connection: connection, search: search, base: part.base,
      pageSize: try profile().hasPages ? pageSize : nil, limiter: limiter)
    var ids: Set<String> = []
    _ = try reader.read { batch in
      for entry in 0..<batch.count {
        for value in batch.values(of: entry, slot: 0) { ids.insert(DirectoryID.text(of: value)) }
      }
    }
    return ids
  }
}
