/// A regular expression over a value; letter case counts.
///
/// A pattern is matched by a machine of our own whose work grows with the length of the value times the length of the pattern
/// (Thompson's construction, run as Pike did): an engine that backtracks can take seconds for 40 characters. Of several
/// matches it takes the one that an engine which backtracks would find first. What such a machine cannot do, as back references
/// `\1`, is a fault of the mapping.
package struct Pattern: Sendable {
  package let text: String
  private let program: PatternProgram

  package enum Outcome: Equatable {
    case none
    /// First all that matched, then what each group caught; "" for a group that did not take part.
    case caught([String])
    /// The value takes more than `mostSteps`, so that nobody knows whether it matches.
    case undecided
  }

  /// The most work for one value: enough for 10,000 characters and a pattern of 60.
  package static let mostSteps = 1_000_000

  /// - Throws: `PatternFault` when the text is not a pattern that can be matched.
  package init(_ text: String) throws(PatternFault) {
    self.text = text
    program = try PatternProgram(parsing: text)
  }

  /// How many groups the pattern catches.
  package var catchCount: Int { program.catchCount }

  package func match(_ value: String) -> Outcome {
    var steps = Self.mostSteps
    return match(value, steps: &steps)
  }

  /// - Parameter steps: how many may be taken; what is left of them afterwards.
  package func match(_ value: String, steps: inout Int) -> Outcome {
    let scalars = Array(value.unicodeScalars)
    var machine = PatternMachine(program, on: scalars, steps: steps)
    defer { steps = machine.stepsLeft }
    do {
      guard let places = try machine.firstMatch() else { return .none }
      let texts = stride(from: 0, to: places.count, by: 2).map { index in
        let start = places[index], end = places[index + 1]
        guard start >= 0, end >= start else { return "" }
        return String(String.UnicodeScalarView(scalars[start..<end]))
      }
      return .caught(texts)
    } catch {
      return .undecided
    }
  }
}

/// Why a text is not a pattern.
package struct PatternFault: Error, Equatable {
  package let message: String
  package let hint: String?

  init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }
}
