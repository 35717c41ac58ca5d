/// The shortest ways from a person's own groups up to all groups above, found breadth-first in one walk.
package struct GroupPaths: Sendable {
  /// A way that may be long: both ends, and how many groups between them are left out.
  package struct Path: Sendable, Hashable {
    package let first: [Int32]
    package let leftOut: Int
    package let last: [Int32]

    package init(first: [Int32], leftOut: Int, last: [Int32]) {
      (self.first, self.leftOut, self.last) = (first, leftOut, last)
    }
  }

  /// So many groups are told at either end of a long way.
  private static let told = 4

  private struct Step: Sendable {
    /// The group below; nil: one of the person's own.
    let from: Int32?
    /// How many groups the way has, this one included.
    let length: Int
    /// The first groups of the way.
    let first: [Int32]
  }

  private var steps: [Int32: Step] = [:]

  /// - Parameter direct: the person's own groups.
  package init(from direct: [Int32], in groups: DirectoryGroups) {
    for group in direct { steps[group] = Step(from: nil, length: 1, first: [group]) }
    var queue = direct
    var next = 0
    while next < queue.count {
      let group = queue[next]
      next += 1
      guard let step = steps[group] else { continue }
      for parent in groups.parents(of: group) where steps[parent] == nil {
        let isNear = step.first.count < Self.told
        steps[parent] = Step(
          from: group, length: step.length + 1, first: isNear ? step.first + [parent] : step.first)
        queue.append(parent)
      }
    }
  }

  /// The way to a group, both ends included; nil where there is none.
  package func path(to group: Int32) -> Path? {
    guard let own = steps[group] else { return nil }
    let rest = own.length - own.first.count
    var last: [Int32] = []
    var place: Int32? = group
    while let one = place, last.count < min(rest, Self.told) {
      last.append(one)
      place = steps[one]?.from
    }
    return Path(first: own.first, leftOut: rest - last.count, last: last.reversed())
  }
}
