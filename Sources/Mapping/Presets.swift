/// The mapping files that come with Usher, inside the binary.
package enum Presets {
  package static let names = ["openldap", "389ds", "active-directory", "freeipa"]

  /// The text of a preset; nil for an unknown name.
  package static func text(of name: String) -> String? {
    let bytes: [UInt8]? =
      switch name {
      case "openldap": PackageResources.openldap_yaml
      case "389ds": PackageResources._89ds_yaml
      case "active-directory": PackageResources.active_directory_yaml
      case "freeipa": PackageResources.freeipa_yaml
      default: nil
      }
    return bytes.map { String(decoding: $0, as: UTF8.self) }
  }
}
