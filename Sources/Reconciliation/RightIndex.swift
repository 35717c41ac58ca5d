import SiteModel

/// Finds rights among some, by their place. A few are looked through one by one, which costs less than a dictionary for
/// everybody.
struct RightIndex {
  private let few: [Right]
  private var many: [Right: Int] = [:]

  init(_ rights: [Right]) {
    few = rights.count <= 8 ? rights : []
    if few.isEmpty { for (index, right) in rights.enumerated() { many[right] = index } }
  }

  /// The place of a right; nil where it is not among them.
  func place(of right: Right) -> Int? {
    many.isEmpty ? few.firstIndex(of: right) : many[right]
  }

  func contains(_ right: Right) -> Bool { place(of: right) != nil }
}
