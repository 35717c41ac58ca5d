import Crypto
import Foundation
import SiteModel

/// A plan kept in a file between preview and apply: a line of JSON with the format's version and an HMAC-SHA-256 over all that
/// follows it, which is the plan as JSON. The key is the store's, so that nobody else makes or edits a plan.
package enum PlanFile {
  package enum Fault: Error, Sendable, Hashable {
    case unreadable(path: String, reason: String)
    case notAPlan(path: String)
    /// The file is of version 1, which anybody could edit.
    case oldVersion(path: String)
    case otherStore(path: String)
    case altered(path: String)
  }

  private static let version = 2

  private struct Header: Codable {
    let usherPlanFile: Int
    /// Tells keys apart without telling them.
    let keyID: String
    let hmac: Data
  }

  private struct Version: Decodable {
    let usherPlanFile: Int
  }

  /// Writes a plan, readable by its owner only.
  /// - Parameter key: the store's secret for plans.
  package static func save(_ plan: Plan, to path: String, key: Data) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let body = try encoder.encode(plan)
    let header = Header(
      usherPlanFile: version, keyID: keyID(key),
      hmac: Data(HMAC<SHA256>.authenticationCode(for: body, using: SymmetricKey(data: key))))
    let data = try encoder.encode(header) + Data("\n".utf8) + body
    let before = umask(0o077)
    defer { umask(before) }
    do {
      try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw Fault.unreadable(path: path, reason: "it cannot be written")
    }
  }

  private static func keyID(_ key: Data) -> String {
    let code = HMAC<SHA256>.authenticationCode(
      for: Data("usher plan key id".utf8), using: SymmetricKey(data: key))
    return String(code.hexadecimal.prefix(16))
  }

  /// Nothing of the plan is decoded before it is known to be as it was saved.
  /// - Parameter key: the store's secret for plans.
  /// - Throws: `Fault` when the file is not a plan of this store, or not as it was saved.
  package static func load(_ path: String, key: Data) throws -> Plan {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Fault.unreadable(path: path, reason: "it does not exist or may not be read")
    }
    let line = data.prefix { $0 != UInt8(ascii: "\n") }
    let decoder = JSONDecoder()
    guard let version = try? decoder.decode(Version.self, from: line).usherPlanFile else {
      throw Fault.notAPlan(path: path)
    }
    if version == 1 { throw Fault.oldVersion(path: path) }
    guard version == Self.version, let header = try? decoder.decode(Header.self, from: line) else {
      throw Fault.notAPlan(path: path)
    }
    guard header.keyID == keyID(key) else { throw Fault.otherStore(path: path) }
    let body = data.dropFirst(line.count + 1)
    // Takes as long whatever differs.
    guard
      HMAC<SHA256>.isValidAuthenticationCode(
        header.hmac, authenticating: body, using: SymmetricKey(data: key)),
      let plan = try? decoder.decode(Plan.self, from: body), plan.isWhole
    else { throw Fault.altered(path: path) }
    return plan
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
