import SiteModel

/// Finds the accounts that are linked to people. Mostly it is known where to look; only where that fails all are indexed by
/// their people, which of a million costs as much as deciding about them.
struct AccountLinks {
  private let world: World
  /// Numbers in `World.accounts` by id; -1 for none. Empty where ids are not dense.
  private let numberOfID: [Int32]
  private lazy var numberOfPerson: [String: Int] = {
    var found: [String: Int] = [:]
    found.reserveCapacity(world.accounts.count)
    for (number, account) in world.accounts.enumerated() {
      if let person = account.person { found[person] = number }
    }
    return found
  }()

  init(_ world: World) {
    self.world = world
    let highest = world.accounts.reduce(0) { max($0, $1.id) }
    guard world.likelyAccounts.count == world.entitlements.count,
      highest <= world.accounts.count * 4 + 1000
    else {
      numberOfID = []
      return
    }
    var numbers = [Int32](repeating: -1, count: Int(highest) + 1)
    for (number, account) in world.accounts.enumerated() {
      numbers[Int(account.id)] = Int32(number)
    }
    numberOfID = numbers
  }

  /// The number in `World.accounts` of the account that is linked to a person; nil where there is none.
  /// - Parameter number: of the person in `World.entitlements`, where there is one.
  mutating func account(of person: String, number: Int? = nil) -> Int? {
    if let number, !numberOfID.isEmpty {
      let id = Int(world.likelyAccounts[number])
      if id > 0, id < numberOfID.count, numberOfID[id] >= 0 {
        let likely = Int(numberOfID[id])
        if world.accounts[likely].person == person { return likely }
      }
    }
    return numberOfPerson[person]
  }
}
