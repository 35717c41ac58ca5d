import Foundation
import TestSupport
import Testing

/// What people are told, and that nobody waits for it.
@Suite struct NoticeTests {
  private func place() throws -> Workplace {
    let place = try Workplace(directory: "")
    try place.configure(
      "ldif: acme.ldif", extra: "notify: { email: it@acme.example, from: usher@acme.example }")
    try place.folder.write(Company.ldif(), to: "acme.ldif")
    return place
  }

  private func subjects(_ place: Workplace) throws -> [String] {
    try place.mails().map { mail in
      String(mail.split(separator: "\n").first { $0.hasPrefix("Subject: ") } ?? "none")
    }
  }

  @Test func anOutageThatComesAndGoesIsToldOnceAndItsEndAfterTenQuietMinutes() throws {
    let place = try place()
    let ldif = place.folder.path + "/acme.ldif"
    let mails = try place.sendmail()
    func sync(_ status: Int32) throws {
      let ended = try place.usher("sync", environment: mails)
      #expect(ended.status == status, "\(ended.errors)")
    }
    try sync(0)
    for _ in 0..<3 {
      rename(ldif, ldif + ".away")
      try sync(5)
      rename(ldif + ".away", ldif)
      try sync(0)
    }
    let told = [
      "Subject: [usher acme] 12 changes applied", "Subject: [usher acme] the sync failed",
    ]
    #expect(try subjects(place) == told)
    // Ten minutes pass.
    let queue = place.folder.path + "/usher.db.notices"
    let names = try FileManager.default.contentsOfDirectory(atPath: queue)
    try #require(names.count == 1)
    let text = try place.folder.read("usher.db.notices/" + names[0])
    let due = try #require(text.firstMatch(of: #/"notBefore":(\d+)/#))
    let made = try #require(text.firstMatch(of: #/"madeAt":(\d+)/#))
    let wait = (Int(due.1) ?? 0) - (Int(made.1) ?? 0)
    #expect((500...600).contains(wait))
    try place.folder.write(
      text.replacing("\(due.0)", with: "\"notBefore\":0"), to: "usher.db.notices/" + names[0])
    try sync(0)
    #expect(try subjects(place) == told + ["Subject: [usher acme] syncs work again"])
    try sync(0)
    #expect(try subjects(place).count == 3)
  }

  @Test func whatReachesNobodyGoesOutAfterTheNextSync() throws {
    let place = try place()
    let broken = try place.folder.write("#!/bin/sh\nexit 1\n", to: "broken")
    chmod(broken, 0o755)
    let failed = try place.usher("sync", environment: ["SENDMAIL": broken])
    #expect(failed.status == 0)
    #expect(failed.errors.contains("nobody could be told by mail"))
    #expect(try place.mails().isEmpty)
    #expect(try place.usher("sync", environment: place.sendmail()).status == 0)
    #expect(try subjects(place) == ["Subject: [usher acme] 12 changes applied"])
  }

  @Test func noRunWaitsForAMailServerThatHangs() throws {
    let place = try place()
    let slow = try place.folder.write("#!/bin/sh\ncat > /dev/null\nsleep 3\n", to: "slow")
    chmod(slow, 0o755)
    let first = try Child(
      Workplace.binary, ["sync", "--quiet"], in: place.folder.path, environment: ["SENDMAIL": slow],
      output: place.folder.path + "/first.out")
    let queue = place.folder.path + "/usher.db.notices"
    while (try? FileManager.default.contentsOfDirectory(atPath: queue))?.isEmpty ?? true {
      usleep(10_000)
    }
    let second = try place.usher("sync", "--quiet", environment: ["SENDMAIL": slow])
    #expect(second.status == 0)
    #expect(second.seconds < 3)
    #expect(first.wait() == 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: queue) == [])
  }
}

extension Workplace {
  /// A program in the place of sendmail, which keeps what it gets.
  func sendmail() throws -> [String: String] {
    let path = try folder.write(
      "#!/bin/sh\ncat >> \(folder.path)/mail\necho 'END OF MAIL' >> \(folder.path)/mail\n",
      to: "sendmail")
    chmod(path, 0o755)
    return ["SENDMAIL": path]
  }

  /// What it got, each with its text readable.
  func mails() throws -> [String] {
    let text = (try? folder.read("mail")) ?? ""
    return text.components(separatedBy: "END OF MAIL\n").dropLast().map { mail in
      mail.components(separatedBy: "\n\n").map { part in
        Data(base64Encoded: part, options: .ignoreUnknownCharacters).map {
          String(decoding: $0, as: UTF8.self)
        } ?? part
      }.joined(separator: "\n\n")
    }
  }
}
