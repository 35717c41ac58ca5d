import Diagnostics
import Mapping
import Ports
import Reconciliation
import Settings
import SiteModel
import SiteStore
import SyncEngine
import Views

/// What waits for somebody's word: changes over a limit, directory groups that others replaced, a changed mapping.
extension Session {
  /// Says what the guard held back and how it is approved, and notes it for that.
  func report(_ verdict: Guard.Verdict, in store: SiteDatabase) throws {
    let consequence =
      verdict.approved == nil ? "the whole plan is held back" : "these people are held"
    for excess in verdict.excesses {
      terminal.warn("limit \(excess.consequence.rawValue): \(excess.text); \(consequence)")
    }
    for held in held(verdict, in: store) { try say(held, in: store) }
  }

  /// What waits for a changed mapping, joined with what the limits would hold of it.
  /// - Parameter verdict: of the plan with the changed mapping.
  func joined(
    _ waiting: [HeldSet], with verdict: Guard.Verdict?, in store: SiteDatabase
  ) -> [HeldSet] {
    guard let limited = verdict?.held, let first = waiting.first else { return waiting }
    return [desk(store).held(first, with: limited)] + waiting.dropFirst()
  }

  /// The same after a sync by the mapping that holds so far.
  /// - Parameter planners: with the changed mappings.
  func joined(
    _ waiting: [HeldSet], changed planners: [Planner], in store: SiteDatabase, texts: Findings
  ) throws -> [HeldSet] {
    guard !waiting.isEmpty, planners.allSatisfy(\.canReadMirror) else { return waiting }
    let outcome = try plan(planners, planners.map { _ in .mirror }, texts: texts)
    return joined(waiting, with: outcome.verdict, in: store)
  }

  /// What of a verdict waits for somebody's word.
  func held(_ verdict: Guard.Verdict, in store: SiteDatabase) -> [HeldSet] {
    [desk(store).heldGroups(verdict.plan), verdict.held].compactMap(\.self)
  }

  /// Says what is held back and how it is approved, and notes it for that.
  func say(_ held: HeldSet, in store: SiteDatabase) throws {
    try store.note(held, at: now)
    if held.kind != .changes { for cause in held.causes { terminal.warn(cause) } }
    let accounts = Set(held.changes.map(\.email)).count
    terminal.warn(
      held.kind == .changes
        ? "held back: \(held.changes.count.of("change", "changes")) for \(accounts.of("account", "accounts")), hash \(held.shortHash)"
        : "held back, hash \(held.shortHash)"
    )
    for change in held.changes.prefix(20) {
      terminal.say("  \(HeldChangeText.text(change))")
    }
    if held.changes.count > 20 {
      terminal.say("  … and \((held.changes.count - 20).grouped) more: usher approve --list")
    }
    terminal.say("If it is meant: usher approve \(held.shortHash)")
  }

  // MARK: Changed mappings

  /// The planners to sync with: each mapping's own, or, while a changed mapping waits for approval, that of the one
  /// which holds so far.
  /// - Parameter offline: compares mappings by the mirror.
  /// - Returns: nil planners where an accepted mapping no longer fits the configuration; and what is held back of
  ///   the mappings.
  func reviewed(
    _ planners: [Planner], in store: SiteDatabase, offline: Bool, texts: Findings
  ) throws -> (planners: [Planner]?, held: [HeldSet]) {
    var chosen: [Planner] = []
    var held: [HeldSet] = []
    for (directory, planner) in zip(configuration.directories, planners) {
      let (one, waiting) = try reviewed(
        planner, of: directory, in: store,
        opening: offline ? nil : { try source(directory) }, texts: texts)
      if let one { chosen.append(one) }
      if let waiting { held.append(waiting) }
    }
    return (chosen.count == planners.count ? chosen : nil, held)
  }

  /// - Parameter opening: opens the directory; nil for the mirror.
  private func reviewed(
    _ planner: Planner, of directory: Configuration.Directory, in store: SiteDatabase,
    opening: (() throws -> any DirectorySource)?, texts: Findings
  ) throws -> (planner: Planner?, held: HeldSet?) {
    let known = try store.acceptedMapping(of: directory.name)
    guard configuration.mappingChanges == .review, let known,
      try !planner.isAccepted(known, now: now)
    else { return (planner, nil) }
    var findings = Findings()
    let files = Dictionary(known.files.map { ($0.path, $0.text) }, uniquingKeysWith: { $1 })
    guard
      let old = MappingReader.read(
        known.path, catalogue: Set(configuration.site.licenses.keys), load: { files[$0] },
        into: &findings)
    else {
      let held = planner.held(
        MappingDifference(
          people: [],
          causes: [
            "the mapping that holds so far no longer fits the configuration"
          ]))
      return (nil, held)
    }
    let before = try self.planner(store, directory, mapping: old)
    var all = texts
    let difference: MappingDifference
    do {
      difference = try planner.difference(from: before, source: opening, now: now, into: &all)
    } catch let failure as ReadFailure where opening == nil {
      terminal.warn(
        "the mapping has changed, and whether it alters what anybody gets cannot be told offline: \(failure.message)"
      )
      return (planner, nil)
    } catch is ReadFailure where configuration.directories.count > 1 {
      return (before, nil)  // Planning will say so, and go on with the other directories.
    }
    terminal.clearProgress()
    return difference.isEmpty ? (planner, nil) : (before, planner.held(difference))
  }
}
