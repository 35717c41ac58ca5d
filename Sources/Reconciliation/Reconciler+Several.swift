import SiteModel

/// People whose entries are in several directories.
extension Reconciler {
  /// Somebody of whom one directory shows nothing any more while another does: stays as they are in the grace period,
  /// since what the first gave is not known.
  mutating func awaitMissing(_ entitlement: Entitlement, _ account: Account?) {
    let missing = world.several.missing[entitlement.person] ?? []
    for entry in missing where entry.since == nil {
      builder.absence(of: entry.person, since: world.now)
    }
    guard let account, let next = missing.min(by: { $0.due(world.now) < $1.due(world.now) }) else {
      return
    }
    builder.leaving(
      Leaving(
        account: account.id, person: next.person, email: account.email, name: account.name,
        due: next.due(world.now), of: next.directory))
  }

  /// Whose grace period is over is forgotten; an account linked by it is linked by another entry of the person.
  mutating func gather(_ entitlement: Entitlement, _ account: Account?) {
    for other in entitlement.others where world.several.absences[other.person] != nil {
      builder.absence(of: other.person, since: nil)
    }
    for entry in world.several.missing[entitlement.person] ?? [] {
      guard entry.due(world.now) <= world.agingNow else {
        if entry.since == nil { builder.absence(of: entry.person, since: world.now) }
        continue
      }
      builder.depart(entry.person, since: entry.since)
      builder.forget(entry.person)
      guard let account, entry.isLink else { continue }
      let subject = addSubject(account, entitlement.person)
      builder.add(
        .linkAccount, subject: subject, before: entry.person, after: entitlement.person,
        reason: "gone from \(entry.directory), and the grace period is over")
    }
  }

  /// Since when somebody is gone from all directories: the grace begins when the last entry goes.
  mutating func absentSince(_ person: String, _ account: Account) -> Int64? {
    var since = account.person == person ? account.absentSince : nil
    for entry in world.several.goneEntries[person] ?? [] {
      if entry.since == nil { builder.absence(of: entry.person, since: world.now) }
      since = since.map { max($0, entry.since ?? world.now) }
    }
    return since
  }

  /// Notes where each entry of a person is.
  mutating func place(_ entitlement: Entitlement, isLinked: Bool, isFrozen: Bool) {
    func place(_ id: String, _ directory: UInt8, _ match: String?, joined: String?) {
      builder.place(
        Memory.Place(
          person: id, directory: world.several.names[Int(directory)], match: match,
          joined: joined, isFrozen: isFrozen))
    }
    place(entitlement.person, entitlement.directory, entitlement.match, joined: nil)
    for other in entitlement.others {
      place(
        other.person, other.directory, other.match, joined: isLinked ? entitlement.person : nil)
    }
  }
}
