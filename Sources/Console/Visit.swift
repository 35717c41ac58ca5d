import Dispatch
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Settings
import Synchronization

/// One request on its way.
struct Visit: RequestContext {
  var coreContext: CoreRequestContextStorage
  /// The address of whoever is connected to us.
  let peer: String

  init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    peer = source.channel.remoteAddress?.ipAddress ?? ""
  }
}

/// What somebody asks for, with all that an answer depends on.
struct Asked: Sendable {
  let visitor: Visitor
  /// What the last page left to say.
  let notice: String?
  /// The variable parts of the path.
  let parts: [String: String]
  let query: Fields
  let form: Fields
  let body: Data

  /// How many of a list were shown before.
  var from: Int { min(max(0, query["from"].flatMap { Int($0) } ?? 0), 100_000_000) }

  func part(_ name: String) -> String { parts[name] ?? "" }
}

/// Named values, as in a query or a form (application/x-www-form-urlencoded).
struct Fields: Sendable {
  private let values: [String: [String]]

  init(_ text: String) {
    var values: [String: [String]] = [:]
    for pair in text.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let decoded = parts.map { part in
        let text = String(part.replacing("+", with: " "))
        return text.removingPercentEncoding ?? text
      }
      values[decoded[0], default: []].append(decoded.count > 1 ? decoded[1] : "")
    }
    self.values = values
  }

  static let none = Fields("")

  /// The first value; nil where there is none or it is empty.
  subscript(_ name: String) -> String? {
    values[name]?.first.flatMap { $0.allSatisfy(\.isWhitespace) ? nil : $0 }
  }

  func all(_ name: String) -> [String] { values[name] ?? [] }
}

/// What is sent back.
enum Answer: Sendable {
  case page(String)
  /// A page that looks again by itself after so many seconds.
  case waiting(String, seconds: Int)
  /// Another page, and what it begins with.
  case seeOther(String, notice: String? = nil)
  case json(String, status: Int = 200)
  case text(String, type: String, status: Int = 200)
  case nothing

  func response() -> Response {
    func made(
      _ status: HTTPResponse.Status, _ type: String, _ text: String, _ more: HTTPFields = [:]
    ) -> Response {
      var headers = more
      headers[.contentType] = type
      return Response(
        status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(string: text)))
    }
    let html = "text/html; charset=utf-8"
    switch self {
    case .page(let text): return made(.ok, html, text)
    case .waiting(let text, let seconds):
      var headers = HTTPFields()
      if let name = HTTPField.Name("Refresh") { headers[name] = String(seconds) }
      return made(.ok, html, text, headers)
    case .seeOther(let place, _):
      return Response(status: .seeOther, headers: [.location: place])
    case .json(let text, let status):
      return made(.init(code: status), "application/json", text)
    case .text(let text, let type, let status): return made(.init(code: status), type, text)
    case .nothing: return Response(status: .noContent)
    }
  }
}

/// Does what waits for files and servers on a thread of its own.
/// - Parameter pool: so many at once, and no more are let in.
func away<Value: Sendable>(
  _ pool: Pool = .pages, _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
  guard pool.enters() else { throw Problem(503, "too many requests at once: try again soon") }
  return try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread {
      let result = Result { try body() }
      pool.leaves()
      continuation.resume(with: result)
    }
  }
}

/// So many threads for one kind of work, so that what waits for a directory that hangs holds up nothing else.
final class Pool: Sendable {
  static let pages = Pool(32)
  /// Signing in, and asking the directory again for the roles of those who are signed in.
  static let signIns = Pool(4)
  static let roles = Pool(8)
  static let metrics = Pool(2)
  static let health = Pool(1)

  private let most: Int
  private let count = Mutex(0)

  init(_ most: Int) { self.most = most }

  func enters() -> Bool {
    count.withLock { count in
      if count >= most { return false }
      count += 1
      return true
    }
  }

  func leaves() { count.withLock { $0 -= 1 } }
}

extension Request {
  /// The whole body, of whoever may send one.
  /// - Throws: `Problem` where it does not come within half a minute.
  func body(upTo most: Int) async throws -> ByteBuffer {
    try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
      group.addTask { try await body.collect(upTo: most) }
      group.addTask {
        try await Task.sleep(for: .seconds(30))
        throw Problem(408, "the request does not come to its end")
      }
      defer { group.cancelAll() }
      return try await group.next() ?? ByteBuffer()
    }
  }
}
