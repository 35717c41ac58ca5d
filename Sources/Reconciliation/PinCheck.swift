import SiteModel

/// Whether an exception can be made without contradicting the domain.
package enum PinCheck {
  /// - Parameter others: the account's pins of other kinds that hold.
  /// - Returns: why not; nil when it can.
  package static func obstacle(
    _ pin: Pin, _ account: Account, others: [Pin], site: Site, now: Int64
  ) -> Handwork.Refusal? {
    func refuse(_ reason: String, _ remedy: String? = nil) -> Handwork.Refusal {
      Handwork.Refusal(email: account.email, reason: reason, remedy: remedy)
    }
    if !pin.holds(at: now) { return refuse("the pin would have ended already") }
    switch pin.kind {
    case .ignore: return nil
    case .keep(let pinned):
      let right = pinned.right
      if account.isPortalOnly {
        return refuse("a portal-only account holds no license and no group (R6)")
      }
      if others.contains(where: { $0.kind == .portalOnly }) {
        return refuse(
          "it is pinned portal-only, and a portal-only account holds no license and no group (R6)",
          "usher unpin \(account.email) --portal-only")
      }
      if account.holding(right) == nil {
        return refuse(
          "it has no \(right.kind.rawValue) \(right.name) to keep",
          "usher grant \(account.email) --\(right.kind.rawValue) \(right.name)")
      }
      return nil
    case .portalOnly:
      if site.transition == .after, !account.isPortalOnly {
        return refuse("after the transition an Atlassian account stays one (R13)")
      }
      if site.policy.isProtected(account) { return refuse("the account is protected") }
      if let other = others.first(where: { $0.kind == .noPortalOnly || $0.keptRight != nil }) {
        return refuse(
          "it is pinned \(other.text), which contradicts it", "usher unpin \(account.email)")
      }
      let kept = account.holdings.filter { !site.policy.isWithdrawable($0) }
      if !kept.isEmpty {
        let doubt = Doubt.keepsRights(kept, email: account.email)
        return refuse(doubt.reason, doubt.remedy)
      }
      return nil
    case .noPortalOnly:
      if site.transition == .after, account.isPortalOnly {
        return refuse(
          "it is portal-only, and no mark can be taken off after the transition",
          "usher convert \(account.email)")
      }
      if others.contains(where: { $0.kind == .portalOnly }) {
        return refuse(
          "it is pinned portal-only, which contradicts it",
          "usher unpin \(account.email) --portal-only")
      }
      return nil
    }
  }
}
