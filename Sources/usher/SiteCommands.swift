import ArgumentParser
import Ports
import SiteModel
import SiteStore
import SyncEngine
import Views

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Prints one of the site's lists.",
    discussion:
      "unassigned: active accounts without license and group that are not marked portal-only.")

  enum Which: String, CaseIterable, ExpressibleByArgument {
    case users, customers, unassigned, licenses, groups, holds, leaving, waiting, pins

    var isOfAccounts: Bool { self == .users || self == .customers || self == .unassigned }
  }

  @OptionGroup var common: CommonOptions
  @Argument(
    help: "users, customers, unassigned, licenses, groups, holds, leaving, waiting or pins.")
  var which: Which
  @Option(help: "table, csv or json.") var format: ListTable.Format = .table
  @OptionGroup var filter: FilterOptions

  func validate() throws {
    if !which.isOfAccounts, !filter.isEmpty {
      throw ValidationError("Filters go with users, customers and unassigned.")
    }
  }

  func run() throws {
    try Session.run(common, "list") { session in
      let store = try session.existingStore()
      let site = try session.desk(store).site()
      let style = session.terminal.output
      if which == .holds, format == .table {
        session.terminal.print(AccountLists.holdsText(try store.openQuestions().holds, style))
        return nil
      }
      let table = try table(store, site, now: session.now)
      let empty =
        switch which {
        case .licenses, .groups, .pins: "None."
        default: "Nobody."
        }
      session.terminal.print(try table.text(format, empty: empty, style: style))
      return nil
    }
  }

  private func table(_ store: SiteDatabase, _ site: Site, now: Int64) throws -> ListTable {
    let filter = try filter.filter()
    func accounts(_ isListed: @escaping (Account) -> Bool) throws -> ListTable {
      try AccountLists.accounts(store.allAccounts, site) {
        isListed($0) && filter.matches($0, transition: site.transition)
      }
    }
    return switch which {
    case .users: try accounts { _ in true }
    case .customers: try accounts(\.isPortalOnly)
    case .unassigned: try accounts(\.isUnassigned)
    case .licenses: AccountLists.licenses(site)
    case .groups: AccountLists.groups(site)
    case .holds: AccountLists.holds(try store.openQuestions().holds)
    case .leaving: AccountLists.leaving(try store.openQuestions().leaving)
    case .waiting: try waiting(store)
    case .pins: AccountLists.pins(try store.pins(), now: now)
    }
  }
}

extension List {
  private func waiting(_ store: SiteDatabase) throws -> ListTable {
    let waiting = try store.openQuestions().waiting
    return AccountLists.waiting(
      waiting,
      accounts: try store.accounts(ofPeople: waiting.values.flatMap(\.self), emails: []))
  }
}

extension ListTable.Format: ExpressibleByArgument {}

struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Shows a profile: kind, sign-in, rights and who gave each, pins, holds, history.")

  @OptionGroup var common: CommonOptions
  @Argument(help: "An email, an account id or a directory id.") var who: String
  @Flag(help: "The whole history.") var all = false

  func run() throws {
    try Session.run(common, "show") { session in
      let store = try session.existingStore()
      let account = try store.accounts([who])[0]
      let open = try store.openQuestions()
      var history: [(run: JournaledRun, entry: JournalEntry)] = []
      try store.history(ofAccount: account.id) { history.append(($0, $1)) }
      let profile = Profile(
        account: account, transition: try store.transition(),
        rootURL: session.configuration.site.rootURL,
        portalURL: session.configuration.site.portalURL,
        pins: try store.pins().map(\.pin).filter { $0.account == account.id },
        holds: open.holds.filter { $0.account == account.id || $0.person == account.person },
        leaving: open.leaving.first { $0.account == account.id },
        entries: try session.entries(of: account, in: store),
        waiting: open.waiting.filter { $0.value.contains(account.person ?? "") }.keys.sorted(),
        history: history)
      session.terminal.print(
        profile.text(session.terminal.output, mostHistory: all ? .max : 20, now: session.now))
      return nil
    }
  }
}

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Prints every account with what it holds.")

  enum Format: String, CaseIterable, ExpressibleByArgument { case json, csv }

  @OptionGroup var common: CommonOptions
  @Option(help: "json, or csv as usher import reads it.") var format: Format = .json

  func run() throws {
    try Session.run(common, "export") { session in
      let store = try session.existingStore()
      let transition = try store.transition()
      if format == .csv {
        session.terminal.print(ExportCSV.header)
        try store.allAccounts {
          session.terminal.print(ExportCSV.row(of: $0, transition: transition))
        }
        return nil
      }
      session.terminal.print(Export.opening)
      var before: String?
      try store.allAccounts { account in
        if let before { session.terminal.print(before + ",") }
        before = try Export.json(of: account, transition: transition)
      }
      if let before { session.terminal.print(before) }
      session.terminal.print(Export.closing)
      return nil
    }
  }
}

struct Link: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "link",
    abstract: "Says that an account is a person of the directory.",
    discussion:
      "With --all, for a directory in which everybody has a new id: links each account whose person is gone to the one person without an account whose ATTRIBUTE is the account's email or username, or what was last seen of it."
  )

  @OptionGroup var common: CommonOptions
  @Argument(help: "The account: an email, an account id or the directory id that it has now.")
  var who: String?
  @Argument(help: "The person's immutable id in the directory.") var directoryID: String?
  @Flag(help: "All accounts whose people are gone.") var all = false
  @Option(name: .customLong("by"), help: "The attribute that tells who is who, with --all.")
  var attribute: String?
  @OptionGroup var which: DirectoryOption
  @OptionGroup var hand: HandOptions

  func validate() throws {
    if all == (who != nil) || all != (attribute != nil) || !all && directoryID == nil {
      throw ValidationError("Name an account and a directory id, or --all --by ATTRIBUTE.")
    }
  }

  func run() throws {
    try Session.runHoldingSite(common, "link") { session, store in
      if let who, let directoryID {
        try link(who, to: directoryID.lowercased(), session, store)
      } else if let attribute {
        try linkAll(by: attribute, session, store)
      }
      return nil
    }
  }

  private func link(
    _ who: String, to person: String, _ session: Session, _ store: SiteDatabase
  ) throws {
    let account = try store.accounts([who])[0]
    guard try session.mirroredName(person, in: store) != nil else {
      throw Failure(
        .failed, "the directory, as last read, has nobody with the id \(person)",
        remedy: "usher plan reads it anew and shows the ids of people who are held")
    }
    if let other = try store.account(person), other.id != account.id, other.isActive {
      throw Failure(
        .failed, "\(person) has an account already: \(other.email)",
        remedy: "if it is not needed any more: usher deactivate \(other.email)")
    }
    try session.carryOut(.link([account.id: person]), on: [account], in: store, hand)
  }

  private func linkAll(by attribute: String, _ session: Session, _ store: SiteDatabase) throws {
    let directory = try session.directory(named: which.directory)
    let (mapping, _) = try session.mapping(of: directory)
    let relinking = try session.planner(store, directory, mapping: mapping)
      .relinking(by: attribute, in: session.source(directory))
    for (email, reason) in relinking.left.prefix(20) {
      session.terminal.say("  \(email.shown) stays as it is: \(reason.shown)")
    }
    if relinking.left.count > 20 {
      session.terminal.say("  … and \((relinking.left.count - 20).grouped) more stay as they are")
    }
    try session.carryOut(.link(relinking.links), on: relinking.accounts, in: store, hand)
  }
}
