import DirectoryModel
import Testing

@Suite struct DirectoryIDTests {
  private let bytes: [UInt8] = [
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF,
  ]

  @Test func idsOfBytesAreWrittenAsTheirServersDo() {
    #expect(DirectoryID.uuidText(of: bytes) == "00112233-4455-6677-8899-aabbccddeeff")
    #expect(DirectoryID.uniqueIDText(of: bytes) == "00112233-44556677-8899aabb-ccddeeff")
    // The first three parts of a GUID are little-endian.
    let guid = "33221100-5544-7766-8899-aabbccddeeff"
    #expect(DirectoryID.text(of: bytes[...]) == guid)
    #expect(DirectoryID.bytes(of: guid, "objectGUID") == bytes)
    #expect(DirectoryID.text(of: [0x00, 0xFF, 0x0A]) == "0x00ff0a")
    #expect(DirectoryID.uuidText(of: []) == "")
  }

  @Test func textsStayTextsInSmallLetters() {
    #expect(DirectoryID.text(of: Array("9E2F33CF-4b04".utf8)[...]) == "9e2f33cf-4b04")
    #expect(DirectoryID.text(of: Array(" A  Ü ".utf8)[...]) == "a ü")
    let hash = ByteHash(seed: 7)
    for value in [bytes, Array("9E2F".utf8), Array("9e2f".utf8), Array("a b".utf8)] {
      #expect(
        DirectoryID.wide(value[...], hash)
          == hash.wide(Array(DirectoryID.text(of: value[...]).utf8)))
    }
  }
}
