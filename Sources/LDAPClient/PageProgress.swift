/// Whether the pages of an answer (RFC 2696) lead to its end. Some servers give every page the same cookie, so that only a page
/// that begins with the same entry as another one under the same cookie has come again.
struct PageProgress {
  private static let mostEmptyPages = 100

  /// The first entry of this page; nil before it came.
  private var firstName: [UInt8]?
  private var seen: Set<[UInt8]> = []
  private var emptyPages = 0

  /// Whether no entry of this page came so far.
  private(set) var isAwaitingEntry = true

  /// Notes the first entry of a page.
  mutating func begin(_ name: UnsafeRawBufferPointer) {
    firstName = Array(name)
    isAwaitingEntry = false
  }

  /// Ends a page after which the server has more.
  /// - Returns: what the server does wrong; nil where there is nothing.
  mutating func fault(cookie: [UInt8]) -> String? {
    defer { (firstName, isAwaitingEntry) = (nil, true) }
    guard let firstName else {
      emptyPages += 1
      return emptyPages < Self.mostEmptyPages
        ? nil : "sent \(emptyPages) pages one after another without an entry"
    }
    emptyPages = 0
    return seen.insert(cookie + [0] + firstName).inserted ? nil : "sent the same page again"
  }
}
