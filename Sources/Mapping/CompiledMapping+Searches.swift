import DirectoryModel

/// What a mapping asks of a directory.
extension CompiledMapping {
  /// The searches for people, in order. All ask for the same attributes, so that every entry has the same slots.
  package var personSearches: [DirectorySearch] {
    let slots = personSlots
    return searches.enumerated().map { number, search in
      DirectorySearch(
        bases: search.users.bases, scope: search.users.scope,
        filter: search.users.filter.sent ?? .present("objectClass"), slots: slots,
        subject: .people(number))
    }
  }

  /// Every attribute of people that the mapping names.
  package var personSlots: AttributeSlots {
    var names: [String] = []
    for search in searches {
      let account = search.account
      names.append(account.id)
      names += (account.emails + account.names + [account.username].compactMap(\.self))
        .flatMap(\.attributes)
      names += account.active?.attributes ?? []
      names += [account.match].compactMap(\.self)
      names += search.users.exclude?.attributes ?? []
      names += search.users.filter.evaluatedHere?.attributes ?? []
    }
    for rule in rules {
      if case .filter(let filter) = rule.when { names += filter.value.attributes }
      for template in rule.groups {
        names += template.attributes(scope: rule.eachGroup == nil ? nil : "person")
      }
    }
    names.removeAll { $0.lowercased() == "memberof" }
    if usesGroups { names += DirectoryGroups.personAttributes }
    return AttributeSlots(names)
  }

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
        bases: search.bases, scope: search.scope, filter: search.filter.expanded,
        slots: AttributeSlots(names), subject: .groups)
    }
  }

  /// The search for directory groups; nil where nothing in the mapping depends on them.
  package var usedGroupSearch: DirectorySearch? { usesGroups ? groupSearch() : nil }

  /// Whether anything depends on directory groups; if not, they are not read.
  package var usesGroups: Bool {
    guard groups != nil else { return false }
    let filters = searches.flatMap {
      [$0.users.filter, $0.users.exclude, $0.account.active].compactMap(\.self)
    }
    return filters.contains(where: \.namesMemberOf)
      || rules.contains { rule in
        if !rule.memberOf.isEmpty || rule.eachGroup != nil { return true }
        if case .filter(let filter) = rule.when { return filter.value.namesMemberOf }
        return false
      }
  }
}
