import DirectoryModel
import Foundation
import Ports

/// Changes by content synchronization (RFC 4533).
extension LDAPDirectory {
  // MARK: OpenLDAP

  func mark(
    _ bookmark: inout Bookmark, parts: [Part], _ connection: LDAPConnection
  ) throws -> Bool {
    try mark(
      &bookmark,
      parts.map { part in
        // Nothing is selected, and the cookie stands for now.
        DirectorySearch(
          bases: [part.base], scope: part.search.scope, filter: .not(.present("objectClass")),
          slots: AttributeSlots([]))
      }, connection)
  }

  /// - Parameter searches: each has one base.
  private func mark(
    _ bookmark: inout Bookmark, _ searches: [DirectorySearch], _ connection: LDAPConnection
  ) throws -> Bool {
    for search in searches {
      var sync = ContentSync(connection: connection, search: search, base: search.bases[0])
      guard let cookie = try sync.firstCookie() else { return false }
      bookmark.cookies.append(cookie)
    }
    return true
  }

  mutating func synchronized(
    _ searches: [DirectorySearch], from mark: Bookmark, _ connection: LDAPConnection,
    _ deliver: (Int, borrowing EntryBatch) throws -> Void
  ) throws -> DirectoryChanges? {
    var mark = mark
    let parts = try parts(searches)
    guard mark.cookies.count == parts.count else { return nil }
    var changes = DirectoryChanges(searches: searches.count, bookmark: Data())
    // Containers come first: what changes in them later is told next time, with a later cookie.
    for (index, part) in parts.enumerated().reversed() {
      limiter.beforeSearch()
      var sync = ContentSync(connection: connection, search: part.search, base: part.base)
      let outcome = try sync.refresh(from: mark.cookies[index]) { batch in
        if let number = part.number { try deliver(number, batch) }
      }
      guard let outcome else { return nil }
      if let cookie = outcome.cookie { mark.cookies[index] = cookie }
      guard let number = part.number else {
        let gone = mark.containers.intersection(outcome.gone.map(DirectoryID.uuidText))
        guard outcome.sent.isEmpty, gone.isEmpty else {
          log("containers have changed under \(part.base)")
          return nil
        }
        continue
      }
      changes.gone[number].formUnion(outcome.gone.map(DirectoryID.uuidText))
      if outcome.tellsWhoStays {
        // Of a search with several bases, one does not tell about the others.
        guard searches[number].bases.count == 1 else { return nil }
        changes.present[number] = Set(
          (Array(outcome.present) + outcome.sent).map(DirectoryID.uuidText))
      }
    }
    changes.bookmark = try mark.bytes
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

  func mark(
    _ bookmark: inout Bookmark, contexts: [String], _ connection: LDAPConnection
  ) throws -> Bool {
    try mark(&bookmark, contexts.map { Self.everything(under: $0, scope: .base) }, connection)
  }

  mutating func told(
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
    return try readAgain(changed.union(gone), searches, mark, deliver)
  }
}
