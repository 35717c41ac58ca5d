import Foundation
import Synchronization

/// A value that another thread works out while this one goes on.
package final class Meanwhile<Value: Sendable>: Sendable {
  private let result = Mutex<Result<Value, any Error>?>(nil)
  private let isDone = DispatchSemaphore(value: 0)

  package init(_ work: @escaping @Sendable () throws -> Value) {
    Thread.detachNewThread { [self] in
      let made = Result { try work() }
      result.withLock { $0 = made }
      isDone.signal()
    }
  }

  /// Waits for the value.
  package func value() throws -> Value {
    isDone.wait()
    isDone.signal()  // Whoever asks again need not wait.
    guard let made = result.withLock({ $0 }) else { throw CancellationError() }
    return try made.get()
  }
}
