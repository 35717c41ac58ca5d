import DirectoryModel
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
      try Filter(parsing: text).leavingOut(attributes: ["memberof"])?.text
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

  @Test func unknownMatchingRulesAreRefused() throws {
    let filter = try Filter(parsing: "(cn:1.2.3.4:=a)")
    #expect(throws: FilterFault.self) {
      try CompiledFilter(filter, slots: AttributeSlots(["cn"]), membership: false)
    }
  }
}
