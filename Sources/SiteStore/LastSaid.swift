import SiteModel

/// What the journal last said of one account. Texts and rights are kept as hashes: there may be a million accounts.
struct LastSaid {
  /// The journal goes back to the account's beginning and says of each right or mark since who gave it, so that it tells all
  /// that the account has.
  private var knowsRights = false
  private var knowsMark = false
  private var isActive: Bool?
  private var email, name, username, person: Int?
  private var mark = 0
  /// The exclusive or of the hashes of all rights, each with who gave it.
  private var rights = 0

  mutating func note(_ entry: JournalEntry, without united: Set<Right>) {
    switch entry.kind {
    case .createAccount: create(entry)
    case .updateProfile:
      // By bytes: what follows the sign may begin with a mark that combines with it.
      guard let field = entry.after?.utf8 else { return }
      if field.starts(with: "name=".utf8) { name = hash(Substring(field.dropFirst(5))) }
      if field.starts(with: "username=".utf8) { username = hash(Substring(field.dropFirst(9))) }
    case .changeEmail: email = entry.after.map(hash)
    case .linkAccount: person = hash(entry.after ?? "")
    case .markPortalOnly, .unmarkPortalOnly, .convertAccount:
      if entry.givers == nil { knowsMark = false }
      mark = Self.hash(entry.givers?.after)
    case .deactivateAccount: isActive = false
    case .reactivateAccount: isActive = true
    case .grantLicense, .revokeLicense, .joinGroup, .leaveGroup:
      guard let right = entry.right, !united.contains(right) else { return }
      if entry.givers == nil { knowsRights = false }
      rights ^= Self.hash(right, entry.givers?.before) ^ Self.hash(right, entry.givers?.after)
    }
  }

  /// The profile: email, name, username, mark and directory id, one a line.
  private mutating func create(_ entry: JournalEntry) {
    guard let profile = entry.after else { return }
    let lines = profile.split(separator: "\n", omittingEmptySubsequences: false)
    knowsRights = true
    knowsMark = entry.givers != nil || lines.count == 5 && lines[3].isEmpty
    email = hash(lines[0])
    mark = Self.hash(entry.givers?.after)
    // Names of older versions may hold line ends.
    guard lines.count == 5 else { return }
    (name, username, person) = (hash(lines[1]), hash(lines[2]), hash(lines[4]))
  }

  /// One sentence for each difference.
  func differences(from account: Account, without united: Set<Right>) -> [String] {
    var faults: [String] = []
    func compare(_ said: Int?, _ text: String, _ what: String) {
      if let said, said != hash(text) {
        faults.append(
          "account \(account.id) has another \(what) than its last change in the journal gave it")
      }
    }
    compare(email, account.email, "email")
    compare(name, account.name, "name")
    compare(username, account.username ?? "", "username")
    compare(person, account.person ?? "", "directory id")
    if let isActive, isActive != account.isActive {
      faults.append(
        account.isActive
          ? "account \(account.id) is active, and by the journal it was deactivated last"
          : "account \(account.id) is deactivated, and by the journal it was reactivated last")
    }
    if knowsMark, mark != Self.hash(account.mark) {
      faults.append("account \(account.id) is not marked as the journal says")
    }
    let held = account.holdings.filter { !united.contains($0.right) }
    if knowsRights, rights != held.reduce(0, { $0 ^ Self.hash($1.right, $1.givers) }) {
      faults.append("account \(account.id) does not hold what the journal says")
    }
    return faults
  }

  private func hash(_ text: some StringProtocol) -> Int { String(text).hashValue }

  /// The name of a rule does not count: another one may give by now what a rule gave.
  private static func hash(_ givers: Givers?) -> Int {
    guard let givers, !givers.isEmpty else { return 0 }
    var hasher = Hasher()
    hasher.combine(givers.rule != nil)
    hasher.combine(givers.hand)
    hasher.combine(givers.imported)
    return hasher.finalize()
  }

  /// 0 where nobody gives the right.
  private static func hash(_ right: Right, _ givers: Givers?) -> Int {
    let givers = hash(givers)
    if givers == 0 { return 0 }
    var hasher = Hasher()
    hasher.combine(right)
    hasher.combine(givers)
    return hasher.finalize()
  }
}
