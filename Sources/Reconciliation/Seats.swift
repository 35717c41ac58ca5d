import SiteModel

/// A license or group that somebody is to have.
struct SeatRequest {
  let product: String
  let subject: Int32
  /// -1 for what a hand or an import gave.
  let rule: Int32
  let person: String

  /// Who gives it; nil where the rule gives it anew.
  let givers: GiversChange?
  /// It was suspended with the account and comes back.
  let isReturning: Bool
}

extension Reconciler {
  mutating func request(_ grant: Grant, _ subject: Int, _ person: String) {
    if grant.right.kind == .group {
      builder.add(.joinGroup, subject: subject, after: grant.right.name, rule: grant.rule)
    } else {
      seatRequests.append(
        SeatRequest(
          product: grant.right.name, subject: Int32(subject), rule: Int32(grant.rule),
          person: person, givers: nil, isReturning: false))
    }
  }

  /// Gives back what a hand or an import gave before the person went inactive.
  mutating func resume(_ holding: Holding, _ subject: Int, _ person: String) {
    seatRequests.append(
      SeatRequest(
        product: holding.right.name, subject: Int32(subject), rule: -1, person: person,
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
        let since = waitingSince[request.product]?[request.person] ?? .max
        return (request.rule, since, request.person)
      }
      seatRequests.sort { rank($0) < rank($1) }
    }
    for request in seatRequests {
      let product = request.product
      guard left[product] ?? .max > 0 else {
        seats[product]?.waiting.append(request.person)
        seats[product]?.waitingNames.append(builder.nameOfSubject(Int(request.subject)))
        waiting.insert(request.person)
        continue
      }
      if let free = left[product], free != .max { left[product] = free - 1 }
      seats[product]?.after += 1
      seats[product]?.takenByRule[Int(request.rule), default: 0] += 1
      builder.add(
        .grantLicense, subject: Int(request.subject), after: product,
        rule: request.rule < 0 ? nil : Int(request.rule),
        reason: request.isReturning ? Reason.returned : nil, givers: request.givers,
        keepsGivers: request.isReturning)
    }
    for (product, seats) in seats { builder.seats(seats, of: product) }
  }
}
