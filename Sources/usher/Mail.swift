import Foundation
import Settings

/// One plain text message (RFC 5322) in UTF-8.
struct MailMessage {
  let from: String
  let to: [String]
  private let data: Data

  /// - Parameter now: seconds since 1970.
  init(from: String, to: [String], subject: String, text: String, now: Int64, host: String) {
    self.from = from
    self.to = to
    let date = DateFormatter()
    date.locale = Locale(identifier: "en_US_POSIX")
    date.timeZone = .gmt
    date.dateFormat = "EEE, dd MMM yyyy HH:mm:ss Z"
    let head = [
      "From: \(from)", "To: \(to.joined(separator: ", "))",
      "Subject: \(Self.encoded(subject))",
      "Date: \(date.string(from: Date(timeIntervalSince1970: TimeInterval(now))))",
      "Message-ID: <\(UUID().uuidString)@\(host)>", "Auto-Submitted: auto-generated",
      "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
      "Content-Transfer-Encoding: base64",
    ]
    let body = Data(text.replacing("\n", with: "\r\n").utf8)
      .base64EncodedString(options: [
        .lineLength76Characters, .endLineWithCarriageReturn, .endLineWithLineFeed,
      ])
    data = Data((head.joined(separator: "\r\n") + "\r\n\r\n" + body + "\r\n").utf8)
  }

  /// The message's octets; no line of it begins with a full stop.
  var octets: Data { data }

  /// RFC 2047, where it is not plain.
  private static func encoded(_ text: String) -> String {
    let isPlain = text.unicodeScalars.allSatisfy { (0x20..<0x7F).contains($0.value) }
    if isPlain, text.utf8.count < 900 { return text }
    var words: [String] = []
    var word = ""
    for character in text {
      if (word + String(character)).utf8.count > 42 {
        words.append(word)
        word = ""
      }
      word.append(character)
    }
    words.append(word)
    return words.map { "=?utf-8?B?\(Data($0.utf8).base64EncodedString())?=" }
      .joined(separator: "\r\n ")
  }

  /// Hands it to the system's mail program, as cron(8) does; $SENDMAIL names another.
  func giveToSendmail() throws {
    let paths = [
      ProcessInfo.processInfo.environment["SENDMAIL"], "/usr/sbin/sendmail", "/usr/lib/sendmail",
    ]
    guard
      let path = paths.compactMap(\.self).first(
        where: FileManager.default.isExecutableFile(atPath:))
    else {
      throw Failure(
        .failed, "there is no sendmail", remedy: "install one, or name a mail server: notify.smtp")
    }
    let file = NSTemporaryDirectory() + "usher-mail-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    defer { unlink(file) }
    let unix = Data(data.filter { $0 != UInt8(ascii: "\r") })
    guard PrivateFile.create(file, unix) else {
      throw Failure(.failed, "\(file) cannot be written")
    }
    let ended = DispatchSemaphore(value: 0)
    let program = try StartedProgram(
      path, ["-oi", "-f", from, "--"] + to, files: [0: file]
    ) { ended.signal() }
    if ended.wait(timeout: .now() + 30) == .timedOut {
      program.send(SIGTERM)
      throw Failure(.failed, "\(path) does not come to an end")
    }
    guard program.status == 0 else {
      throw Failure(.failed, "\(path) ended with exit code \(program.status ?? -1)")
    }
  }
}

/// A mail server of the house, which takes mail from us without TLS and without a password (RFC 5321). Where more is
/// asked, the system's sendmail does it.
struct SMTP {
  private let descriptor: Int32
  private let name: String

  static func send(
    _ message: MailMessage, to server: Notices.Server, patienceSeconds: Int
  ) throws {
    let smtp = try SMTP(server, patienceSeconds)
    defer { close(smtp.descriptor) }
    try smtp.expect(220)
    try smtp.say("EHLO \(ProcessInfo.processInfo.hostName)", 250)
    try smtp.say("MAIL FROM:<\(message.from)>", 250)
    // One stale address does not keep the others from hearing.
    var refusal: (any Error)?
    var taken = 0
    for recipient in message.to {
      do {
        try smtp.say("RCPT TO:<\(recipient)>", 250, 251)
        taken += 1
      } catch { refusal = error }
    }
    if let refusal, taken == 0 { throw refusal }
    try smtp.say("DATA", 354)
    try smtp.write(message.octets + Data(".\r\n".utf8))
    try smtp.expect(250)
    try? smtp.say("QUIT", 221)
  }

  private init(_ server: Notices.Server, _ patienceSeconds: Int) throws {
    name = "\(server.host):\(server.port)"
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let result = getaddrinfo(server.host, String(server.port), &hints, &found)
    guard result == 0, let found else {
      throw Failure(.failed, "\(server.host): \(String(cString: gai_strerror(result)))")
    }
    defer { freeaddrinfo(found) }
    var next: UnsafeMutablePointer<addrinfo>? = found
    var reason = "no address"
    while let address = next?.pointee {
      next = address.ai_next
      let descriptor = socket(
        address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
      guard descriptor >= 0 else { continue }
      var wait = timeval(tv_sec: patienceSeconds, tv_usec: 0)
      let size = socklen_t(MemoryLayout<timeval>.size)
      setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, size)
      setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &wait, size)
      if connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 {
        self.descriptor = descriptor
        return
      }
      reason = String(cString: strerror(errno))
      close(descriptor)
    }
    throw Failure(.failed, "\(name): \(reason)")
  }

  private func say(_ line: String, _ codes: Int...) throws {
    try write(Data("\(line)\r\n".utf8))
    try expect(codes)
  }

  private func expect(_ codes: Int...) throws { try expect(codes) }

  /// Reads an answer of one line or more.
  private func expect(_ codes: [Int]) throws {
    var bytes: [UInt8] = []
    while true {
      var byte: UInt8 = 0
      guard recv(descriptor, &byte, 1, 0) == 1, bytes.count < 65_536 else {
        throw Failure(.failed, "\(name) does not answer")
      }
      bytes.append(byte)
      guard byte == UInt8(ascii: "\n") else { continue }
      let line = String(decoding: bytes, as: UTF8.self)
        .trimmingCharacters(in: .whitespacesAndNewlines)
      bytes = []
      if line.dropFirst(3).first == "-" { continue }
      if let code = Int(line.prefix(3)), codes.contains(code) { return }
      throw Failure(.failed, "\(name) answers \(line)")
    }
  }

  private func write(_ data: Data) throws {
    var rest = Array(data)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw Failure(.failed, "\(name) does not listen any more") }
      rest = rest.dropFirst(count)
    }
  }
}
