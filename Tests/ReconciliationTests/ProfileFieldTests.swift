import SiteModel
import Testing

@Suite struct ProfileFieldTests {
  /// "=" and a mark that combines with it are one character, but two things.
  @Test(arguments: ["\u{301}bob", "bob", "a=b", ""])
  func aNameMayBeginWithAMarkThatCombines(name: String) {
    var builder = PlanBuilder(
      basis: Plan.Basis(
        site: "acme", lineage: "", generation: 0, mappingDigest: "", createdAt: 0, peopleRead: 0,
        groupsRead: 0), rules: [])
    let subject = builder.addSubject(
      account: 1, person: "p", email: "bob@acme.example", name: "old", username: nil,
      portalOnly: false)
    builder.add(.updateProfile, subject: subject, before: "name=old", after: "name=\(name)")
    #expect(builder.finish().change(at: 0).after == .field("name", name))
  }
}
