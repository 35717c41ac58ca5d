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

  /// Waits for the value, and keeps it no longer, so that it can be changed without being copied.
  package func take() throws -> Value {
    isDone.wait()
    let made = result.withLock { result in
      defer { result = nil }
      return result
    }
    isDone.signal()
    guard let made else { throw CancellationError() }
    return try made.get()
  }
}

extension DispatchSemaphore {
  /// A semaphore with so many places that may be given up while some of them are taken: libdispatch ends the program where one
  /// made with that value is.
  package static func places(_ count: Int) -> DispatchSemaphore {
    let places = DispatchSemaphore(value: 0)
    for _ in 0..<count { places.signal() }
    return places
  }
}
