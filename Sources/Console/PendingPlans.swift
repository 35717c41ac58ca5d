import Ports
import Reconciliation
import SiteModel
import Synchronization
import SyncEngine

/// A plan that somebody looks at, and that is applied as it is or not at all.
struct PendingPlan: Sendable {
  enum Origin: Sendable {
    /// A preview of the next sync.
    case sync
    /// What somebody ordered by hand.
    case order(Handwork.Result)
    /// Takes a run back.
    case undo(Handwork.Result, run: Int64)
  }

  let hash: String
  let plan: Plan
  let origin: Origin
  let by: Visitor
  let madeAt: Int64
  /// What should be known beside, each a sentence.
  let notes: [String]
  /// Many accounts at once, a run, or something protected.
  let takesApprover: Bool
  /// The first of two approvers.
  var firstApprover: Visitor?

  var isPreview: Bool { if case .sync = origin { true } else { false } }

  /// Plans are looked at within an hour; what one approver has approved waits a day for the other.
  func isAlive(_ now: Int64) -> Bool {
    now - madeAt < (firstApprover == nil ? 3600 : 86_400)
  }
}

/// The plans that are looked at just now: of each person one preview and a few others.
final class PendingPlans: Sendable {
  private static let most = 12
  private static let mostOthersOfOne = 3

  private struct State {
    /// The newest last.
    var plans: [PendingPlan] = []
    /// Who approved something first where it takes two, by the hash of what is held.
    var approvals: [String: (visitor: Visitor, at: Int64)] = [:]
    var preview = Preview.none

    /// Keeps what is right; a preview that is gone is none any more.
    mutating func keep(where isRight: (PendingPlan) -> Bool) {
      plans.removeAll { !isRight($0) }
      if case .ready(let hash) = preview, !plans.contains(where: { $0.hash == hash }) {
        preview = .none
      }
    }
  }

  /// The preview of the next sync.
  enum Preview: Sendable {
    case none
    case underWay(since: Int64, by: String)
    case failed(Problem)
    case ready(hash: String)
  }

  private let state = Mutex(State())

  /// Keeps a plan. Older ones of the same person make room first, then the oldest; none that waits for its second approver.
  /// - Throws: `Problem` where all that are kept wait for one.
  func add(_ plan: PendingPlan, now: Int64) throws {
    try state.withLock { state in
      // What waits for a second approver and can no longer be applied waits for nothing.
      let generation = plan.plan.basis.generation
      state.keep {
        $0.isAlive(now) && ($0.firstApprover == nil || $0.plan.basis.generation >= generation)
      }
      var plan = plan
      if let same = state.plans.first(where: { $0.hash == plan.hash }) {
        plan.firstApprover = same.firstApprover
      }
      var kept = state.plans.filter { $0.hash != plan.hash }
      let own = kept.filter {
        $0.by.identity == plan.by.identity && $0.isPreview == plan.isPreview
          && $0.firstApprover == nil
      }
      let surplus = own.count + 1 - (plan.isPreview ? 1 : Self.mostOthersOfOne)
      let gone = Set(own.prefix(max(0, surplus)).map(\.hash))
      kept.removeAll { gone.contains($0.hash) }
      if kept.count >= Self.most {
        guard let oldest = kept.firstIndex(where: { $0.firstApprover == nil }) else {
          throw Problem(
            409, "\(Self.most) plans wait for a second approver, and no more are kept",
            remedy: "have them approved first, or wait until they expire after a day")
        }
        kept.remove(at: oldest)
      }
      state.plans = kept + [plan]
      state.keep { _ in true }
    }
  }

  func plan(_ hash: String, now: Int64) -> PendingPlan? {
    state.withLock { state in
      state.keep { $0.isAlive(now) }
      return state.plans.first { $0.hash == hash }
    }
  }

  func remove(_ hash: String) { state.withLock { $0.keep { $0.hash != hash } } }

  /// - Returns: whether two different people have approved by now.
  func approve(plan hash: String, by visitor: Visitor) -> Bool {
    state.withLock { state in
      guard let index = state.plans.firstIndex(where: { $0.hash == hash }) else { return false }
      let first = state.plans[index].firstApprover
      if first == nil { state.plans[index].firstApprover = visitor }
      return first.map { $0.identity != visitor.identity } ?? false
    }
  }

  /// - Returns: whether two different people have approved in one day.
  func approve(held hash: String, by visitor: Visitor, now: Int64) -> Bool {
    state.withLock { state in
      state.approvals = state.approvals.filter { $0.value.at > now - 86_400 }
      if let first = state.approvals[hash] { return first.visitor.identity != visitor.identity }
      state.approvals[hash] = (visitor, now)
      return false
    }
  }

  func firstApprover(held hash: String) -> Visitor? {
    state.withLock { $0.approvals[hash]?.visitor }
  }

  func takeFirstApprover(held hash: String) -> Visitor? {
    state.withLock { $0.approvals.removeValue(forKey: hash)?.visitor }
  }

  func preview(now: Int64) -> Preview {
    state.withLock { state in
      state.keep { $0.isAlive(now) }
      return state.preview
    }
  }

  /// - Returns: false when one is being made already.
  func beginPreview(by name: String, now: Int64) -> Bool {
    state.withLock { state in
      if case .underWay = state.preview { return false }
      state.preview = .underWay(since: now, by: name)
      return true
    }
  }

  func endPreview(_ preview: Preview) { state.withLock { $0.preview = preview } }
}
