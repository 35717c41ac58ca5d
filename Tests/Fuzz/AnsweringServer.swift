import Foundation
import Synchronization

/// A directory server on a socket of this process. It lets everybody in, says what it is, and answers the search with what the
/// fuzzer wants.
final class AnsweringServer: Sendable {
  static let shared = AnsweringServer()

  let url: String
  private let answer = Mutex<(mode: UInt8, bytes: [UInt8])>((0, []))

  private init() {
    signal(SIGPIPE, SIG_IGN)
    let path = NSTemporaryDirectory() + "usher-fuzz-\(getpid()).sock"
    unlink(path)
    url = "ldapi://" + path.replacingOccurrences(of: "/", with: "%2F")
    let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) {
      $0.copyBytes(from: Array(path.utf8).prefix(107))
    }
    let isBound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard isBound == 0, listen(listener, 8) == 0 else { stop("\(path) cannot be listened on") }
    Thread.detachNewThread { [self] in
      while true {
        let connection = accept(listener, nil, nil)
        if connection < 0 { continue }
        serve(connection)
        close(connection)
      }
    }
  }

  func answer(_ mode: UInt8, _ bytes: [UInt8]) { answer.withLock { $0 = (mode, bytes) } }

  private func serve(_ connection: Int32) {
    var pending: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 65_536)
    let (mode, bytes) = answer.withLock { $0 }
    var pieces = mode & 1 == 0 ? Self.pieces(bytes) : []
    let ownDSE = mode & 8 != 0 && !pieces.isEmpty ? pieces.removeFirst() : nil
    while true {
      let count = read(connection, &room, room.count)
      if count <= 0 { return }
      pending += room[..<count]
      while let (id, tag, content) = Self.takeMessage(&pending) {
        switch tag {
        case 0x60: send(connection, message(id, element(0x61, success)))
        case 0x77: send(connection, message(id, element(0x78, success)))
        case 0x63 where content.dropFirst().first == 0:
          send(connection, message(id, ownDSE ?? rootDSE(pages: mode & 4 != 0)))
          send(connection, message(id, element(0x65, success)))
        case 0x63 where mode & 1 == 1:
          send(connection, bytes)
          return
        case 0x63:
          for piece in pieces { send(connection, message(id, piece)) }
          send(connection, message(id, element(0x65, success), lastPage: mode & 2 != 0))
        case 0x42, 0x50: break  // Unbinding and giving up are not answered.
        default: return
        }
      }
    }
  }

  /// Cuts bytes into pieces; the last may be shorter than it says.
  private static func pieces(_ bytes: [UInt8]) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var rest = bytes[...]
    while rest.count > 2, pieces.count < 64 {
      let length = Int(rest.removeFirst()) << 8 | Int(rest.removeFirst())
      pieces.append(Array(rest.prefix(length)))
      rest = rest.dropFirst(length)
    }
    return pieces
  }

  /// A whole request of the client, which is libldap and writes it well.
  private static func takeMessage(
    _ pending: inout [UInt8]
  ) -> (id: [UInt8], tag: UInt8, content: [UInt8])? {
    guard let (outer, end) = contents(pending[...]), let (id, next) = contents(pending[outer]),
      next < outer.upperBound, let (operation, _) = contents(pending[next..<outer.upperBound])
    else { return nil }
    let found = (Array(pending[id]), pending[next], Array(pending[operation]))
    pending.removeFirst(end)
    return found
  }

  /// Where the contents of the first element are, and where the element ends.
  private static func contents(_ bytes: ArraySlice<UInt8>) -> (Range<Int>, Int)? {
    guard bytes.count >= 2 else { return nil }
    var start = bytes.startIndex + 2
    var length = Int(bytes[start - 1])
    if length >= 0x80 {
      let size = length & 0x7F
      guard bytes.endIndex - start >= size else { return nil }
      length = bytes[start..<start + size].reduce(0) { $0 << 8 | Int($1) }
      start += size
    }
    guard length <= bytes.endIndex - start else { return nil }
    return (start..<start + length, start + length)
  }

  private func send(_ connection: Int32, _ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(connection, $0.baseAddress, $0.count) }
      if count <= 0 { return }
      rest = rest.dropFirst(count)
    }
  }

  private func message(_ id: [UInt8], _ operation: [UInt8], lastPage: Bool = false) -> [UInt8] {
    let end = element(0x30, element(0x02, [0]) + element(0x04, []))
    let control = element(
      0x30, element(0x04, Array("1.2.840.113556.1.4.319".utf8)) + element(0x04, end))
    return element(
      0x30, element(0x02, id) + operation + (lastPage ? element(0xA0, control) : []))
  }

  private func rootDSE(pages: Bool) -> [UInt8] {
    let controls = pages ? [element(0x04, Array("1.2.840.113556.1.4.319".utf8))] : []
    let attribute = element(
      0x30, element(0x04, Array("supportedControl".utf8)) + element(0x31, controls.flatMap(\.self)))
    return element(0x64, element(0x04, []) + element(0x30, attribute))
  }

  private let success: [UInt8] = [0x0A, 1, 0, 4, 0, 4, 0]
}

private func element(_ tag: UInt8, _ contents: [UInt8]) -> [UInt8] {
  let count = contents.count
  return [tag]
    + (count < 0x80 ? [UInt8(count)] : [0x82, UInt8(count >> 8 & 0xFF), UInt8(count & 0xFF)])
    + contents
}
