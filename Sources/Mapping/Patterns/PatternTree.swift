/// A pattern as it is written, before it becomes a program.
indirect enum PatternTree: Sendable {
  case empty
  case set(PatternSet)
  case place(Place)
  /// `number` counts the groups that catch, from 1; nil: the group only holds together.
  case group(PatternTree, number: Int?)
  case sequence([PatternTree])
  /// The first that leads to a match is taken.
  case choice([PatternTree])
  case repeated(PatternTree, atLeast: Int, atMost: Int?, isGreedy: Bool)
  /// `(?=…)` and `(?!…)`: what must follow, or must not.
  case ahead(PatternTree, isNegated: Bool)

  /// A condition on a place between two characters.
  enum Place: Sendable {
    case start, end
    /// The end, or before a line end that is the last.
    case endOrLastLineEnd
    case lineStart, lineEnd
    case wordEdge, noWordEdge
  }
}
