import DirectoryModel
import Foundation
import Ports
import SyncEngine
import TestSupport
import Testing

/// A file as a directory: whole, and of one moment.
@Suite struct LDIFSourceTests {
  private static let whole = """
    dn: dc=x
    dc: x

    dn: cn=ada,dc=x
    cn: ada
    employeeType: staff

    dn: cn=bob,dc=x
    cn: bob
    employeeType: staff

    """

  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func search(_ filter: Filter = .present("cn")) -> DirectorySearch {
    DirectorySearch(
      bases: ["dc=x"], scope: .subtree, filter: filter, slots: AttributeSlots(["employeeType"]))
  }

  /// The names that a search finds, each with how many values it has.
  private func found(
    _ source: inout LDIFSource, during act: () throws -> Void = {}
  ) throws -> [String] {
    var found: [String] = []
    _ = try source.read(search()) { batch in
      try act()
      for entry in 0..<batch.count {
        let count = batch.values(of: entry, slot: 0).count
        found.append("\(String(decoding: batch.dn(of: entry), as: UTF8.self)) \(count)")
      }
    }
    return found
  }

  private func failure(_ read: () throws -> Void) -> ReadFailure? {
    do {
      try read()
      return nil
    } catch { return error as? ReadFailure }
  }

  /// The last entry is cut in the middle of a value, of an attribute's name, and of a folded line.
  @Test(arguments: [
    "employeeType: sta", "employeeTy", "employeeType: st\n a", "employeeType: staff",
    "employeeType: staff\r",
  ])
  func aFileThatEndsInTheMiddleOfALineIsRefused(end: String) throws {
    let text = Self.whole.dropLast("employeeType: staff\n".count) + end
    var source = LDIFSource(path: try folder.write(String(text), to: "a.ldif"))
    let failure = failure { _ = try found(&source) }
    #expect(
      failure?.message
        == "the LDIF file \(folder.path)/a.ldif does not end with a line end: it seems to be cut off"
    )
    #expect(failure?.remedy?.contains("export it again") == true)
  }

  @Test(arguments: ["\n", "\r\n", "\n\n# search result\n"])
  func aWholeFileIsReadHoweverItsLastLineEnds(end: String) throws {
    let text = Self.whole.dropLast() + end
    var source = LDIFSource(path: try folder.write(String(text), to: "a.ldif"))
    #expect(try found(&source) == ["cn=ada,dc=x 1", "cn=bob,dc=x 1"])
  }

  @Test func allSearchesOfARunSeeTheFileAsTheFirstSawIt() throws {
    let path = try folder.write(Self.whole, to: "a.ldif")
    var source = LDIFSource(path: path)
    #expect(try found(&source) == ["cn=ada,dc=x 1", "cn=bob,dc=x 1"])
    let other = try folder.write("dn: dc=x\ndc: x\n\ndn: cn=zoe,dc=x\ncn: zoe\n", to: "b.ldif")
    #expect(rename(other, path) == 0)
    #expect(try found(&source) == ["cn=ada,dc=x 1", "cn=bob,dc=x 1"])
    var next = LDIFSource(path: path)
    #expect(try found(&next) == ["cn=zoe,dc=x 0"])
  }

  @Test func aFileThatSomebodyWritesToWhileItIsReadIsRefused() throws {
    let path = try folder.write(Self.whole, to: "a.ldif")
    var source = LDIFSource(path: path)
    let failure = failure {
      _ = try found(&source) {
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data("\ndn: cn=zoe,dc=x\ncn: zoe\n".utf8))
        try file.close()
      }
    }
    #expect(failure?.message == "the LDIF file \(path) changed while it was read")
  }
}
