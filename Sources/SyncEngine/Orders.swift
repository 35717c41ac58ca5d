import Ports
import Reconciliation
import SiteModel

/// What administrators order by hand, from wherever they do it.
extension GuardDesk {
  /// Why something cannot be ordered.
  package struct OrderFault: Error, Sendable, Hashable {
    /// One sentence without a full stop.
    package let message: String
    package let remedy: String?

    package init(_ message: String, remedy: String? = nil) {
      self.message = message
      self.remedy = remedy
    }
  }

  /// An order as a plan.
  package func plan(
    _ order: Handwork.Order, on accounts: [Account], by user: String, now: Int64
  ) throws -> Handwork.Result {
    Handwork.plan(
      order, in: try world(of: accounts, command: order.command, now: now), by: user)
  }

  /// Accounts that are marked together: those without license and group (R3), less the protected ones.
  package func unassigned() throws -> (accounts: [Account], protected: [Account]) {
    let policy = try site().policy
    var found: (accounts: [Account], protected: [Account]) = ([], [])
    try store.allAccounts { account in
      guard account.isUnassigned else { return }
      if policy.isProtected(account) {
        found.protected.append(account)
      } else {
        found.accounts.append(account)
      }
    }
    return found
  }

  /// The active portal-only accounts of a site after the transition.
  /// - Throws: `OrderFault` before it.
  package func convertible(_ filter: AccountFilter = AccountFilter()) throws -> [Account] {
    let transition = try store.transition()
    guard transition == .after else {
      throw OrderFault(
        "conversions come after the transition", remedy: "usher transition previews it")
    }
    var chosen = filter
    chosen.isActive = true
    var accounts: [Account] = []
    try store.allAccounts { account in
      if account.isPortalOnly, chosen.matches(account, transition: transition) {
        accounts.append(account)
      }
    }
    return accounts
  }

  /// A plan that takes a run back, as far as that can be: its refusals say what stays, which may be all of it.
  /// - Throws: `OrderFault` when there never was anything to take back.
  package func undoing(_ number: Int64, by user: String, now: Int64) throws -> Handwork.Result {
    guard let undone = try store.run(number) else { throw OrderFault.noRun(number) }
    if let by = undone.undoneBy {
      throw OrderFault("run \(number) was taken back already, by run \(by)")
    }
    guard undone.changes > 0 else {
      throw OrderFault(
        "run \(number) (\(undone.command)) changed no account, and there is nothing to take back")
    }
    var entries: [JournalEntry] = []
    try store.entries(of: number) { entries.append($0) }
    let accounts = try store.accounts(ids: Array(Set(entries.map(\.account))))
    let world = try world(of: accounts, command: "undo \(number)", now: now)
    let former = entries.filter { $0.kind == .changeEmail }.compactMap(\.before)
    let ids = Set(accounts.map(\.id))
    let others = try store.accounts(ofPeople: [], emails: former).filter { !ids.contains($0.id) }
    return Undoing.plan(
      entries, in: world, occupied: Set(others.map { emailKey($0.email) }), by: user)
  }

  /// - Throws: `OrderFault` when the pin would contradict what holds already.
  package func check(_ pin: Pin, for account: Account, now: Int64) throws {
    let others = try store.pins().map(\.pin).filter {
      $0.account == account.id && $0.kind != pin.kind && $0.holds(at: now)
    }
    if let refusal = PinCheck.obstacle(
      pin, account, others: others, site: try site(), now: now)
    {
      throw OrderFault(
        "\(refusal.email): \(refusal.reason). Nothing was changed", remedy: refusal.remedy)
    }
  }
}

extension GuardDesk.OrderFault {
  package static func allHasChanged(since id: Int64) -> GuardDesk.OrderFault {
    GuardDesk.OrderFault(
      "nothing of run \(id) can be taken back: everything has changed since")
  }

  package static func noRun(_ id: Int64) -> GuardDesk.OrderFault {
    GuardDesk.OrderFault("there is no run \(id)", remedy: "usher runs lists them")
  }
}
