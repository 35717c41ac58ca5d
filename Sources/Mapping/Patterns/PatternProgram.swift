/// A pattern as steps for `PatternMachine`.
struct PatternProgram: Sendable {
  enum Step: Sendable {
    /// Takes a character that is in the set with this number.
    case take(set: Int)
    /// Goes on at both, the first preferred.
    case split(Int, Int)
    case jump(Int)
    /// Writes the place down: 2n where group n begins, 2n + 1 where it ends.
    case note(Int)
    case place(PatternTree.Place)
    /// Goes on where what begins at the step `start` matches here, or does not.
    case ahead(start: Int, isNegated: Bool)
    case matched
  }

  private(set) var steps: [Step] = []
  private(set) var sets: [PatternSet] = []
  let catchCount: Int
  /// Whether a match can only begin where the value does.
  private(set) var isAnchored = false

  /// The most steps of a program: repetitions of repetitions multiply.
  static let mostSteps = 5000

  init(parsing text: String) throws(PatternFault) {
    if text.utf8.count > Self.mostSteps { throw Self.tooLarge }
    let (tree, catches) = try PatternParser.parse(text)
    catchCount = catches
    isAnchored = tree.isAnchored
    try add(.group(tree, number: 0))
    try add(.matched)
  }

  private static let tooLarge = PatternFault(
    "the pattern is too large: repetitions count as often as they repeat")

  private mutating func add(_ step: Step) throws(PatternFault) {
    if steps.count >= Self.mostSteps { throw Self.tooLarge }
    steps.append(step)
  }

  private mutating func add(_ tree: PatternTree) throws(PatternFault) {
    switch tree {
    case .empty: break
    case .set(let set):
      sets.append(set)
      try add(.take(set: sets.count - 1))
    case .place(let wanted): try add(Step.place(wanted))
    case .group(let inner, let number):
      if let number { try add(.note(2 * number)) }
      try add(inner)
      if let number { try add(.note(2 * number + 1)) }
    case .sequence(let parts): for part in parts { try add(part) }
    case .choice(let branches): try add(choiceOf: branches)
    case .repeated(let inner, let least, let most, let isGreedy):
      try add(inner, atLeast: least, atMost: most, isGreedy: isGreedy)
    case .ahead(let inner, let isNegated):
      let start = steps.count
      try add(.ahead(start: start + 2, isNegated: isNegated))
      try add(.jump(0))
      try add(inner)
      try add(.matched)
      steps[start + 1] = .jump(steps.count)
    }
  }

  private mutating func add(choiceOf branches: [PatternTree]) throws(PatternFault) {
    var jumps: [Int] = []
    for (number, branch) in branches.enumerated() {
      let split = steps.count
      let isLast = number == branches.count - 1
      if !isLast { try add(.jump(0)) }
      try add(branch)
      if isLast { break }
      jumps.append(steps.count)
      try add(.jump(0))
      steps[split] = .split(split + 1, steps.count)
    }
    for jump in jumps { steps[jump] = .jump(steps.count) }
  }

  private mutating func add(
    _ inner: PatternTree, atLeast least: Int, atMost most: Int?, isGreedy: Bool
  ) throws(PatternFault) {
    for _ in 0..<least { try add(inner) }
    func split(_ on: Int, _ out: Int) -> Step { isGreedy ? .split(on, out) : .split(out, on) }
    guard let most else {
      let start = steps.count
      try add(.jump(0))
      try add(inner)
      try add(.jump(start))
      steps[start] = split(start + 1, steps.count)
      return
    }
    var optional: [Int] = []
    for _ in least..<most {
      optional.append(steps.count)
      try add(.jump(0))
      try add(inner)
    }
    for start in optional { steps[start] = split(start + 1, steps.count) }
  }
}

extension PatternTree {
  /// Whether it can only match where the value begins.
  fileprivate var isAnchored: Bool {
    switch self {
    case .place(.start): true
    case .group(let inner, _): inner.isAnchored
    case .sequence(let parts): parts.first?.isAnchored ?? false
    case .choice(let branches): branches.allSatisfy(\.isAnchored)
    default: false
    }
  }
}
