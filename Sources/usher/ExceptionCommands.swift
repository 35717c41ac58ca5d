import ArgumentParser
import Foundation
import Ports
import Reconciliation
import SiteModel
import SyncEngine
import Views

/// One kind of pin, chosen on the command line.
struct PinKindOptions: ParsableArguments {
  @Option(help: "A right that no sync withdraws: license=X or group=Y.") var keep: String?
  @Flag(help: "As if the mapping made the person portal-only.") var portalOnly = false
  @Flag(help: "Never marked portal-only by a sync.") var noPortalOnly = false
  @Flag(help: "Left exactly as it is by every sync.") var ignore = false

  var count: Int { [keep != nil, portalOnly, noPortalOnly, ignore].count { $0 } }

  func kind() throws -> Pin.Kind {
    if let keep {
      guard let right = Right(text: keep) else {
        throw ValidationError("--keep takes license=X or group=Y, not \(keep)")
      }
      return .keep(Pin.PinnedRight(right))
    }
    return portalOnly ? .portalOnly : noPortalOnly ? .noPortalOnly : .ignore
  }
}

struct PinCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pin", abstract: "Sets an exception for one account that syncs respect.",
    discussion: "It has a reason and an end; the first plan after the end says so.")

  @OptionGroup var common: CommonOptions
  @OptionGroup var what: PinKindOptions
  @Option(help: "The last day on which it holds: YYYY-MM-DD (UTC).") var until: String
  @Option(help: "Why.") var reason: String
  @Argument(help: "An email, an account id or a directory id.") var who: String

  func validate() throws {
    if what.count != 1 {
      throw ValidationError("Choose one: --keep, --portal-only, --no-portal-only or --ignore.")
    }
    _ = try what.kind()
    if reason.allSatisfy(\.isWhitespace) { throw ValidationError("--reason says why.") }
    if Pin.end(of: until) == nil {
      throw ValidationError("--until is a day, written YYYY-MM-DD, not \(until)")
    }
  }

  func run() throws {
    try Session.runHoldingSite(common, "pin") { session, store in
      let account = try store.accounts([who])[0]
      let pin = Pin(
        account: account.id, kind: try what.kind(), until: Pin.end(of: until) ?? 0,
        reason: reason, by: session.user, since: session.now)
      try session.desk(store).check(pin, for: account, now: session.now)
      let head = try store.set(pin, run: session.record("account \(account.id) \(pin.text)"))
      session.terminal.say(
        "Pinned \(account.email.shown): \(pin.text.shown), until \(timeText(pin.until)).")
      try session.finish(head, in: store)
      return nil
    }
  }
}

struct Unpin: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpin",
    abstract: "Ends pins of one account: the one named, or all.")

  @OptionGroup var common: CommonOptions
  @OptionGroup var what: PinKindOptions
  @Argument(help: "An email, an account id or a directory id.") var who: String

  func validate() throws {
    if what.count > 1 { throw ValidationError("Name one pin, or none for all.") }
    _ = try what.kind()
  }

  func run() throws {
    try Session.runHoldingSite(common, "unpin") { session, store in
      let account = try store.accounts([who])[0]
      let kind = what.count == 1 ? try what.kind() : nil
      let pins = try store.pins().map(\.pin).filter {
        $0.account == account.id && (kind == nil || $0.kind == kind)
      }
      guard !pins.isEmpty else {
        session.terminal.say("Nothing to do: \(account.email.shown) has no such pin.")
        return nil
      }
      let head = try store.removePins(
        pins.map(\.id), run: session.record("account \(account.id)"))
      session.terminal.say(
        "Unpinned \(account.email.shown): \(pins.map(\.text).joined(separator: ", ").shown).")
      try session.finish(head, in: store)
      return nil
    }
  }
}
