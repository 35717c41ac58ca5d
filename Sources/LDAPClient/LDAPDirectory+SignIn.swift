import DirectoryModel
import Ports

/// Who signs in: finding people by the names that they type, and the groups they are in.
extension LDAPDirectory {
  /// What a name may be that somebody signs in with.
  private static let names = ["uid", "mail", "sAMAccountName", "userPrincipalName"]
  private static let titles = ["displayName", "cn", "uid", "sAMAccountName", "mail"]
  private static let mostGroups = 10_000
  /// With more people of one name, none of them is meant.
  private static let mostPeople = 20
  private static let mostMembers = 200

  /// Looks for people by a name that was typed, on the connection of the bind account.
  /// - Parameter name: their user name or email.
  /// - Returns: everybody who has the name; none where too many have it.
  /// - Throws: `ReadFailure` when the server cannot be asked, or sends entries from elsewhere.
  package mutating func people(
    named name: String, _ search: SignInSearch
  ) throws -> [DirectoryUser] {
    guard !name.isEmpty else { return [] }
    let named = Filter.or(Self.names.map { .equal($0, Array(name.utf8)) })
    return try people(
      under: search.bases, scope: .subtree,
      filter: (search.filter?.sent).map { .and([named, $0]) } ?? named, typed: name, search)
  }

  /// Reads one entry as somebody who may sign in.
  /// - Returns: nil where the search does not select it.
  package mutating func person(
    at dn: String, _ search: SignInSearch
  ) throws -> DirectoryUser? {
    let isWithin =
      search.bases.contains("")
      || search.bases.contains { Self.lies(dn, within: $0, scope: .subtree) }
    guard isWithin else { return nil }
    return try people(
      under: [dn], scope: .base, filter: search.filter?.sent ?? .present("objectClass"), typed: nil,
      search
    ).first
  }

  /// Whether there is an entry of this name, and the bind account may see it.
  package mutating func isThere(_ dn: String) throws -> Bool {
    var isThere = false
    do {
      let search = DirectorySearch(
        bases: [dn], scope: .base, filter: .present("objectClass"), slots: AttributeSlots(["cn"]))
      _ = try read(search) { if $0.count > 0 { isThere = true } }
    } catch let failure as ReadFailure where failure.isOfBase {
      return false
    }
    return isThere
  }

  /// The people in a group that is named by cn or DN, those in its groups, too; not more than some.
  /// - Returns: their DNs, sorted; nil where there is no such group.
  package mutating func members(
    of group: String, in groups: DirectorySearch
  ) throws -> [String]? {
    let isNamed: Filter? = group.contains("=") ? nil : .equal("cn", Array(group.utf8))
    var people: Set<String> = [], seen: Set<String> = []
    guard
      let first = try directMembers(
        under: isNamed == nil ? [group] : groups.bases,
        scope: isNamed == nil ? .base : groups.scope,
        filter: isNamed.map { .and([groups.filter, $0]) } ?? groups.filter)
    else { return nil }
    var next = first
    while let dn = next.popLast(), people.count < Self.mostMembers {
      guard seen.insert(DistinguishedName.comparable(dn)).inserted else { continue }
      if let more = try directMembers(under: [dn], scope: .base, filter: groups.filter) {
        next += more
      } else {
        people.insert(dn)
      }
    }
    return people.sorted()
  }

  /// - Returns: nil where there is no such group.
  private mutating func directMembers(
    under bases: [String], scope: DirectorySearch.Scope, filter: Filter
  ) throws -> [String]? {
    var members: [String]?
    let slots = AttributeSlots(["member", "uniqueMember"])
    do {
      let search = DirectorySearch(
        bases: bases, scope: scope, filter: filter, slots: slots, subject: .groups)
      _ = try read(search) { batch in
        for entry in 0..<batch.count {
          members =
            (members ?? []) + Self.values("member", entry, batch)
            + Self.values("uniqueMember", entry, batch)
        }
      }
    } catch let failure as ReadFailure where scope == .base && failure.isOfBase {
      return nil
    }
    return members
  }

  private mutating func people(
    under bases: [String], scope: DirectorySearch.Scope, filter: Filter, typed: String?,
    _ search: SignInSearch
  ) throws -> [DirectoryUser] {
    let about = search.active.flatMap { [$0.active, $0.filter].compactMap(\.self) }
    let slots = AttributeSlots(
      Self.titles + Self.names + (about + [search.filter].compactMap(\.self)).flatMap(\.attributes))
    let selects = try search.filter.map { try Self.compiled($0, slots, search) }
    let rules = try search.active.map {
      (
        rule: $0, active: try Self.compiled($0.active, slots, search),
        filter: try $0.filter.map { try Self.compiled($0, slots, search) }
      )
    }
    var found: [String: FoundPerson] = [:]
    let wanted = DirectorySearch(bases: bases, scope: scope, filter: filter, slots: slots)
    try readWithin(wanted, known: search.knownBases) { dn, batch, entry in
      if let selects, !selects.matches(entry, of: batch) { return }
      let isActive = rules.allSatisfy { rule, active, filter in
        let isMeant =
          (rule.bases.isEmpty
            || rule.bases.contains { DistinguishedName(dn)?.isWithin($0) ?? false })
          && (filter?.matches(entry, of: batch) ?? true)
        return !isMeant || active.matches(entry, of: batch)
      }
      found[DistinguishedName.comparable(dn)] = FoundPerson(
        dn: dn, isActive: isActive, titles: Self.titles.map { Self.values($0, entry, batch).first },
        logins: Set(Self.names.flatMap { Self.values($0, entry, batch) }.map { $0.lowercased() }),
        uid: Self.values("uid", entry, batch).first)
    }
    guard found.count <= Self.mostPeople else {
      log("\(found.count) entries have the name that somebody signs in with; none is meant")
      return []
    }
    return try found.sorted { $0.key < $1.key }.map { _, person in
      // A user name that was not asked for may be another one's, too.
      let isOwn = typed == nil || person.uid?.lowercased() == typed?.lowercased()
      return DirectoryUser(
        dn: person.dn, name: person.titles.compactMap(\.self).first ?? typed ?? person.dn,
        account: person.titles.dropFirst(2).compactMap(\.self).first ?? person.dn,
        logins: person.logins, isActive: person.isActive,
        groups: try search.groups.map {
          try groupsAbove(
            person.dn, uid: isOwn ? person.uid : nil, in: $0, known: search.knownBases)
        } ?? [])
    }
  }

  private struct FoundPerson {
    let dn: String
    let isActive: Bool
    /// By `titles`.
    let titles: [String?]
    let logins: Set<String>
    let uid: String?
  }

  private static func compiled(
    _ filter: Filter, _ slots: AttributeSlots, _ search: SignInSearch
  ) throws -> CompiledFilter {
    do { return try CompiledFilter(filter, slots: slots, membership: false, now: search.now) } catch
    {
      throw ReadFailure("the filter \(filter.text) cannot be evaluated: \(error.message)")
    }
  }

  private static func values(
    _ name: String, _ entry: Int, _ batch: borrowing EntryBatch
  ) -> [String] {
    guard let slot = batch.slots.slot(of: name) else { return [] }
    return batch.values(of: entry, slot: slot).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The groups of an entry, and the groups of those.
  private mutating func groupsAbove(
    _ dn: String, uid: String?, in search: DirectorySearch, known: [String]
  ) throws -> [(dn: String, name: String)] {
    var found: [(dn: String, name: String)] = []
    var seen: Set<String> = []
    var next = [dn]
    while !next.isEmpty, seen.count < Self.mostGroups {
      var filters: [Filter] = next.prefix(100).flatMap { dn in
        ["member", "uniqueMember"].map { .equal($0, Array(dn.utf8)) }
      }
      next.removeFirst(min(100, next.count))
      if let uid, seen.isEmpty { filters.append(.equal("memberUid", Array(uid.utf8))) }
      let above = DirectorySearch(
        bases: search.bases, scope: search.scope, filter: .and([search.filter, .or(filters)]),
        slots: AttributeSlots(["cn"]), subject: .groups)
      try readWithin(above, known: known) { dn, batch, entry in
        guard seen.insert(DistinguishedName.comparable(dn)).inserted else { return }
        found.append((dn, Self.values("cn", entry, batch).first ?? ""))
        next.append(dn)
      }
    }
    return found
  }

  /// Reads entries one by one, each base by itself. An entry that does not lie where it was looked for is refused: a
  /// server that sends it could make anybody a member of anything.
  ///
  /// Of everything that a server holds, a part that the bind account may not see is left out.
  private mutating func readWithin(
    _ search: DirectorySearch, known: [String],
    _ take: (String, borrowing EntryBatch, Int) throws -> Void
  ) throws {
    for base in search.bases {
      var places = [base]
      if base.isEmpty {
        let contexts = try profile().namingContexts
        places = contexts.isEmpty ? known : contexts
      }
      var hidden: [ReadFailure] = []
      for place in places {
        do {
          let part = DirectorySearch(
            bases: [place], scope: search.scope, filter: search.filter, slots: search.slots,
            subject: search.subject)
          let url = try connect()
          _ = try read(part) { batch in
            for entry in 0..<batch.count {
              let dn = String(decoding: batch.dn(of: entry), as: UTF8.self)
              guard Self.lies(dn, within: place, scope: search.scope) else {
                throw ReadFailure(
                  "\(url) was asked for entries under \(place), and sent \(dn)",
                  remedy: "check what stands between here and the server", isOfServer: true)
              }
              try take(dn, batch, entry)
            }
          }
        } catch let failure as ReadFailure where places.count > 1 && !failure.isOfServer {
          hidden.append(failure)
          log("\(place) is left out: \(failure.message)")
        }
      }
      if let failure = hidden.first, hidden.count == places.count { throw failure }
    }
  }

  private static func lies(
    _ dn: String, within base: String, scope: DirectorySearch.Scope
  ) -> Bool {
    guard let name = DistinguishedName(dn), let base = DistinguishedName(base) else { return false }
    return switch scope {
    case .subtree: name.isWithin(base)
    case .one: name.isChild(of: base)
    case .base: name == base
    }
  }
}
