import Foundation

/// Where a secret is kept; the secret itself is read when it is needed and stored nowhere.
package enum SecretSource: Sendable, Hashable {
  case file(path: String)
  case environment(name: String)

  package struct Fault: Error, Sendable {
    package let message: String
    package let remedy: String
  }

  /// The secret, without a line end.
  /// - Parameter what: its name in messages.
  package func read(_ what: String = "password") throws(Fault) -> String {
    switch self {
    case .environment(let name):
      let value = Self.trimmed(ProcessInfo.processInfo.environment[name] ?? "")
      guard !value.isEmpty else {
        throw Fault(
          message: "the environment variable \(name), which is to hold the \(what), is empty",
          remedy: "set it, or name a file: \(what): { file: FILE }")
      }
      return value
    case .file(let path):
      return try read(file: path, what)
    }
  }

  private func read(file path: String, _ what: String) throws(Fault) -> String {
    // What a container mounts is a link to a link.
    let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    let attributes = try? FileManager.default.attributesOfItem(atPath: target)
    guard let attributes, let data = FileManager.default.contents(atPath: path) else {
      throw Fault(
        message: "the \(what) file \(path) cannot be read",
        remedy: "create it with mode 0600 for the user who runs usher")
    }
    let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
    // systemd lets the service's user read a credential by an access list, which shows as a group's right.
    let credentials = ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"]
    let isCredential = credentials.map { !$0.isEmpty && path.hasPrefix($0 + "/") } ?? false
    if mode & (isCredential ? 0o027 : 0o077) != 0 {
      throw Fault(
        message: "others may read the \(what) file \(path) (mode \(String(mode, radix: 8)))",
        remedy: "chmod 600 \(path)")
    }
    let text = Self.trimmed(String(decoding: data, as: UTF8.self))
    if text.isEmpty {
      throw Fault(
        message: "the \(what) file \(path) is empty",
        remedy: "write the \(what) into it")
    }
    return text
  }

  /// Without the line end that editors and `echo` add.
  private static func trimmed(_ text: String) -> String {
    var text = text
    while let last = text.last, last.isNewline { text.removeLast() }
    return text
  }
}
