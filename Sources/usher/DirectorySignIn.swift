import Console
import Diagnostics
import DirectoryModel
import Foundation
import LDAPClient
import Mapping
import Ports
import Settings

/// Signing in by the directories: who is meant by a name, in which directory, and which role they have there.
struct DirectorySignIn {
  private let session: Session
  private let mappings: CompiledMappings
  /// No directory keeps somebody who signs in waiting longer.
  private static let longestWaitSeconds = 10

  init(_ session: Session, _ mappings: CompiledMappings) {
    self.session = session
    self.mappings = mappings
  }

  /// Somebody found, and the connection on which they were.
  private struct Found {
    let user: DirectoryUser
    let role: Role?
    let directory: Configuration.Directory
    var source: LDAPDirectory

    /// What tells people apart. Two directories may be one server, and an entry of it is one person.
    var identity: String { user.comparableDN }
  }

  /// - Parameter admits: called with the identity of the person found, before the password is sent to a directory. By
  ///   throwing it refuses the sign-in.
  func signIn(
    _ name: String, password: String, admits: (String) throws -> Void
  ) throws -> SignInAnswer {
    let (directories, name) = try meant(name)
    // Every directory is asked: as long as one may know the name too, nobody learns the password.
    let found = try directories.flatMap { try people(named: name, in: $0) }
    // Whoever no search selects is meant only if they have a role.
    let able = found.filter { $0.role != nil }
    let candidates = session.configuration.console.searches.isEmpty && !able.isEmpty ? able : found
    guard var one = candidates.first else { return .refused("nobody has this name") }
    guard candidates.count == 1 else {
      return .refused("\(candidates.count) entries have this name")
    }
    try admits(one.identity)
    guard one.user.isActive else { return .refused("disabled or expired in the directory") }
    guard try one.source.accepts(password, of: one.user) else { return .refused("wrong password") }
    return .visitor(visitor(one, login: name))
  }

  /// Looks again for somebody who signed in.
  /// - Returns: nil where they could not sign in any more.
  func look(for visitor: DirectoryVisitor) throws -> DirectoryVisitor? {
    guard let login = visitor.login,
      let directory = servers.first(where: { $0.name == login.directory })
    else { return nil }
    let found = try people(named: login.name, in: directory).filter {
      $0.identity == visitor.identity
    }
    guard let one = found.first, one.user.isActive, one.role != nil else { return nil }
    return self.visitor(one, login: login.name)
  }

  private func visitor(_ found: Found, login: String) -> DirectoryVisitor {
    DirectoryVisitor(
      name: found.user.name, account: found.user.account, identity: found.identity,
      role: found.role,
      login: DirectoryVisitor.Login(directory: found.directory.name, name: login))
  }

  private var servers: [Configuration.Directory] {
    session.configuration.directories.filter {
      if case .server = $0.location { true } else { false }
    }
  }

  /// `directory\name` means one directory, a name alone all of them.
  private func meant(_ name: String) throws -> ([Configuration.Directory], String) {
    let parts = name.split(separator: "\\", maxSplits: 1).map(String.init)
    if parts.count == 2,
      let one = servers.first(where: { $0.name.lowercased() == parts[0].lowercased() })
    {
      return ([one], parts[1])
    }
    return (servers, name)
  }

  private func people(
    named name: String, in directory: Configuration.Directory
  ) throws -> [Found] {
    guard case .server(let server) = directory.location else { return [] }
    var source = try session.directory(server, waitsAtMost: Self.longestWaitSeconds)
    let searches = try self.searches(of: directory, &source)
    var found: [String: DirectoryUser] = [:]
    for search in searches {
      for user in try source.people(named: name, search) { found[user.comparableDN] = user }
    }
    return try found.sorted { $0.key < $1.key }.map {
      Found(
        user: $0.value, role: try role(of: $0.value, in: directory), directory: directory,
        source: source)
    }
  }

  // MARK: Roles

  /// The highest role of somebody's groups, of which only those count that are their own directory's.
  private func role(
    of user: DirectoryUser, in directory: Configuration.Directory
  ) throws -> Role? {
    let named = session.configuration.console.groups
    let names = Set(session.configuration.directories.map(\.name))
    return try Role.allCases.last { role in
      try (named[role] ?? []).contains { text in
        let group = Console.Group(text, of: names)
        return try self.directory(of: group)?.name == directory.name
          && user.isMember(of: group.name)
      }
    }
  }

  /// The directory that a group is of: the one that is said, else the first whose search for groups covers its DN.
  private func directory(of group: Console.Group) throws -> Configuration.Directory? {
    if let name = group.directory { return servers.first { $0.name == name } }
    guard servers.count > 1, let dn = DistinguishedName(group.name) else { return servers.first }
    return try servers.first { directory in
      try mapping(of: directory).groups?.bases.contains {
        DistinguishedName($0).map(dn.isWithin) ?? false
      } ?? false
    }
  }

  private func mapping(of directory: Configuration.Directory) throws -> CompiledMapping {
    try mappings.usable(
      at: directory.mappingPath, catalogue: Set(session.configuration.site.licenses.keys))
  }

  // MARK: Who could not sign in

  /// Members of the groups under `console` who could not sign in, each as a sentence.
  func impediments(in directory: Configuration.Directory) throws -> [String] {
    guard case .server(let server) = directory.location else { return [] }
    let names = Set(session.configuration.directories.map(\.name))
    var source = try session.directory(server)
    let searches = try self.searches(of: directory, &source)
    var found: [String] = []
    for role in Role.allCases {
      for text in session.configuration.console.groups[role] ?? [] {
        let group = Console.Group(text, of: names)
        guard try self.directory(of: group)?.name == directory.name else { continue }
        guard let groups = try mapping(of: directory).groupSearch() else {
          found.append(
            "nobody is \(role.rawValue) by \(text): the mapping has no search for groups")
          continue
        }
        guard let members = try source.members(of: group.name, in: groups) else {
          found.append("nobody is \(role.rawValue) by \(text): there is no such group")
          continue
        }
        for dn in members {
          guard let reason = try impediment(of: dn, &source, searches) else { continue }
          found.append("\(dn) could not sign in as \(role.rawValue): \(reason)")
        }
      }
    }
    return found
  }

  private func impediment(
    of dn: String, _ source: inout LDAPDirectory, _ searches: [SignInSearch]
  ) throws -> String? {
    guard try source.isThere(dn) else { return "there is no such entry" }
    for search in searches {
      guard let user = try source.person(at: dn, search) else { continue }
      if user.logins.isEmpty { return "the entry has no user name and no email" }
      return user.isActive ? nil : "disabled or expired in the directory"
    }
    return "`console.search` does not select the entry"
  }

  // MARK: Searches

  /// Where people of a directory are looked for who sign in.
  private func searches(
    of directory: Configuration.Directory, _ source: inout LDAPDirectory
  ) throws -> [SignInSearch] {
    let mapping = try mapping(of: directory)
    let known = Set(mapping.searches.flatMap(\.users.bases)).subtracting([""]).sorted()
    var active = mapping.searches.compactMap { search -> SignInSearch.ActiveRule? in
      guard let active = search.account.active, !active.namesMemberOf else { return nil }
      // Who is in a group is not known here; such a filter counts as true of everybody.
      let filter = search.users.filter.namesMemberOf ? nil : search.users.filter
      return SignInSearch.ActiveRule(active, bases: search.users.bases, filter: filter)
    }
    let profile = try source.profile()
    if let preset = profile.preset.flatMap(Self.active) {
      active.append(SignInSearch.ActiveRule(preset))
      if profile.preset == "active-directory" {
        active.append(SignInSearch.ActiveRule(try Self.filter("(!(accountExpires<={now}))")))
      }
    }
    let configured = session.configuration.console.searches
    let searches = configured.isEmpty ? [Console.Search(bases: [""])] : configured
    return try searches.compactMap { search in
      guard search.directory == nil || search.directory == directory.name else { return nil }
      let bases = search.bases.filter { Self.covers(profile.namingContexts, $0) }
      if bases.isEmpty { return nil }
      return SignInSearch(
        bases: bases, knownBases: known, filter: try search.filter.map(Self.filter),
        groups: mapping.groupSearch(), active: active, now: session.now)
    }
  }

  /// Whether a server that holds these names may hold what is under the base.
  private static func covers(_ contexts: [String], _ base: String) -> Bool {
    guard !base.isEmpty, !contexts.isEmpty, let name = DistinguishedName(base) else { return true }
    return contexts.contains { DistinguishedName($0).map(name.isWithin) ?? false }
  }

  /// A filter of the configuration.
  /// - Throws: `Failure` where it is none.
  static func filter(_ text: String) throws -> Filter {
    do {
      return try Filter(parsing: text).resolved { _ throws(FilterFault) in
        throw FilterFault(message: "there are no lists in the configuration", offset: 0, hint: nil)
      }
    } catch {
      throw Failure(
        .badConfiguration, "console.search has a filter with a fault: \(text): \(error.message)",
        remedy: error.hint)
    }
  }

  /// What a product's preset says of active people.
  private static func active(ofPreset name: String) -> Filter? { presets[name] ?? nil }

  private static let presets: [String: Filter?] = Dictionary(
    uniqueKeysWithValues: Presets.names.map { name in
      let text = """
        usher: 1
        extends: \(name)
        search: { users: { base: "" } }
        otherwise: unlicensed
        """
      var findings = Findings()
      let mapping = MappingReader.read(
        "console", catalogue: [], load: { $0 == "console" ? text : nil }, into: &findings)
      return (name, mapping?.searches.first?.account.active)
    })
}
