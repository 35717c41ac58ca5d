import Testing

@testable import LDAPClient

@Suite struct BasicEncodingTests {
  @Test func elementsAreReadInTheirOrderAndOnlyByTheirTags() {
    var reader = BERReader([0x30, 5, 0x04, 1, 7, 0x31, 0, 0x0A, 0])
    #expect(reader.nextTag == 0x30)
    #expect(reader.contents(0x31) == nil)
    var inside = reader.inside(0x30)
    #expect(inside?.contents(0x04).map(Array.init) == [7])
    #expect(inside?.inside(0x31)?.isAtEnd == true)
    #expect(inside?.isAtEnd == true && inside?.nextTag == nil && inside?.contents(0x04) == nil)
    #expect(reader.contents(0x0A)?.isEmpty == true)
    #expect(reader.isAtEnd)
  }

  @Test(arguments: [1, 2, 3, 4])
  func lengthsHaveUpToFourBytes(size: Int) {
    let length = (0..<size).map { UInt8($0 == size - 1 ? 200 : 0) }
    var reader = BERReader([0x04, 0x80 | UInt8(size)] + length + [UInt8](repeating: 1, count: 200))
    #expect(reader.contents(0x04)?.count == 200)
    #expect(reader.isAtEnd)
  }

  @Test(arguments: [
    [0x04], [0x04, 2, 1], [0x04, 0x80], [0x04, 0x81], [0x04, 0x85, 0, 0, 0, 0, 0],
    [0x04, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 1], [0x04, 0x82, 1],
  ])
  func whatReachesBeyondTheEndIsNoElement(bytes: [UInt8]) {
    var reader = BERReader(bytes)
    #expect(reader.contents(0x04) == nil)
    #expect(!reader.isAtEnd)
  }
}
