import ArgumentParser
import Foundation
import Views

/// What every command understands.
struct CommonOptions: ParsableArguments {
  @Option(
    name: .long,
    help: "The configuration (otherwise $USHER_CONFIG, ./usher.yaml, /etc/usher/usher.yaml).")
  var config: String?

  @Flag(name: .shortAndLong, help: "Print errors only.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Also print connections and searches, as ldapsearch lines.")
  var verbose = false
}

/// Which directory is meant, where the configuration has several.
struct DirectoryOption: ParsableArguments {
  @Option(help: "The directory that is meant, where there are several.") var directory: String?
}

/// The terminal, or what stands in its place: data on standard output, everything else on standard error.
struct Terminal {
  private(set) var quiet: Bool
  let verbose: Bool
  let output: TextStyle
  let errors: TextStyle
  private let showsProgress: Bool

  init(_ options: CommonOptions) {
    quiet = options.quiet
    verbose = options.verbose
    let environment = ProcessInfo.processInfo.environment
    let wantsColour = environment["NO_COLOR"]?.isEmpty ?? true && environment["TERM"] != "dumb"
    output = TextStyle(isColoured: wantsColour && isatty(1) == 1)
    errors = TextStyle(isColoured: wantsColour && isatty(2) == 1)
    showsProgress = isatty(2) == 1 && !options.quiet
  }

  /// The same that says nothing but warnings and failures.
  var hushed: Terminal {
    var copy = self
    copy.quiet = true
    return copy
  }

  /// Data.
  func print(_ line: String) { Swift.print(line) }

  /// A word to the person at the terminal.
  func say(_ line: String) {
    guard !quiet else { return }
    clearProgress()
    Self.writeError(line + "\n")
  }

  func detail(_ line: String) {
    if verbose { say(line) }
  }

  func warn(_ line: String) {
    clearProgress()
    Self.writeError("\(errors.yellow("warning:")) \(line.shown)\n")
  }

  func report(_ failure: Failure) {
    clearProgress()
    if let findings = failure.findings, !findings.all.isEmpty {
      Self.writeError(DiagnosticText.text(of: findings, style: errors) + "\n")
    }
    Self.writeError("\(errors.red("usher:")) \(failure.message.shown).\n")
    if let remedy = failure.remedy { Self.writeError("       \(remedy.shown)\n") }
  }

  func progress(_ text: String) {
    if showsProgress { Self.writeError("\r\u{1B}[KReading: \(text)") }
  }

  func clearProgress() {
    if showsProgress { Self.writeError("\r\u{1B}[K") }
  }

  /// Asks on a terminal; elsewhere, and with --yes, the answer is yes.
  func confirms(_ question: String, yes: Bool) -> Bool {
    if yes || isatty(0) == 0 { return true }
    Self.writeError("\(question) [y/N] ")
    let answer = readLine()?.lowercased()
    return answer == "y" || answer == "yes"
  }

  private static func writeError(_ text: String) {
    fflush(nil)  // What was printed before comes before.
    FileHandle.standardError.write(Data(text.utf8))
  }
}
