import Foundation
import Reconciliation
import SiteModel

extension RemedyOrder {
  /// What its button says.
  var label: String {
    switch command {
    case "unmark": "Take off the mark"
    case "convert": "Convert to Atlassian account"
    case "reactivate": "Reactivate"
    case "deactivate": "Deactivate \(who)"
    case "link": "Link \(who) to this person"
    default: "Revoke \(right ?? "")"
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
