import DirectoryModel
import Ports

/// Somebody who has proved to be a person of the directory.
package struct DirectoryUser: Sendable, Hashable {
  package let dn: String
  /// What to call the person.
  package let name: String
  /// The user name, as journals name them.
  package let account: String
  /// The directory groups that the person is in, those of groups too: their DNs and cn.
  package let groups: [(dn: String, name: String)]

  package static func == (left: DirectoryUser, right: DirectoryUser) -> Bool {
    left.dn == right.dn
  }
  package func hash(into hasher: inout Hasher) { hasher.combine(dn) }

  /// Whether the person is in a group, named by cn or DN.
  package func isMember(of group: String) -> Bool {
    if group.contains("="), let wanted = DistinguishedName(group) {
      return groups.contains { DistinguishedName($0.dn) == wanted }
    }
    return groups.contains { $0.name.lowercased() == group.lowercased() }
  }
}

extension LDAPDirectory {
  /// What a name may be that somebody signs in with.
  private static let names = ["uid", "mail", "sAMAccountName", "userPrincipalName"]
  private static let titles = ["displayName", "cn", "uid", "sAMAccountName", "mail"]
  private static let mostGroups = 10_000

  /// Signs somebody in by their own password, on a connection of its own.
  /// - Parameters:
  ///   - name: their user name or email.
  ///   - people: where they are looked for.
  ///   - groups: selects the groups that they may be in; nil: none.
  /// - Returns: nil when the name is nobody's or several people's, or the password is wrong.
  /// - Throws: `ReadFailure` when the server cannot be asked.
  package mutating func signIn(
    _ name: String, password: String, people: [String], groups: DirectorySearch?
  ) throws -> DirectoryUser? {
    // A bind with a name and no password is anonymous, and succeeds (RFC 4513 §5.1.2).
    guard !password.isEmpty, !name.isEmpty else { return nil }
    let url = try connect()
    var found: [(dn: String, titles: [String?], uid: String?)] = []
    _ = try read(
      DirectorySearch(
        bases: people, scope: .subtree,
        filter: .or(Self.names.map { .equal($0, Array(name.utf8)) }),
        slots: AttributeSlots(Self.titles))
    ) { batch in
      for entry in 0..<batch.count {
        let titles = Self.titles.map { title in
          batch.slots.slot(of: title).flatMap { batch.values(of: entry, slot: $0).first }.map {
            String(decoding: $0, as: UTF8.self)
          }
        }
        found.append((String(decoding: batch.dn(of: entry), as: UTF8.self), titles, titles[2]))
      }
    }
    guard let person = found.first, found.allSatisfy({ $0.dn == person.dn }) else { return nil }
    do {
      try tryPassword(password, of: person.dn, at: url)
    } catch let refusal as ConnectFailure {
      guard refusal.isRefusal else { throw refusal.failure }
      log("\(person.dn) is not let in: \(refusal.failure.message)")
      return nil
    }
    return DirectoryUser(
      dn: person.dn, name: person.titles.compactMap(\.self).first ?? name,
      account: person.titles.dropFirst(2).compactMap(\.self).first ?? person.dn,
      groups: try groups.map { search in
        // A user name that was not asked for may be another one's, too.
        let isOwn = person.uid?.lowercased() == name.lowercased()
        return try groupsAbove(person.dn, uid: isOwn ? person.uid : nil, in: search)
      } ?? [])
  }

  /// The groups of an entry, and the groups of those.
  private mutating func groupsAbove(
    _ dn: String, uid: String?, in search: DirectorySearch
  ) throws -> [(dn: String, name: String)] {
    var found: [(dn: String, name: String)] = []
    var known: Set<String> = []
    var next = [dn]
    while !next.isEmpty, known.count < Self.mostGroups {
      var filters: [Filter] = next.prefix(100).flatMap { dn in
        ["member", "uniqueMember"].map { .equal($0, Array(dn.utf8)) }
      }
      next.removeFirst(min(100, next.count))
      if let uid, known.isEmpty { filters.append(.equal("memberUid", Array(uid.utf8))) }
      _ = try read(
        DirectorySearch(
          bases: search.bases, scope: search.scope, filter: .and([search.filter, .or(filters)]),
          slots: AttributeSlots(["cn"]), subject: .groups)
      ) { batch in
        for entry in 0..<batch.count {
          let dn = String(decoding: batch.dn(of: entry), as: UTF8.self)
          guard known.insert(dn.lowercased()).inserted else { continue }
          let name = batch.slots.slot(of: "cn").flatMap { batch.values(of: entry, slot: $0).first }
          found.append((dn, name.map { String(decoding: $0, as: UTF8.self) } ?? ""))
          next.append(dn)
        }
      }
    }
    return found
  }
}
