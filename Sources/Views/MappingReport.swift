import Diagnostics
import SiteModel

/// What there is to say of a mapping, for programs: its findings, and where its rules stand.
package struct MappingReport: Codable, Sendable {
  package let mapping: String
  package let findings: [Diagnostic]
  /// Empty where the mapping has faults.
  package let rules: [RuleReference]

  package init(mapping: String, findings: [Diagnostic], rules: [RuleReference]) {
    self.mapping = mapping
    self.findings = findings
    self.rules = rules
  }
}
