import SiteModel

/// A license or group that somebody is to have.
struct SeatRequest {
  /// By number in `Reconciler.products`.
  let product: Int
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
      builder.add(.joinGroup, subject: subject, after: grant.right.name, rule: grant.rule)
    } else {
      seatRequests.append(
        SeatRequest(
          product: number(of: grant.right.name), subject: Int32(subject), rule: Int32(grant.rule)))
    }
  }

  private mutating func number(of product: String) -> Int {
    // Catalogues are short.
    if let known = products.firstIndex(of: product) { return known }
    products.append(product)
    return products.count - 1
  }

  /// A license that a hand or an import gives.
  mutating func request(_ product: String, _ subject: Int, _ given: GivenOtherwise) {
    givenOtherwise.append(given)
    seatRequests.append(
      SeatRequest(
        product: number(of: product), subject: Int32(subject), rule: Int32(-givenOtherwise.count)))
  }

  /// Gives back what a hand or an import gave before the person went inactive.
  mutating func resume(_ holding: Holding, _ subject: Int) {
    request(
      holding.right.name, subject,
      GivenOtherwise(
        givers: GiversChange(from: holding.givers, to: holding.givers), isReturning: true))
  }

  /// Hands out the seats that are left after all releases: by rule order, then to who has waited longest,
  /// then by directory id. What a hand gave comes first. Who gets none is waiting.
  mutating func grantSeats() {
    var pools = products.map { pool(of: $0) }
    var wanted = [Int](repeating: 0, count: products.count)
    for request in seatRequests { wanted[request.product] += 1 }
    if zip(wanted, pools).contains(where: { $0 > $1.left }) {
      let waitingSince = world.waitingSince
      func rank(_ request: SeatRequest) -> (Int32, Int64, String) {
        let person = builder.personOfSubject(Int(request.subject))
        let since = waitingSince[products[request.product]]?[person] ?? .max
        return (max(-1, request.rule), since, person)
      }
      seatRequests.sort { rank($0) < rank($1) }
    }
    for request in seatRequests {
      guard pools[request.product].left > 0 else {
        let person = builder.personOfSubject(Int(request.subject))
        pools[request.product].seats.waiting.append(person)
        pools[request.product].seats.waitingNames.append(
          builder.nameOfSubject(Int(request.subject)))
        waiting.insert(person)
        continue
      }
      pools[request.product].left -= 1
      pools[request.product].takenByRule[Int(max(-1, request.rule)) + 1] += 1
      let given = request.rule < 0 ? givenOtherwise[Int(-request.rule) - 1] : nil
      builder.add(
        .grantLicense, subject: Int(request.subject), after: products[request.product],
        rule: given == nil ? Int(request.rule) : nil,
        reason: given?.isReturning == true ? Reason.returned : nil, givers: given?.givers,
        keepsGivers: given?.isReturning ?? false)
    }
    for (product, pool) in zip(products, pools) where world.site.policy.ceilings[product] != nil {
      builder.seats(pool.all, of: product)
    }
  }

  /// What is left of a product's seats after all releases.
  private func pool(of product: String) -> SeatPool {
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
