import DirectoryModel
import Mapping
import Ports
import SiteModel

/// Which accounts of people who are gone belong to people under new ids, as after a move to another forest.
package struct Relinking: Sendable {
  /// The new directory id by account.
  package private(set) var links: [Int64: String] = [:]
  package private(set) var accounts: [Account] = []
  /// Accounts that nobody, or more than one person, fits, each with why.
  package private(set) var left: [(email: String, reason: String)] = []
}

extension Planner {
  /// Finds for each account whose person is gone the one person without an account whose value of an attribute is
  /// the account's email or username, or what the mirror still holds of that attribute for the old id.
  /// - Parameter attribute: of people in the directory.
  /// - Throws: `ReadFailure`.
  package func relinking(
    by attribute: String, in source: any DirectorySource
  ) throws -> Relinking {
    var present: Set<String> = []
    var people: [String: Set<String>] = [:]
    var source = source
    for (number, search) in mapping.personSearches.enumerated() {
      let slots = AttributeSlots([mapping.searches[number].account.id, attribute])
      let asked = DirectorySearch(
        bases: search.bases, scope: search.scope, filter: search.filter, slots: slots)
      let last = slots.count - 1
      _ = try source.read(asked) { batch in
        for entry in 0..<batch.count {
          guard let id = batch.values(of: entry, slot: 0).first else { continue }
          let person = DirectoryID.text(of: id)
          present.insert(person)
          for value in batch.values(of: entry, slot: last) {
            people[key(value), default: []].insert(person)
          }
        }
      }
    }
    var gone: [Account] = []
    var taken: Set<String> = []
    try store.allAccounts { account in
      guard let person = account.person else { return }
      if present.contains(person) {
        taken.insert(person)
      } else {
        gone.append(account)
      }
    }
    if !others.isEmpty {
      // Whoever is not here may be another directory's.
      let elsewhere = try store.family(of: gone.compactMap(\.person), matches: []).filter {
        $0.directory.map(others.contains) ?? false
      }
      let people = Set(elsewhere.map(\.person))
      gone.removeAll { $0.person.map(people.contains) ?? false }
    }
    let old = try mirroredValues(of: gone.compactMap(\.person), attribute)
    var fits: [(account: Account, people: Set<String>)] = []
    var claims: [String: Int] = [:]
    for account in gone {
      let known = [account.email, account.username].compactMap(\.self).map {
        key(Array($0.utf8)[...])
      }
      let values = Set(known).union(account.person.flatMap { old[$0] } ?? [])
      let fitting = values.reduce(into: Set<String>()) { $0.formUnion(people[$1] ?? []) }
        .subtracting(taken)
      fits.append((account, fitting))
      for person in fitting { claims[person, default: 0] += 1 }
    }
    var relinking = Relinking()
    for (account, fitting) in fits {
      if let person = fitting.first, fitting.count == 1, claims[person] == 1 {
        relinking.add(account, person)
      } else {
        let people = fitting.sorted().joined(separator: ", ")
        relinking.leave(
          account,
          fitting.isEmpty
            ? "nobody without an account has a value of \(attribute) that fits"
            : fitting.count > 1
              ? "several fit: \(people)" : "\(people) fits another account, too")
      }
    }
    return relinking
  }

  private func key(_ value: ArraySlice<UInt8>) -> String {
    String(decoding: TextFold.fold(value), as: UTF8.self)
  }

  /// What the mirror holds of an attribute, by directory id; nothing where it does not keep the attribute.
  private func mirroredValues(
    of people: [String], _ attribute: String
  ) throws -> [String: Set<String>] {
    let slots = AttributeSlots([mapping.searches[0].account.id, attribute])
    var values: [String: Set<String>] = [:]
    try store.readMirror(of: directory, kind: .person, search: 0, slots: slots, keys: people) {
      batch in
      for entry in 0..<batch.count {
        guard let id = batch.values(of: entry, slot: 0).first else { continue }
        values[DirectoryID.text(of: id)] = Set(
          batch.values(of: entry, slot: slots.count - 1).map(key))
      }
    }
    return values
  }
}

extension Relinking {
  fileprivate mutating func add(_ account: Account, _ person: String) {
    links[account.id] = person
    accounts.append(account)
  }

  fileprivate mutating func leave(_ account: Account, _ reason: String) {
    left.append((account.email, reason))
  }
}
