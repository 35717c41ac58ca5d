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
  let by: String
  let madeAt: Int64
  /// What should be known beside, each a sentence.
  let notes: [String]
  /// Many accounts at once, or a run: it takes an approver.
  let isWide: Bool
  /// The first of two approvers.
  var firstApprover: Visitor?
}

/// The plans that are looked at just now.
final class PendingPlans: Sendable {
  private static let most = 12

  private struct State {
    var plans: [PendingPlan] = []
    /// Who approved something first where it takes two, by the hash of what is held.
    var approvals: [String: (visitor: Visitor, at: Int64)] = [:]
    var preview = Preview.none
  }

  /// The preview of the next sync.
  enum Preview: Sendable {
    case none
    case underWay(since: Int64, by: String)
    case failed(Problem)
    case ready(hash: String)
  }

  private let state = Mutex(State())

  func add(_ plan: PendingPlan) {
    state.withLock { state in
      state.plans.removeAll { $0.hash == plan.hash }
      state.plans.append(plan)
      guard state.plans.count > Self.most else { return }
      // Previews, and what many are concerned by, stay longest.
      let gone = state.plans.remove(at: state.plans.firstIndex { !$0.isWide } ?? 0)
      if case .ready(gone.hash) = state.preview { state.preview = .none }
    }
  }

  subscript(hash: String) -> PendingPlan? {
    state.withLock { $0.plans.first { $0.hash == hash } }
  }

  func remove(_ hash: String) {
    state.withLock { state in
      state.plans.removeAll { $0.hash == hash }
      if case .ready(hash) = state.preview { state.preview = .none }
    }
  }

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

  var preview: Preview { state.withLock { $0.preview } }

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
