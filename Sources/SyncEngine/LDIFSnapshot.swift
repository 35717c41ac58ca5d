import Foundation
import Ports

/// What an LDIF file held at one moment: every search of a run reads these bytes, whatever happens to the file meanwhile.
final class LDIFSnapshot {
  let path: String
  let bytes: [UInt8]
  private let file: FileHandle
  private let state: State

  /// What the system says of a file; a writer changes it.
  private struct State: Equatable {
    let size: Int64
    let modifiedSeconds: Int
    let modifiedNanoseconds: Int

    init?(_ descriptor: Int32) {
      var found = stat()
      guard fstat(descriptor, &found) == 0 else { return nil }
      size = Int64(found.st_size)
      modifiedSeconds = Int(found.st_mtim.tv_sec)
      modifiedNanoseconds = Int(found.st_mtim.tv_nsec)
    }
  }

  /// Reads the whole file.
  /// - Throws: `ReadFailure` where it cannot be read, changes meanwhile, or does not end with a line end: such a file is most
  ///   likely cut off, and whoever the rest is about would count as gone.
  init(path: String) throws {
    self.path = path
    guard let file = FileHandle(forReadingAtPath: path), let state = State(file.fileDescriptor),
      let bytes = Self.read(file.fileDescriptor, size: Int(state.size))
    else { throw ReadFailure("the LDIF file \(path) cannot be read", remedy: "check `ldif:`") }
    self.file = file
    self.state = state
    self.bytes = bytes
    try refuseChange()
    if let last = bytes.last, last != 0x0A {
      throw ReadFailure(
        "the LDIF file \(path) does not end with a line end: it seems to be cut off",
        remedy:
          "export it again, into another file that is then renamed; if it is whole, end its last line"
      )
    }
  }

  /// - Throws: `ReadFailure` where somebody has written to the file since it was read. A file that was put in its place is no
  ///   change of this one.
  func refuseChange() throws {
    guard State(file.fileDescriptor) == state, bytes.count == Int(state.size) else {
      throw ReadFailure(
        "the LDIF file \(path) changed while it was read",
        remedy: "run again once it is whole; an export is best written to another file and renamed")
    }
  }

  /// - Parameter size: about so many bytes are expected.
  /// - Returns: nil where the system refuses.
  private static func read(_ descriptor: Int32, size: Int) -> [UInt8]? {
    var failed = false
    // One more than expected, so that the end of the file is seen.
    let bytes = [UInt8](unsafeUninitializedCapacity: size + 1) { buffer, count in
      while count < buffer.count {
        let part = Foundation.read(
          descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count)
        if part < 0, errno == EINTR { continue }
        if part < 0 { failed = true }
        if part <= 0 { break }
        count += part
      }
    }
    return failed ? nil : bytes
  }
}
