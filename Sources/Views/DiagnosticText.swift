import Diagnostics

/// Diagnostics as a compiler shows them: place, message, the line itself, a caret, a hint.
package enum DiagnosticText {
  package static func text(of findings: Findings, style: TextStyle) -> String {
    findings.all.map { text(of: $0, style: style) }.joined(separator: "\n")
  }

  package static func text(of diagnostic: Diagnostic, style: TextStyle) -> String {
    let word = diagnostic.severity.rawValue
    let severity = diagnostic.severity == .error ? style.red(word) : style.yellow(word)
    var lines = [
      "\(style.bold(diagnostic.position.text)): \(severity): \(diagnostic.message.shown)"
    ]
    if let source = diagnostic.sourceLine {
      lines.append("  " + source.replacing("\t", with: " ").shown)
      lines.append(
        "  " + String(repeating: " ", count: max(0, diagnostic.position.column - 1))
          + style.green("^"))
    }
    if let hint = diagnostic.hint { lines.append("  hint: \(hint.shown)") }
    return lines.joined(separator: "\n")
  }
}
