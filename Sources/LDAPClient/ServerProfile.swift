import DirectoryModel
import Ports

/// What a server says of itself in its rootDSE (RFC 4512 §5.1), and what follows from it.
package struct ServerProfile: Sendable, Hashable {
  package enum Product: String, Sendable, Hashable {
    case openLDAP = "OpenLDAP"
    case ds389 = "389 Directory Server"
    case freeIPA = "FreeIPA"
    case activeDirectory = "Active Directory"
    case other = "a directory server"
  }

  package let product: Product
  /// In the server's own words; empty where it gives none.
  package let vendor: String
  package let namingContexts: [String]
  package let controls: Set<String>
  package let saslMechanisms: [String]
  package let knowsWhoAmI: Bool
  /// Which of several equal servers this is: a domain controller's settings object; empty elsewhere.
  package let serviceName: String

  /// Paged results (RFC 2696); a server that tells no controls is asked for them all the same.
  package var hasPages: Bool { controls.isEmpty || controls.contains("1.2.840.113556.1.4.319") }
  /// Content synchronization (RFC 4533). Whether it holds for a base is only known by asking.
  package var hasContentSync: Bool { controls.contains("1.3.6.1.4.1.4203.1.9.1.1") }
  package var hasDirSync: Bool { controls.contains("1.2.840.113556.1.4.841") }

  /// The preset that fits the product; nil for an unknown one.
  package var preset: String? {
    switch product {
    case .openLDAP: "openldap"
    case .ds389: "389ds"
    case .freeIPA: "freeipa"
    case .activeDirectory: "active-directory"
    case .other: nil
    }
  }

  /// The attribute with the id that the server gives each entry for good.
  package var identity: String? {
    switch product {
    case .openLDAP: "entryUUID"
    case .ds389, .freeIPA: "nsUniqueId"
    case .activeDirectory: "objectGUID"
    case .other: nil
    }
  }

  /// What tells that an administrator has locked somebody out.
  package var disabledState: String {
    switch product {
    case .openLDAP:
      "pwdAccountLockedTime 000001010000Z (an administrator's lock) or shadowExpire in the past"
    case .ds389, .freeIPA: "nsAccountLock, which has to be asked for by name"
    case .activeDirectory: "bit 2 of userAccountControl"
    case .other: "not known; `account.active` in the mapping says it"
    }
  }

  /// How it tells what has changed, the best way first; whether one holds for a base is only known by asking.
  var waysOfChanges: [LDAPDirectory.Bookmark.Way] {
    switch product {
    case .activeDirectory: hasDirSync ? [.dirSync, .numbers] : [.numbers]
    case .openLDAP: hasContentSync ? [.contentSync, .times] : [.times]
    case .ds389, .freeIPA: hasContentSync ? [.changelog, .times] : [.times]
    case .other: []
    }
  }

  /// The same in words.
  package var changes: String {
    let time = product == .openLDAP ? "entryCSN" : "modifyTimestamp"
    let times = "by a sweep of all ids with \(time)"
    return switch product {
    case .activeDirectory:
      "by DirSync, where the bind account may replicate changes; else by uSNChanged, and ids alone for who is gone"
    case .openLDAP where hasContentSync, .ds389 where hasContentSync, .freeIPA where hasContentSync:
      "by content synchronization (RFC 4533), where the base offers it; else \(times)"
    case .openLDAP: "\(times); the overlay syncprov would tell them better"
    case .ds389, .freeIPA:
      "\(times); the plugins Content Synchronization and Retro Changelog would tell them better"
    case .other: "not told"
    }
  }

  package var membership: String {
    switch product {
    case .activeDirectory:
      "member of groups, fetched in ranges where the server wants it, and primaryGroupID; nested groups are followed here, since one read of all groups costs less than a search in chain for each"
    default:
      "member, uniqueMember and memberUid of groups, and memberOf; nested groups are followed here"
    }
  }

  /// Attributes of the rootDSE that tell the above.
  package static let attributes = AttributeSlots([
    "objectClass", "vendorName", "vendorVersion", "namingContexts", "supportedControl",
    "supportedExtension", "supportedCapabilities", "supportedSASLMechanisms", "dsServiceName",
  ])

  package init(_ batch: EntryBatch, entry: Int) {
    func values(_ name: String) -> [String] {
      let found = batch.slots.slot(of: name).map { batch.values(of: entry, slot: $0) } ?? []
      return found.map { String(decoding: $0, as: UTF8.self) }
    }
    controls = Set(values("supportedControl"))
    namingContexts = values("namingContexts")
    saslMechanisms = values("supportedSASLMechanisms").sorted()
    let extensions = values("supportedExtension")
    knowsWhoAmI = extensions.contains("1.3.6.1.4.1.4203.1.11.3")
    serviceName = values("dsServiceName").first ?? ""
    let name = values("vendorName").first ?? ""
    let version = values("vendorVersion").first ?? ""
    vendor =
      version.contains(name)
      ? version : [name, version].filter { !$0.isEmpty }.joined(separator: " ")
    let isFreeIPA = (extensions + controls).contains { $0.hasPrefix("2.16.840.1.113730.3.8.") }
    if values("supportedCapabilities").contains("1.2.840.113556.1.4.800") {
      product = .activeDirectory
    } else if name.hasPrefix("389 Project") || name.hasPrefix("Red Hat")
      || version.hasPrefix("389-Directory")
    {
      product = isFreeIPA ? .freeIPA : .ds389
    } else if values("objectClass").contains("OpenLDAProotDSE") {
      product = .openLDAP
    } else {
      product = .other
    }
  }

  /// Attributes that tell how new an entry is, in the order in which they are preferred.
  static let versions = ["entryCSN", "uSNChanged", "modifyTimestamp"]

  /// How new an entry is; nil where it does not say. Update sequence numbers belong to one domain controller.
  func version(of entry: [(description: String, values: [[UInt8]])]) -> EntryVersion? {
    for name in Self.versions {
      let value = entry.first { $0.description.lowercased() == name.lowercased() }?.values.first
      guard let value else { continue }
      return EntryVersion(
        scale: name == "uSNChanged" ? "\(name) of \(serviceName)" : name,
        value: String(decoding: value, as: UTF8.self))
    }
    return nil
  }
}
