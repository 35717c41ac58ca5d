import Foundation
import TestSupport
import Testing

/// The rooms and the arrows that are allowed between them, and the libraries each may use.
private let allowed: [String: Set<String>] = [
  // CYaml is the parser inside of Yams.
  "Diagnostics": ["Yams", "CYaml"],
  "DirectoryModel": ["Diagnostics"],
  "SiteModel": [],
  "Mapping": ["Diagnostics", "DirectoryModel", "SiteModel"],
  "Settings": ["Diagnostics"],
  "Reconciliation": ["SiteModel"],
  "Ports": ["DirectoryModel", "SiteModel"],
  "SyncEngine": [
    "Diagnostics", "DirectoryModel", "SiteModel", "Mapping", "Settings", "Reconciliation", "Ports",
    "Crypto",
  ],
  "LDAPClient": ["Ports", "DirectoryModel", "CLDAP"],
  "SiteStore": ["Ports", "DirectoryModel", "SiteModel", "GRDB", "GRDBSQLite", "Crypto"],
  "Views": ["Diagnostics", "DirectoryModel", "SiteModel"],
  "Console": [
    "Diagnostics", "SiteModel", "Settings", "Reconciliation", "Ports", "SyncEngine", "Views",
    "Crypto", "Hummingbird", "HummingbirdCore", "HummingbirdTLS", "HTTPTypes", "Logging",
    "Mustache",
    "NIOCore", "NIOSSL",
  ],
  "CLDAP": [],
  "CMalloc": [],
  "usher": [
    "Diagnostics", "DirectoryModel", "SiteModel", "Mapping", "Settings", "Reconciliation", "Ports",
    "SyncEngine", "LDAPClient", "SiteStore", "Views", "Console", "ArgumentParser",
    "AsyncHTTPClient", "Crypto", "CMalloc",
  ],
]

/// Part of the toolchain; any room may use it.
private let toolchain: Set<String> = ["Foundation", "Dispatch", "Synchronization"]

private struct Import {
  let room: String
  let file: String
  let line: String
  let module: String
}

private func imports(in folder: String = "Sources") throws -> [Import] {
  let sources = repositoryRoot + "/" + folder
  let files = try #require(FileManager.default.enumerator(atPath: sources))
  var found: [Import] = []
  for case let file as String in files where file.hasSuffix(".swift") {
    let room = String(file.split(separator: "/")[0])
    let text = try String(contentsOfFile: sources + "/" + file, encoding: .utf8)
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard let at = words.firstIndex(of: "import"), at + 1 < words.count,
        words[..<at].allSatisfy({
          $0.hasPrefix("@") || ["package", "public", "private", "internal"].contains($0)
        })
      else { continue }
      // `import struct Module.Name` imports Module.
      let kinds: Set<Substring> = [
        "struct", "class", "enum", "func", "protocol", "typealias", "var", "let",
      ]
      let name =
        kinds.contains(words[at + 1]) && at + 2 < words.count ? words[at + 2] : words[at + 1]
      found.append(
        Import(
          room: room, file: file, line: String(line),
          module: String(name.split(separator: ".")[0])))
    }
  }
  return found
}

@Suite struct ArchitectureTests {
  @Test func everyImportIsAnAllowedArrow() throws {
    let found = try imports()
    #expect(found.count > 50)
    for item in found where !toolchain.contains(item.module) {
      let arrows = try #require(allowed[item.room], "\(item.room) is not a known room")
      #expect(
        arrows.contains(item.module), "\(item.file): \(item.room) may not import \(item.module)")
    }
  }

  @Test func everyRoomOfTheTableStands() throws {
    let rooms = try FileManager.default.contentsOfDirectory(atPath: repositoryRoot + "/Sources")
      .filter { $0 != "README.md" }
    #expect(Set(rooms) == Set(allowed.keys))
  }

  /// An import that the manifest does not declare may be built against a stale module.
  @Test func everyImportIsDeclaredInTheManifest() throws {
    let manifest = try String(contentsOfFile: repositoryRoot + "/Package.swift", encoding: .utf8)
    let modules = Set(allowed.keys).union([
      "Yams", "Crypto", "GRDB", "GRDBSQLite", "ArgumentParser", "TestSupport",
    ])
    for folder in ["Sources", "Tests"] {
      for item in try imports(in: folder) where modules.contains(item.module) {
        let declaration = try #require(
          manifest.components(separatedBy: "arget(").dropFirst().first {
            $0.contains("name: \"\(item.room)\",")
          },
          "\(item.room) is not in Package.swift")
        #expect(declaration.contains("\"\(item.module)\""), "\(item.room) imports \(item.module)")
      }
    }
  }

  @Test func onlyTheGuardCanApprovePlans() throws {
    let importers = try imports().filter { $0.line.contains("@_spi(Guard)") }.map(\.file)
    #expect(importers == ["Reconciliation/Guard.swift"])
  }

  @Test func noTypeBearsItsModulesName() throws {
    for item in try imports() {
      let path = repositoryRoot + "/Sources/" + item.file
      let text = try String(contentsOfFile: path, encoding: .utf8)
      for kind in ["struct", "class", "enum", "actor", "protocol"] {
        #expect(!text.contains("\(kind) \(item.room) "), "\(item.file)")
        #expect(!text.contains("\(kind) \(item.room):"), "\(item.file)")
      }
    }
  }

  @Test func sqlStandsInTheStoreOnlyAndPointersInTheClientOnly() throws {
    let sources = repositoryRoot + "/Sources"
    let files = try #require(FileManager.default.enumerator(atPath: sources))
    for case let file as String in files where file.hasSuffix(".swift") {
      let text = try String(contentsOfFile: sources + "/" + file, encoding: .utf8)
      if !file.hasPrefix("SiteStore/") {
        for word in ["SELECT ", "INSERT INTO", "DELETE FROM"] {
          #expect(!text.contains(word), "\(file) holds SQL")
        }
      }
      if !file.hasPrefix("LDAPClient/") {
        #expect(!text.contains("OpaquePointer"), "\(file) holds C pointers")
      }
      for word in ["try!", "fatalError(", "@unchecked Sendable"] {
        #expect(!text.contains(word), "\(file) holds \(word)")
      }
    }
  }

  /// Elsewhere an error of a write would be lost, or would end the process.
  @Test func standardStreamsAreWrittenInOnePlaceOnly() throws {
    let sources = repositoryRoot + "/Sources"
    let files = try #require(FileManager.default.enumerator(atPath: sources))
    for case let file as String in files where file.hasSuffix(".swift") {
      guard file != "usher/StandardOutput.swift" else { continue }
      let text = try String(contentsOfFile: sources + "/" + file, encoding: .utf8)
      for word in [
        "Swift.print(", "fputs(", "putchar(", "FileHandle.standardOutput",
        "FileHandle.standardError", "readDataToEndOfFile(",
      ] {
        #expect(!text.contains(word), "\(file) holds \(word)")
      }
      #expect(
        !text.split(separator: "\n").contains { $0.drop { $0 == " " }.hasPrefix("print(") },
        "\(file) prints")
    }
  }

  /// `slapadd -q -w` of OpenLDAP 2.5.13 reads cursors that it has freed; whether it aborts depends on the lengths of paths.
  @Test func noScriptLoadsAServerByOptionsThatReadFreedMemory() throws {
    var found = 0
    for folder in ["Tests", "Deploy"] {
      let files = try #require(
        FileManager.default.enumerator(atPath: repositoryRoot + "/" + folder))
      for case let file as String in files where file.hasSuffix(".sh") || file.hasSuffix(".py") {
        let text = try String(
          contentsOfFile: "\(repositoryRoot)/\(folder)/\(file)", encoding: .utf8)
        for line in text.split(separator: "\n") where line.contains("slapadd -") {
          found += 1
          #expect(
            !line.split(separator: " ").contains { $0.hasPrefix("-") && $0.contains("w") },
            "\(file): \(line)")
        }
      }
    }
    #expect(found == 1)
  }
}
