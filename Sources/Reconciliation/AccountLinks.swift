import SiteModel

/// Finds the accounts that are linked to people. Mostly it is known where to look; only the accounts that nobody is known to
/// have are indexed by their people: to index those of a million costs as much as to decide about them.
struct AccountLinks {
  private let world: World
  /// By number in `World.entitlements`, the number of the account in `World.accounts`; -1 where it is not known. Or empty.
  private let known: [Int32]
  private let isKnown: [Bool]
  private lazy var others: [String: Int] = {
    var found: [String: Int] = [:]
    for (number, account) in world.accounts.enumerated() where !isKnown[number] {
      if let person = account.person { found[person] = number }
    }
    return found
  }()

  init(_ world: World) {
    self.world = world
    var isKnown = [Bool](repeating: false, count: world.accounts.count)
    var known: [Int32] = []
    let highest = world.accounts.reduce(0) { max($0, $1.id) }
    if world.likelyAccounts.count == world.entitlements.count,
      highest <= world.accounts.count * 4 + 1000
    {
      var numberOfID = [Int32](repeating: -1, count: Int(highest) + 1)
      for (number, account) in world.accounts.enumerated() {
        numberOfID[Int(account.id)] = Int32(number)
      }
      known = world.likelyAccounts.enumerated().map { entitlement, id in
        guard id > 0, id <= highest else { return -1 }
        let number = numberOfID[Int(id)]
        guard number >= 0,
          world.accounts[Int(number)].person == world.entitlements.person(entitlement)
        else { return -1 }
        isKnown[Int(number)] = true
        return number
      }
    }
    self.known = known
    self.isKnown = isKnown
  }

  /// The number of the account that is linked to the person of an entitlement; nil where there is none.
  mutating func account(ofEntitlement number: Int) -> Int? {
    if !known.isEmpty, known[number] >= 0 { return Int(known[number]) }
    return account(of: world.entitlements.person(number))
  }

  /// The number of the account that is linked to a person, by a directory id; nil where there is none.
  mutating func account(of person: String) -> Int? {
    if let other = others[person] { return other }
    // Of several entries with one id, not all may have been known with the account.
    return world.doubled.contains(person)
      ? world.accounts.firstIndex { $0.person == person } : nil
  }
}
