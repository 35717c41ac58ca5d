import CYaml

/// The limits of a YAML file, checked on the parser's events before a tree is made: a few lines of aliases can stand for more
/// values than memory holds.
struct YAMLLimits {
  static let mostBytes = 4 << 20
  /// Scalars, lists and maps; an alias counts as all that it repeats.
  static let mostNodes = 100_000
  static let mostDepth = 64

  /// What exceeds the limits, and where; line and column count from 1.
  struct Excess {
    let message: String
    let line: Int
    let column: Int
  }

  private struct Size {
    var nodes: Int
    var depth: Int
  }

  /// The lists and maps that are open, each with the anchor that it bears.
  private var open: [(anchor: String?, size: Size)] = []
  private var sizes: [String: Size] = [:]

  /// - Returns: nil where the text is within the limits, or is not YAML.
  static func excess(of text: String) -> Excess? {
    guard text.utf8.count <= mostBytes else {
      return Excess(message: "the file is larger than 4 MB", line: 1, column: 1)
    }
    var parser = yaml_parser_t()
    guard yaml_parser_initialize(&parser) == 1 else { return nil }
    defer { yaml_parser_delete(&parser) }
    var text = text
    return text.withUTF8 { bytes in
      yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
      yaml_parser_set_input_string(&parser, bytes.baseAddress, bytes.count)
      var limits = YAMLLimits()
      while true {
        var event = yaml_event_t()
        guard yaml_parser_parse(&parser, &event) == 1 else { return nil }
        defer { yaml_event_delete(&event) }
        if event.type == YAML_STREAM_END_EVENT { return nil }
        if let message = limits.take(event) {
          return Excess(
            message: message, line: event.start_mark.line + 1, column: event.start_mark.column + 1)
        }
      }
    }
  }

  /// - Returns: what exceeds the limits.
  private mutating func take(_ event: yaml_event_t) -> String? {
    func text(_ name: UnsafeMutablePointer<yaml_char_t>?) -> String? {
      name.map { String(cString: $0) }
    }
    let leaf = Size(nodes: 1, depth: 1)
    switch event.type {
    case YAML_SCALAR_EVENT: return add(leaf, anchor: text(event.data.scalar.anchor))
    case YAML_ALIAS_EVENT:
      return add(text(event.data.alias.anchor).flatMap { sizes[$0] } ?? leaf, anchor: nil)
    case YAML_SEQUENCE_START_EVENT: open.append((text(event.data.sequence_start.anchor), leaf))
    case YAML_MAPPING_START_EVENT: open.append((text(event.data.mapping_start.anchor), leaf))
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
      if let closed = open.popLast() { return add(closed.size, anchor: closed.anchor) }
    default: break
    }
    return open.count > Self.mostDepth ? Self.tooDeep : nil
  }

  private mutating func add(_ size: Size, anchor: String?) -> String? {
    if let anchor { sizes[anchor] = size }
    if open.count + size.depth > Self.mostDepth { return Self.tooDeep }
    guard let last = open.indices.last else {
      return size.nodes > Self.mostNodes ? Self.tooMany : nil
    }
    open[last].size.nodes += size.nodes
    open[last].size.depth = max(open[last].size.depth, size.depth + 1)
    return open[last].size.nodes > Self.mostNodes ? Self.tooMany : nil
  }

  private static let tooDeep = "values are nested more than 64 deep, with what aliases repeat"
  private static let tooMany = "the file has more than 100,000 values, with what aliases repeat"
}
