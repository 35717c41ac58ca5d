import Diagnostics
import Foundation
import Settings
import Testing

private let utc = TimeZone.gmt

private func berlin() throws -> TimeZone {
  try #require(TimeZone(identifier: "Europe/Berlin"))
}

private func cron(_ line: String) throws -> CronLine { try #require(CronLine(line)) }

/// Seconds since 1970 of a time with its offset, for example 2026-03-29T03:00:00+02:00.
private func at(_ text: String) throws -> Int64 {
  Int64(try #require(ISO8601DateFormatter().date(from: text)).timeIntervalSince1970)
}

private func times(
  _ line: String, after start: String, _ count: Int, _ zone: TimeZone
) throws -> [String] {
  let line = try cron(line)
  var found: [String] = []
  var last = try at(start)
  let format = ISO8601DateFormatter()
  format.timeZone = zone
  while found.count < count, let next = line.next(after: last, in: zone) {
    found.append(format.string(from: Date(timeIntervalSince1970: TimeInterval(next))))
    last = next
  }
  return found
}

@Suite struct ScheduleTests {
  @Test(arguments: [
    ("0 3 * * *", ["2026-11-25T03:00:00Z", "2026-11-26T03:00:00Z"]),
    ("*/20 7-8 * * *", ["2026-11-25T07:00:00Z", "2026-11-25T07:20:00Z", "2026-11-25T07:40:00Z"]),
    ("5/30 * * * *", ["2026-11-25T00:05:00Z", "2026-11-25T00:35:00Z"]),
    ("0 0 1 jan,jul *", ["2027-01-01T00:00:00Z", "2027-07-01T00:00:00Z"]),
    (
      "30 4 * * mon-fri",
      [
        "2026-11-25T04:30:00Z", "2026-11-26T04:30:00Z", "2026-11-27T04:30:00Z",
        "2026-11-30T04:30:00Z",
      ]
    ),
    ("0 12 * * 7", ["2026-11-29T12:00:00Z"]),
    // Either day is enough where both are given, as crontab(5) says.
    (
      "0 0 13 * fri",
      [
        "2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z", "2026-12-11T00:00:00Z",
        "2026-12-13T00:00:00Z",
      ]
    ),
    ("0 0 29 2 *", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
    ("0 0 30 2 *", []),
  ])
  func aCronLineSaysWhen(_ line: String, _ expected: [String]) throws {
    let found = try times(line, after: "2026-11-24T23:59:59Z", max(1, expected.count), utc)
    #expect(found == expected)
  }

  @Test(arguments: [
    "", "0 3 * *", "60 3 * * *", "0 24 * * *", "0 3 0 * *", "0 3 * 13 *", "0 3 * * 8",
    "*/0 * * * *", "5-1 * * * *", "a * * * *", "1,,2 * * * *", "-5 * * * *", "1/2/3 * * * *",
  ])
  func whatIsNoCronLineIsRefused(_ line: String) throws { #expect(CronLine(line) == nil) }

  @Test func aTimeThatTheClockSkipsIsMadeUpForAtItsEnd() throws {
    // At 02:00 the clock is put forward to 03:00.
    #expect(
      try times("30 2 * * *", after: "2026-03-28T12:00:00+01:00", 2, berlin())
        == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"])
  }

  @Test func aTimeThatComesTwiceCountsOnce() throws {
    // At 03:00 the clock is put back to 02:00.
    #expect(
      try times("30 2 * * *", after: "2026-10-24T12:00:00+02:00", 2, berlin())
        == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"])
  }

  @Test func everyHourComesInTheHourThatIsThereTwice() throws {
    #expect(
      try times("15 * * * *", after: "2026-10-25T01:30:00+02:00", 3, berlin())
        == ["2026-10-25T02:15:00+02:00", "2026-10-25T02:15:00+01:00", "2026-10-25T03:15:00+01:00"])
  }

  @Test func whatWasMissedIsMadeUpForOnce() throws {
    let schedule = Schedule(sync: .every(seconds: 900), full: nil)
    let began = try at("2026-11-24T03:00:00Z"), woke = try at("2026-11-24T09:07:00Z")
    #expect(schedule.due(now: woke, lastSync: began, lastFull: nil, shift: 0, in: utc) == .sync)
    #expect(
      schedule.due(now: woke, lastSync: woke, lastFull: nil, shift: 0, in: utc)
        == .nothing(until: woke + 900))
  }

  @Test func aClockThatIsPutBackNeitherDoublesNorStops() throws {
    let now = try at("2026-11-24T09:00:00Z")
    var table = Timetable(
      Schedule(sync: .every(seconds: 900), full: nil), lastSync: now + 86_400, lastFull: nil,
      shift: 0, in: utc)
    for second in 0..<900 as Range<Int64> {
      #expect(table.due(now: now + second) == .nothing(until: now + 900))
    }
    #expect(table.due(now: now + 900) == .sync)
  }

  @Test func aFullReadThatFailsIsMadeUpForByTheNextSync() throws {
    let night = try at("2026-11-24T03:00:00Z")
    var table = Timetable(
      .standard, lastSync: night - 60, lastFull: night - 86_400, shift: 0, in: utc)
    #expect(table.due(now: night) == .full)
    table.note(.failed, began: night, isFull: true, now: night + 5)
    #expect(table.due(now: night + 899) == .nothing(until: night + 900))
    #expect(table.due(now: night + 900) == .full)
    table.note(.done, began: night + 900, isFull: true, now: night + 905)
    #expect(table.due(now: night + 1800) == .sync)
  }

  @Test func aSiteThatIsHeldIsTriedAgainSoon() throws {
    let night = try at("2026-11-24T03:00:00Z")
    var table = Timetable(
      .standard, lastSync: night - 900, lastFull: night - 86_400, shift: 0, in: utc)
    table.note(.busy, began: night, isFull: true, now: night + 1)
    #expect(table.due(now: night + 2) == .nothing(until: night + 31))
    #expect(table.due(now: night + 31) == .full)
  }

  @Test func aMidnightThatTheClockSkipsIsMadeUpFor() throws {
    let cairo = try #require(TimeZone(identifier: "Africa/Cairo"))
    #expect(
      try times("30 0 * * *", after: "2026-04-23T12:00:00+02:00", 2, cairo)
        == ["2026-04-24T01:00:00+03:00", "2026-04-25T00:30:00+03:00"])
  }

  @Test func aFullReadIsAlsoASync() throws {
    let schedule = Schedule.standard
    let night = try at("2026-11-24T03:00:00Z")
    #expect(
      schedule.due(now: night, lastSync: night - 60, lastFull: night - 86_400, shift: 0, in: utc)
        == .full)
    #expect(
      schedule.due(now: night + 60, lastSync: night - 60, lastFull: night, shift: 0, in: utc)
        == .nothing(until: night + 900))
  }

  @Test func aNewSiteBeginsAtOnce() throws {
    #expect(
      Schedule.standard.due(now: 1_000_000, lastSync: nil, lastFull: nil, shift: 0.5, in: utc)
        == .full)
  }

  @Test func jitterPutsOffTimesOfDayAndLeavesIntervalsAsTheyAre() throws {
    let daily = Schedule(
      sync: .cron(CronLine(minutes: [0], hours: [3])), full: nil, jitterSeconds: 600)
    let ran = try at("2026-11-24T03:05:00Z"), next = try at("2026-11-25T03:05:00Z")
    #expect(
      daily.due(now: ran, lastSync: ran, lastFull: nil, shift: 0.5, in: utc)
        == .nothing(until: next))
    let often = Schedule(sync: .every(seconds: 900), full: nil, jitterSeconds: 600)
    #expect(
      often.due(now: ran, lastSync: ran, lastFull: nil, shift: 0.5, in: utc)
        == .nothing(until: ran + 900))
  }

  /// However often the clock is looked at, each time counts exactly once.
  @Test func everyTimeCountsOnce() throws {
    let schedule = Schedule(
      sync: .cron(try cron("*/7 1-4 * * *")), full: .cron(try cron("30 2 * * *")),
      jitterSeconds: 40)
    let start = try at("2026-10-24T00:00:00+02:00")
    for step in [1, 13, 29] as [Int64] {
      var last: (sync: Int64?, full: Int64?) = (start, start)
      var syncs = 0, fulls = 0
      var now = start + 1
      while now < start + 3 * 86_400 {
        switch try schedule.due(
          now: now, lastSync: last.sync, lastFull: last.full, shift: 0.25, in: berlin())
        {
        case .nothing(let until): now = max(now + step, until - until % step)
        case .sync:
          syncs += 1
          last.sync = now
        case .full:
          fulls += 1
          last.full = now
        }
      }
      // Nine times an hour, four hours a day, three days; no time is at half past two.
      #expect(syncs == 9 * 4 * 3, "looked at every \(step) s")
      #expect(fulls == 3)
    }
  }
}

@Suite struct ScheduleReadingTests {
  private func read(_ schedule: String) -> (schedule: Schedule?, faults: [String]) {
    var findings = Findings()
    let configuration = ConfigurationReader.read(
      """
      site: { name: acme, store: "sqlite:usher.db" }
      directories: [{ name: corporate, ldif: people.ldif, mapping: acme.yaml }]
      \(schedule)
      """, path: "usher.yaml", into: &findings)
    return (configuration?.schedule, findings.all.map(\.message))
  }

  @Test func whereTheFileIsSilentEveryQuarterOfAnHourAndEverythingAtThree() throws {
    #expect(read("").schedule == .standard)
  }

  @Test func intervalsTimesOfDayAndCronLinesAreRead() throws {
    #expect(
      read("schedule: { every: 10m, full: daily 04:30, jitter: 1m }").schedule
        == Schedule(
          sync: .every(seconds: 600), full: .cron(CronLine(minutes: [30], hours: [4])),
          jitterSeconds: 60))
    #expect(
      read(#"schedule: { every: "*/5 7-19 * * mon-fri", full: 7d }"#).schedule
        == Schedule(sync: .cron(try cron("*/5 7-19 * * mon-fri")), full: .every(seconds: 604_800)))
  }

  @Test(arguments: ["10", "30s", "daily 24:00", "daily 3", "tomorrow", "* * * *", "[1m]", "{}"])
  func whatIsNoTimeIsAFault(_ every: String) throws {
    let found = read("schedule: { every: \(every) }")
    #expect(found.schedule == nil)
    #expect(found.faults.count == 1)
  }
}
