import DirectoryModel
import Mapping
import Ports

/// The mirror as a directory: what was last seen, for previews without the server.
struct MirrorSource: DirectorySource {
  let mirror: any MirrorStoring
  let directory: String

  /// - Throws: `ReadFailure` naming what the mapping needs and the mirror lacks.
  init(
    mirror: any MirrorStoring, directory: String, mapping: CompiledMapping
  ) throws {
    self.mirror = mirror
    self.directory = directory
    guard let held = try mirror.mirrorDescription(of: directory) else {
      throw ReadFailure(
        "the mirror of \(directory) is empty", remedy: "run usher plan once without --offline")
    }
    let wanted = MirrorDescription(mapping, readAt: 0)
    for (needed, present) in [
      (wanted.personSearch, held.personSearch), (wanted.groupSearch, held.groupSearch),
    ] where needed != present && !needed.isEmpty {
      throw ReadFailure(
        "the mirror of \(directory) was read with another search: \(present.isEmpty ? "no groups" : present), not \(needed)",
        remedy: "run usher plan without --offline")
    }
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
  }

  func read(
    _ search: DirectorySearch, deliver: (borrowing EntryBatch) throws -> Void
  ) throws -> ReadSummary {
    switch search.subject {
    case .people(let number):
      try mirror.readMirror(
        of: directory, kind: .person, search: number, slots: search.slots, keys: nil,
        deliver: deliver)
    case .groups:
      try mirror.readMirror(
        of: directory, kind: .group, search: 0, slots: search.slots, keys: nil, deliver: deliver)
    }
    return ReadSummary()
  }
}

extension Planner {
  /// Stands for what the mirror holds; nil: nothing.
  func mirrorVersion() throws -> Int64? { try store.readEvidence(of: directory)?.version }

  /// Another run may change the mirror while it is read: groups, their members and people of two states fit nowhere.
  /// - Throws: `ReadFailure` where the mirror is not in this state any more.
  func refuseMirror(changedSince version: Int64?) throws {
    guard try mirrorVersion() != version else { return }
    throw ReadFailure(
      "another run changed the mirror of \(directory) while it was read", remedy: "run again")
  }

  /// - Throws: `ReadFailure` where another run changed the mirror meanwhile.
  func whileMirrorStays<Value>(_ read: () throws -> Value) throws -> Value {
    let version = try mirrorVersion()
    let value = try read()
    try refuseMirror(changedSince: version)
    return value
  }
}

extension MirrorDescription {
  /// What a mapping asks, as the mirror remembers it.
  init(_ mapping: CompiledMapping, readAt: Int64) {
    let people = mapping.personSearches
    let groups = mapping.usedGroupSearch
    func text(_ search: DirectorySearch) -> String {
      "\(search.filter.text) under \(search.bases.joined(separator: " and ")) (\(search.scope.rawValue))"
    }
    self.init(
      personSearch: people.map(text).joined(separator: "; then "),
      groupSearch: groups.map(text) ?? "", personAttributes: mapping.personSlots.names,
      groupAttributes: groups?.slots.names ?? [], readAt: readAt)
  }
}
