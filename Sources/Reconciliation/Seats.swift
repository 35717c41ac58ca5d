import SiteModel

/// A license or group that somebody is to have.
struct SeatRequest {
  let right: Right
  let subject: Int
  let person: String
  let rule: Int?
  let keepsGivers: Bool
}

extension Reconciler {
  mutating func request(_ grant: Grant, _ subject: Int, _ person: String) {
    if grant.right.kind == .group {
      builder.add(.joinGroup, subject: subject, after: grant.right.name, rule: grant.rule)
    } else {
      seatRequests.append(
        SeatRequest(
          right: grant.right, subject: subject, person: person, rule: grant.rule,
          keepsGivers: false))
    }
  }

  /// Gives back what a hand or an import gave before the person went inactive.
  mutating func resume(_ holding: Holding, _ subject: Int, _ person: String) {
    seatRequests.append(
      SeatRequest(
        right: holding.right, subject: subject, person: person, rule: nil, keepsGivers: true))
  }

  /// Hands out the seats that are left after all releases: by rule order, then to who has waited longest,
  /// then by directory id. What a hand gave comes first. Who gets none is waiting.
  mutating func grantSeats() {
    var left: [String: Int] = [:]
    var seats: [String: Seats] = [:]
    for (product, ceiling) in world.site.ceilings {
      let now = world.site.seatsTaken[product] ?? 0
      let after = now - (seatsFreed[product] ?? 0)
      seats[product] = Seats(ceiling: ceiling, now: now, after: after)
      left[product] = ceiling.map { max(0, $0 - after) } ?? .max
    }
    let isShort = Dictionary(grouping: seatRequests, by: \.right.name).contains { product, all in
      all.count > left[product] ?? .max
    }
    if isShort {
      let waitingSince = world.waitingSince
      func rank(_ request: SeatRequest) -> (Int, Int64, String) {
        let since = waitingSince[request.right.name]?[request.person] ?? .max
        return (request.rule ?? -1, since, request.person)
      }
      seatRequests.sort { rank($0) < rank($1) }
    }
    for request in seatRequests {
      let product = request.right.name
      guard left[product] ?? .max > 0 else {
        seats[product]?.waiting.append(request.person)
        waiting.insert(request.person)
        continue
      }
      if let free = left[product], free != .max { left[product] = free - 1 }
      seats[product]?.after += 1
      builder.add(
        .grantLicense, subject: request.subject, after: product, rule: request.rule,
        reason: request.keepsGivers ? Reason.returned : nil, keepsGivers: request.keepsGivers)
    }
    for (product, seats) in seats { builder.seats(seats, of: product) }
  }
}
