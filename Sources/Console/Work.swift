import Ports
import Reconciliation
import Settings
import SiteModel
import SyncEngine

/// What visitors have done, by pages and by the API alike.
struct Work: Sendable {
  let house: any ConsoleHouse
  let pending: PendingPlans

  /// Whose accounts an order is about.
  enum Who: Sendable {
    case named([String])
    /// Everybody for whom the order is made: the unassigned of `mark`, the portal-only customers of `convert`.
    case all
  }

  // MARK: Plans

  /// Has a preview of the next sync be made, in the background.
  func beginPreview(by visitor: Visitor) throws {
    guard pending.beginPreview(by: visitor.name, now: house.now) else {
      throw Problem(409, "a preview is being made already")
    }
    Task {
      do {
        let made = try await away { try house.makePlan() }
        let kept = try keep(
          made.plan, .sync, by: visitor,
          notes: made.remarks.split(separator: "\n").map(String.init), takesApprover: true)
        pending.endPreview(.ready(hash: kept.hash))
      } catch {
        pending.endPreview(.failed(house.problem(error)))
      }
    }
  }

  /// An order as a plan to be looked at.
  /// - Throws: `Problem` with what stands against it.
  func order(
    _ order: Handwork.Order, on who: Who, by visitor: Visitor
  ) throws -> PendingPlan {
    try house.reading { office in
      var notes: [String] = []
      let accounts: [Account]
      var isWide = false
      switch who {
      case .named(let names):
        accounts = try office.store.accounts(names)
      case .all:
        isWide = true
        if order == .mark {
          let found = try office.desk.unassigned()
          accounts = found.accounts
          notes += found.protected.map { "\($0.email) is protected and left out" }
        } else if order == .convert {
          accounts = try office.desk.convertible()
        } else {
          throw Problem(422, "this order needs accounts")
        }
      }
      let result = try office.desk.plan(
        order, on: accounts, by: visitor.signature, now: office.now)
      if let first = result.refusals.first {
        let more = result.refusals.count - 1
        throw Problem(
          409,
          "\(first.email): \(first.reason)"
            + (more > 0 ? ", and \(more) more accounts stand against it" : ""),
          remedy: first.remedy)
      }
      let concernsProtected = Self.concernsProtected(order, accounts, office.desk.policy)
      return try keep(
        result.plan, .order(result), by: visitor, notes: notes + result.notes,
        takesApprover: isWide || accounts.count > 20 || concernsProtected)
    }
  }

  /// Whether an order gives a protected group, or is about an account that is protected or holds such a group.
  private static func concernsProtected(
    _ order: Handwork.Order, _ accounts: [Account], _ policy: SitePolicy
  ) -> Bool {
    if accounts.contains(where: { isProtected($0, policy) }) { return true }
    guard case .grant(let rights) = order else { return false }
    return rights.contains { $0.kind == .group && policy.protectedGroups.contains($0.key) }
  }

  private static func isProtected(_ account: Account, _ policy: SitePolicy) -> Bool {
    policy.isProtected(account)
      || account.holdings.contains {
        $0.right.kind == .group && policy.protectedGroups.contains($0.right.key)
      }
  }

  func undo(_ run: Int64, by visitor: Visitor) throws -> PendingPlan {
    try house.reading { office in
      let result = try office.desk.undoing(run, by: visitor.signature, now: office.now)
      if result.plan.isEmpty {
        throw Problem(
          409, GuardDesk.OrderFault.allHasChanged(since: run).message,
          remedy: result.refusals.first.map { "\($0.email): \($0.reason)" })
      }
      return try keep(
        result.plan, .undo(result, run: run), by: visitor,
        notes: result.refusals.map { "left as it is: \($0.email): \($0.reason)" },
        takesApprover: true)
    }
  }

  private func keep(
    _ plan: Plan, _ origin: PendingPlan.Origin, by visitor: Visitor, notes: [String],
    takesApprover: Bool
  ) throws -> PendingPlan {
    let kept = PendingPlan(
      hash: plan.digest, plan: plan, origin: origin, by: visitor, madeAt: house.now,
      notes: notes, takesApprover: takesApprover)
    try pending.add(kept, now: house.now)
    return kept
  }

  enum Applied: Sendable {
    case run(Int64, changes: Int)
    /// A second approver has to say yes as well.
    case waiting
  }

  /// Applies the very plan that was looked at.
  func apply(_ hash: String, by visitor: Visitor) throws -> Applied {
    guard let kept = pending.plan(hash, now: house.now) else {
      throw Problem(404, "there is no such plan any more", remedy: "make a new preview")
    }
    if kept.takesApprover, visitor.role < .approver {
      throw Problem(403, "this plan takes an approver")
    }
    let needsTwo = kept.takesApprover && house.configuration.console.needsSecondApprover
    if needsTwo { try Self.checkIsPerson(visitor) }
    if kept.isPreview, kept.plan.isEmpty {
      throw Problem(409, "the plan changes nothing")
    }
    return try house.holdingSite { office in
      let site = try office.desk.site()
      try StorePlanIsStale.check(
        kept.plan.basis, generation: site.generation, lineage: site.lineage)
      let approved: ApprovedPlan
      var undone: Int64?
      switch kept.origin {
      case .sync:
        guard let plan = try office.desk.check(kept.plan, now: office.now).approved else {
          throw Problem(
            409, "the plan goes beyond the limits by now. Nothing was changed",
            remedy: "make a new preview")
        }
        approved = plan
      case .order(let result): approved = Guard.approve(result)
      case .undo(let result, let run): (approved, undone) = (Guard.approve(result), run)
      }
      if needsTwo, !pending.approve(plan: hash, by: visitor) { return .waiting }
      let firstApprover = pending.plan(hash, now: house.now)?.firstApprover
      let applied = try office.store.apply(
        approved,
        run: RunRecord(
          command: kept.command, user: Self.names(visitor, after: firstApprover),
          startedAt: office.now, planHash: hash, undoes: undone))
      pending.remove(hash)
      try house.finish(applied.head, in: office)
      return .run(applied.head.run, changes: applied.written.values.reduce(0, +))
    }
  }

  // MARK: Approvals

  /// Lets pass for a day what was held back.
  func approve(_ hash: String, by visitor: Visitor) throws -> Applied {
    let needsTwo = house.configuration.console.needsSecondApprover
    if needsTwo { try Self.checkIsPerson(visitor) }
    return try house.holdingSite { office in
      let held = try office.desk.held(hash, now: office.now)
      if needsTwo, !pending.approve(held: held.hash, by: visitor, now: office.now) {
        return .waiting
      }
      let head = try office.store.approve(
        held.hash,
        run: record(
          "approve \(held.shortHash)", visitor, after: pending.takeFirstApprover(held: held.hash),
          office))
      try house.finish(head, in: office)
      return .run(head.run, changes: 0)
    }
  }

  /// Of two approvers none is a token: whoever has it may be the other one.
  private static func checkIsPerson(_ visitor: Visitor) throws {
    if visitor.isProgram {
      throw Problem(
        403, "two people have to approve this, and a token is none",
        remedy: "sign in to the console, or run usher approve or usher apply on its machine")
    }
  }

  // MARK: Pins

  func pin(
    _ who: String, _ kind: Pin.Kind, until day: String, reason: String, by visitor: Visitor
  ) throws {
    guard let until = Pin.end(of: day) else {
      throw Problem(422, "the end of a pin is a day, written YYYY-MM-DD")
    }
    if reason.allSatisfy(\.isWhitespace) { throw Problem(422, "a pin has a reason") }
    try house.holdingSite { office in
      let account = try office.store.accounts([who])[0]
      try Self.check(visitor, mayPin: account, office.desk.policy)
      let pin = Pin(
        account: account.id, kind: kind, until: until, reason: reason, by: visitor.signature,
        since: office.now)
      try office.desk.check(pin, for: account, now: office.now)
      let head = try office.store.set(
        pin, run: record("pin account \(account.id) \(pin.text)", visitor, office))
      try house.finish(head, in: office)
    }
  }

  func removePin(_ id: Int64, by visitor: Visitor) throws {
    try house.holdingSite { office in
      guard let pin = try office.store.pins().map(\.pin).first(where: { $0.id == id }) else {
        throw Problem(404, "there is no such pin any more")
      }
      if let account = try office.store.account(id: pin.account) {
        try Self.check(visitor, mayPin: account, office.desk.policy)
      }
      let head = try office.store.removePins(
        [id], run: record("unpin account \(pin.account)", visitor, office))
      try house.finish(head, in: office)
    }
  }

  private static func check(
    _ visitor: Visitor, mayPin account: Account, _ policy: SitePolicy
  ) throws {
    if visitor.role < .approver, isProtected(account, policy) {
      throw Problem(
        403, "\(account.email) is protected, or in a protected group: its pins take an approver")
    }
  }

  private func record(
    _ command: String, _ visitor: Visitor, after first: Visitor? = nil, _ office: Office
  ) -> RunRecord {
    RunRecord(
      command: command, user: Self.names(visitor, after: first), startedAt: office.now,
      planHash: "")
  }

  /// Who did it, and who had approved it before, as the journal names them.
  private static func names(_ visitor: Visitor, after first: Visitor?) -> String {
    visitor.signature + (first.map { ", after \($0.account)" } ?? "")
  }
}

extension PendingPlan {
  /// As the journal names it.
  var command: String {
    switch origin {
    case .sync: "apply"
    case .order, .undo: plan.basis.command ?? "apply"
    }
  }

  /// Whether the site has changed since, so that the plan can no longer be applied.
  func isStale(_ site: Site) -> Bool {
    (try? StorePlanIsStale.check(
      plan.basis, generation: site.generation, lineage: site.lineage)) == nil
  }
}
