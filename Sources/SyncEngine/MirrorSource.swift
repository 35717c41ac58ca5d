import DirectoryModel
import Mapping
import Ports

/// The mirror as a directory: what was last seen, for previews without the server.
struct MirrorSource: DirectorySource {
  let mirror: any MirrorStoring
  let directory: String

  /// - Throws: `ReadFailure` naming what the mapping needs and the mirror lacks.
  init(
    mirror: any MirrorStoring, directory: String, mapping: CompiledMapping, everything: Bool
  ) throws {
    self.mirror = mirror
    self.directory = directory
    guard let held = try mirror.mirrorDescription(of: directory) else {
      throw ReadFailure(
        "the mirror of \(directory) is empty", remedy: "run usher plan once without --offline")
    }
    let wanted = MirrorDescription(mapping, everything: everything, readAt: 0)
    for (what, needed, present) in [
      ("people", wanted.personAttributes, held.personAttributes),
      ("groups", wanted.groupAttributes, held.groupAttributes),
    ] {
      let present = Set(present.map { $0.lowercased() })
      let missing = needed.filter { !present.contains($0.lowercased()) }
      guard missing.isEmpty else {
        throw ReadFailure(
          "the mirror of \(directory) lacks attributes of \(what) that the mapping needs: \(missing.joined(separator: ", "))",
          remedy: "run usher plan without --offline")
      }
    }
    guard held.searches == wanted.searches else {
      throw ReadFailure(
        "the mirror of \(directory) was read with another search: \(held.searches)",
        remedy: "run usher plan without --offline")
    }
  }

  func read(
    _ search: DirectorySearch, deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> ReadSummary {
    // A search asks for members of groups only, and every search for groups does.
    let kind: MirrorKind = search.slots.slot(of: "memberUid") == nil ? .person : .group
    try mirror.readMirror(
      of: directory, kind: kind, slots: search.slots, keys: nil, deliver: deliver)
    return ReadSummary()
  }
}

extension MirrorDescription {
  /// What a mapping asks, as the mirror remembers it.
  init(_ mapping: CompiledMapping, everything: Bool, readAt: Int64) {
    let people = mapping.userSearch(everything: everything)
    let groups = mapping.usesGroups ? mapping.groupSearch(everything: everything) : nil
    func text(_ search: DirectorySearch) -> String {
      "\(search.filter.text) under \(search.bases.joined(separator: " and ")) (\(search.scope.rawValue))"
    }
    self.init(
      searches: ([people] + [groups].compactMap(\.self)).map(text).joined(separator: "; "),
      personAttributes: people.slots.names, groupAttributes: groups?.slots.names ?? [],
      readAt: readAt)
  }
}
