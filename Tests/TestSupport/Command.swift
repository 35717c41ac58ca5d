import Foundation

/// A finished command.
public struct Finished: Sendable {
  public let status: Int32
  public let output: String
  public let errors: String
  public let seconds: Double
}

/// Runs a program to its end and keeps what it printed.
public func run(
  _ program: String, _ arguments: [String], in folder: String? = nil,
  environment: [String: String] = [:]
) throws -> Finished {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
  // Files instead of pipes: a full pipe would stop the program.
  let scratch = try TemporaryFolder()
  let files = ["out", "err"].map { scratch.path + "/" + $0 }
  let handles = try files.map { file -> FileHandle in
    _ = FileManager.default.createFile(atPath: file, contents: nil)
    return try require(FileHandle(forWritingAtPath: file))
  }
  process.standardInput = FileHandle.nullDevice
  process.standardOutput = handles[0]
  process.standardError = handles[1]
  let start = Date()
  try process.run()
  process.waitUntilExit()
  return Finished(
    status: process.terminationStatus, output: try String(contentsOfFile: files[0], encoding: .utf8),
    errors: try String(contentsOfFile: files[1], encoding: .utf8),
    seconds: Date().timeIntervalSince(start))
}

struct MissingFile: Error {}

func require<Value>(_ value: Value?) throws -> Value {
  guard let value else { throw MissingFile() }
  return value
}
