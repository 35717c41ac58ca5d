import SiteModel

/// A license or group that somebody is to have.
struct SeatRequest {
  /// By number in `Reconciler.products`.
  let product: Int32
  let subject: Int32
  /// A rule's number; what no rule gives anew is -1 for the first of `Reconciler.givenOtherwise`, -2 for the
  /// second, and so on.
  let rule: Int32
}

/// A license that no rule gives anew, with its givers; few are.
struct GivenOtherwise {
  let givers: GiversChange
  /// It was suspended with the account and comes back.
  let isReturning: Bool
}

extension Reconciler {
  mutating func request(_ grant: Grant, _ subject: Int) {
    if grant.right.kind == .group {
      builder.give(grant.right, to: subject, rule: grant.rule)
    } else {
      seatRequests.append(
        SeatRequest(
          product: number(of: grant.right), subject: Int32(subject), rule: Int32(grant.rule)))
    }
  }

  private mutating func number(of product: Right) -> Int32 {
    // Catalogues are short.
    if let known = products.firstIndex(of: product) { return Int32(known) }
    products.append(product)
    return Int32(products.count - 1)
  }

  /// A license that a hand or an import gives.
  mutating func request(_ product: Right, _ subject: Int, _ given: GivenOtherwise) {
    givenOtherwise.append(given)
    seatRequests.append(
      SeatRequest(
        product: number(of: product), subject: Int32(subject), rule: Int32(-givenOtherwise.count)))
  }

  /// Gives back what a hand or an import gave before the person went inactive.
  mutating func resume(_ holding: Holding, _ subject: Int) {
    request(
      holding.right, subject,
      GivenOtherwise(
        givers: GiversChange(from: holding.givers, to: holding.givers), isReturning: true))
  }

  /// Hands out the seats that are left after all releases: by rule order, then to who has waited longest,
  /// then by directory id. What a hand gave comes first. Who gets none is waiting.
  mutating func grantSeats() {
    var pools = products.map { pool(of: $0) }
    var wanted = [Int](repeating: 0, count: products.count)
    for request in seatRequests { wanted[Int(request.product)] += 1 }
    if zip(wanted, pools).contains(where: { $0 > $1.left }) {
      let waitingSince = world.waitingSince
      func rank(_ request: SeatRequest) -> (Int32, Int64, String) {
        let person = builder.personOfSubject(Int(request.subject))
        let since = waitingSince[products[Int(request.product)].name]?[person] ?? .max
        return (max(-1, request.rule), since, person)
      }
      seatRequests.sort { rank($0) < rank($1) }
    }
    for request in seatRequests {
      let number = Int(request.product)
      guard pools[number].left > 0 else {
        let person = builder.personOfSubject(Int(request.subject))
        pools[number].seats.waiting.append(person)
        pools[number].seats.waitingNames.append(
          builder.nameOfSubject(Int(request.subject)))
        waiting.insert(person)
        continue
      }
      pools[number].left -= 1
      pools[number].takenByRule[Int(max(-1, request.rule)) + 1] += 1
      let (product, subject) = (products[number], Int(request.subject))
      if request.rule >= 0 {
        builder.give(product, to: subject, rule: Int(request.rule))
        continue
      }
      let given = givenOtherwise[Int(-request.rule) - 1]
      builder.add(
        .grantLicense, subject: subject, after: product.name,
        reason: given.isReturning ? Reason.returned : nil, givers: given.givers,
        keepsGivers: given.isReturning)
    }
    for (product, pool) in zip(products, pools)
    where world.site.policy.ceilings[product.name] != nil {
      builder.seats(pool.all, of: product.name)
    }
  }

  /// What is left of a product's seats after all releases.
  private func pool(of right: Right) -> SeatPool {
    let product = right.name
    let now = world.site.seatsTaken[product] ?? 0
    let after = now - (seatsFreed[product] ?? 0)
    let ceiling = world.site.policy.ceilings[product] ?? nil
    return SeatPool(
      seats: Seats(ceiling: ceiling, now: now, after: after),
      left: ceiling.map { max(0, $0 - after) } ?? .max, rules: world.rules.count)
  }
}

/// The seats of one product while they are handed out.
private struct SeatPool {
  var seats: Seats
  var left: Int
  /// How many seats each rule takes, by its number and one more; first what hands and imports gave.
  var takenByRule: [Int]

  init(seats: Seats, left: Int, rules: Int) {
    self.seats = seats
    self.left = left
    takenByRule = Array(repeating: 0, count: rules + 1)
  }

  /// The seats with whom they were given to.
  var all: Seats {
    var seats = seats
    seats.after += takenByRule.reduce(0, +)
    for (rule, count) in takenByRule.enumerated() where count > 0 {
      seats.takenByRule[rule - 1] = count
    }
    return seats
  }
}
