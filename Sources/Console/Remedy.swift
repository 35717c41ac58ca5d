import Foundation
import Reconciliation
import SiteModel

/// The commands in a hold's remedy, as orders that a button gives.
struct RemedyOrder: Sendable, Hashable {
  let order: String
  let who: String
  /// Rights as `license=…` or `group=…`.
  let rights: [String]
  let directoryID: String?

  /// - Parameter remedy: as `Doubt` has it, for example "usher unmark ada@acme.example".
  /// - Returns: none where people have to think, as where a word in capitals stands for something.
  static func all(in remedy: String) -> [RemedyOrder] {
    let parts = remedy.components(separatedBy: "usher ").dropFirst()
    let orders = parts.compactMap { RemedyOrder($0) }
    return orders.count == parts.count ? orders : []
  }

  private init?(_ command: String) {
    var text = command.trimmingCharacters(in: [" ", "&", ","])
    for tail in [", or the other way round"] where text.hasSuffix(tail) {
      text.removeLast(tail.count)
    }
    let words = text.split(separator: " ")
    guard words.count > 1 else { return nil }
    order = String(words[0])
    who = String(words[1])
    switch (order, words.count) {
    case ("unmark", 2), ("convert", 2), ("reactivate", 2), ("deactivate", 2):
      (rights, directoryID) = ([], nil)
    case ("link", 3) where words[2] != "DIRECTORY-ID":
      (rights, directoryID) = ([], String(words[2]))
    case ("revoke", 4...):
      // A group's name may hold spaces; it ends the command.
      let name = words[3...].joined(separator: " ")
      guard words[2] == "--license" || words[2] == "--group" else { return nil }
      (rights, directoryID) = (["\(words[2].dropFirst(2))=\(name)"], nil)
    default: return nil
    }
  }

  /// What the button says.
  var label: String {
    switch order {
    case "unmark": "Take off the mark"
    case "convert": "Convert to Atlassian account"
    case "reactivate": "Reactivate"
    case "deactivate": "Deactivate \(who)"
    case "link": "Link \(who) to this person"
    default: "Revoke \(rights.joined(separator: ", "))"
    }
  }
}

extension Handwork.Order {
  /// An order by its command's name.
  /// - Parameters:
  ///   - rights: each as `license=…` or `group=…`.
  ///   - link: an account's number and the directory id of the person it is to be.
  /// - Throws: `Problem` for an unknown order or an impossible right.
  init(
    _ name: String, rights: [String] = [], catalogue: Set<String>, link: (Int64, String)? = nil
  ) throws {
    let chosen = try rights.map { text in
      guard let right = Right(text: text) else {
        throw Problem(422, "a right is license=… or group=…, not \(text)")
      }
      if right.name.allSatisfy(\.isWhitespace) { throw Problem(422, "a group needs a name") }
      return right
    }
    if name == "grant" || name == "revoke", chosen.isEmpty {
      throw Problem(422, "this order needs a license or a group")
    }
    switch name {
    case "grant":
      if let unknown = chosen.first(where: { $0.kind == .license && !catalogue.contains($0.name) })
      {
        throw Problem(409, "there is no license \(unknown.name) in the catalogue")
      }
      self = .grant(chosen)
    case "revoke": self = .revoke(chosen)
    case "deactivate": self = .deactivate
    case "reactivate": self = .reactivate
    case "mark": self = .mark
    case "unmark": self = .unmark
    case "convert": self = .convert
    case "link":
      guard let link else { throw Problem(422, "a link needs a directory id") }
      self = .link([link.0: link.1])
    default: throw Problem(422, "there is no order \(name)")
    }
  }
}
