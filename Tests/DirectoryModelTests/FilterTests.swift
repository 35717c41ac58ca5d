import DirectoryModel
import TestSupport
import Testing

@Suite struct FilterTests {
  @Test(arguments: [
    "(cn=Babs Jensen)", "(!(cn=Tim Howes))",
    "(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))", "(o=univ*of*mich*)", "(seeAlso=)",
    "(cn:caseExactMatch:=Fred Flintstone)", "(cn:=Betty Rubble)",
    "(userAccountControl:1.2.840.113556.1.4.803:=2)", "(o=Parens R Us \\28for all\\29)",
    "(cn=*\\2a*)", "(age>=18)", "(age<=65)", "(cn~=ada)", "(&)", "(|)", "(cn=*)",
    "(cn;lang-de=Zoë)",
  ])
  func filtersOfTheRFCReadAndWriteBack(text: String) throws {
    #expect(try Filter(parsing: text).text == text)
  }

  @Test func comparingWithAFoldedFormSaysWhatFoldingSays() {
    var random = SeededRandom(5)
    let pieces = ["a", "A", "b", " ", "\t", "  ", "e", "e\u{301}", "É", "ß", "\u{301}"]
    func value() -> [UInt8] {
      (0..<Int.random(in: 0...5, using: &random)).flatMap { _ in
        Array(pieces.randomElement(using: &random)?.utf8 ?? "".utf8)
      }
    }
    for _ in 0..<20_000 {
      let (left, right) = (value(), TextFold.fold(value()[...]))
      #expect(TextFold.fold(left[...], is: right) == (TextFold.fold(left[...]) == right))
    }
    let broken: [UInt8] = [0x41, 0xC3]
    #expect(TextFold.fold(broken[...], is: TextFold.fold(broken[...])))
  }

  /// Found by a fuzzer: with a mark that combines with it, a bracket was part of the value.
  @Test func aBracketWithACombiningMarkIsABracket() throws {
    #expect(throws: FilterFault.self) { try Filter(parsing: "(cn=a)\u{612}b)") }
    #expect(try Filter(parsing: "(cn=a\\29\u{612})").text == "(cn=a\\29\u{612})")
    #expect(try Filter(parsing: "(cn=*\u{301})").text == "(cn=*\u{301})")
    let part = try Filter(parsing: "(cn=*\u{301})")
    #expect(part == .substring("cn", initial: [], any: [], final: [0xCC, 0x81]))
  }

  @Test func spacesBetweenPartsAreAllowed() throws {
    #expect(try Filter(parsing: " ( & (a=1) ( ! (b=2) ) ) ").text == "(&(a=1)(!(b=2)))")
  }

  @Test(arguments: [
    ("cn=ada", 0, "begins with"), ("(cn=ada", 7, "ends too early"),
    ("(cn=a)(sn=b)", 6, "after the end"),
    ("(cn:dn:=ada)", 3, ":dn"), ("(cn=a(b)", 5, "\\28"), ("(cn=\\zz)", 4, "hexadecimal"),
    ("(=ada)", 1, "missing"), ("(!cn=a)", 2, "one filter"), ("(:caseExactMatch:=a)", 1, "missing"),
    ("(cn>ada)", 4, "missing"),
  ])
  func faultsSayWhatAndWhere(text: String, offset: Int, words: String) {
    do {
      let filter = try Filter(parsing: text)
      Issue.record("\(text) was read as \(filter.text)")
    } catch {
      #expect(error.offset == offset)
      #expect(error.message.contains(words), "\(error.message)")
    }
  }

  @Test func memberOfIsNeverSent() throws {
    func sent(_ text: String) throws -> String? {
      try Filter(parsing: text).sent?.text
    }
    #expect(try sent("(&(objectClass=person)(memberOf=staff))") == "(objectClass=person)")
    #expect(try sent("(|(uid=a)(memberOf=staff))") == nil)
    #expect(try sent("(!(memberOf=robots))") == nil)
    #expect(try sent("(&(a=1)(!(memberOf=robots))(b=2))") == "(&(a=1)(b=2))")
  }
}

@Suite struct CompiledFilterTests {
  private func matches(
    _ text: String, _ attributes: [String: [String]], membership: Bool = false
  ) throws -> Bool {
    let filter = try Filter(parsing: text)
    let slots = AttributeSlots(filter.attributes + attributes.keys)
    var batch = EntryBatch(slots: slots)
    batch.beginEntry(dn: "cn=x")
    for (name, values) in attributes {
      batch.appendAttribute(name, values: values.map { Array($0.utf8) })
    }
    let compiled = try CompiledFilter(filter, slots: slots, membership: membership)
    return compiled.matches(0, of: batch)
  }

  @Test(arguments: [
    ("(cn=ADA  byron)", true), ("(cn=ada)", false), ("(cn=ada*)", true), ("(cn=*a*b*n)", true),
    ("(cn=*n*b*)", false), ("(cn=* byron)", true), ("(cn~=ada byron)", true), ("(sn=*)", false),
    ("(!(sn=x))", true), ("(!(sn=*))", true), ("(age>=9)", true), ("(age<=9)", false),
    ("(age>=10)", true), ("(age<=10)", true), ("(cn>=ada)", true), ("(cn<=ada)", false),
    ("(cn:caseExactMatch:=Ada Byron)", true), ("(cn:caseExactMatch:=ada byron)", false),
    ("(uac:1.2.840.113556.1.4.803:=2)", true), ("(uac:1.2.840.113556.1.4.803:=3)", false),
    ("(uac:1.2.840.113556.1.4.804:=3)", true), ("(boss=UID=Eve, DC=x)", true),
    ("(mail=zo\u{EB}@x)", true), ("(mail=zoe@x)", false), ("(&)", true), ("(|)", false),
    ("(city=Wien)", true), ("(&(cn=ada*)(|(age=1)(age=10)))", true),
  ])
  func matchingIgnoresCaseFoldsSpacesAndKnowsTwoAnswersOnly(text: String, expected: Bool) throws {
    let person = [
      "cn": ["Ada Byron"], "age": ["10"], "uac": ["514"], "boss": ["uid=eve,dc=x"],
      "mail": ["zoe\u{308}@x"], "city;lang-de": ["Wien"],
    ]
    #expect(try matches(text, person.merging(["city": []]) { $1 }) == expected)
  }

  @Test func severalFiltersInOneAreAskedByWhereTheyBegin() throws {
    let slots = AttributeSlots(["cn", "age", "boss"])
    var batch = EntryBatch(slots: slots)
    batch.beginEntry(dn: "cn=x")
    for (name, value) in [("cn", "Ada Byron"), ("age", "10"), ("boss", "uid=eve,dc=x")] {
      batch.appendAttribute(name, values: [Array(value.utf8)])
    }
    let texts = [
      "(cn=ada byron)", "(&(cn=ada*)(!(age=11)))", "(age>=11)", "(boss=UID=Eve, DC=x)", "(|)",
      "(&(cn=b*)(memberOf=staff))", "(|(age<=9)(memberOf=staff)(cn=x))", "(!(cn=Ada Byron))",
    ]
    let singles = try texts.map {
      try CompiledFilter(try Filter(parsing: $0), slots: slots, membership: true)
    }
    var together = CompiledFilter()
    let places = singles.map { together.append($0) }
    func answers(_ filter: CompiledFilter, _ place: Int) -> Bool {
      filter.matches(0, of: batch, from: place) { $0 == .named("staff") }
    }
    #expect(
      places.map { answers(together, $0) } == [true, true, false, true, false, false, true, false])
    #expect(singles.map { answers($0, 0) } == places.map { answers(together, $0) })
    #expect(together.groupTests == [.named("staff"), .named("staff")])
  }

  @Test func unknownMatchingRulesAreRefused() throws {
    let filter = try Filter(parsing: "(cn:1.2.3.4:=a)")
    #expect(throws: FilterFault.self) {
      try CompiledFilter(filter, slots: AttributeSlots(["cn"]), membership: false)
    }
  }
}

@Suite struct ListAndMomentTests {
  /// 2026-11-24T00:00:00Z.
  private let now: Int64 = 1_795_478_400

  private func compiled(
    _ text: String, _ attributes: [String: [String]], lists: [String: [String]] = [:]
  ) throws -> (filter: CompiledFilter, batch: EntryBatch, resolved: Filter) {
    let filter = try Filter(parsing: text).resolved { lists[$0] ?? [] }
    let slots = AttributeSlots(filter.attributes)
    var batch = EntryBatch(slots: slots)
    batch.beginEntry(dn: "cn=x")
    for (name, values) in attributes {
      batch.appendAttribute(name, values: values.map { Array($0.utf8) })
    }
    return (
      try CompiledFilter(filter, slots: slots, membership: false, now: now), batch, filter
    )
  }

  /// The moments are those of `date -d`; the columns: attribute, value, <= {now}, >= {now}, seconds to the
  /// next change of the first.
  @Test(
    arguments: [
      ("pwdChangedTime", "20261123235959Z", true, false, nil),
      ("pwdChangedTime", "20261124000000Z", true, true, nil),
      ("pwdChangedTime", "20261124010000Z", false, true, 3600),
      ("pwdChangedTime", "20261124010000+0100", true, true, nil),
      ("pwdChangedTime", "2026112401-01", false, true, 7200),
      ("pwdChangedTime", "202611240030.5Z", false, true, 1800),
      ("pwdChangedTime", "tomorrow", false, false, nil),
      ("pwdChangedTime", "20261324000000Z", false, false, nil),
      ("accountExpires", "0", false, true, nil),
      ("accountExpires", "9223372036854775807", false, true, nil),
      ("accountExpires", "134399520000000000", true, true, nil),
      ("accountExpires", "134399556000000000", false, true, 3600),
      ("shadowExpire", "20781", true, true, nil),
      ("shadowExpire", "20782", false, true, 86_400),
      ("shadowExpire", "-1", false, true, nil),
      ("myDate", "20261125000000Z", false, true, 86_400),
      ("myDate", "20782", false, true, 86_400),
      ("myDate", "134399556000000000", false, true, 3600),
      ("myDate", "123456789", false, false, nil),
    ] as [(String, String, Bool, Bool, Int64?)])
  func momentsAreTypedByTheirAttribute(
    attribute: String, value: String, atMost: Bool, atLeast: Bool, next: Int64?
  ) throws {
    let upper = try compiled("(\(attribute)<={now})", [attribute: [value]])
    #expect(upper.filter.matches(0, of: upper.batch) == atMost)
    #expect(upper.filter.secondsToChange(of: 0, in: upper.batch) == next)
    let lower = try compiled("(\(attribute)>={now})", [attribute: [value]])
    #expect(lower.filter.matches(0, of: lower.batch) == atLeast)
  }

  @Test func offsetsAreDaysAndHours() throws {
    let expires = ["pwdChangedTime": ["20261208000000Z"]]
    for (text, matches) in [
      ("(pwdChangedTime<={now+14d})", true), ("(pwdChangedTime<={now+335h})", false),
      ("(pwdChangedTime>={now-1d})", true),
    ] {
      let one = try compiled(text, expires)
      #expect(one.filter.matches(0, of: one.batch) == matches, "\(text)")
      #expect(one.resolved.text == text)
      #expect(one.resolved.sent == nil)
    }
    // >= ends to hold one second after the moment.
    let ends = try compiled("(!(pwdChangedTime>={now+14d}))", expires)
    #expect(ends.filter.secondsToChange(of: 0, in: ends.batch) == 1)
  }

  @Test func longAndEmptyListsAreNotSent() throws {
    let lists = ["long": (0...100).map(String.init), "none": []]
    let one = try compiled("(&(a=1)(c={list.long})(d={list.none}))", ["a": ["1"]], lists: lists)
    #expect(one.resolved.sent?.text == "(a=1)")
    #expect(one.resolved.evaluatedHere?.text == "(&(c={list.long})(d={list.none}))")
    #expect(!one.filter.matches(0, of: one.batch))
  }

  @Test func listsMatchFoldedTextAndNames() throws {
    let lists = ["centres": ["4711", "Zoë  Ltd", "CN=A,dc=X", "*)(uid=*"]]
    for (value, matches) in [
      ("4711", true), ("471", false), ("zoë ltd", true), ("cn=a, DC=x", true), ("*)(uid=*", true),
      ("anything", false),
    ] {
      let one = try compiled("(c={list.centres})", ["c": [value]], lists: lists)
      #expect(one.filter.matches(0, of: one.batch) == matches, "\(value)")
      #expect(one.resolved.text == "(c={list.centres})")
      #expect(
        one.resolved.sent?.text
          == "(|(c=4711)(c=Zoë  Ltd)(c=CN=A,dc=X)(c=\\2a\\29\\28uid=\\2a))")
    }
  }
}
