/// What people write and get wrong: positions in their files, diagnostics about them, and YAML read
/// with positions. This room knows no file format of its own and never prints.

/// A place in a text file; line and column count from 1, the column in characters.
package struct SourcePosition: Sendable, Hashable, Codable {
  package let file: String
  package let line: Int
  package let column: Int

  package init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }

  /// `file:line:column`, which terminals and editors turn into a link.
  package var text: String { "\(file):\(line):\(column)" }

  /// The position so many characters further right on the same line.
  package func advanced(by characters: Int) -> SourcePosition {
    SourcePosition(file: file, line: line, column: column + characters)
  }
}

/// One thing wrong, or doubtful, in a file that a person wrote.
package struct Diagnostic: Sendable, Hashable, Codable {
  package enum Severity: String, Sendable, Codable { case error, warning }

  package let severity: Severity
  package let position: SourcePosition
  package let message: String
  /// What to do about it, as a sentence without a full stop; nil where the message says it already.
  package let hint: String?
  /// The line of the file that `position` names, without its line end.
  package let sourceLine: String?
}

/// All diagnostics of one reading, collected so that a person sees every fault at once.
package struct Findings: Sendable {
  package private(set) var all: [Diagnostic] = []
  private var known: Set<Diagnostic> = []
  private var lines: [String: [Substring]] = [:]

  package init() {}

  package var hasErrors: Bool { all.contains { $0.severity == .error } }

  /// Remembers the text of a file, so that diagnostics about it can show the line.
  package mutating func register(file: String, text: String) {
    lines[file] = text.split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// The registered texts without the diagnostics, for a later stage that may find more.
  package var texts: Findings {
    var copy = self
    copy.all = []
    copy.known = []
    return copy
  }

  /// Adds the texts that others have registered.
  package mutating func merge(_ others: Findings) {
    lines.merge(others.lines) { $1 }
  }

  package mutating func error(
    _ message: String, at position: SourcePosition, hint: String? = nil
  ) {
    add(.error, message, position, hint)
  }

  package mutating func warning(
    _ message: String, at position: SourcePosition, hint: String? = nil
  ) {
    add(.warning, message, position, hint)
  }

  /// The registered text of one line, without its line end; nil for an unknown file or line.
  package func line(at position: SourcePosition) -> String? {
    guard let all = lines[position.file], all.indices.contains(position.line - 1) else {
      return nil
    }
    let line = all[position.line - 1]
    return String(line.last == "\r" ? line.dropLast() : line)
  }

  private mutating func add(
    _ severity: Diagnostic.Severity, _ message: String, _ position: SourcePosition, _ hint: String?
  ) {
    let line = line(at: position).flatMap { Self.mayHoldSecret($0) ? nil : $0 }
    let new = Diagnostic(
      severity: severity, position: position, message: message, hint: hint, sourceLine: line)
    // What is read more than once, as account fields that several searches share, is said once.
    if known.insert(new).inserted { all.append(new) }
  }

  /// A line that names a password or a secret is never shown.
  private static func mayHoldSecret(_ line: String) -> Bool {
    let line = line.lowercased()
    return line.contains("password") || line.contains("secret")
  }
}
