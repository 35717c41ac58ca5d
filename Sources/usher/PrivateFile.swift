import Foundation

/// A file that this account alone may read, from its first moment on.
enum PrivateFile {
  /// Whoever reads the file finds the old one or the new one, never a part.
  /// - Parameter partial: the name of the new one while it is written.
  /// - Returns: false where it cannot be written; the old one is as it was.
  static func replace(_ path: String, with contents: Data, by partial: String) -> Bool {
    let isReplaced = create(partial, contents) && rename(partial, path) == 0
    if !isReplaced { unlink(partial) }
    return isReplaced
  }

  /// - Returns: false where the file cannot be written whole, and where something has its name already, a link too.
  static func create(_ path: String, _ contents: Data) -> Bool {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { return false }
    let isWritten = contents.withUnsafeBytes { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = write(file, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        rest = rest.dropFirst(count)
      }
      return true
    }
    let isWhole = close(file) == 0 && isWritten
    if !isWhole { unlink(path) }
    return isWhole
  }
}
