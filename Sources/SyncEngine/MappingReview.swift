import Diagnostics
import DirectoryModel
import Mapping
import Ports
import SiteModel

/// What a changed mapping changes for people, on one and the same directory.
package struct MappingDifference: Sendable {
  /// People whose entitlement differs, by directory id.
  package let people: [HeldChange]
  /// What differs for nobody in particular: the leavers' policy.
  package let causes: [String]

  package init(people: [HeldChange], causes: [String]) {
    self.people = people
    self.causes = causes
  }

  package var isEmpty: Bool { people.isEmpty && causes.isEmpty }
}

extension Planner {
  /// Compares what two mappings say of everybody. Reads the directory twice and leaves no trace.
  /// - Parameters:
  ///   - old: a planner with the mapping that holds so far.
  ///   - source: opens the directory; nil for the mirror.
  package func difference(
    from old: Planner, source: (() throws -> any DirectorySource)?, now: Int64,
    into findings: inout Findings
  ) throws -> MappingDifference {
    let before = try old.everybody(source, now: now, into: &findings)
    let after = try everybody(source, now: now, into: &findings)
    var people: [HeldChange] = []
    for person in Set(before.numbers.keys).union(after.numbers.keys).sorted() {
      let was = before[person], will = after[person]
      let (old, new) = (meaning(was), meaning(will))
      guard old != new else { continue }
      let shown = will ?? was
      people.append(
        HeldChange(
          pair: "\(person)\nmapping", email: shown?.emails.first ?? person,
          name: shown?.names.first ?? person,
          what: Self.change(old, new)))
    }
    var causes: [String] = []
    if old.mapping.leavers != mapping.leavers {
      causes.append("another policy for leavers")
    }
    return MappingDifference(people: people, causes: causes)
  }

  /// What the person gets, and, where other directories may say more of the person, what counts there.
  private func meaning(_ entitlement: Entitlement?) -> [String]? {
    guard let entitlement else { return nil }
    guard isOneOfSeveral else { return entitlement.meaning }
    return entitlement.meaning
      + entitlement.denied.sorted().map { "never \($0.kind.rawValue) \($0.name)" }
      + (entitlement.match.map { ["matched by \($0)"] } ?? [])
      + (entitlement.isByRule ? [] : ["by no rule"])
  }

  /// What one person loses and gains.
  private static func change(_ was: [String]?, _ will: [String]?) -> String {
    guard let will else { return "is no person of the mapping any more" }
    guard let was else { return "is a person of the mapping now: \(will.joined(separator: ", "))" }
    let lost = was.filter { !will.contains($0) }.map { "- \($0)" }
    let gained = will.filter { !was.contains($0) }.map { "+ \($0)" }
    return (lost + gained).joined(separator: ", ")
  }

  /// What a mapping says of everybody, by directory id.
  private struct Everybody {
    let entitlements: Entitlements
    let numbers: [String: Int]

    init(_ entitlements: Entitlements) {
      self.entitlements = entitlements
      numbers = Dictionary(
        entitlements.indices.map { (entitlements.person($0), $0) }, uniquingKeysWith: { $1 })
    }

    subscript(person: String) -> Entitlement? { numbers[person].map { entitlements[$0] } }
  }

  private func everybody(
    _ open: (() throws -> any DirectorySource)?, now: Int64, into findings: inout Findings
  ) throws -> Everybody {
    var source: any DirectorySource =
      try open?() ?? MirrorSource(mirror: store, directory: directory, mapping: mapping)
    let version = try mirrorVersion()
    let reading = try Self.read(&source) {
      try (open == nil ? mirrorReader(now) : reader(now)).read(
        &$0, index: PersonIndex(hash: hash), groupFingerprints: [:], writer: nil, into: &findings)
    }
    if open == nil { try refuseMirror(changedSince: version) }
    return Everybody(reading.entitlements)
  }

  /// Whether the mirror holds all that this mapping asks.
  package var canReadMirror: Bool {
    (try? MirrorSource(mirror: store, directory: directory, mapping: mapping)) != nil
  }

  /// What is held back while a changed mapping waits.
  package func held(_ difference: MappingDifference) -> HeldSet {
    let people = difference.people.count
    let what = people == 0 ? "" : ", and alters what \(people) people get"
    // The hash stands for the mapping; of its effects enough to judge by is kept.
    return HeldSet(
      kind: .mapping, hash: accepted.digest, changes: Array(difference.people.prefix(1000)),
      causes: ["the mapping \(mapping.path) has changed\(what)"] + difference.causes)
  }

  /// Whether this mapping is the accepted one, or was approved in the last 24 hours.
  package func isAccepted(_ accepted: AcceptedMapping?, now: Int64) throws -> Bool {
    guard let accepted else { return true }
    let own = self.accepted.digest
    if accepted.digest == own { return true }
    return try desk.approved(now: now, kind: .mapping).contains { ($0.mapping ?? $0.hash) == own }
  }
}

extension GuardDesk {
  /// What waits for a changed mapping, with what the limits would hold of it, so that one hash approves both. The changes
  /// over a limit come first, and all of them are kept, for an approval lets pass just these.
  package func held(_ waiting: HeldSet, with limited: HeldSet) -> HeldSet {
    HeldSet(
      kind: .mapping, hash: hash([waiting.hash] + limited.changes.map(\.pair)),
      changes: limited.changes + waiting.changes, causes: waiting.causes + limited.causes,
      mapping: waiting.mapping ?? waiting.hash)
  }

  /// Groups whose names other groups have taken, to be approved as what the rules mean (R22), and groups that nobody is in
  /// any more; nil mostly.
  package func heldGroups(_ plan: Plan) -> HeldSet? {
    let changes = plan.memory.replacedGroups
    guard !changes.isEmpty else { return nil }
    return HeldSet(
      kind: .group, hash: hash(changes.map(\.pair)), changes: changes,
      causes: [
        "rules name directory groups that others have replaced, or that have no members any more"
      ])
  }
}

extension Entitlement {
  /// What the person gets, whatever rule is behind it.
  var meaning: [String] {
    var parts: [String] = []
    switch outcome {
    case .nothing: parts.append("no account")
    case .leaver: parts.append("a leaver")
    case .account(let portalOnly, let grants):
      parts.append(portalOnly == nil ? "an account" : "a portal-only account")
      parts += grants.map(\.right).sorted().map { "\($0.kind.rawValue) \($0.name)" }
    }
    if !isActive { parts.append("inactive") }
    parts.append("<\(emails.joined(separator: " "))>")
    parts.append("\"\(names.joined(separator: " "))\"")
    if let username { parts.append("username \(username)") }
    return doubts.isEmpty ? parts : parts + ["held"]
  }
}
