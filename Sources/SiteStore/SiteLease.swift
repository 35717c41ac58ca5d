import Foundation
import Ports

/// One run at a time: a lock beside the store that ends with the process that holds it, however that
/// ends.
package final class SiteLease {
  private let descriptor: Int32

  /// - Throws: `StoreFailure.busy` while another run holds the site.
  package init(storePath: String) throws {
    let path = storePath + ".lock"
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw StoreFailure.unusable(
        path: storePath, reason: "\(path) cannot be written (\(String(cString: strerror(errno))))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let holder = FileManager.default.contents(atPath: path).map {
        String(decoding: $0, as: UTF8.self)
      }
      close(descriptor)
      throw StoreFailure.busy(path: storePath, holder: holder)
    }
    let text = "process \(getpid())"
    ftruncate(descriptor, 0)
    _ = text.withCString { write(descriptor, $0, strlen($0)) }
  }

  deinit { close(descriptor) }
}
