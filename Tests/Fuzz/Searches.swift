import DirectoryModel
import Foundation
import LDAPClient
import Ports

/// What a directory server answers, through libldap: the first byte chooses how.
///
/// | bit | means |
/// |---|---|
/// | 1 | the rest goes out as it is, and the connection is closed; else each piece, two bytes of length before it, is one answer |
/// | 2 | a page control with the end of the pages comes with the result |
/// | 4 | the server knows pages |
/// | 8 | the rootDSE is the first piece |
func fuzzSearch(_ bytes: [UInt8]) {
  guard let mode = bytes.first else { return }
  let server = AnsweringServer.shared
  server.answer(mode, Array(bytes.dropFirst()))
  var directory = LDAPDirectory(
    server: LDAPServer(
      urls: [server.url], bind: nil, caPath: nil, allowsClearText: true, timeoutSeconds: 1),
    log: { _ in })
  let slots = AttributeSlots(["cn", "mail", "objectClass", "member"])
  let search = DirectorySearch(
    bases: ["dc=x"], scope: .subtree, filter: .present("objectClass"), slots: slots)
  var count = 0
  let summary = try? directory.read(search) { batch in
    count += batch.count
    for entry in 0..<batch.count {
      _ = DistinguishedName(batch.dn(of: entry))
      for slot in slots.names.indices { _ = batch.values(of: entry, slot: slot, withOptions: true) }
    }
  }
  if let summary { require(summary.entries == count, "entries are missing") }
}
