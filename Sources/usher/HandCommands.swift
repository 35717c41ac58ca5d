import ArgumentParser
import Ports
import Reconciliation
import Settings
import SiteModel
import SiteStore
import SyncEngine
import Views

/// What every command understands that changes accounts by hand.
struct HandOptions: ParsableArguments {
  @Flag(help: "Do not ask.") var yes = false
  @Flag(help: "Show what would be changed, and change nothing.") var preview = false
}

extension Session {
  /// Carries out an administrator's order: shows it as a plan, asks, applies.
  func carryOut(
    _ order: Handwork.Order, on accounts: [Account], in store: SiteDatabase, _ options: HandOptions
  ) throws {
    let result = try desk(store).plan(order, on: accounts, by: user, now: now)
    try refuse(result.refusals)
    for note in result.notes { terminal.say(note.shown) }
    try confirmAndApply(result, to: store, yes: options.yes, preview: options.preview)
  }

  /// - Throws: when there are any, naming each.
  private func refuse(_ refusals: [Handwork.Refusal]) throws {
    guard let first = refusals.first else { return }
    for refusal in refusals where refusals.count > 1 {
      terminal.say(
        "\(terminal.errors.yellow("!")) \(refusal.email.shown): \(refusal.reason.shown)\(refusal.remedy.map { "\n    → \($0)" } ?? "")"
      )
    }
    throw Failure(
      .failed,
      refusals.count == 1
        ? "\(first.email): \(first.reason). Nothing was changed"
        : "\(refusals.count.of("account stands", "accounts stand")) against it. Nothing was changed",
      remedy: first.remedy)
  }

  func confirmAndApply(
    _ result: Handwork.Result, to store: SiteDatabase, yes: Bool, preview: Bool,
    undoes: Int64? = nil
  ) throws {
    let plan = result.plan
    if !terminal.quiet { PlanText(plan, style: terminal.output).write(terminal.print) }
    if preview || plan.isEmpty { return }
    guard
      terminal.confirms(
        "Make \(plan.rows.count == 1 ? "this change" : "these \(plan.rows.count.grouped) changes")?",
        yes: yes)
    else { return terminal.say("Nothing was changed.") }
    try apply(Guard.approve(result), to: store, undoes: undoes)
  }
}

/// A command that carries out one order on the accounts that it names.
protocol AccountCommand: ParsableCommand {
  var accounts: AccountOptions { get }
  func order(_ configuration: Configuration) throws -> Handwork.Order
}

struct AccountOptions: ParsableArguments {
  @OptionGroup var common: CommonOptions
  @OptionGroup var hand: HandOptions
  @Argument(help: "Emails, account ids or directory ids.") var who: [String]
}

extension AccountCommand {
  func run() throws {
    let command = Self.configuration.commandName ?? "\(Self.self)".lowercased()
    try Session.runHoldingSite(accounts.common, command) { session, store in
      try session.carryOut(
        try order(session.configuration), on: store.accounts(accounts.who), in: store,
        accounts.hand)
      return nil
    }
  }
}

struct Grant: AccountCommand {
  static let configuration = CommandConfiguration(
    commandName: "grant",
    abstract: "Gives licenses or groups to accounts by hand; no sync takes them away.")

  @OptionGroup var accounts: AccountOptions
  @OptionGroup var rights: RightOptions

  func order(_ configuration: Configuration) throws -> Handwork.Order {
    .grant(try rights.chosen(configuration.site.licenses))
  }
}

struct Revoke: AccountCommand {
  static let configuration = CommandConfiguration(
    commandName: "revoke",
    abstract: "Takes away licenses or groups that hands or imports gave.")

  @OptionGroup var accounts: AccountOptions
  @OptionGroup var rights: RightOptions

  func order(_ configuration: Configuration) throws -> Handwork.Order {
    .revoke(try rights.chosen(nil))
  }
}

struct RightOptions: ParsableArguments {
  @Option(name: .customLong("license"), help: "A license of the catalogue; may be repeated.")
  var licenses: [String] = []
  @Option(name: .customLong("group"), help: "A group of the site; may be repeated.")
  var groups: [String] = []

  func validate() throws {
    if licenses.isEmpty, groups.isEmpty {
      throw ValidationError("Name a right: --license X or --group Y.")
    }
    if groups.contains(where: { $0.allSatisfy(\.isWhitespace) }) {
      throw ValidationError("A group needs a name.")
    }
  }

  /// - Parameter catalogue: the licenses that may be given; nil for any.
  func chosen(_ catalogue: [String: Int?]?) throws -> [Right] {
    for license in licenses {
      guard let catalogue, catalogue[license] == nil else { continue }
      throw Failure(
        .usage, "there is no license \(license) in the catalogue",
        remedy: "known: \(catalogue.keys.sorted().joined(separator: ", "))")
    }
    return licenses.map { Right(.license, $0) } + groups.map { Right(.group, $0) }
  }
}

struct Deactivate: AccountCommand {
  static let configuration = CommandConfiguration(
    commandName: "deactivate",
    abstract: "Deactivates accounts by hand and gives back their seats.")

  @OptionGroup var accounts: AccountOptions
  func order(_ configuration: Configuration) -> Handwork.Order { .deactivate }
}

struct Reactivate: AccountCommand {
  static let configuration = CommandConfiguration(
    commandName: "reactivate",
    abstract: "Makes accounts active again, with what hands and imports had given them.")

  @OptionGroup var accounts: AccountOptions
  func order(_ configuration: Configuration) -> Handwork.Order { .reactivate }
}

struct Unmark: AccountCommand {
  static let configuration = CommandConfiguration(
    commandName: "unmark",
    abstract: "Takes off portal-only marks that hands or imports gave, before the transition.")

  @OptionGroup var accounts: AccountOptions
  func order(_ configuration: Configuration) -> Handwork.Order { .unmark }
}

struct Mark: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mark",
    abstract: "Marks accounts portal-only, before the transition.")

  @OptionGroup var common: CommonOptions
  @OptionGroup var hand: HandOptions
  @Flag(help: "Every active account with no license and no group that is not marked.")
  var allUnassigned = false
  @Argument(help: "Emails, account ids or directory ids.") var who: [String] = []

  func validate() throws {
    if allUnassigned != who.isEmpty {
      throw ValidationError("Name accounts, or --all-unassigned.")
    }
  }

  func run() throws {
    try Session.runHoldingSite(common, "mark") { session, store in
      guard allUnassigned else {
        try session.carryOut(.mark, on: store.accounts(who), in: store, hand)
        return nil
      }
      let (accounts, protected) = try session.desk(store).unassigned()
      for account in protected {
        session.terminal.say("\(account.email.shown) is protected and left out.")
      }
      try session.carryOut(.mark, on: accounts, in: store, hand)
      return nil
    }
  }
}

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Makes Atlassian accounts of portal-only accounts, after the transition.",
    discussion: "A conversion grants nothing and cannot be taken back.")

  @OptionGroup var common: CommonOptions
  @OptionGroup var hand: HandOptions
  @Flag(help: "Every active portal-only account that the filter lets through.") var all = false
  @OptionGroup var filter: FilterOptions
  @Argument(help: "Emails, account ids or directory ids.") var who: [String] = []

  func validate() throws {
    if all != who.isEmpty { throw ValidationError("Name accounts, or --all.") }
    if !all, !filter.isEmpty { throw ValidationError("A filter goes with --all.") }
  }

  func run() throws {
    try Session.runHoldingSite(common, "convert") { session, store in
      guard all else {
        try session.carryOut(.convert, on: store.accounts(who), in: store, hand)
        return nil
      }
      let accounts = try session.desk(store).convertible(filter.filter())
      try session.carryOut(.convert, on: accounts, in: store, hand)
      return nil
    }
  }
}

/// Which accounts a list or a command is about.
struct FilterOptions: ParsableArguments {
  enum State: String, CaseIterable, ExpressibleByArgument { case active, deactivated }
  enum Kind: String, CaseIterable, ExpressibleByArgument {
    case portalOnly = "portal-only"
    case siteUser = "site-user"
    case atlassian
  }

  @Option(help: "An email; * stands for anything.") var email: String?
  @Option(help: "A name; * stands for anything.") var name: String?
  @Option(help: "Accounts with this license.") var license: String?
  @Option(help: "Accounts in this group.") var group: String?
  @Option(help: "portal-only, site-user or atlassian.") var kind: Kind?
  @Option(help: "active or deactivated.") var state: State?
  @Option(help: "With something given by: rule, hand, import, or a rule's name.") var givenBy:
    String?
  @Flag(inversion: .prefixedNo, help: "Accounts with a person of the directory, or without.")
  var linked: Bool?

  var isEmpty: Bool { ((try? filter()) ?? AccountFilter()).isEmpty }

  func filter() throws -> AccountFilter {
    var filter = AccountFilter()
    filter.email = email
    filter.name = name
    filter.license = license
    filter.group = group
    filter.kind = kind?.rawValue
    filter.isActive = state.map { $0 == .active }
    filter.givenBy = givenBy
    filter.isLinked = linked
    return filter
  }
}
