import Foundation
import Settings

/// The files of a configuration that other users of the machine may read or write, though only usher needs them.
enum OpenFiles {
  static func warnings(of configuration: Configuration) -> [String] {
    var files = [("the store", configuration.site.storePath)]
    if let tls = configuration.console.tls { files.append(("the key of the console", tls.keyPath)) }
    for directory in configuration.directories {
      if case .server(let server) = directory.location, let key = server.keyPath {
        files.append(("the key of the directory \(directory.name)", key))
      }
    }
    return files.compactMap { what, path in
      // Links count as what they lead to.
      let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
      guard
        let mode = try? FileManager.default.attributesOfItem(atPath: target)[.posixPermissions]
          as? NSNumber, mode.intValue & 0o006 != 0
      else { return nil }
      return
        "everybody on this machine may read or write \(what), \(path) (mode \(String(mode.intValue, radix: 8))): chmod o= \(path)"
    }
  }
}
