import ArgumentParser
import Foundation

/// Bounds for a command that the service runs on a text that somebody typed: so much memory and computing time, and no files
/// but those that the saved mapping names, since whoever typed it may know less than we may read.
struct Confinement: ParsableArguments {
  @Flag(help: .hidden) var confined = false

  /// - Parameter megabytes: of address space, of which the program itself takes some.
  func enter(megabytes: UInt, seconds: UInt) {
    guard confined else { return }
    for (what, most) in [
      (__rlimit_resource_t(RLIMIT_AS.rawValue), megabytes << 20),
      (__rlimit_resource_t(RLIMIT_CPU.rawValue), seconds),
    ] {
      var limit = rlimit(rlim_cur: most, rlim_max: most)
      setrlimit(what, &limit)
    }
  }
}
