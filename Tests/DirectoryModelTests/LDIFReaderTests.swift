import DirectoryModel
import Testing

@Suite struct LDIFReaderTests {
  private func read(_ text: String, _ names: [String]) throws -> [[String: [String]]] {
    var reader = LDIFReader(Array(text.utf8))
    var batch = EntryBatch(slots: AttributeSlots(names))
    while try reader.appendEntry(to: &batch) {}
    return (0..<batch.count).map { entry in
      var found = ["dn": [String(decoding: batch.dn(of: entry), as: UTF8.self)]]
      for (slot, name) in names.enumerated() {
        let values = batch.values(of: entry, slot: slot, withOptions: true)
        if !values.isEmpty { found[name] = values.map { String(decoding: $0, as: UTF8.self) } }
      }
      return found
    }
  }

  @Test func aValueOfMoreThanAMegabyteIsRefusedWhereItIsAskedFor() throws {
    let most = String(repeating: "x", count: 1 << 20)
    #expect(try read("dn: cn=a\nphoto: \(most)\n", ["photo"])[0]["photo"]?[0].count == 1_048_576)
    #expect(
      try read("dn: cn=a\nphoto: \(most)x\ncn: a\n", ["cn"]) == [["dn": ["cn=a"], "cn": ["a"]]])
    let fault = #expect(throws: LDIFFault.self) {
      try read("dn: cn=a\nphoto;lang-de: \(most)x\n", ["photo"])
    }
    #expect(fault?.line == 2)
    #expect(
      fault?.message
        == "cn=a has a value of 1025 kB, and usher takes 1 MB at most: photo;lang-de")
    let name = #expect(throws: LDIFFault.self) { try read("dn: cn=\(most)\n", []) }
    #expect(name?.message == "a name of 1048579 bytes; usher takes 8192 at most")
  }

  @Test func everyFormOfRFC2849IsRead() throws {
    let text = """
      version: 1
      # a comment
        that goes on

      dn: cn=Ada,
       dc=x
      cn: Ada
      cn;lang-de: Ada von
        Byron
      sn:: QnlyzLZu
      mail:ada@x
      description: Grüße : #1

      # another
      dn:: Y249WsO2ZSxkYz14
      cn: Zöe\r
      other: left out
      """
    let entries = try read(text, ["cn", "sn", "mail", "description"])
    #expect(entries.count == 2)
    #expect(
      entries[0] == [
        "dn": ["cn=Ada,dc=x"], "cn": ["Ada", "Ada von Byron"], "sn": ["Byr\u{336}n"],
        "mail": ["ada@x"], "description": ["Grüße : #1"],
      ])
    #expect(entries[1] == ["dn": ["cn=Zöe,dc=x"], "cn": ["Zöe"]])
  }

  @Test(arguments: [
    ("dn: cn=a\nchangetype: add\ncn: a\n", 2, "change record"),
    ("dn: cn=a\ncn: a\n\ncn: b\n", 4, "begins with"),
    ("dn: cn=a\n\ndn: cn=b\ncn: x\n y\nnonsense\n", 6, "expected"),
    ("dn: cn=a\ncn:: !!\n", 2, "base64"), ("dn: cn=a\njpeg:< file:///etc/passwd\n", 2, "URL"),
    ("dn: cn=a\nmember;range=0-1499: cn=b\n", 2, "part of the values"),
    ("dn: cn=a\ndn: cn=b\n", 2, "second"), ("version: 2\ndn: cn=a\n", 1, "version"),
  ])
  func faultsNameTheLine(text: String, line: Int, words: String) {
    do {
      _ = try read(text, ["cn"])
      Issue.record("was read")
    } catch let fault as LDIFFault {
      #expect(fault.line == line)
      #expect(fault.message.contains(words), "\(fault.message)")
    } catch { Issue.record("\(error)") }
  }
}
