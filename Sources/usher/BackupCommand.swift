import ArgumentParser
import Foundation

struct Backup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Writes a copy of the site as it is at one moment; runs may go on meanwhile.",
    discussion: """
      The copy is a whole store: to go back to it, stop what runs usher, and put the copy in the place of the store, \
      without the files beside it that end in -wal, -shm or -journal. Plans that were saved since are stale then.
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "The file to write; it must not be there yet.") var file: String

  func run() throws {
    try Session.run(common, "backup") { session in
      if FileManager.default.fileExists(atPath: file) {
        throw Failure(.failed, "\(file) is there already", remedy: "choose another name")
      }
      try session.existingStore().backUp(to: file)
      let size = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0
      session.terminal.say("Saved to \(file), \((size / 1024).grouped) kB.")
      return nil
    }
  }
}
