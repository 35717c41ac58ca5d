// swift-tools-version: 6.2
import PackageDescription

// Warnings are errors where `CI` is set, so that a newer compiler never stops a user's build.
let strict: [SwiftSetting] =
  Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)]

// The rooms and their arrows; Sources/README.md is the map, ArchitectureTests the door-keeper.
let package = Package(
  name: "usher",
  platforms: [.macOS(.v15)],
  products: [.executable(name: "usher", targets: ["usher"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .systemLibrary(
      name: "CLDAP", pkgConfig: nil, providers: [.apt(["libldap2-dev"])]),
    .target(
      name: "Diagnostics", dependencies: [.product(name: "Yams", package: "Yams")],
      swiftSettings: strict),
    .target(name: "DirectoryModel", dependencies: ["Diagnostics"], swiftSettings: strict),
    .target(name: "SiteModel", swiftSettings: strict),
    .target(
      name: "Mapping", dependencies: ["Diagnostics", "DirectoryModel", "SiteModel"],
      exclude: [],
      resources: [
        .embedInCode("Presets/openldap.yaml"),
        .embedInCode("Presets/389ds.yaml"),
        .embedInCode("Presets/active-directory.yaml"),
        .embedInCode("Presets/freeipa.yaml"),
      ],
      swiftSettings: strict),
    .target(name: "Settings", dependencies: ["Diagnostics"], swiftSettings: strict),
    .target(name: "Reconciliation", dependencies: ["SiteModel"], swiftSettings: strict),
    .target(name: "Ports", dependencies: ["DirectoryModel", "SiteModel"], swiftSettings: strict),
    .target(
      name: "SyncEngine",
      dependencies: [
        "Diagnostics", "DirectoryModel", "SiteModel", "Mapping", "Settings", "Reconciliation",
        "Ports",
        .product(name: "Crypto", package: "swift-crypto"),
      ], swiftSettings: strict),
    .target(
      name: "LDAPClient", dependencies: ["Ports", "DirectoryModel", "CLDAP"],
      swiftSettings: strict),
    .target(
      name: "SiteStore",
      dependencies: [
        "Ports", "DirectoryModel", "SiteModel",
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "GRDBSQLite", package: "GRDB.swift"),
        .product(name: "Crypto", package: "swift-crypto"),
      ], swiftSettings: strict),
    .target(
      name: "Views", dependencies: ["Diagnostics", "DirectoryModel", "SiteModel"],
      swiftSettings: strict),
    .executableTarget(
      name: "usher",
      dependencies: [
        "Diagnostics", "DirectoryModel", "SiteModel", "Mapping", "Settings", "Reconciliation",
        "Ports", "SyncEngine", "LDAPClient", "SiteStore", "Views",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: strict),
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(name: "ArchitectureTests", dependencies: ["TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "DirectoryModelTests", dependencies: ["DirectoryModel"], swiftSettings: strict),
    .testTarget(
      name: "MappingTests",
      dependencies: [
        "Mapping", "Settings", "Views", "Diagnostics", "DirectoryModel", "SiteModel", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SettingsTests", dependencies: ["Settings", "Diagnostics"], swiftSettings: strict),
    .testTarget(
      name: "ReconciliationTests", dependencies: ["Reconciliation", "SiteModel"],
      swiftSettings: strict),
    .testTarget(
      name: "SiteStoreTests",
      dependencies: [
        "SiteStore", "SiteModel", "Ports", "TestSupport",
        .product(name: "GRDB", package: "GRDB.swift"),
      ], swiftSettings: strict),
    .testTarget(
      name: "SyncEngineTests",
      dependencies: [
        "SyncEngine", "SiteStore", "Views", "Diagnostics", "DirectoryModel", "Mapping", "Ports",
        "Reconciliation", "SiteModel", "TestSupport",
        .product(name: "GRDB", package: "GRDB.swift"),
      ], swiftSettings: strict),
    .testTarget(
      name: "LDAPClientTests",
      dependencies: [
        "LDAPClient", "SyncEngine", "SiteStore", "Mapping", "Reconciliation", "Ports", "Views",
        "Diagnostics", "DirectoryModel", "SiteModel", "TestSupport",
        .product(name: "GRDB", package: "GRDB.swift"),
      ], swiftSettings: strict),
    .testTarget(
      name: "EndToEndTests", dependencies: ["TestSupport", "usher"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
