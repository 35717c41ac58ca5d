import Foundation
import Synchronization

/// What comes of a task, told once, for whoever waits for it.
package final class Outcome<Value: Sendable>: Sendable {
  private let result = Mutex<Result<Value, any Error>?>(nil)
  private let news = DispatchSemaphore(value: 0)

  package init() {}

  /// - Returns: false when it was told already.
  @discardableResult package func tell(_ value: Result<Value, any Error>) -> Bool {
    let isNew = result.withLock { result in
      if result != nil { return false }
      result = value
      return true
    }
    if isNew { news.signal() }
    return isNew
  }

  /// - Parameter keeping: whether others may ask for it, too; otherwise the value can be changed without being copied.
  package func wait(keeping: Bool = true) -> Result<Value, any Error> {
    news.wait()
    news.signal()  // Whoever asks again need not wait.
    return result.withLock { result in
      defer { if !keeping { result = .failure(CancellationError()) } }
      return result
    } ?? .failure(CancellationError())
  }
}

/// A value that another thread works out while this one goes on.
package final class Meanwhile<Value: Sendable>: Sendable {
  private let outcome = Outcome<Value>()

  /// - Parameter isPatient: whether threads that others wait for go first, where there are fewer processors.
  package init(isPatient: Bool = false, _ work: @escaping @Sendable () throws -> Value) {
    Thread.detachNewThread { [outcome] in
      // On Linux a thread has a priority of its own.
      if isPatient { setpriority(Int32(PRIO_PROCESS.rawValue), 0, 10) }
      outcome.tell(Result { try work() })
    }
  }

  /// Waits for the value.
  package func value() throws -> Value { try outcome.wait().get() }

  /// Waits for the value, and keeps it no longer, so that it can be changed without being copied.
  package func take() throws -> Value { try outcome.wait(keeping: false).get() }
}
