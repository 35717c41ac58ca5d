import TestSupport

/// A made-up directory of a few people and groups, and a made-up mapping over it.
struct RandomDirectory {
  struct Person {
    var id: String
    var uid: String
    var attributes: [(name: String, values: [String])]
    var unit: String
    var dn: String { "uid=\(uid),ou=\(unit),dc=x" }
  }

  var people: [Person] = []
  /// Name to members: uids and names of groups.
  var groups: [(name: String, members: [String])] = []

  init(_ random: inout SeededRandom) {
    for index in 0..<Int.random(in: 3...14, using: &random) {
      people.append(Self.person(index, &random))
    }
    for index in 0..<Int.random(in: 2...5, using: &random) {
      groups.append((["staff", "dev", "site-a", "site-b", "APP-Wiki-RW"][index], []))
    }
    for index in groups.indices {
      let members = members(&random)
      groups[index].members = members
    }
  }

  private static func person(_ index: Int, _ random: inout SeededRandom) -> Person {
    var attributes: [(name: String, values: [String])] = [
      ("cn", ["Person \(index)", "Zoë \(index)"].shuffled(using: &random)),
      ("type", [["staff", "vendor", "none"].randomElement(using: &random) ?? ""]),
      ("level", ["\(Int.random(in: 0...5, using: &random))"]),
    ]
    // Few different emails, so that some are shared, some swap, and some have two or none.
    let emails = (0..<Int.random(in: 0...2, using: &random)).map { _ in
      "P\(Int.random(in: 0...12, using: &random))@x.example"
    }
    if !emails.isEmpty { attributes.append(("mail", emails)) }
    // Moments between the steps of the laws, which lie 40 minutes apart.
    let minutes = Int.random(in: 0...240, using: &random)
    let moment =
      "19700101\(String(100 + minutes / 60).dropFirst())\(String(100 + minutes % 60).dropFirst())00Z"
    if Bool.random(using: &random) { attributes.append(("end", [moment])) }
    if Bool.random(using: &random) { attributes.append(("displayName", ["Shown \(index)"])) }
    if Int.random(in: 0...5, using: &random) == 0 { attributes.append(("locked", ["TRUE"])) }
    // By which entries of several directories may be one person's; now and then by two in one.
    let number = Int.random(in: 0...14, using: &random)
    if number < 10 { attributes.append(("number", ["N\(number)"])) }
    return Person(
      id: "id-\(index)", uid: "u\(index)", attributes: attributes,
      unit: ["people", "vendors"].randomElement(using: &random) ?? "people")
  }

  private func members(_ random: inout SeededRandom) -> [String] {
    var names = people.filter { _ in Bool.random(using: &random) }.map(\.uid)
    if Bool.random(using: &random), let other = groups.randomElement(using: &random) {
      names.append("group:" + other.name)
    }
    return names
  }

  /// Changes something: a join, a leave, an edit, a rename, a move, a group.
  mutating func change(_ random: inout SeededRandom) {
    let index = people.indices.randomElement(using: &random)
    switch Int.random(in: 0...8, using: &random) {
    case 0: people.append(Self.person(Int.random(in: 20...60, using: &random), &random))
    case 1: if let index { people.remove(at: index) }
    case 2:
      if let index {
        let unit = people[index].unit
        people[index].unit = unit == "people" ? "vendors" : "people"
      }
    case 3: if let index { people[index].uid += "x" }
    case 4, 5:
      let attributes = Self.person(index ?? 0, &random).attributes
      if let index { people[index].attributes = attributes }
    case 6:
      if let left = index, let right = people.indices.randomElement(using: &random) {
        let attributes = people[left].attributes
        people[left].attributes = people[right].attributes
        people[right].attributes = attributes
      }
    case 7: if let index { people[index].id += "n" }
    default:
      let members = members(&random)
      if let group = groups.indices.randomElement(using: &random) {
        groups[group].members = members
      }
    }
    // One id, one person; two may still meet by chance.
    var seen: Set<String> = []
    people.removeAll { !seen.insert($0.uid).inserted }
  }

  /// - Parameter shuffled: gives entries and values in another order, names and emails in another form.
  /// - Parameter prefix: of all ids, where several directories are.
  func ldif(
    shuffled random: inout SeededRandom, disguised: Bool, prefix: String = ""
  ) -> String {
    var records: [String] = ["dn: dc=x\nobjectClass: domain\n"]
    for person in people {
      var lines = ["objectClass: person", "entryUUID: \(prefix)\(person.id)", "uid: \(person.uid)"]
      for (name, values) in person.attributes {
        for value in values {
          lines.append("\(name): \(disguised && name == "mail" ? flipped(value) : value)")
        }
      }
      let dn = disguised ? person.dn.uppercased().replacing(",", with: " , ") : person.dn
      records.append("dn: \(dn)\n" + lines.shuffled(using: &random).joined(separator: "\n") + "\n")
    }
    for group in groups {
      var lines = ["objectClass: group", "cn: \(group.name)", "entryUUID: g-\(group.name)"]
      for member in group.members {
        let dn =
          member.hasPrefix("group:")
          ? "cn=\(member.dropFirst(6)),ou=groups,dc=x"
          : people.first { $0.uid == member }?.dn ?? "uid=\(member),dc=x"
        lines.append("member: \(disguised ? flipped(dn) : dn)")
      }
      records.append(
        "dn: cn=\(group.name),ou=groups,dc=x\n"
          + lines.shuffled(using: &random).joined(separator: "\n") + "\n")
    }
    return records.shuffled(using: &random).joined(separator: "\n")
  }

  private func flipped(_ text: String) -> String {
    String(text.map { $0.isUppercase ? Character($0.lowercased()) : Character($0.uppercased()) })
  }

  /// A mapping whose rules name only groups that are there.
  /// - Parameter joining: whether people of several directories are joined.
  func mapping(_ random: inout SeededRandom, joining: Bool = false) -> String {
    func one(_ choices: [String]) -> String { choices.randomElement(using: &random) ?? "" }
    let group = one(groups.map(\.name))
    var rules = [
      "- { name: everyone, when: everyone, licenses: [confluence] }",
      "- { name: members, member-of: \(group), licenses: [jira], groups: [\(group)] }",
      "- { name: levels, when: (level>=3), groups: [senior, Dev] }",
      "- { name: sites, each-group: (cn=site-*), groups: [\"{cn}\"] }",
      "- { name: apps, each-group: { cn: \"^APP-(.+)-RW$\" }, groups: [\"{1|lower}\"] }",
      "- { name: vendors, under: \"ou=vendors,dc=x\", portal-only: true }",
      "- { name: types, when: (&(type=vendor)(!(memberOf=\(group)))), portal-only: true }",
      "- { name: no jira, when: (level=0), deny: [jira] }",
      "- { name: contracts, when: \"(!(end<={now}))\", groups: [hired] }",
      "- { name: ended, when: \"(end<={now+1h})\", deny: [confluence] }",
    ]
    rules = Array(rules.shuffled(using: &random).prefix(Int.random(in: 1...6, using: &random)))
    return """
      usher: 1
      search:
        users: { base: "dc=x", filter: (objectClass=person) }
        groups: { base: "dc=x", filter: (objectClass=group), id: entryUUID, nested: \(Bool.random(using: &random)) }
      account:
        id: entryUUID
        email: [mail]
        name: [displayName, cn]
        username: uid
        active: (!(locked=TRUE))\(joining ? "\n  match: number" : "")
      otherwise: \(one(["nothing", "unlicensed", "portal-only", "leaver"]))
      conflicts: \(one(["hold", "licensed", "portal-only"]))
      leavers: { after: \(one(["0h", "1h", "24h"])), then: \(one(["deactivate", "portal-only", "unlicensed", "keep"])) }
      rules:
        \(rules.joined(separator: "\n  "))
      """
  }
}
