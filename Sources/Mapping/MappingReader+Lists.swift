import Diagnostics
import DirectoryModel
import SiteModel

/// Lists from files, and the filters that name them.
extension MappingReader {
  mutating func readLists(_ node: YAMLNode, load: (String) -> String?) {
    guard case .map(let pairs, _) = node.value else {
      findings.error(
        "`lists` must be a map of names and files", at: node.position,
        hint: "for example lists: { finance: cost-centres.txt }")
      return
    }
    for pair in pairs {
      guard let name = pair.key.text, let file = pair.value.string("`\(name)`", into: &findings)
      else { continue }
      let folder = pair.value.position.file.lastIndex(of: "/").map {
        String(pair.value.position.file[...$0])
      }
      let path = file.hasPrefix("/") ? file : (folder ?? "") + file
      guard let text = load(path) else {
        findings.error("the list \(path) cannot be read", at: pair.value.position)
        continue
      }
      let values = text.split(whereSeparator: \.isNewline).map { String($0).trimmed }
        .filter { !$0.isEmpty && !$0.hasPrefix("#") }
      if values.isEmpty {
        findings.warning("the list `\(name)` (\(path)) is empty", at: pair.value.position)
      }
      lists[name] = values
      listFiles.append(SourceFile(path: path, text: text))
    }
  }

  /// Directory groups do not change with the time alone.
  mutating func refuseMoment(_ filter: Filter, _ what: String, at node: YAMLNode) -> Bool {
    guard filter.namesMoment else { return false }
    findings.error(
      "\(what): `{now}` compares attributes of people, not of directory groups", at: node.position)
    return true
  }

  mutating func warnAboutLists(_ node: YAMLNode?) {
    guard case .map(let pairs, _)? = node?.value else { return }
    for pair in pairs {
      if let name = pair.key.text, lists[name] != nil, !usedLists.contains(name) {
        findings.warning("no filter uses the list `\(name)`", at: pair.key.position)
      }
    }
  }

  /// A filter with its lists and moments in their places.
  mutating func resolved(_ filter: Filter) throws(FilterFault) -> Filter {
    var used: Set<String> = []
    let lists = lists
    let resolved = try filter.resolved { (name) throws(FilterFault) in
      guard let values = lists[name] else {
        throw FilterFault(
          message: "there is no list `\(name)`", offset: 0,
          hint: nearest(name, among: lists.keys.sorted()).map { "did you mean `\($0)`?" }
            ?? "name its file under lists:")
      }
      used.insert(name)
      return values
    }
    usedLists.formUnion(used)
    return resolved
  }
}
