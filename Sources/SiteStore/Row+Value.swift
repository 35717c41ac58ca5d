import GRDB

/// GRDB's subscripts of rows end the process where a value is not of the type that is asked for, as on a damaged page.
extension Row {
  /// - Throws: `RowDecodingError` where the column holds something else, or is not there.
  func value<Value: DatabaseValueConvertible>(_ index: Int) throws -> Value {
    try decode(Value.self, atIndex: index)
  }

  /// - Throws: as above.
  func value<Value: DatabaseValueConvertible>(_ column: String) throws -> Value {
    try decode(Value.self, forColumn: column)
  }
}
