import Foundation
import SiteModel
import SyncEngine
import Views

private let key = Data(repeating: 7, count: 32)
private let path = NSTemporaryDirectory() + "usher-fuzz-\(getpid()).plan"

/// A saved plan: the file as it is, and its body as one that was signed. A plan that is taken is shown, and saved as the same.
func fuzzPlan(_ bytes: [UInt8]) {
  _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
  _ = try? PlanFile.load(path, key: key)
  guard let plan = try? JSONDecoder().decode(Plan.self, from: Data(bytes)), plan.isWhole,
    (try? PlanFile.save(plan, to: path, key: key)) != nil
  else { return }
  guard let again = try? PlanFile.load(path, key: key) else {
    stop("a saved plan is not read back")
  }
  require(again.digest == plan.digest, "a plan is read back as another")
  PlanText(plan, style: TextStyle(isColoured: false)).write { _ in }
  _ = try? PlanJSON.text(of: plan)
}
