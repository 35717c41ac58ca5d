import Diagnostics
import DirectoryModel
import Foundation
import Mapping
import Settings
import SiteModel
import SyncEngine
import Views

/// LDIF content: each entry that is read can be looked at.
func fuzzLDIF(_ bytes: [UInt8]) {
  let slots = AttributeSlots(["cn", "mail", "objectClass", "member"])
  var reader = LDIFReader(bytes)
  var batch = EntryBatch(slots: slots)
  var count = 0
  while (try? reader.appendEntry(to: &batch)) == true { count += 1 }
  require(batch.count >= count, "entries are missing")
  for entry in 0..<batch.count {
    _ = DistinguishedName(batch.dn(of: entry))
    for slot in slots.names.indices { _ = batch.values(of: entry, slot: slot, withOptions: true) }
  }
}

/// `usher.yaml`.
func fuzzConfiguration(_ bytes: [UInt8]) {
  var findings = Findings()
  let read = ConfigurationReader.read(
    String(decoding: bytes, as: UTF8.self), path: "/etc/usher/usher.yaml", into: &findings)
  require(read != nil || findings.hasErrors, "nothing was read, and nobody is told why")
}

/// A mapping, with its own tests run.
func fuzzMapping(_ bytes: [UInt8]) {
  var findings = Findings()
  let text = String(decoding: bytes, as: UTF8.self)
  func load(_ path: String) -> String? {
    path == "m.yaml" ? text : path.hasSuffix(".txt") ? "one\n# two\nthree\n" : nil
  }
  let mapping = MappingReader.read(
    "m.yaml", catalogue: ["confluence", "jira-software"], load: load, into: &findings)
  require(mapping != nil || findings.hasErrors, "nothing was read, and nobody is told why")
  guard let mapping else { return }
  let tests = mapping.tests.prefix(10)
  _ = mapping.run(Array(tests), now: 1_000_000)
}

/// A user export. What we write of its accounts we read back as the same.
func fuzzCSV(_ bytes: [UInt8]) {
  let catalogue: Set<String> = ["confluence", "jira-software"]
  var findings = Findings()
  let accounts = UserExport.read(bytes, file: "x.csv", catalogue: catalogue, into: &findings)
  var text = ExportCSV.header
  for (number, one) in accounts.enumerated() {
    let rights =
      one.licenses.map { Right(.license, $0) } + one.groups.map { Right(.group, $0) }
    let account = Account(
      id: Int64(number), email: one.email, name: one.name, username: one.username,
      mark: one.isPortalOnly ? Givers(imported: "x") : Givers(),
      deactivatedBy: one.isActive ? nil : .imported, isEmailVerified: one.isEmailVerified == true,
      holdings: rights.map { Holding($0, Givers(imported: "x")) })
    text += "\n" + ExportCSV.row(of: account, transition: .before)
  }
  var others = Findings()
  let again = UserExport.read(
    Array(text.utf8), file: "y.csv", catalogue: catalogue, into: &others)
  require(!others.hasErrors, "\(others.all.map(\.message)) in \(text)")
  func words(_ accounts: [ImportedAccount]) -> [String] {
    accounts.map {
      let rights = ($0.licenses.map { Right(.license, $0) } + $0.groups.map { Right(.group, $0) })
      return
        "\($0.email)|\($0.name)|\($0.username ?? "")|\($0.isActive)|\($0.isPortalOnly)|\(Set(rights.map(\.key)).sorted())"
    }
  }
  require(words(again) == words(accounts), "\(words(again)) is not \(words(accounts)) in \(text)")
}

/// When something is due: always later than the time before.
func fuzzSchedule(_ bytes: [UInt8]) {
  let text = String(decoding: bytes, as: UTF8.self)
  guard let line = CronLine(text), let zone = TimeZone(identifier: "Europe/Berlin") else { return }
  var last: Int64 = 1_790_000_000
  for _ in 0..<3 {
    guard let next = line.next(after: last, in: zone) else { return }
    require(next > last, "\(text): \(next) does not come after \(last)")
    last = next
  }
}
