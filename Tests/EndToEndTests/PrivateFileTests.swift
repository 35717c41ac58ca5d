import Foundation
import TestSupport
import Testing

@testable import usher

/// Files with secrets in them.
@Suite struct PrivateFileTests {
  @Test func aPrivateFileIsNobodyElsesFromItsFirstMomentOn() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/token"
    #expect(PrivateFile.create(path, Data("secret".utf8)))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("secret".utf8))
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test func whatSomebodyElsePutThereIsNeitherWrittenNorFollowed() throws {
    let folder = try TemporaryFolder()
    let (path, target) = (folder.path + "/token", folder.path + "/target")
    #expect(symlink(target, path) == 0)
    #expect(!PrivateFile.create(path, Data("secret".utf8)))
    #expect(!FileManager.default.fileExists(atPath: target))
    try folder.write("mine", to: "other")
    #expect(!PrivateFile.create(folder.path + "/other", Data("secret".utf8)))
    #expect(try String(contentsOfFile: folder.path + "/other", encoding: .utf8) == "mine")
  }

  @Test func noFileIsMadeFirstAndClosedToOthersAfterwards() throws {
    let room = repositoryRoot + "/Sources/usher"
    for file in try FileManager.default.contentsOfDirectory(atPath: room) {
      let text = try String(contentsOfFile: room + "/" + file, encoding: .utf8)
      #expect(!text.contains("posixPermissions: 0o600"), "\(file)")
    }
  }
}
