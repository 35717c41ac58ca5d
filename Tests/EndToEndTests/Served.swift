import Foundation
import TestSupport
import Testing

/// `usher serve` at work in a folder, ended with the value.
final class Served: Sendable {
  let child: Child
  private let folder: TemporaryFolder

  init(
    _ place: Workplace, _ arguments: String..., environment: [String: String] = [:],
    errors: String? = nil
  ) throws {
    folder = place.folder
    child = try Child(
      Workplace.binary, ["serve"] + arguments, in: place.folder.path, environment: environment,
      output: folder.path + "/serve.out", errors: errors ?? folder.path + "/serve.err")
  }

  /// Everything printed so far, once these words are in it.
  func printed(_ words: String, within seconds: Double = 60) throws -> String {
    let deadline = Date(timeIntervalSinceNow: seconds)
    while true {
      let text = try folder.read("serve.out") + folder.read("serve.err")
      // Read again: what one of the files held before these words in the other is in it by now.
      if text.contains(words) { return try folder.read("serve.out") + folder.read("serve.err") }
      try #require(Date() < deadline, "\(words) is not in:\n\(text)")
      usleep(20_000)
    }
  }

  /// - Returns: the exit status, and how long the end took in seconds.
  func end(_ signal: Int32 = SIGTERM) -> (status: Int32, seconds: Double) {
    let start = Date()
    kill(child.pid, signal)
    return (child.wait(), Date().timeIntervalSince(start))
  }

  /// The process of the sync that is under way.
  func sync(within seconds: Double = 60) throws -> pid_t {
    let deadline = Date(timeIntervalSinceNow: seconds)
    while true {
      for task in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(child.pid)/task") {
        let file = "/proc/\(child.pid)/task/\(task)/children"
        let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
        if let pid = text.split(separator: " ").compactMap({ pid_t($0) }).first { return pid }
      }
      try #require(Date() < deadline, "no sync is under way")
      usleep(5_000)
    }
  }

  /// Where the console is.
  func address() throws -> String {
    let text = try printed("The console is at ")
    return String(
      try #require(
        text.split(separator: "\n").first { $0.hasPrefix("The console is at ") }
          .map { $0.dropFirst("The console is at ".count).dropLast() }))
  }

  /// What the console answers: the status, and the text.
  func answer(_ path: String, method: String = "GET", token: String = "") throws -> String {
    let script = """
      import sys, urllib.request, urllib.error
      request = urllib.request.Request(sys.argv[1], method=sys.argv[2])
      if sys.argv[3]:
        request.add_header("Authorization", "Bearer " + sys.argv[3])
      try:
        answer = urllib.request.urlopen(request)
      except urllib.error.HTTPError as error:
        answer = error
      print(answer.status, answer.read().decode(), end="")
      """
    return try run("/usr/bin/env", ["python3", "-c", script, address() + path, method, token])
      .output
  }

  /// Has a sync begin.
  func sync(token: String) throws {
    let answer = try answer("/api/v1/sync", method: "POST", token: token)
    #expect(answer.hasPrefix("20"), "\(answer)")
  }
}

extension Workplace {
  /// A token for the API, and its line in the configuration.
  func operatorToken() throws -> (text: String, line: String) {
    let made = try usher("token", "test", "--role", "operator")
    let line = made.errors.split(separator: "\n").first { $0.contains("sha256:") } ?? ""
    return (
      made.output.trimmingCharacters(in: .whitespacesAndNewlines),
      line.trimmingCharacters(in: CharacterSet(charactersIn: " -"))
    )
  }
}
