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

  @Option(help: "How the messages on standard error look: text or json, one object a line.")
  var log: LogFormat = .text

  enum LogFormat: String, CaseIterable, ExpressibleByArgument { case text, json }
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
  /// Stands in every message for this run; nil where messages are text.
  private let runID: String?

  init(_ options: CommonOptions) {
    quiet = options.quiet
    verbose = options.verbose
    let environment = ProcessInfo.processInfo.environment
    let wantsColour = environment["NO_COLOR"]?.isEmpty ?? true && environment["TERM"] != "dumb"
    output = TextStyle(isColoured: wantsColour && isatty(1) == 1)
    errors = TextStyle(isColoured: wantsColour && isatty(2) == 1 && options.log == .text)
    showsProgress = isatty(2) == 1 && !options.quiet && options.log == .text
    runID =
      options.log == .json
      ? (0..<4).map { _ in String(UInt16.random(in: 0x1000 ... .max), radix: 16) }.joined() : nil
  }

  /// The same that says nothing but warnings and failures.
  var hushed: Terminal {
    var copy = self
    copy.quiet = true
    return copy
  }

  /// Data.
  func print(_ line: String) { StandardOutput.write(line) }

  /// A word to the person at the terminal.
  func say(_ line: String) {
    guard !quiet else { return }
    write(.info, line)
  }

  /// What is to be kept outside of the store, and so is said with `--quiet`, too.
  func record(_ line: String) { write(.info, line) }

  func detail(_ line: String) {
    if verbose, !quiet { write(.debug, line) }
  }

  func warn(_ line: String) {
    write(.warning, line.shown)
  }

  func report(_ failure: Failure) {
    if let findings = failure.findings, !findings.all.isEmpty {
      write(.info, DiagnosticText.text(of: findings, style: errors))
    }
    write(.error, failure.message.shown, remedy: failure.remedy?.shown)
  }

  private enum Level: String { case debug, info, warning, error }

  private struct Message: Encodable {
    let time: String
    let level: String
    let run: String
    let message: String
    let remedy: String?
  }

  private func write(_ level: Level, _ text: String, remedy: String? = nil) {
    clearProgress()
    if let runID {
      let message = Message(
        time: timeText(Int64(Date().timeIntervalSince1970)), level: level.rawValue, run: runID,
        message: text, remedy: remedy)
      return StandardError.write(((try? JSONText.of(message, isPretty: false)) ?? "") + "\n")
    }
    switch level {
    case .debug, .info: StandardError.write(text + "\n")
    case .warning: StandardError.write("\(errors.yellow("warning:")) \(text)\n")
    case .error:
      StandardError.write("\(errors.red("usher:")) \(text).\n")
      if let remedy { StandardError.write("       \(remedy)\n") }
    }
  }

  func progress(_ text: String) {
    if showsProgress { StandardError.write("\r\u{1B}[KReading: \(text)") }
  }

  func clearProgress() {
    if showsProgress { StandardError.write("\r\u{1B}[K") }
  }

  /// Asks on a terminal; elsewhere, and with --yes, the answer is yes.
  func confirms(_ question: String, yes: Bool) -> Bool {
    if yes || isatty(0) == 0 { return true }
    StandardError.write("\(question) [y/N] ")
    let answer = readLine()?.lowercased()
    return answer == "y" || answer == "yes"
  }
}
