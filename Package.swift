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
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    // Without its defaults: they bring all of Foundation and a configuration format of their own.
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CLDAP", pkgConfig: nil, providers: [.apt(["libldap2-dev"])]),
    .systemLibrary(name: "CMalloc"),
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
    .target(
      name: "Console",
      dependencies: [
        "Diagnostics", "SiteModel", "Settings", "Reconciliation", "Ports", "SyncEngine", "Views",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HummingbirdTLS", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "Mustache", package: "swift-mustache"),
      ],
      resources: [
        .embedInCode("API/openapi.json"), .embedInCode("Assets/usher.css"),
        .embedInCode("Assets/usher.svg"),
        .embedInCode("Templates/account.mustache"),
        .embedInCode("Templates/approvals.mustache"),
        .embedInCode("Templates/hold.mustache"),
        .embedInCode("Templates/holds.mustache"),
        .embedInCode("Templates/layout.mustache"),
        .embedInCode("Templates/lost.mustache"),
        .embedInCode("Templates/leaving.mustache"),
        .embedInCode("Templates/mapping.mustache"),
        .embedInCode("Templates/overview.mustache"),
        .embedInCode("Templates/pin-fields.mustache"),
        .embedInCode("Templates/pins.mustache"),
        .embedInCode("Templates/plan.mustache"),
        .embedInCode("Templates/preview.mustache"),
        .embedInCode("Templates/problem.mustache"),
        .embedInCode("Templates/run.mustache"),
        .embedInCode("Templates/runs-table.mustache"),
        .embedInCode("Templates/runs.mustache"),
        .embedInCode("Templates/sign-in.mustache"),
        .embedInCode("Templates/users.mustache"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "usher",
      dependencies: [
        "Diagnostics", "DirectoryModel", "SiteModel", "Mapping", "Settings", "Reconciliation",
        "Ports", "SyncEngine", "LDAPClient", "SiteStore", "Views", "Console", "CMalloc",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
      ], swiftSettings: strict,
      linkerSettings: [
        // A program that no library looks into keeps a fifth of it out of memory, and lld comes with Swift.
        .unsafeFlags(
          ["-use-ld=lld", "-Xlinker", "--no-export-dynamic"],
          .when(platforms: [.linux], configuration: .release))
      ]),
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(name: "ArchitectureTests", dependencies: ["TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "DirectoryModelTests", dependencies: ["DirectoryModel", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "MappingTests",
      dependencies: [
        "Mapping", "Settings", "Views", "Diagnostics", "DirectoryModel", "SiteModel", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SettingsTests", dependencies: ["Settings", "Diagnostics"], swiftSettings: strict),
    .testTarget(
      name: "ReconciliationTests", dependencies: ["Reconciliation", "SiteModel", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "SiteStoreTests",
      dependencies: [
        "SiteStore", "DirectoryModel", "SiteModel", "Ports", "TestSupport",
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
      name: "ConsoleTests", dependencies: ["Console", "Reconciliation", "Settings", "SiteModel"],
      swiftSettings: strict),
    .testTarget(
      name: "EndToEndTests", dependencies: ["TestSupport", "usher"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)

// The fuzzers are no part of an ordinary build: Tests/Fuzz/run.sh asks for them.
if Context.environment["USHER_FUZZ"] != nil {
  package.targets += [
    .systemLibrary(name: "CFuzzer", path: "Tests/Fuzz/CFuzzer"),
    .executableTarget(
      name: "Fuzz",
      dependencies: [
        "Diagnostics", "DirectoryModel", "SiteModel", "Mapping", "Settings", "Ports", "SyncEngine",
        "LDAPClient", "Views", "CFuzzer",
      ], path: "Tests/Fuzz", exclude: ["CFuzzer", "Corpora", "run.sh"], swiftSettings: strict,
      // gold cannot link what the address sanitizer compiles.
      linkerSettings: [.unsafeFlags(["-use-ld=lld"])]),
  ]
}
