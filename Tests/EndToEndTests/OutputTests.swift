import Foundation
import TestSupport
import Testing

/// What happens where output cannot be written.
@Suite struct OutputTests {
  private func synced() throws -> Workplace {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.folder.write(Company.ldif(), to: "acme.ldif")
    #expect(try place.usher("sync").status == 0)
    return place
  }

  private func run(
    _ arguments: [String], in place: Workplace, output: String, errors: String
  ) throws -> Int32 {
    try Child(
      Workplace.binary, arguments, in: place.folder.path, output: output, errors: errors
    ).wait()
  }

  /// Runs a line of the shell in which `$usher` is the program.
  private func shell(_ line: String, in place: Workplace) throws -> Finished {
    try TestSupport.run(
      "/bin/bash", ["-c", line], in: place.folder.path, environment: ["usher": Workplace.binary])
  }

  private static let printing = [
    "export", "export --format csv", "list users", "list holds", "list licenses --format json",
    "plan", "plan --format json", "plan --format csv", "plan --format html", "plan --offline",
    "show ada@acme.example", "explain ada@acme.example", "runs", "runs 1", "runs --verify",
    "check", "test", "transition", "approve --list", "token --role viewer monitor", "sync",
    "--help", "help plan", "--version", "--generate-completion-script bash",
  ]

  @Test func aFullDiskIsAFailureOfEveryCommandThatPrints() throws {
    let place = try synced()
    for line in Self.printing {
      let status = try run(
        line.split(separator: " ").map(String.init), in: place, output: "/dev/full",
        errors: place.folder.path + "/errors")
      #expect(status == 1, "\(line)")
      let errors = try place.folder.read("errors")
      #expect(
        errors.contains(
          "usher: standard output could not be written completely: No space left on device"),
        "\(line): \(errors)")
    }
  }

  @Test func aWriteErrorIsNotHiddenByAnotherExitCode() throws {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.folder.write(Company.ldif(), to: "acme.ldif")
    let words = ["plan", "--detailed-exitcode"]
    #expect(try place.usher("plan", "--detailed-exitcode").status == 2)
    #expect(try run(words, in: place, output: "/dev/full", errors: "/dev/null") == 1)
    // What failed by itself keeps its own exit code.
    #expect(try run(["plam"], in: place, output: "/dev/full", errors: "/dev/null") == 64)
  }

  @Test func aReaderThatHasSeenEnoughEndsACommandQuietly() throws {
    let place = try synced()
    for line in Self.printing {
      let result = try shell("\"$usher\" \(line) | true; echo ${PIPESTATUS[0]}", in: place)
      #expect(result.output == "0\n", "\(line)")
      #expect(!result.errors.contains("usher:"), "\(line): \(result.errors)")
    }
  }

  @Test func aFullDiskUnderTheMessagesEndsNoSync() throws {
    let place = try Workplace(directory: "ldif: acme.ldif")
    try place.folder.write(Company.ldif(), to: "acme.ldif")
    #expect(
      try run(["sync", "--verbose"], in: place, output: "/dev/null", errors: "/dev/full") == 0)
    #expect(try place.export().contains("ada@acme.example"))
    // Nor does a log that nobody reads any more.
    #expect(try shell("\"$usher\" sync 2> >(true); echo $?", in: place).output.hasSuffix("0\n"))
  }

  @Test func closedDescriptorsAreNoPlaceForOurFiles() throws {
    let place = try synced()
    let result = try shell("\"$usher\" sync <&- >&- 2>&-; echo $?", in: place)
    #expect(result.output == "1\n")
    #expect(try place.usher("runs", "--verify").status == 0)
    #expect(try shell("\"$usher\" test --mapping - <&-; echo $?", in: place).output == "65\n")
  }
}
