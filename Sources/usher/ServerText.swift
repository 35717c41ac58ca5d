import LDAPClient
import Views

/// What a server is, and what will be used of it, for people.
enum ServerText {
  static func text(of profile: ServerProfile, who: String?, style: TextStyle) -> String {
    func line(_ name: String, _ text: String) -> String { "  \(style.bold(name)): \(text.shown)" }
    let vendor =
      profile.vendor.isEmpty || profile.vendor.hasPrefix(profile.product.rawValue)
      ? "" : " (\(profile.vendor))"
    var lines = [line("server", profile.product.rawValue + vendor)]
    if let who {
      lines.append(line("signed in as", who.isEmpty ? "nobody (anonymous)" : who))
    }
    lines.append(line("holds", profile.namingContexts.joined(separator: "; ")))
    lines.append(
      line("immutable id", profile.identity ?? "not known; `account.id` in the mapping names it"))
    lines.append(line("locked out", profile.disabledState))
    lines.append(line("membership", profile.membership))
    lines.append(
      line(
        "pages",
        profile.hasPages
          ? "of 1,000 entries (RFC 2696), smaller where the server wants it so"
          : "none; the server does not know paged results"))
    lines.append(line("changes", profile.changes))
    if let preset = profile.preset { lines.append(line("preset", preset)) }
    return lines.joined(separator: "\n")
  }
}
