import Ports
import SiteModel
import SiteStore
import TestSupport
import Testing

@_spi(Guard) import SiteModel

/// Lists in parts say what `AccountFilter` says, which lists as a whole go by.
@Suite struct AccountPageTests {
  private func store() throws -> (TemporaryFolder, SiteDatabase) {
    let folder = try TemporaryFolder()
    let store = try SiteDatabase(path: folder.path + "/usher.db")
    let site = try store.site(name: "acme", policy: SitePolicy(ceilings: [:]))
    var builder = PlanBuilder(
      basis: Plan.Basis(
        site: "acme", lineage: site.lineage, generation: site.generation, mappingDigest: "",
        createdAt: 1, peopleRead: 0, groupsRead: 0),
      rules: [RuleReference(name: "staff", file: "m.yaml", line: 3)])
    let names = ["Ada", "Ådne Ærø", "50% off_", "bob", "Émile", "Zoë", "Łukasz"]
    for number in 0..<60 {
      let marked = number % 7 == 3
      let subject = builder.addSubject(
        account: nil, person: number % 5 == 0 ? nil : "p\(number)",
        email: "\(number % 2 == 0 ? "U" : "u")ser\(number)@x\(number % 3)", name: names[number % 7],
        username: number % 4 == 0 ? "Login\(number)" : nil, portalOnly: marked)
      builder.add(
        .createAccount, subject: subject, rule: 0,
        givers: marked ? GiversChange(to: Givers(rule: "staff")) : nil)
      if number % 3 == 0, !marked {
        let givers = number % 6 == 0 ? Givers(rule: "staff") : Givers(hand: "root")
        builder.add(
          .grantLicense, subject: subject, after: "jira", rule: 0, givers: GiversChange(to: givers))
      }
      if number % 11 == 0, !marked {
        builder.add(
          .joinGroup, subject: subject, after: "Devs",
          givers: GiversChange(to: Givers(imported: "f")))
      }
    }
    _ = try store.apply(
      ApprovedPlan(builder.finish(), counts: [:], seal: GuardSeal()),
      run: RunRecord(command: "sync", user: "root", startedAt: 1, planHash: ""))
    return (folder, store)
  }

  @Test func everyFilterSaysTheSameInPartsAsInWhole() throws {
    let (folder, store) = try store()
    defer { withExtendedLifetime(folder) {} }
    var filters = [AccountFilter()]
    func add(_ set: (inout AccountFilter) -> Void) {
      var filter = AccountFilter()
      set(&filter)
      filters.append(filter)
    }
    for text in ["ada", "ådne", "ÉMILE", "ł", "%", "_", "user1", "LOGIN", "@x2", "'"] {
      add { $0.text = text }
    }
    add { $0.email = "USER1*" }
    add { $0.name = "*Ë" }
    add { $0.license = "jira" }
    add { $0.group = "devs" }
    for kind in ["portal-only", "site-user", "atlassian"] { add { $0.kind = kind } }
    for flag in [true, false] {
      add { $0.isActive = flag }
      add { $0.isLinked = flag }
      add { $0.isUnassigned = flag }
    }
    for giver in ["rule", "hand", "import", "staff", "nobody"] { add { $0.givenBy = giver } }
    add {
      $0.text = "user"
      $0.license = "jira"
      $0.givenBy = "hand"
      $0.isLinked = true
    }
    for filter in filters {
      var expected: [Account] = []
      try store.allAccounts { if filter.matches($0, transition: .before) { expected.append($0) } }
      var found: [Account] = []
      var after: String?
      repeat {
        let page = try store.accounts(filter, after: after, count: 7)
        #expect(page.total == expected.count, "\(filter)")
        found += page.accounts
        after = page.next
      } while after != nil
      #expect(found == expected, "\(filter)")
    }
  }
}
