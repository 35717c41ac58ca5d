extension Console {
  /// A directory group that gives a role, as `console` names it: by cn or DN, with `directory\` before it where several
  /// directories could mean it.
  package struct Group: Sendable, Hashable {
    /// nil: not said.
    package let directory: String?
    /// A cn or a DN.
    package let name: String

    /// - Parameter directories: the names of those that are configured; a DN may hold a backslash, too.
    package init(_ text: String, of directories: Set<String>) {
      let parts = text.split(separator: "\\", maxSplits: 1).map(String.init)
      if parts.count == 2, directories.contains(parts[0]) {
        (directory, name) = (parts[0], parts[1])
      } else {
        (directory, name) = (nil, text)
      }
    }
  }
}
