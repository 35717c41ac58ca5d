/// Runs a program over one value. All ways through the program are followed side by side, one character at a time, each step at
/// most once per character; so the work is at most the length of the value times the number of steps.
struct PatternMachine {
  /// The work would be more than was allowed.
  struct OutOfSteps: Error {}

  private let program: PatternProgram
  private let text: [Unicode.Scalar]
  private(set) var stepsLeft: Int
  /// Of `(?=…)` and `(?!…)`: whether they match, by step and place, as far as it was asked.
  private var known: [Int: Bool] = [:]
  private let notes: Int

  init(_ program: PatternProgram, on text: [Unicode.Scalar], steps: Int) {
    self.program = program
    self.text = text
    stepsLeft = steps
    notes = 2 * (program.catchCount + 1)
  }

  /// The ways that have come to one place, the preferred ones first.
  private struct Ways {
    var steps: [Int] = []
    /// What each has noted, one after the other.
    var notes: [Int] = []
    /// By step, the place for which it was last added, and 1.
    var added: [Int]

    init(_ count: Int) { added = Array(repeating: 0, count: count) }

    mutating func clear() {
      steps.removeAll(keepingCapacity: true)
      notes.removeAll(keepingCapacity: true)
    }
  }

  private enum Task {
    case follow(Int)
    case restore(note: Int, Int)
  }

  /// - Returns: where the first match and its groups begin and end, -1 for groups that did not take part; nil: there is none.
  mutating func firstMatch() throws(OutOfSteps) -> [Int]? {
    try match(from: 0, at: 0, mayBeginLater: !program.isAnchored)
  }

  private mutating func match(
    from start: Int, at first: Int, mayBeginLater: Bool
  ) throws(OutOfSteps) -> [Int]? {
    var now = Ways(program.steps.count), then = Ways(program.steps.count)
    var found: [Int]?
    let none = Array(repeating: -1, count: notes)
    for place in first...text.count {
      if found == nil, place == first || mayBeginLater {
        try follow(start, at: place, none, into: &now)
      }
      if now.steps.isEmpty {
        if found != nil || !mayBeginLater { break }
        continue
      }
      then.clear()
      for (number, step) in now.steps.enumerated() {
        try count(1)
        let noted = now.notes[number * notes..<(number + 1) * notes]
        if case .take(let set) = program.steps[step] {
          if place < text.count, program.sets[set].contains(text[place]) {
            try follow(step + 1, at: place + 1, Array(noted), into: &then)
          }
        } else {
          // Ways behind this one are not preferred to it.
          found = Array(noted)
          break
        }
      }
      swap(&now, &then)
    }
    return found
  }

  private mutating func count(_ steps: Int) throws(OutOfSteps) {
    stepsLeft -= steps
    if stepsLeft < 0 { throw OutOfSteps() }
  }

  /// Adds the ways that lead on from a step to the next characters, or to the end.
  private mutating func follow(
    _ start: Int, at place: Int, _ noted: [Int], into ways: inout Ways
  ) throws(OutOfSteps) {
    var noted = noted
    var tasks: [Task] = [.follow(start)]
    while let task = tasks.popLast() {
      guard case .follow(let step) = task else {
        if case .restore(let note, let before) = task { noted[note] = before }
        continue
      }
      try count(1)
      if ways.added[step] == place + 1 { continue }
      ways.added[step] = place + 1
      switch program.steps[step] {
      case .jump(let to): tasks.append(.follow(to))
      case .split(let first, let second):
        tasks.append(.follow(second))
        tasks.append(.follow(first))
      case .note(let note):
        tasks.append(.restore(note: note, noted[note]))
        noted[note] = place
        tasks.append(.follow(step + 1))
      case .place(let wanted): if isAt(wanted, place) { tasks.append(.follow(step + 1)) }
      case .ahead(let inner, let isNegated):
        if try follows(inner, at: place) != isNegated { tasks.append(.follow(step + 1)) }
      case .take, .matched:
        ways.steps.append(step)
        ways.notes += noted
        try count(notes / 8)
      }
    }
  }

  /// Whether what begins at a step matches at a place.
  private mutating func follows(_ step: Int, at place: Int) throws(OutOfSteps) -> Bool {
    let key = step * (text.count + 1) + place
    if let known = known[key] { return known }
    // Two lists of ways are made for it.
    try count(program.steps.count / 8)
    let matches = try match(from: step, at: place, mayBeginLater: false) != nil
    known[key] = matches
    return matches
  }

  private func isAt(_ wanted: PatternTree.Place, _ place: Int) -> Bool {
    switch wanted {
    case .start: return place == 0
    case .end: return place == text.count
    case .endOrLastLineEnd:
      if place == text.count { return true }
      let rest = text[place...]
      if rest.count == 2, rest.first == "\r", rest.last == "\n" { return true }
      return rest.count == 1 && isLineEnd(text[place])
        && !(place > 0 && text[place - 1] == "\r" && text[place] == "\n")
    case .lineStart: return place == 0 || place < text.count && isLineEnd(text[place - 1])
    case .lineEnd: return place == text.count || isLineEnd(text[place])
    case .wordEdge: return isWord(place - 1) != isWord(place)
    case .noWordEdge: return isWord(place - 1) == isWord(place)
    }
  }

  private func isLineEnd(_ scalar: Unicode.Scalar) -> Bool {
    !PatternSet.withoutLineEnds.contains(scalar)
  }

  private func isWord(_ place: Int) -> Bool {
    text.indices.contains(place) && PatternSet.Class.word.contains(text[place])
  }
}
