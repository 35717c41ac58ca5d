/// Coverage-guided fuzzers, one for each reader of foreign bytes: `fuzz TARGET CORPUS [-libfuzzer-option=…]`. Tests/Fuzz/run.sh
/// builds and runs them. A target must not crash, hang or take much memory, whatever bytes it gets; where there is a
/// writer, what it writes is read back as the same.

import CFuzzer
import Foundation

@main struct Fuzz {
  private static let targets: [String: @Sendable ([UInt8]) -> Void] = [
    "configuration": fuzzConfiguration, "csv": fuzzCSV, "dn": fuzzDN, "filter": fuzzFilter,
    "ldif": fuzzLDIF, "mapping": fuzzMapping, "pattern": fuzzPattern, "plan": fuzzPlan,
    "schedule": fuzzSchedule, "search": fuzzSearch, "stored": fuzzStored, "times": fuzzTimes,
  ]

  static func main() {
    guard CommandLine.arguments.count > 1, let target = targets[CommandLine.arguments[1]] else {
      stop("fuzz TARGET CORPUS…; targets: \(targets.keys.sorted().joined(separator: " "))")
    }
    chosen = target
    var count = CommandLine.argc - 1
    // The target's name is ours; libFuzzer reads what comes after it.
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv + 1
    arguments?[0] = CommandLine.unsafeArgv[0]
    exit(
      LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        chosen(Array(UnsafeBufferPointer(start: data, count: size)))
        return 0
      })
  }
}

/// What libFuzzer's callback calls: it takes no context along.
nonisolated(unsafe) private var chosen: @Sendable ([UInt8]) -> Void = { _ in }

/// Ends the process as a crash, with the input kept by libFuzzer, where something does not hold.
func require(_ holds: Bool, _ message: @autoclosure () -> String) {
  if !holds { stop(message()) }
}

func stop(_ message: String) -> Never {
  FileHandle.standardError.write(Data((message + "\n").utf8))
  abort()
}
