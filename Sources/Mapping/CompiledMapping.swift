/// The bridge between directory and site: reads mapping files, and says for each entry what the
/// person should have and why. Nothing here reads a directory, and nothing looks at accounts.

import Diagnostics
import DirectoryModel
import SiteModel

/// A mapping file, its presets merged in, everything checked.
package struct CompiledMapping: Sendable {
  /// The searches for people, in order, each with its own account fields.
  package let searches: [PersonSearch]
  package let groups: GroupSearch?
  package let rules: [Rule]
  package let otherwise: Otherwise
  package let conflicts: ConflictPolicy
  package let leavers: LeaverPolicy
  package let tests: [MappingTest]
  /// The rules by number; the last two stand for `otherwise` and `leavers`.
  package let references: [RuleReference]
  /// Everything that the mapping was read from: a change here changes what people get.
  package let sources: [SourceFile]
  /// The mapping file itself, as it was named.
  package let path: String

  package var leaversRule: Int { references.count - 1 }

  package struct PersonSearch: Sendable {
    package let users: UserSearch
    package let account: AccountFields
  }

  package struct UserSearch: Sendable {
    package let bases: [String]
    package let scope: DirectorySearch.Scope
    package let filter: Filter
    package let exclude: Filter?
    package let excludeUnder: [DistinguishedName]
  }

  package struct GroupSearch: Sendable {
    package let bases: [String]
    package let scope: DirectorySearch.Scope
    package let filter: Filter
    package let id: String?
    package let nested: Bool
  }

  package struct AccountFields: Sendable {
    package let id: String
    package let emails: [ValueSource]
    package let names: [ValueSource]
    package let username: ValueSource?
    /// nil: everybody is active.
    package let active: Filter?
    /// The attribute that an unlinked account's username is compared with.
    package let match: String?
  }

  package enum Otherwise: String, Sendable, CaseIterable {
    case portalOnly = "portal-only"
    case unlicensed, nothing, leaver
  }
}

/// One named line of a mapping: conditions, all of which have to hold, and what they grant.
package struct Rule: Sendable {
  package let reference: RuleReference
  /// Directory groups, by cn or DN; one of them suffices.
  package let memberOf: [Located<String>]
  package let when: Condition?
  package let under: [DistinguishedName]
  package let eachGroup: EachGroup?
  package let licenses: [Right]
  package let groups: [Template]
  package let portalOnly: Bool
  package let deny: [Right]

  package enum Condition: Sendable {
    case everyone
    case filter(Located<Filter>)
  }

  /// Chooses among the directory groups of a person.
  package enum EachGroup: Sendable {
    case filter(Filter)
    case pattern(attribute: String, Pattern)
  }
}

/// A file that a mapping was read from.
package struct SourceFile: Sendable, Hashable {
  package let path: String
  package let text: String

  package init(path: String, text: String) {
    self.path = path
    self.text = text
  }
}

/// A value and where it stands in the file.
package struct Located<Value: Sendable>: Sendable {
  package let value: Value
  package let position: SourcePosition
}

/// What `usher test` runs: a person in words, and what the mapping should say.
package struct MappingTest: Sendable {
  package let position: SourcePosition
  package let attributes: [(name: String, values: [String])]
  package let groups: [String]
  package let licenses: Set<String>?
  package let siteGroups: Set<String>?
  package let portalOnly: Bool?
}
