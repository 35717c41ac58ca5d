import Settings
import SiteModel
import Testing

@testable import Console
@testable import Reconciliation

@Suite struct PendingPlanTests {
  private func visitor(_ name: String, _ role: Role = .approver) -> Visitor {
    Visitor(name: name, account: name, identity: "uid=\(name)", role: role, formToken: "")
  }

  private func plan(
    _ hash: String, by who: String, preview: Bool = false, at: Int64 = 0, generation: Int64 = 0
  )
    -> PendingPlan
  {
    let basis = Plan.Basis(
      site: "acme", lineage: "", generation: generation, mappingDigest: "", createdAt: at,
      peopleRead: 0,
      groupsRead: 0)
    var builder = PlanBuilder(basis: basis, rules: [])
    let empty = builder.finish()
    return PendingPlan(
      hash: hash, plan: empty,
      origin: preview
        ? .sync : .undo(Handwork.Result(plan: empty, notes: [], refusals: []), run: 1),
      by: visitor(who),
      madeAt: at, notes: [], takesApprover: true)
  }

  @Test func onePreviewIsKeptPerPersonAndAFewOthers() throws {
    let pending = PendingPlans()
    for number in 0..<30 {
      try pending.add(plan("p\(number)", by: "ada", preview: true), now: 0)
      pending.endPreview(.ready(hash: "p\(number)"))
      try pending.add(plan("o\(number)", by: "ada"), now: 0)
      try pending.add(plan("b", by: "bob"), now: 0)
      #expect(
        pending.plan("p\(number)", now: 0) != nil && pending.plan("o\(number)", now: 0) != nil)
    }
    #expect(pending.plan("p28", now: 0) == nil && pending.plan("o26", now: 0) == nil)
    #expect(pending.plan("o27", now: 0) != nil && pending.plan("b", now: 0) != nil)
  }

  @Test func whatIsHalfApprovedIsNotPushedOut() throws {
    let pending = PendingPlans()
    for number in 0..<11 {
      try pending.add(plan("h\(number)", by: "n\(number)"), now: 0)
      #expect(!pending.approve(plan: "h\(number)", by: visitor("ada")))
    }
    for number in 0..<5 {
      try pending.add(plan("x\(number)", by: "m\(number)"), now: 0)
      #expect(pending.plan("x\(number)", now: 0) != nil)
    }
    for number in 0..<11 { #expect(pending.plan("h\(number)", now: 0) != nil) }
    #expect(!pending.approve(plan: "x4", by: visitor("ada")))
    #expect(throws: Problem.self) { try pending.add(plan("y", by: "eve"), now: 0) }
    // The same plan made once more keeps its first approval.
    try pending.add(plan("h0", by: "n0"), now: 0)
    #expect(pending.approve(plan: "h0", by: visitor("bob")))
    // What the site has left behind makes room.
    try pending.add(plan("z", by: "eve", generation: 1), now: 0)
    #expect(pending.plan("z", now: 0) != nil && pending.plan("x4", now: 0) == nil)
  }

  @Test func plansExpire() throws {
    let pending = PendingPlans()
    try pending.add(plan("p", by: "ada", preview: true), now: 0)
    pending.endPreview(.ready(hash: "p"))
    #expect(pending.plan("p", now: 3599) != nil)
    #expect(pending.plan("p", now: 3600) == nil)
    guard case .none = pending.preview(now: 3600) else { return #expect(Bool(false)) }
    try pending.add(plan("q", by: "ada"), now: 0)
    _ = pending.approve(plan: "q", by: visitor("ada"))
    #expect(pending.plan("q", now: 86_399) != nil)
    #expect(pending.plan("q", now: 86_400) == nil)
  }

  @Test func twoApproversAreTwoPeople() {
    let pending = PendingPlans()
    #expect(!pending.approve(held: "h", by: visitor("ada"), now: 0))
    // Another name makes nobody another person.
    let other = Visitor(
      name: "Bob", account: "bob", identity: "uid=ada", role: .approver, formToken: "")
    #expect(!pending.approve(held: "h", by: other, now: 0))
    #expect(pending.approve(held: "h", by: visitor("bob"), now: 9))
  }
}
