import ArgumentParser
import Console
import Foundation
import Settings

struct TokenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Makes a bearer token for the console's JSON API, and prints it once.",
    discussion:
      "The configuration gets the line that is printed with it, which holds only the token's SHA-256."
  )

  enum Who: String, CaseIterable, ExpressibleByArgument { case viewer, `operator`, approver }

  @OptionGroup var common: CommonOptions
  @Option(help: "What it may do: viewer, operator or approver.") var role: Who = .viewer
  @Argument(help: "Who uses it, as the journal is to name them.") var name: String

  func validate() throws {
    if name.isEmpty || !name.allSatisfy({ $0.isLetter || $0.isNumber || "-_.@".contains($0) }) {
      throw ValidationError("A name has letters, digits, and - _ . @ only.")
    }
  }

  func run() throws {
    try Session.reporting(common) { terminal, _ in
      let token = Secret.random()
      terminal.print(token)
      terminal.say(
        """
        It is not shown again. Put this into the configuration, and have the service read it anew (SIGHUP):

          console:
            tokens:
              - { name: \(name), role: \(role.rawValue), sha256: \(Secret.digest(token)) }
        """)
      return nil
    }
  }
}

/// The token that lets somebody in where nobody can sign in by a directory.
struct FirstRunToken {
  let text: String
  /// Readable by us alone; gone with the service.
  let file: String

  /// - Returns: nil where there are groups whose members may sign in, and a server to ask.
  static func make(_ configuration: Configuration) throws -> FirstRunToken? {
    guard configuration.needsFirstRunToken else { return nil }
    let token = FirstRunToken(
      text: Secret.random(), file: configuration.site.storePath + ".token")
    unlink(token.file)
    guard PrivateFile.create(token.file, Data((token.text + "\n").utf8)) else {
      throw Failure(
        .failed, "\(token.file) cannot be written, which is to hold the console's first token",
        remedy:
          "name directory groups under console.approvers, or do without: console: { listen: off }")
    }
    return token
  }
}
