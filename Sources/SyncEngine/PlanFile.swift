import Crypto
import Foundation
import SiteModel

/// A plan kept in a file between preview and apply, sealed by a hash over everything it does.
package enum PlanFile {
  package enum Fault: Error, Sendable, Hashable {
    case unreadable(path: String, reason: String)
    case notAPlan(path: String)
    case altered(path: String)
  }

  private struct Envelope: Codable {
    let usherPlanFile: Int
    let hash: String
    let plan: Plan
  }

  /// Writes a plan, readable by its owner only.
  package static func save(_ plan: Plan, to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let data = try encoder.encode(Envelope(usherPlanFile: 1, hash: seal(plan), plan: plan))
    let before = umask(0o077)
    defer { umask(before) }
    do {
      try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw Fault.unreadable(path: path, reason: "it cannot be written")
    }
  }

  /// A SHA-256 over all that the file holds.
  private static func seal(_ plan: Plan) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return SHA256.hash(data: try encoder.encode(plan)).hexadecimal
  }

  /// - Throws: `Fault` when the file is not a plan, or not as it was saved.
  package static func load(_ path: String) throws -> Plan {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Fault.unreadable(path: path, reason: "it does not exist or may not be read")
    }
    guard let envelope = try? JSONDecoder().decode(Envelope.self, from: data),
      envelope.usherPlanFile == 1
    else { throw Fault.notAPlan(path: path) }
    guard envelope.plan.isWhole, try seal(envelope.plan) == envelope.hash else {
      throw Fault.altered(path: path)
    }
    return envelope.plan
  }
}

extension Plan {
  /// A SHA-256 over the basis, every change and the bookkeeping, as hexadecimal digits.
  package var digest: String {
    var hash = SHA256()
    var buffer: [UInt8] = []
    func add(_ text: String) {
      var text = text
      text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
    }
    func add(_ text: UnsafeRawBufferPointer?) {
      if let text { buffer.append(contentsOf: text) }
      buffer.append(0)
      if buffer.count > 65_536 {
        hash.update(data: buffer)
        buffer.removeAll(keepingCapacity: true)
      }
    }
    func add(_ number: UInt64) { withUnsafeBytes(of: number.littleEndian) { buffer += $0 } }
    add(
      "\(basis.site) \(basis.lineage) \(basis.generation) \(basis.mappingDigest) \(basis.createdAt) \(basis.only ?? "") \(basis.command ?? "")"
    )
    // Of these there are as many as people: no text is made for them.
    subjects.withBytes { subjects in
      for number in subjects.indices {
        add(UInt64(bitPattern: subjects.account(number)))
        add(subjects.person(number))
        add(subjects.email(number))
        add(subjects.name(number))
        add(subjects.username(number))
        let flags = subjects.flags(number)
        buffer.append(flags.contains(.isPortalOnly) ? 1 : 0)
        buffer.append(flags.contains(.isEmailVerified) ? 1 : 0)
        buffer.append(flags.contains(.isActive) ? 1 : 0)
      }
    }
    for start in stride(from: 0, to: rows.count, by: 2000) {
      hash.update(data: buffer)
      buffer = rows.bytes(start..<min(start + 2000, rows.count))
    }
    for text in allTexts { add(text) }
    for givers in allGivers { add("\(givers.before.text) > \(givers.after.text)") }
    for rule in rules { add("\(rule.name) \(rule.file) \(rule.line)") }
    memory.settled.withIDs { people in
      for (number, fingerprint) in memory.settled.fingerprints.enumerated() {
        add(fingerprint)
        add(people.text(number))
      }
    }
    for due in memory.due.sorted(by: { $0.key < $1.key }) { add("\(due.key) \(due.value)") }
    for person in memory.unsettled + memory.forgotten { add(person) }
    for expired in expiredPins { add("\(expired.pin.id) \(expired.pin.text)") }
    for accepted in memory.accepted { add(accepted.mapping.digest) }
    for place in memory.places {
      add("\(place.person) \(place.directory) \(place.match ?? "") \(place.joined ?? "")")
    }
    for absence in memory.absences { add("\(absence.person) \(absence.since ?? 0)") }
    hash.update(data: buffer)
    return hash.finalize().hexadecimal
  }
}
