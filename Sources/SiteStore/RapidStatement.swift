import GRDB
import GRDBSQLite

/// A statement that is executed hundreds of thousands of times: values go to SQLite without the
/// detour over GRDB's arguments, which costs more than the insert itself.
struct RapidStatement {
  enum Value {
    case text(String?)
    case int(Int64?)
    case bytes([UInt8])
  }

  private let statement: Statement

  init(_ db: Database, _ sql: String) throws { statement = try db.makeStatement(sql: sql) }

  /// Executes the statement with these values to its end.
  func run(_ values: Value...) throws { try run { _ in bind(values) } }

  /// - Parameter bind: gives every parameter its value, which lasts for the call.
  fileprivate func run(_ bind: (SQLiteStatement) -> Void) throws {
    bind(statement.sqliteStatement)
    _ = try step()
    sqlite3_reset(statement.sqliteStatement)
  }

  /// Executes the statement and reads its first row; nil where there is none.
  func first<Result>(_ values: Value..., read: (RapidRows.Row) -> Result) throws -> Result? {
    bind(values)
    defer { sqlite3_reset(statement.sqliteStatement) }
    return try step() ? read(RapidRows.Row(handle: statement.sqliteStatement)) : nil
  }

  private func bind(_ values: [Value]) {
    let handle = statement.sqliteStatement
    for (index, value) in values.enumerated() {
      let place = Int32(index + 1)
      switch value {
      case .int(let number?): sqlite3_bind_int64(handle, place, number)
      case .int(nil), .text(nil): sqlite3_bind_null(handle, place)
      case .text(var text?):
        text.withUTF8 { bytes in
          bytes.withMemoryRebound(to: CChar.self) {
            _ = sqlite3_bind_text(handle, place, $0.baseAddress, Int32($0.count), copied)
          }
        }
      case .bytes(let bytes):
        bytes.withUnsafeBytes {
          _ = sqlite3_bind_blob(handle, place, $0.baseAddress, Int32($0.count), copied)
        }
      }
    }
  }

  private func step() throws -> Bool {
    do { return try statement.sqliteStatement.step() } catch {
      sqlite3_reset(statement.sqliteStatement)
      throw error
    }
  }
}

extension SQLiteStatement {
  /// Goes on to the next row; false after the last one.
  fileprivate func step() throws -> Bool {
    let result = sqlite3_step(self)
    guard result == SQLITE_ROW || result == SQLITE_DONE else {
      throw DatabaseError(
        resultCode: ResultCode(rawValue: result),
        message: String(cString: sqlite3_errmsg(sqlite3_db_handle(self))))
    }
    return result == SQLITE_ROW
  }
}

/// Rows that wait to be written. Texts and blobs lie in one buffer, in which SQLite reads them.
///
/// The values of a row are added one by one, in the order of the columns.
struct RowsToInsert: Sendable {
  private let columns: Int
  fileprivate var values: [Value] = []
  fileprivate var bytes: [UInt8] = []

  fileprivate enum Value {
    case null
    case int(Int64)
    case text(Range<Int>), blob(Range<Int>)
  }

  init(columns: Int) { self.columns = columns }

  /// How many rows are whole.
  var count: Int { values.count / columns }

  mutating func add(_ number: Int64?) { values.append(number.map(Value.int) ?? .null) }

  mutating func add(_ text: String?) {
    guard var text else { return values.append(.null) }
    values.append(.text(text.withUTF8 { keep(UnsafeRawBufferPointer($0)) }))
  }

  /// - Parameter text: in UTF-8; nil: there is none.
  mutating func add(text: UnsafeRawBufferPointer?) {
    values.append(text.map { .text(keep($0)) } ?? .null)
  }

  /// - Parameter write: adds a text; where it adds nothing, there is none.
  mutating func addText(_ write: (inout [UInt8]) -> Void) {
    let start = bytes.count
    write(&bytes)
    values.append(bytes.count == start ? .null : .text(start..<bytes.count))
  }

  /// - Parameter write: adds the bytes of a blob.
  mutating func addBlob(_ write: (inout [UInt8]) -> Void) {
    let start = bytes.count
    write(&bytes)
    values.append(.blob(start..<bytes.count))
  }

  mutating func add(_ own: [UInt8]) {
    values.append(.blob(own.withUnsafeBytes { keep($0) }))
  }

  mutating func removeAll() {
    values.removeAll(keepingCapacity: true)
    bytes.removeAll(keepingCapacity: true)
  }

  private mutating func keep(_ new: UnsafeRawBufferPointer) -> Range<Int> {
    let start = bytes.count
    bytes.append(contentsOf: new)
    return start..<bytes.count
  }
}

/// Writes rows of one table, several new ones with a statement: SQLite spends as much on its beginning and end as on a small
/// row.
struct RapidInsert {
  private let columns: Int
  /// How many go with a statement.
  private let together: Int
  private let one: RapidStatement
  /// Made when so many are written.
  private var many: RapidStatement?
  private let make: (_ rows: Int) throws -> RapidStatement
  /// What waits until there are enough; the values of a row are added, and `endRow` ends it.
  var waiting: RowsToInsert

  /// - Parameters:
  ///   - table: with its columns, for example `person (id, account)`.
  ///   - conflict: what becomes of a row that is there already, as SQL, a row at a time; empty: it is an error.
  init(_ db: Database, into table: String, columns: Int, onConflict conflict: String = "") throws {
    self.columns = columns
    waiting = RowsToInsert(columns: columns)
    let row = "(" + Array(repeating: "?", count: columns).joined(separator: ", ") + ")"
    make = { rows in
      let values = Array(repeating: row, count: rows).joined(separator: ", ")
      // A row that fails ends the transaction: there is no need for SQLite to keep what the statement's other rows need
      // to be taken back alone.
      return try RapidStatement(db, "INSERT OR FAIL INTO \(table) VALUES \(values) \(conflict)")
    }
    one = try make(1)
    // Where some of several rows are changed, SQLite keeps the pages as they were, in a file, until the statement ends.
    together = conflict.isEmpty ? 16 : 1
    if together == 1 { many = one }
  }

  /// Takes the row, which is written by `flush` at the latest.
  mutating func endRow() throws { if waiting.count == together { try flush() } }

  mutating func flush() throws {
    try write(waiting)
    waiting.removeAll()
  }

  mutating func write(_ rows: RowsToInsert) throws {
    let values = columns * together
    let wholes = rows.values.count / values * values
    if wholes > 0 {
      let statement = try many ?? make(together)
      many = statement
      for start in stride(from: 0, to: wholes, by: values) {
        try write(rows, start..<start + values, statement)
      }
    }
    for start in stride(from: wholes, to: rows.values.count, by: columns) {
      try write(rows, start..<start + columns, one)
    }
  }

  private func write(
    _ rows: RowsToInsert, _ range: Range<Int>, _ statement: RapidStatement
  ) throws {
    try rows.bytes.withUnsafeBytes { buffer in
      try statement.run { handle in
        for (place, value) in zip(Int32(1)..., rows.values[range]) {
          switch value {
          case .null: sqlite3_bind_null(handle, place)
          case .int(let number): sqlite3_bind_int64(handle, place, number)
          case .text(let range):
            let text = UnsafeRawBufferPointer(rebasing: buffer[range])
              .assumingMemoryBound(to: CChar.self)
            // SQLite wants an address also where there is nothing.
            _ =
              text.isEmpty
              ? sqlite3_bind_text(handle, place, "", 0, copied)
              : sqlite3_bind_text(handle, place, text.baseAddress, Int32(text.count), nil)
          case .blob(let range):
            _ =
              range.isEmpty
              ? sqlite3_bind_zeroblob(handle, place, 0)
              : sqlite3_bind_blob(
                handle, place, buffer.baseAddress.map { $0 + range.lowerBound },
                Int32(range.count), nil)
          }
        }
      }
    }
  }
}

/// Rows of which hundreds of thousands are read: columns come as they lie in SQLite.
struct RapidRows: ~Copyable {
  private let statement: Statement

  init(_ db: Database, _ sql: String, _ arguments: StatementArguments) throws {
    let made = try db.makeStatement(sql: sql)
    try made.setArguments(arguments)
    statement = made
  }

  deinit { sqlite3_reset(statement.sqliteStatement) }

  struct Row {
    fileprivate let handle: SQLiteStatement

    /// The bytes of a text or a blob, borrowed until the next row.
    func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
      let start = sqlite3_column_blob(handle, column)
      return UnsafeRawBufferPointer(
        start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column)))
    }

    /// nil for NULL.
    func int(_ column: Int32) -> Int64? {
      sqlite3_column_type(handle, column) == SQLITE_NULL
        ? nil : sqlite3_column_int64(handle, column)
    }

    /// nil for NULL.
    func text(_ column: Int32) -> String? {
      sqlite3_column_type(handle, column) == SQLITE_NULL
        ? nil : String(decoding: bytes(column), as: UTF8.self)
    }
  }

  /// The row that `next` went on to.
  var row: Row { Row(handle: statement.sqliteStatement) }

  /// Goes on to the next row; false after the last one.
  func next() throws -> Bool { try statement.sqliteStatement.step() }

  func forEach(_ body: (Row) throws -> Void) throws {
    while try next() { try body(row) }
  }
}

/// SQLITE_TRANSIENT: SQLite takes its own copy.
private let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
