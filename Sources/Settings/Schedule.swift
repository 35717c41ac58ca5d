import Foundation

/// When something is done again and again: at intervals, or at local times as crontab(5) writes them.
package enum Recurrence: Sendable, Hashable {
  /// Every so many seconds, counted from the time before.
  case every(seconds: Int)
  case cron(CronLine)

  /// The first time after `last`, in seconds since 1970; nil where no such time comes within eight years.
  package func next(after last: Int64, in zone: TimeZone) -> Int64? {
    switch self {
    case .every(let seconds): last + Int64(seconds)
    case .cron(let line): line.next(after: last, in: zone)
    }
  }
}

/// What `usher serve` does by itself.
package struct Schedule: Sendable, Hashable {
  /// When changes are synced.
  package let sync: Recurrence
  /// When everything is read; nil: as `read` of each directory says.
  package let full: Recurrence?
  /// Each time is put off by up to so many seconds, so that many sites do not ask one server at once.
  package let jitterSeconds: Int

  package init(sync: Recurrence, full: Recurrence?, jitterSeconds: Int = 0) {
    self.sync = sync
    self.full = full
    self.jitterSeconds = jitterSeconds
  }

  package static let standard = Schedule(
    sync: .every(seconds: 15 * 60),
    full: .cron(CronLine(minutes: [0], hours: [3])))
}

/// A line of crontab(5) without its command: minute, hour, day of month, month, day of week.
///
/// Of the local times that a change of the clock skips, each is made up for at its end; those that come twice count the
/// first time only, unless the line says every hour.
package struct CronLine: Sendable, Hashable {
  private let minutes, hours, days, months, weekdays: Set<Int>
  /// Of day of month and day of week one is enough, where both are given.
  private let eitherDay: Bool
  private var everyHour: Bool { hours.count == 24 }

  package init(minutes: Set<Int>, hours: Set<Int>) {
    (self.minutes, self.hours) = (minutes, hours)
    (days, months, weekdays) = (Set(1...31), Set(1...12), Set(0...6))
    eitherDay = false
  }

  /// - Returns: nil for what is no such line.
  package init?(_ text: String) {
    let fields = text.split(separator: " ", omittingEmptySubsequences: true)
    guard fields.count == 5,
      let minutes = Self.numbers(fields[0], in: 0...59),
      let hours = Self.numbers(fields[1], in: 0...23),
      let days = Self.numbers(fields[2], in: 1...31),
      let months = Self.numbers(fields[3], in: 1...12, names: Self.monthNames),
      let weekdays = Self.numbers(fields[4], in: 0...7, names: Self.dayNames)
    else { return nil }
    (self.minutes, self.hours, self.days, self.months) = (minutes, hours, days, months)
    self.weekdays = Set(weekdays.map { $0 % 7 })
    eitherDay = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
  }

  private static let monthNames = [
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9,
    "oct": 10, "nov": 11, "dec": 12,
  ]
  private static let dayNames = [
    "sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6,
  ]

  /// `*`, `5`, `1-5`, `mon-fri`, each with a step as `*/15`; several with commas.
  private static func numbers(
    _ field: Substring, in range: ClosedRange<Int>, names: [String: Int] = [:]
  ) -> Set<Int>? {
    func number(_ text: Substring) -> Int? {
      let value = names[text.lowercased()] ?? (text.allSatisfy(\.isASCIIDigit) ? Int(text) : nil)
      return value.flatMap { range.contains($0) ? $0 : nil }
    }
    var found: Set<Int> = []
    for part in field.split(separator: ",", omittingEmptySubsequences: false) {
      let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
      guard let first = pieces.first, pieces.count <= 2 else { return nil }
      let ends = first.split(separator: "-", omittingEmptySubsequences: false)
      var low = range.lowerBound, high = range.upperBound
      if first != "*" {
        guard ends.count <= 2, let from = number(ends[0]) else { return nil }
        low = from
        if ends.count == 2 {
          guard let to = number(ends[1]) else { return nil }
          high = to
        } else if pieces.count == 1 {
          high = from
        }
      }
      let step = pieces.count == 2 ? Int(pieces[1]) ?? 0 : 1
      guard step > 0, low <= high else { return nil }
      found.formUnion(stride(from: low, through: high, by: step))
    }
    return found
  }

  /// The first time after `last`, in seconds since 1970; nil where none comes within eight years, for example on
  /// February 30th.
  package func next(after last: Int64, in zone: TimeZone) -> Int64? {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = zone
    var day = calendar.startOfDay(for: Date(timeIntervalSince1970: TimeInterval(last)))
    for _ in 0..<(8 * 366) {
      let parts = calendar.dateComponents([.month, .day, .weekday], from: day)
      guard let next = calendar.date(byAdding: .day, value: 1, to: day).map(calendar.startOfDay)
      else { return nil }
      if isDay(parts) {
        let found = times(
          from: Int64(day.timeIntervalSince1970), to: Int64(next.timeIntervalSince1970), zone
        ).first { $0 > last }
        if let found { return found }
      }
      day = next
    }
    return nil
  }

  private func isDay(_ parts: DateComponents) -> Bool {
    guard let month = parts.month, let day = parts.day, let weekday = parts.weekday,
      months.contains(month)
    else { return false }
    let isDate = days.contains(day), isWeekday = weekdays.contains(weekday - 1)
    return eitherDay ? isDate || isWeekday : isDate && isWeekday
  }

  /// The times of one day, in order. Goes from minute to minute, since clocks change in the middle of days.
  private func times(from start: Int64, to end: Int64, _ zone: TimeZone) -> [Int64] {
    func offset(_ time: Int64) -> Int64 {
      Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: TimeInterval(time))))
    }
    let midnight = Date(timeIntervalSince1970: TimeInterval(start))
    let change =
      zone.nextDaylightSavingTimeTransition(after: midnight).map {
        Int64($0.timeIntervalSince1970)
      } ?? .max
    let before = offset(start), after = change < end ? offset(change) : before
    func local(_ time: Int64) -> Int64 { time + (time < change ? before : after) }
    func fits(_ local: Int64) -> Bool {
      let minute = (local % 86_400 + 86_400) % 86_400 / 60
      return hours.contains(Int(minute / 60)) && minutes.contains(Int(minute % 60))
    }
    var found: [Int64] = []
    // The minutes between midnight and the first one of a day that a change of the clock makes begin later are skipped, too.
    var latest = local(start) - (local(start) % 86_400 + 86_400) % 86_400 - 60
    for time in stride(from: start, to: end, by: 60) {
      let own = local(time)
      if own > latest {
        // More than one minute where the clock was put forward.
        if stride(from: latest + 60, through: own, by: 60).contains(where: fits) {
          found.append(time)
        }
        latest = own
      } else if everyHour, fits(own) {
        found.append(time)
      }
    }
    return found
  }
}

extension Character {
  fileprivate var isASCIIDigit: Bool { "0" <= self && self <= "9" }
}

extension Schedule {
  /// What is due, and until when nothing else will be.
  package enum Due: Sendable, Hashable {
    case nothing(until: Int64)
    case sync
    case full
  }

  /// What is to be done now. Whatever was missed, while the machine slept or stood still, is made up for once.
  /// - Parameters:
  ///   - lastSync: when a sync last began; nil: never.
  ///   - lastFull: when one last began that read everything.
  ///   - shift: how far this site's times are put off, from 0 to 1 of the jitter.
  package func due(
    now: Int64, lastSync: Int64?, lastFull: Int64?, shift: Double, in zone: TimeZone
  ) -> Due {
    let delay = Int64(Double(jitterSeconds) * shift)
    func next(_ recurrence: Recurrence, _ last: Int64?) -> Int64 {
      guard let last else { return now }
      let base = last - delay  // The time before was put off, too.
      guard let next = recurrence.next(after: base, in: zone) else { return .max }
      return next + delay
    }
    let nextFull = full.map { next($0, lastFull) } ?? .max
    if nextFull <= now { return .full }
    let nextSync = next(sync, [lastSync, lastFull].compactMap(\.self).max())
    return nextSync <= now ? .sync : .nothing(until: min(nextSync, nextFull))
  }
}

/// When a site was synced, held against its schedule.
package struct Timetable: Sendable {
  package var schedule: Schedule
  private let zone: TimeZone
  private let shift: Double
  private var lastSync, lastFull: Int64?
  /// A full read failed: the next sync makes up for it.
  private var owesFull = false
  private var notBefore: Int64 = 0

  /// After a sync that found the site held by another run.
  private static let busySeconds: Int64 = 30

  /// How a sync ended.
  package enum Outcome: Sendable, Hashable { case done, failed, busy }

  /// - Parameters:
  ///   - lastSync, lastFull: see `Schedule.due`.
  ///   - shift: how far this site's times are put off, from 0 to 1 of the jitter.
  package init(
    _ schedule: Schedule, lastSync: Int64?, lastFull: Int64?, shift: Double, in zone: TimeZone
  ) {
    self.schedule = schedule
    self.lastSync = lastSync
    self.lastFull = lastFull
    self.shift = shift
    self.zone = zone
  }

  /// What is to be done now, in seconds since 1970.
  package mutating func due(now: Int64) -> Schedule.Due {
    // A clock that was put back must not keep everything waiting until it has caught up.
    lastSync = lastSync.map { min($0, now) }
    lastFull = lastFull.map { min($0, now) }
    notBefore = min(notBefore, now + Self.busySeconds)
    if now < notBefore { return .nothing(until: notBefore) }
    let due = schedule.due(
      now: now, lastSync: lastSync, lastFull: lastFull, shift: shift, in: zone)
    return due == .sync && owesFull ? .full : due
  }

  /// Notes how a sync ended.
  package mutating func note(_ outcome: Outcome, began: Int64, isFull: Bool, now: Int64) {
    if outcome == .busy {
      notBefore = now + Self.busySeconds
      return
    }
    lastSync = began
    guard isFull else { return }
    lastFull = began
    owesFull = outcome == .failed
  }
}
