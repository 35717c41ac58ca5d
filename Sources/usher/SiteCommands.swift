import ArgumentParser
import Ports
import SiteModel
import SyncEngine
import Views

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints one of the site's lists.",
    discussion:
      "unassigned: active accounts without license and group that are not marked portal-only.")

  enum Which: String, CaseIterable, ExpressibleByArgument {
    case users, customers, unassigned, licenses, groups, holds, leaving, waiting
  }

  @OptionGroup var common: CommonOptions
  @Argument(help: "users, customers, unassigned, licenses, groups, holds, leaving or waiting.")
  var which: Which

  func run() throws {
    try Session.run(common, "list") { session in
      let store = try session.existingStore()
      let site = try session.desk(store).site()
      let style = session.terminal.output
      let text =
        switch which {
        case .users: try AccountLists.table(of: store.allAccounts, site, style) { _ in true }
        case .customers:
          try AccountLists.table(of: store.allAccounts, site, style, where: \.isPortalOnly)
        case .unassigned:
          try AccountLists.table(of: store.allAccounts, site, style, where: \.isUnassigned)
        case .licenses: AccountLists.licenses(site, style)
        case .groups: AccountLists.groups(site, style)
        case .holds: AccountLists.holds(try store.openQuestions().holds, style)
        case .leaving: AccountLists.leaving(try store.openQuestions().leaving, style)
        case .waiting: AccountLists.waiting(try store.openQuestions().waiting, style)
        }
      session.terminal.print(text)
      return nil
    }
  }
}

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Prints every account with what it holds.")

  enum Format: String, CaseIterable, ExpressibleByArgument { case json }

  @OptionGroup var common: CommonOptions
  @Option(help: "The format: json.") var format: Format = .json

  func run() throws {
    try Session.run(common, "export") { session in
      let store = try session.existingStore()
      let transition = try session.desk(store).site().transition
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
    abstract: "Says that an account is a person of the directory.")

  @OptionGroup var common: CommonOptions
  @Argument(help: "The account: an email, an account id or the directory id that it has now.")
  var who: String
  @Argument(help: "The person's immutable id in the directory.") var directoryID: String
  @OptionGroup var hand: HandOptions

  func run() throws {
    try Session.run(common, "link") { session in
      let store = try session.existingStore()
      let lease = try session.lease()
      defer { withExtendedLifetime(lease) {} }
      let person = directoryID.lowercased()
      let account = try store.accounts([who])[0]
      var isMirrored = false
      try store.mirrorFingerprints(of: session.configuration.directory.name, kind: .person) {
        key, _ in
        if key == person { isMirrored = true }
      }
      guard isMirrored else {
        throw Failure(
          .failed, "the directory, as last read, has nobody with the id \(person)",
          remedy: "usher plan reads it anew and shows the ids of people who are held")
      }
      if let other = try store.account(person), other.id != account.id {
        throw Failure(
          .failed, "\(person) has an account already: \(other.email)",
          remedy: "link that account to another person first")
      }
      try session.carryOut(.link(person), on: [account], in: store, hand)
      return nil
    }
  }
}
