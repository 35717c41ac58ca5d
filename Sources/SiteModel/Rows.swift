extension Plan {
  /// One change by numbers; what each is about is in the plan.
  package struct Row: Sendable, Hashable {
    @usableFromInline let content: Content
    @usableFromInline let subject: Int32

    @inlinable init(_ content: Content, subject: Int32) {
      self.content = content
      self.subject = subject
    }

    /// What a row says but of whom: millions of rows say the same few.
    @usableFromInline struct Content: Sendable, Hashable, Codable {
      @usableFromInline let kind: UInt8
      @usableFromInline let keepsGivers: Bool
      @usableFromInline let before: Int32
      @usableFromInline let after: Int32
      @usableFromInline let rule: Int32
      @usableFromInline let reason: Int32
      @usableFromInline let givers: Int32

      init(
        _ kind: ChangeKind, keepsGivers: Bool = false, before: Int32 = -1, after: Int32 = -1,
        rule: Int32 = -1, reason: Int32 = -1, givers: Int32 = -1
      ) {
        self.kind = kind.number
        self.keepsGivers = keepsGivers
        self.before = before
        self.after = after
        self.rule = rule
        self.reason = reason
        self.givers = givers
      }
    }
  }

  /// The rows of a plan, of which most are eight bytes each.
  package struct Rows: Sendable, RandomAccessCollection {
    @usableFromInline struct Cell: Sendable {
      @usableFromInline let subject: Int32
      /// By number in `contents`.
      @usableFromInline let content: Int32

      init(subject: Int32, content: Int32) {
        self.subject = subject
        self.content = content
      }
    }

    @usableFromInline private(set) var cells: [Cell] = []
    @usableFromInline private(set) var contents: [Row.Content] = []

    init() {}

    init(_ cells: [Cell], _ contents: [Row.Content]) {
      self.cells = cells
      self.contents = contents
    }

    @inlinable package var startIndex: Int { 0 }
    @inlinable package var endIndex: Int { cells.count }

    @inlinable package subscript(index: Int) -> Row {
      let cell = cells[index]
      return Row(contents[Int(cell.content)], subject: cell.subject)
    }

    /// Here for its speed: what a collection has by itself is not specialised in other rooms.
    @inlinable package func makeIterator() -> Iterator { Iterator(rows: self) }

    package struct Iterator: IteratorProtocol {
      @usableFromInline let rows: Rows
      @usableFromInline var place = 0

      @inlinable init(rows: Rows) { self.rows = rows }

      @inlinable package mutating func next() -> Row? {
        if place == rows.endIndex { return nil }
        defer { place += 1 }
        return rows[place]
      }
    }

    /// The numbers of some rows one after the other, for hashing.
    package func bytes(_ range: Range<Int>) -> [UInt8] {
      [UInt8](unsafeUninitializedCapacity: range.count * 26) { buffer, count in
        let out = UnsafeMutableRawBufferPointer(buffer)
        func put(_ number: Int32) {
          out.storeBytes(of: number.littleEndian, toByteOffset: count, as: Int32.self)
          count += 4
        }
        for index in range {
          let row = self[index]
          out[count] = row.content.kind
          out[count + 1] = row.content.keepsGivers ? 1 : 0
          count += 2
          put(row.subject)
          put(row.content.before)
          put(row.content.after)
          put(row.content.rule)
          put(row.content.reason)
          put(row.content.givers)
        }
      }
    }
  }

  /// Numbers what rows say.
  struct RowContents {
    private(set) var all: [Row.Content] = []
    private var numbers: [Row.Content: Int32] = [:]

    /// - Parameter isPersonal: nobody else's row says it, so that it is not looked for.
    mutating func number(of content: Row.Content, isPersonal: Bool = false) -> Int32 {
      if !isPersonal, let known = numbers[content] { return known }
      let number = Int32(all.count)
      all.append(content)
      if !isPersonal { numbers[content] = number }
      return number
    }
  }
}

/// In a file the numbers of a row stand side by side.
extension Plan.Row: Codable {
  private enum CodingKeys: CodingKey { case subject }

  package init(from decoder: any Decoder) throws {
    content = try Content(from: decoder)
    subject = try decoder.container(keyedBy: CodingKeys.self).decode(Int32.self, forKey: .subject)
  }

  package func encode(to encoder: any Encoder) throws {
    try content.encode(to: encoder)
    var own = encoder.container(keyedBy: CodingKeys.self)
    try own.encode(subject, forKey: .subject)
  }
}

extension Plan.Rows: Codable {
  package init(from decoder: any Decoder) throws {
    var list = try decoder.unkeyedContainer()
    var contents = Plan.RowContents()
    while !list.isAtEnd {
      let row = try list.decode(Plan.Row.self)
      cells.append(Cell(subject: row.subject, content: contents.number(of: row.content)))
    }
    self.contents = contents.all
  }

  package func encode(to encoder: any Encoder) throws {
    var list = encoder.unkeyedContainer()
    for row in self { try list.encode(row) }
  }
}

extension Plan {
  /// A right that nobody gave before: most changes are of this kind.
  package struct Gift: Sendable {
    /// By number in `subjects`.
    package let subject: Int
    package let isGroup: Bool
    /// The right's name, by number in `allTexts`.
    package let name: Int
    /// Who gives it, by number in `allGivers`.
    package let givers: Int

    @inlinable init(subject: Int, isGroup: Bool, name: Int, givers: Int) {
      self.subject = subject
      self.isGroup = isGroup
      self.name = name
      self.givers = givers
    }
  }

  /// Tells which rows of a plan are gifts, and which are new accounts; made once, and inlinable, for millions of rows.
  package struct Gifts {
    @usableFromInline let createAccount = ChangeKind.createAccount.number
    @usableFromInline let grantLicense = ChangeKind.grantLicense.number
    @usableFromInline let joinGroup = ChangeKind.joinGroup.number
    /// By number in `allGivers`, whether nobody gave the right before.
    @usableFromInline let isNew: [Bool]

    package init(of plan: Plan) { isNew = plan.givers.map(\.before.isEmpty) }

    /// Whether a row creates an account.
    @inlinable package func isCreation(_ row: Row) -> Bool { row.content.kind == createAccount }

    /// The gift that a row is; nil for other changes.
    @inlinable package func gift(_ row: Row) -> Gift? {
      guard row.content.kind == joinGroup || row.content.kind == grantLicense,
        !row.content.keepsGivers, row.content.givers >= 0,
        row.content.after >= 0, isNew[Int(row.content.givers)]
      else { return nil }
      return Gift(
        subject: Int(row.subject), isGroup: row.content.kind == joinGroup,
        name: Int(row.content.after),
        givers: Int(row.content.givers))
    }
  }

  /// Whom a row is about, by number in `subjects`.
  @inlinable package func subject(_ row: Row) -> Int { Int(row.subject) }
  /// A row's kind by number in `ChangeKind.allCases`.
  package func kindNumber(_ row: Row) -> UInt8 { row.content.kind }
  /// A row's rule by number in `rules`; -1 for none.
  package func ruleNumber(_ row: Row) -> Int32 { row.content.rule }
  /// Why a row is, where no rule says it.
  package func reason(_ row: Row) -> String? {
    row.content.reason < 0 ? nil : texts[Int(row.content.reason)]
  }
  /// See `Change.keepsGivers`.
  package func keepsGivers(_ row: Row) -> Bool { row.content.keepsGivers }
  /// What a row says of givers by number in `allGivers`; -1 for nothing.
  package func giversNumber(_ row: Row) -> Int32 { row.content.givers }
}
