import Ports
import SiteModel
import Views

extension ConsoleSite {
  func overview(_ asked: Asked) throws -> Answer {
    let service = house.service
    var values: [String: Any] = [
      "next_sync": service.nextSync.map { Moment(seconds: $0).human } ?? "at once",
      "is_syncing": service.syncingSince != nil,
      "last_exit": section(
        service.lastExit.map { Self.words($0, committed: service.committedRun) }),
      "is_failed": service.lastExit.map { $0 != 0 && $0 != 3 } ?? false,
    ]
    do {
      try house.reading { office in
        let site = try office.desk.site()
        let questions = try office.store.openQuestions()
        let lastSync = try office.store.lastSync()
        values["has_store"] = true
        values["fresh"] = section(lastSync.map { Moment.length(office.now - $0) })
        values["last_sync"] = lastSync.map { Moment(seconds: $0).human } ?? "never"
        values["accounts"] = site.totals.activeAccounts.grouped
        values["transition"] =
          site.transition == .before ? "before the transition" : "after the transition"
        values["seats"] = seats(site, waiting: questions.waiting)
        values["holds"] = questions.holds.count.grouped
        values["leaving"] = questions.leaving.count.grouped
        values["waiting"] = questions.waiting.values.reduce(0) { $0 + $1.count }.grouped
        values["approvals"] = try office.desk.waiting(now: office.now).map(held)
        values["runs"] = try office.store.runs(last: 8).map(row)
      }
    } catch  where problem(error).status == 404 {
      values["has_store"] = false
    }
    return try page("overview", title: "Overview", at: "/", asked, values)
  }

  private func seats(_ site: Site, waiting: [String: [String]]) -> [[String: Any]] {
    site.policy.ceilings.sorted { $0.key < $1.key }.map { product, ceiling in
      let taken = site.seatsTaken[product] ?? 0
      return [
        "product": product.shown, "taken": taken.grouped, "number": taken,
        "ceiling": ceiling.map(\.grouped) ?? "unlimited", "most": ceiling ?? max(1, taken),
        "high": ceiling.map { $0 - $0 / 10 } ?? max(1, taken), "has_ceiling": ceiling != nil,
        "waiting": waiting[product].map { $0.count.of("person waits", "people wait") } ?? "",
      ]
    }
  }

  /// Something held back, with the button that approves it.
  func held(_ record: HeldRecord) -> [String: Any] {
    let set = record.set
    return [
      "hash": set.hash, "short_hash": set.shortHash,
      "held_at": Moment(seconds: record.heldAt).human,
      "causes": set.causes.map(\.shown),
      "changes": set.changes.prefix(50).map { HeldChangeText.text($0) },
      "count": set.changes.count.of("change", "changes"),
      "more": set.changes.count > 50 ? (set.changes.count - 50).grouped : false,
      "approved_first": section(work.pending.firstApprover(held: set.hash)?.name.shown),
    ]
  }

  func row(_ run: JournaledRun) -> [String: Any] {
    [
      "run": "\(run.id)", "started": Moment(seconds: run.startedAt).values,
      "command": run.command.shown, "user": run.user.shown, "changes": run.changes.grouped,
      "people": run.peopleRead.grouped, "undone_by": section(run.undoneBy.map { "\($0)" }),
    ]
  }

  /// What an exit code of `usher sync` means.
  /// - Parameter run: the run that was committed before the sync failed; nil: none.
  static func words(_ exit: Int32, committed run: Int64? = nil) -> String {
    let changed = run.map { "after run \($0) was applied" } ?? "and nothing was changed"
    return switch exit {
    case 0: "done"
    case 3: "changes were held back, and wait for approval"
    case 5: "a directory could not be read, and its people stay as they are"
    case 65: "the configuration or the mapping has faults, and nothing was changed"
    case 75: "another run held the site"
    case 129...: "was ended by signal \(exit - 128), \(changed)"
    default: "failed with exit code \(exit), \(changed)"
    }
  }
}
