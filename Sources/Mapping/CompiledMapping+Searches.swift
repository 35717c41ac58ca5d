import DirectoryModel

/// What a mapping asks of a directory.
extension CompiledMapping {
  /// The search for people.
  package func userSearch() -> DirectorySearch {
    let sent = users.filter.leavingOut(attributes: ["memberof"])
    var names = [account.id]
    names += (account.emails + account.names + [account.username].compactMap(\.self))
      .flatMap(\.attributes)
    names += account.active?.attributes ?? []
    names += users.exclude?.attributes ?? []
    names += filterHere?.attributes ?? []
    for rule in rules {
      if case .filter(let filter) = rule.when { names += filter.value.attributes }
      for template in rule.groups {
        names += template.attributes(scope: rule.eachGroup == nil ? nil : "person")
      }
    }
    names.removeAll { $0.lowercased() == "memberof" }
    if usesGroups { names += DirectoryGroups.personAttributes }
    return DirectorySearch(
      bases: users.bases, scope: users.scope, filter: sent ?? .present("objectClass"),
      slots: AttributeSlots(names))
  }

  /// The parts of the search filter that say something of memberOf, which is evaluated here; nil mostly.
  package var filterHere: Filter? { users.filter.keeping(attributes: ["memberof"]) }

  /// The search for directory groups; nil when the mapping has none.
  package func groupSearch() -> DirectorySearch? {
    groups.map { search in
      var names = [search.id, "cn", "objectSid"].compactMap(\.self)
      names += DirectoryGroups.memberAttributes
      for rule in rules {
        switch rule.eachGroup {
        case .filter(let filter): names += filter.attributes
        case .pattern(let attribute, _): names.append(attribute)
        case nil: continue
        }
        for template in rule.groups { names += template.attributes(scope: nil) }
      }
      return DirectorySearch(
        bases: search.bases, scope: search.scope, filter: search.filter,
        slots: AttributeSlots(names))
    }
  }

  /// Whether anything depends on directory groups; if not, they are not read.
  package var usesGroups: Bool {
    guard groups != nil else { return false }
    let filters = [users.filter, users.exclude, account.active].compactMap(\.self)
    return filters.contains(where: \.namesMemberOf)
      || rules.contains { rule in
        if !rule.memberOf.isEmpty || rule.eachGroup != nil { return true }
        if case .filter(let filter) = rule.when { return filter.value.namesMemberOf }
        return false
      }
  }
}
