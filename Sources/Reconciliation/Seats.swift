import SiteModel

/// A license or group that somebody is to have.
struct SeatRequest {
  let product: String
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
          product: grant.right.name, subject: Int32(subject), rule: Int32(grant.rule)))
    }
  }

  /// A license that a hand or an import gives.
  mutating func request(_ product: String, _ subject: Int, _ given: GivenOtherwise) {
    givenOtherwise.append(given)
    seatRequests.append(
      SeatRequest(
        product: product, subject: Int32(subject), rule: Int32(-givenOtherwise.count)))
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
    var left: [String: Int] = [:]
    var seats: [String: Seats] = [:]
    for (product, ceiling) in world.site.policy.ceilings {
      let now = world.site.seatsTaken[product] ?? 0
      let after = now - (seatsFreed[product] ?? 0)
      seats[product] = Seats(ceiling: ceiling, now: now, after: after)
      left[product] = ceiling.map { max(0, $0 - after) } ?? .max
    }
    var wanted: [String: Int] = [:]
    for request in seatRequests { wanted[request.product, default: 0] += 1 }
    let isShort = wanted.contains { product, count in count > left[product] ?? .max }
    if isShort {
      let waitingSince = world.waitingSince
      func rank(_ request: SeatRequest) -> (Int32, Int64, String) {
        let person = builder.personOfSubject(Int(request.subject))
        let since = waitingSince[request.product]?[person] ?? .max
        return (max(-1, request.rule), since, person)
      }
      seatRequests.sort { rank($0) < rank($1) }
    }
    for request in seatRequests {
      let product = request.product
      guard left[product] ?? .max > 0 else {
        let person = builder.personOfSubject(Int(request.subject))
        seats[product]?.waiting.append(person)
        seats[product]?.waitingNames.append(builder.nameOfSubject(Int(request.subject)))
        waiting.insert(person)
        continue
      }
      if let free = left[product], free != .max { left[product] = free - 1 }
      seats[product]?.after += 1
      seats[product]?.takenByRule[max(-1, Int(request.rule)), default: 0] += 1
      let given = request.rule < 0 ? givenOtherwise[Int(-request.rule) - 1] : nil
      builder.add(
        .grantLicense, subject: Int(request.subject), after: product,
        rule: given == nil ? Int(request.rule) : nil,
        reason: given?.isReturning == true ? Reason.returned : nil, givers: given?.givers,
        keepsGivers: given?.isReturning ?? false)
    }
    for (product, seats) in seats { builder.seats(seats, of: product) }
  }
}
