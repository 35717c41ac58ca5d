import Foundation

/// A part of a directory with people and groups, told in words that every kind of server understands: the same
/// story can be played on each of them, and on a file.
public struct Branch: Sendable {
  /// Where the branch lies; a test has one of its own.
  public let name: String
  /// nil: an LDIF file in the manner of OpenLDAP.
  public let kind: DirectoryServer.Kind?
  public private(set) var people: [String: Person] = [:]
  public private(set) var groups: [String: Set<String>] = [:]
  /// Numbers that ids of LDIF entries are made from.
  private var ids: [String: Int] = [:]
  /// Names that units were given later.
  private var unitNames: [String: String] = [:]

  public struct Person: Hashable, Sendable {
    public internal(set) var unit = "people"
    public internal(set) var mail: String?
    public internal(set) var isActive = true
    public internal(set) var title = "staff"
    /// The display name and login name are made from it, and stay.
    public internal(set) var firstName = ""
  }

  /// One change of a directory.
  public enum Step: Hashable, Sendable {
    case add(String, mail: String? = nil, title: String = "staff")
    case delete(String)
    case mail(String, String)
    case title(String, String)
    case disable(String)
    case enable(String)
    case rename(String, to: String)
    /// Into another organisational unit: "people", "elsewhere" (within the search) or "outside".
    case move(String, to: String)
    /// Gives an organisational unit, with all that is below it, another name.
    case renameUnit(String, to: String)
    case addGroup(String, [String])
    case deleteGroup(String)
    case join(String, group: String)
    case leave(String, group: String)
  }

  public init(_ name: String, on kind: DirectoryServer.Kind?) {
    self.name = name
    self.kind = kind
  }

  public var base: String { "ou=\(name),dc=acme,dc=example" }
  private var isAD: Bool { kind == .samba }

  // MARK: Names

  /// A name of a person or group as it stands in a DN (RFC 4514 §2.4).
  private func escaped(_ name: String) -> String {
    name.map { ",+\"\\<>;=#".contains($0) ? "\\\($0)" : String($0) }.joined()
  }

  private func relativeName(_ person: String) -> String {
    "cn=\(escaped(person))"
  }

  private func dn(_ person: String) -> String {
    let unit = people[person]?.unit ?? "people"
    return "\(relativeName(person)),\(place(unit))"
  }

  private func place(_ unit: String) -> String {
    let name = unitNames[unit] ?? unit
    return unit == "outside" ? "ou=\(name),\(base)" : "ou=\(name),ou=inside,\(base)"
  }

  private func groupDN(_ group: String) -> String { "cn=\(escaped(group)),ou=groups,\(base)" }

  /// The DN of a person or of a group.
  private func memberDN(_ member: String) -> String {
    groups[member] != nil ? groupDN(member) : dn(member)
  }

  /// Active Directory wants login names unique and short.
  private func loginName(_ person: String) -> String {
    let plain = (people[person]?.firstName ?? person).filter {
      $0.isASCII && ($0.isLetter || $0.isNumber)
    }.lowercased()
    return String("\(name)-\(plain)".prefix(20))
  }

  // MARK: Playing

  /// The records that make the empty branch.
  public func root() -> String {
    [
      base, "ou=inside,\(base)", place("people"), place("elsewhere"), place("outside"),
      "ou=groups,\(base)",
    ]
    .map { dn in
      let unit = dn.split(separator: ",")[0].dropFirst(3)
      return added(dn, "objectClass: organizationalUnit\nou: \(unit)")
    }.joined(separator: "\n")
  }

  private func added(_ dn: String, _ lines: String) -> String {
    let change = kind == nil ? "" : "changetype: add\n"
    return "\(attribute("dn", dn))\n\(change)\(lines)\n"
  }

  /// `name: value`, in base64 where LDIF wants it (RFC 2849).
  private func attribute(_ name: String, _ value: String) -> String {
    let isSafe = value.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } && !value.hasPrefix(" ")
    return isSafe ? "\(name): \(value)" : "\(name):: \(Data(value.utf8).base64EncodedString())"
  }

  /// Takes a step, and tells it as the changes of an LDIF file (RFC 2849).
  public mutating func take(_ step: Step) -> String {
    switch step {
    case .add(let person, let mail, let title):
      people[person] = Person(
        mail: mail ?? "\(loginName(person))@acme.example", title: title, firstName: person)
      ids[person] = ids.count + 1
      return entry(person)
    case .delete(let person):
      let dn = dn(person)
      people[person] = nil
      for group in groups.keys { groups[group]?.remove(person) }
      return "\(attribute("dn", dn))\nchangetype: delete\n"
    case .mail(let person, let mail):
      people[person]?.mail = mail
      return replaced(person, "mail", mail)
    case .title(let person, let title):
      people[person]?.title = title
      return replaced(person, "title", title)
    case .disable(let person), .enable(let person):
      let isActive = step == .enable(person)
      let changes = people[person]?.isActive != isActive
      people[person]?.isActive = isActive
      return changes ? activity(person, isActive) : ""
    case .rename(let person, let new):
      let old = dn(person)
      people[new] = people.removeValue(forKey: person)
      ids[new] = ids.removeValue(forKey: person)
      rename(person, new)
      return
        "\(attribute("dn", old))\nchangetype: modrdn\n\(attribute("newrdn", relativeName(new)))\ndeleteoldrdn: 1\n"
    case .move(let person, let unit):
      let old = dn(person)
      people[person]?.unit = unit
      return
        "\(attribute("dn", old))\nchangetype: modrdn\n\(attribute("newrdn", relativeName(person)))\ndeleteoldrdn: 1\nnewsuperior: \(place(unit))\n"
    case .renameUnit(let unit, let new):
      let old = place(unit)
      unitNames[unit] = new
      // OpenLDAP does not keep the names of members in step here.
      if kind == .slapd || kind == nil {
        for person in people.keys where people[person]?.unit == unit {
          for group in groups.keys { groups[group]?.remove(person) }
        }
      }
      return "\(attribute("dn", old))\nchangetype: modrdn\nnewrdn: ou=\(new)\ndeleteoldrdn: 1\n"
    case .addGroup(let group, let members):
      groups[group] = Set(members)
      ids[group] = ids.count + 1
      return groupEntry(group)
    case .deleteGroup(let group):
      groups[group] = nil
      for other in groups.keys { groups[other]?.remove(group) }
      return "\(attribute("dn", groupDN(group)))\nchangetype: delete\n"
    case .join(let member, let group):
      guard groups[group]?.insert(member).inserted == true else { return "" }
      return membership(group, "add", member)
    case .leave(let member, let group):
      guard groups[group]?.remove(member) != nil else { return "" }
      return membership(group, "delete", member)
    }
  }

  private mutating func rename(_ person: String, _ new: String) {
    for group in groups.keys where groups[group]?.remove(person) != nil {
      groups[group]?.insert(new)
    }
  }

  private func replaced(_ person: String, _ name: String, _ value: String) -> String {
    "\(attribute("dn", dn(person)))\nchangetype: modify\nreplace: \(name)\n\(attribute(name, value))\n"
  }

  private func membership(_ group: String, _ change: String, _ member: String) -> String {
    "\(attribute("dn", groupDN(group)))\nchangetype: modify\n\(change): member\n\(attribute("member", memberDN(member)))\n"
  }

  /// What an administrator does to lock somebody out.
  private func activity(_ person: String, _ isActive: Bool) -> String {
    switch kind {
    case .samba:
      return replaced(person, "userAccountControl", isActive ? "544" : "546")
    case .ds389:
      return isActive
        ? "\(attribute("dn", dn(person)))\nchangetype: modify\ndelete: nsAccountLock\n"
        : replaced(person, "nsAccountLock", "true")
    case .slapd, nil:
      return isActive
        ? "\(attribute("dn", dn(person)))\nchangetype: modify\ndelete: shadowExpire\n"
        : replaced(person, "shadowExpire", "1")
    }
  }

  // MARK: Entries

  private func entry(_ person: String) -> String {
    guard let own = people[person] else { return "" }
    var lines: [String] = []
    if isAD {
      lines = [
        "objectClass: user", "sAMAccountName: \(loginName(person))",
        "userAccountControl: \(own.isActive ? 544 : 546)",
      ]
    } else {
      lines = ["objectClass: inetOrgPerson", "objectClass: shadowAccount"]
      if kind == nil { lines += [id(person)] }
      lines += ["uid: \(loginName(person))", attribute("cn", person), attribute("sn", person)]
      if !own.isActive { lines.append("shadowExpire: 1") }
    }
    lines += [attribute("displayName", own.firstName), "title: \(own.title)"]
    if let mail = own.mail { lines.append(attribute("mail", mail)) }
    return added(dn(person), lines.joined(separator: "\n"))
  }

  private func groupEntry(_ group: String) -> String {
    let members = (groups[group] ?? []).sorted().map { attribute("member", memberDN($0)) }
    var lines =
      isAD
      ? [
        "objectClass: group",
        "sAMAccountName: \(name)-\(group.filter { $0.isLetter || $0.isNumber })",
      ]
      : ["objectClass: groupOfNames", attribute("cn", group)]
    if kind == nil { lines.append(id(group)) }
    // A groupOfNames is never empty.
    if !isAD { lines.append("member: cn=nobody") }
    return added(groupDN(group), (lines + members).joined(separator: "\n"))
  }

  private func id(_ name: String) -> String {
    let number = String(ids[name] ?? 0)
    let tail = String(repeating: "0", count: 12 - number.count) + number
    return "entryUUID: 11111111-1111-4111-8111-\(tail)"
  }

  /// The branch as it is now, as an LDIF file.
  public func ldif() -> String {
    let start = "dn: dc=acme,dc=example\nobjectClass: domain\ndc: acme\n"
    let entries = people.keys.sorted().map(entry) + groups.keys.sorted().map(groupEntry)
    return ([start, root()] + entries).joined(separator: "\n")
  }

  // MARK: Mapping

  public var preset: String {
    switch kind {
    case .samba: "active-directory"
    case .ds389: "389ds"
    case .slapd, nil: "openldap"
    }
  }

  public func mapping(rules: String, more: String = "") -> String {
    """
    usher: 1
    extends: \(preset)
    search:
      users: { base: "ou=inside,\(base)" }
      groups: { base: "ou=groups,\(base)" }
    \(more)
    rules:
    \(rules)
    """
  }
}
