"""Faults and variations by hand; the faults are those of MappingFaultTests, ScheduleTests, CommandTests,
AuthenticationTests and WholeSiteTests, and those beside them that a schema can, or cannot, see.
"""

HEAD = """usher: 1
extends: openldap
search:
  users: { base: "dc=x" }
  groups: { base: "ou=groups,dc=x" }
"""
OWN = """usher: 1
account: { id: entryUUID, email: mail }
otherwise: unlicensed
"""


def rule(text):
    return HEAD + "rules:\n  - " + text.strip().replace("\n", "\n    ") + "\n"


def each(texts, form):
    return [form(text) for text in texts]


# Mappings that parser and schema refuse.
MAPPING_FAULTS = each([
    "name: a\nwhen: everyone\nlicences: [confluence]",
    "name: a\nwhen: (employeeType=staff\nlicenses: [confluence]",
    "name: a\nwhen: employeeType=staff\nlicenses: [confluence]",
    "name: a\nwhen: [everyone]\nlicenses: [confluence]",
    "name: a\nlicenses: [confluence]",
    "name: a\nwhen: everyone",
    "name: a\nwhen: everyone\ngroups: []",
    "name: a\nwhen: everyone\nlicenses:\ndeny: []",
    "when: everyone\nlicenses: [confluence]",
    "name: a\nmember-of: [\"cn=a,dc=x\"]\ngroups: [{cn}]",
    "name: a\nwhen: everyone\ngroups: [\"{person.cn}\"]",
    "name: a\nwhen: everyone\ngroups: [\"{1}\"]",
    "name: a\nwhen: everyone\ngroups: [\"{cn\"]",
    "name: a\nwhen: everyone\ngroups: [\"cn}\"]",
    "name: a\nwhen: everyone\ngroups: [\"{cn|upper}\"]",
    "name: a\nwhen: everyone\ngroups: [\" \"]",
    "name: a\neach-group: (cn=*)\ngroups: [\"{2}\"]",
    "name: a\neach-group: (cn=*)\ngroups: [\"{group.cn}\"]",
    "name: a\neach-group: { cn: a, sn: b }\ngroups: [x]",
    "name: a\neach-group: {}\ngroups: [x]",
    "name: a\neach-group: { \"c n\": a }\ngroups: [x]",
    "name: a\nunder: people\nportal-only: true",
    "name: a\nunder: [\"ou=a,dc=x\", \"ou=b,\"]\nportal-only: true",
    "name: a\nwhen: everyone\nportal-only: maybe",
    "name: a\nwhen: everyone\nportal-only: false",
    "name: a\nwhen: everyone\nportal-only: true\nlicenses: [confluence]",
    "name: a\nwhen: everyone\nportal-only: true\ngroups: x",
    "name: a\nwhen: (description=a #b)\nlicenses: [confluence]",
], rule) + [
    "",
    "usher: 1\nsearch: {users: [\n",
    "usher: 1\nusher: 1\n",
    "usher: 2\nextends: openldap\nsearch: { users: { base: dc=x } }\notherwise: unlicensed\n",
    "search: { users: { base: dc=x, filter: (a=1) } }\naccount: { id: a, email: mail }\notherwise: unlicensed\n",
    HEAD + "otherwise: nothng\n",
    HEAD + "conflicts: nothing\n",
    HEAD + "leavers: { after: soon }\n",
    HEAD + "leavers: { after: 24 }\n",
    HEAD + "leavers: { after: 1000001s }\n",
    HEAD + "leavers: { then: delete }\n",
    HEAD + "leavers: 24h\n",
    HEAD + "lists: [a]\n",
    HEAD + "lists: { a: [b] }\n",
    HEAD + "rules: { name: a, when: everyone, groups: x }\n",
    HEAD + "tests: [{ person: { uid: a } }]\n",
    HEAD + "tests: [{ expect: { licenses: [] } }]\n",
    HEAD + "tests: [{ person: { \"u id\": a }, expect: {} }]\n",
    HEAD + "tests: [{ person: { uid: a }, expect: { portal-only: no } }]\n",
    HEAD + "tests: [{ person: { uid: a }, expect: { active: true } }]\n",
    HEAD.replace("users: { base", "users: { bases"),
    HEAD.replace('"dc=x"', "people"),
    HEAD.replace('"dc=x"', "[]"),
    HEAD.replace("users: { base", "users: { scope: tree, base"),
    OWN + "search: { users: [{ base: \"ou=a,dc=x\", filter: (a=1) }, { base: \"ou=b,dc=x\" }] }\n",
    OWN + "search: { users: [{ base: dc=x, filter: (a=1), account: { id: \"not an attribute\" } }] }\n",
    OWN.replace("email: mail", "email: [{ from: mail }]") + "search: { users: { base: dc=x, filter: (a=1) } }\n",
    OWN.replace("email: mail", "email: {uid}@x") + "search: { users: { base: dc=x, filter: (a=1) } }\n",
    OWN.replace("email: mail", "email: \"{person.uid}@x\"") + "search: { users: { base: dc=x, filter: (a=1) } }\n",
    OWN.replace("id: entryUUID", "id: -x") + "search: { users: { base: dc=x, filter: (a=1) } }\n",
]

# Mappings that the parser alone refuses: why a schema cannot see it, and the text.
MAPPING_SEMANTIC = [
    ("a filter's grammar", rule("name: a\nwhen: (&(a=1)b=2)\nlicenses: [confluence]")),
    ("a filter's grammar", rule("name: a\nwhen: (cn:dn:=x)\ngroups: [x]")),
    ("the catalogue is in usher.yaml", rule("name: a\nwhen: everyone\nlicenses: [conflunce]")),
    ("how a list was written", rule("name: a\nmember-of: [cn=a, ou=b, dc=c]\ngroups: [x]")),
    ("how a list was written", rule("name: a\nunder: [cn=a, ou=b, dc=c]\ngroups: [x]")),
    ("the grammar of regular expressions", rule("name: a\neach-group: { cn: \"(\" }\ngroups: [x]")),
    ("what a pattern catches", rule("name: a\neach-group: { cn: \"^a$\" }\ngroups: [\"{1}\"]")),
    ("what {now} may stand in", rule("name: a\nwhen: (x<={now+14m})\ndeny: [bitbucket]")),
    ("what {now} may stand in", rule("name: a\nwhen: (x={now})\ndeny: [bitbucket]")),
    ("what {now} may stand in", rule("name: a\neach-group: (x<={now})\ngroups: [g]")),
    ("what {list} may stand in", rule("name: a\nwhen: (x=a{list.b})\ndeny: [bitbucket]")),
    ("a list's name", rule("name: a\nwhen: (x={list.b})\ndeny: [bitbucket]")),
    ("groups have no memberOf", rule("name: a\neach-group: (memberOf=x)\ngroups: [g]")),
    ("an item named twice", rule("name: a\nwhen: everyone\ngroups: [x]")
     + "  - { name: a, when: everyone, groups: [y] }\n"),
    ("another file", HEAD + "lists: { a: none.txt }\n"),
    ("another file", HEAD.replace("openldap", "nowhere")),
    ("another file", HEAD.replace("openldap", "mapping")),
    ("a preset may say it", HEAD.replace("extends: openldap\n", "")),
    ("a preset may say it", OWN + "search: { users: { filter: (a=1) } }\n"),
    ("a preset may say it", OWN + "search: { users: { base: dc=x } }\n"),
    ("a preset may say it", OWN.replace(", email: mail", "") + "search: { users: { base: dc=x, filter: (a=1) } }\n"),
    ("a preset may say it", "usher: 1\nextends: openldap\nrules: [{ name: a, member-of: x, groups: y }]\n"
     "search: { users: { base: dc=x } }\n"),
    ("a preset may say it", "usher: 1\nextends: openldap\nrules: [{ name: a, when: (!(memberOf=x)), groups: y }]\n"
     "search: { users: { base: dc=x } }\n"),
    ("how a scalar was written", HEAD.replace("usher: 1", "usher: 01")),
    ("how a scalar was written", rule("name: a\nwhen: everyone\nportal-only: True")),
    ("how a list was written", HEAD.replace("\"dc=x\"", "[dc=x, dc=y]")),
    ("how a list was written", HEAD + "tests: []\nrules:\n  - { name: a, member-of: [cn=a,ou=b], groups: x }\n"),
]

# Mappings that both accept, beside the examples.
MAPPING_VALID = [
    HEAD,
    "extends: openldap\nsearch: { users: { base: [\"dc=x\", \"dc=y\"] } }\n",
    "usher: \"1\"\nextends: openldap\nsearch: { users: { base: \"\", scope: one } }\nrules:\n",
    HEAD + "lists: {}\ntests: []\nrules: []\nleavers: {}\n",
    HEAD.replace("ou=groups,dc=x\"", "ou=groups,dc=x\", nested: \"true\", id: 2.5.4.3, scope: base"),
    OWN + "search: { users: [{ base: \"ou=a,dc=x\", filter: (a=1) }, { base: \"ou=b,dc=x\", filter: (b=1),"
    " account: { id: employeeNumber, email: [other] } }] }\n",
    "usher: 1\notherwise: unlicensed\nsearch: { users: [{ base: dc=x, filter: ' (a=1) ', account: { id: a, email: b,"
    " name: , username: \"{a}\", match: c } }] }\n",
] + each([
    "name: 12\nwhen: everyone\nlicenses: confluence\ngroups: 0012\ndeny: [yes, 1, 1.5, 2026-11-25]",
    "name: a\nmember-of: [1, true, \"cn=a,ou=b\"]\nunder: 'cn=\"a,b\",dc=x'\ngroups: \"{a|lower}-{b}\"",
    "name: a\neach-group: (cn=*)\ngroups: [\"{0}\", \"{cn;lang-de}\", \"{person.a.b}\"]",
    "name: a\neach-group: { cn: 5 }\ngroups: x",
    "name: a\neach-group: { cn: \"(.)(.)\" }\ngroups: \"{2|lower}{person.1}\"",
    "name: a\nunder: ['ou=Sales\\, West', \"\"]\nportal-only: \"true\"\nlicenses: []\ngroups:",
    "name: &n a\nwhen: everyone\ngroups: *n",
], rule)

# Files of tests.
TESTS_VALID = ["tests: [{ person: { uid: 0012, l: [a, b], x: }, expect: { groups: [], portal-only: false } }]\n"]
TESTS_FAULTS = ["tests: {}\n", "test: []\n", "tests: [{ person: { uid: a } }]\n", "tests: []\nrules: []\n"]

SITE = "site: { name: acme, store: \"sqlite:usher.db\" }\n"
LDIF = "directories: [{ name: corporate, ldif: people.ldif, mapping: m.yaml }]\n"


def server(text):
    return SITE + "directories:\n  - name: corporate\n    mapping: m.yaml\n    " + text.replace("\n", "\n    ") + "\n"


def ldaps(text):
    return server("url: ldaps://a\n" + text)


def schedule(text):
    return SITE + LDIF + f"schedule: {{ every: {text} }}\n"


# Configurations that parser and schema refuse.
CONFIGURATION_FAULTS = [
    "", "[]\n", SITE, LDIF,
    SITE + LDIF + "mapping: m.yaml\n",
    SITE + "directories: []\n",
    SITE + "directories: { name: corporate, ldif: people.ldif, mapping: m.yaml }\n",
    SITE.replace("sqlite", "postgres") + LDIF,
    SITE.replace("usher.db", "") + LDIF,
    SITE.replace("name: acme", "name: [acme]") + LDIF,
    SITE.replace(" }", ", licenses: [jira] }") + LDIF,
    SITE.replace(" }", ", licenses: { jira: { seats: -1 } } }") + LDIF,
    SITE.replace(" }", ", licenses: { jira: { own: some } } }") + LDIF,
    SITE.replace(" }", ", protect: { group: [a] } }") + LDIF,
    SITE + LDIF + "limits: { deactivation: { max: 1 } }\n",
    SITE + LDIF + "limits: { deactivations: 5 }\n",
    SITE + LDIF + "limits: { deactivations: { percent: 101 } }\n",
    SITE + LDIF + "limits: { deactivations: { percent: \"5%\" } }\n",
    SITE + LDIF + "limits: { deactivations: { max: 1.5 } }\n",
    SITE + LDIF + "limits: { on-limit: hold }\n",
    SITE + LDIF + "mapping-changes: never\n",
    SITE + LDIF + "deadline: 60m\n",
    SITE + LDIF + "deadline: { run: 60 }\n",
    SITE + LDIF + "deadline: { run: 0m }\n",
    SITE + LDIF + "deadline: { read: 30m }\n",
    SITE + LDIF + "journal: { keep: 1d }\n",
    SITE + LDIF + "journal: { keep: 47h }\n",
    SITE + LDIF + "audit: {}\n",
    SITE + LDIF + "audit: { key: words }\n",
] + each([
    "mapping: m.yaml", "url: ldap.acme.example", "url: https://acme.example", "url: ldaps://a/dc=x?sub",
    "url: ldaps://me@acme.example", "url: [ldaps://a, b]", "ldif: people.ldif\nurl: ldaps://a",
    "ldif: people.ldif\nbind: { sasl: external }", "ldif: people.ldif\ncanaries: []", "ldif:",
], server) + each([
    "bind: { dn: \"cn=a\", password: hunter2 }", "bind: { dn: \"cn=a\" }", "bind: { password: { file: a } }",
    "bind: { dn: \"cn=a\", password: {} }", "bind: { dn: \"cn=a\", password: { command: a } }",
    "bind: { sasl: external, dn: \"cn=a\" }", "bind: { sasl: plain }", "tls: { certificate: client.pem }",
    "tls: { ca: [a] }", "tls: { clear-text: perhaps }", "read: all", "timeout: 30", "timeout: 1 m", "connections: 0",
    "connections: 17", "rate: 20", "rate: { searches: 0 }", "rate: { entries: many }", "canaries: { a: b }",
], ldaps) + each([
    "10", "30s", "0m", "daily 24:00", "daily 3", "tomorrow", "\"* * * *\"", "[1m]", "{}", "never", "\"60 3 * * *\"",
    "\"0 24 * * *\"", "\"0 3 0 * *\"", "\"0 3 * 13 *\"", "\"0 3 * * 8\"", "\"*/0 * * * *\"", "\"a * * * *\"",
    "\"1,,2 * * * *\"", "\"-5 * * * *\"", "\"1/2/3 * * * *\"", "\"0 3 * * 1,\"",
], schedule)

# Configurations that the parser alone refuses.
CONFIGURATION_SEMANTIC = [
    ("an item named twice", SITE + LDIF.replace("]", ", { name: corporate, ldif: b.ldif, mapping: m.yaml }]")),
    ("another file", SITE + LDIF.replace("m.yaml", "none.yaml")),
    ("numbers that are compared", schedule("\"5-1 * * * *\"")),
    ("names of months and days", schedule("\"0 3 * foo *\"")),
    ("names of months and days", schedule("\"0 3 * * foo\"")),
    ("numbers that are compared", SITE + LDIF + "journal: { keep: 1000m }\n"),
    ("numbers that are compared", SITE + LDIF + "limits: { free-below: \"99999999999999999999\" }\n"),
    ("how a scalar was written", ldaps("connections: 0x10")),
    ("how a scalar was written", ldaps("connections: 2.0")),
    ("how a scalar was written", ldaps("tls: { clear-text: TRUE }")),
]

# Configurations that both accept, beside the examples. The first has every key.
CONFIGURATION_VALID = ["""
site:
  name: acme
  store: sqlite:usher.db
  root-url: https://acme.example
  portal-url: https://acme.example/servicedesk/customer/portals
  licenses: { jira-software: { seats: 250 }, confluence: { own: all }, bitbucket: { seats: 0, own: given }, jira: }
  protect: { groups: [site-admins], accounts: [root@acme.example] }
directories:
  - name: corporate
    url: [ldaps://ldap1.acme.example, "ldap://[::1]:389/"]
    bind: { dn: "cn=usher,dc=acme,dc=example", password: { file: bind-password } }
    tls: { ca: ca.pem, clear-text: false, certificate: client.pem, key: client.key }
    read: auto
    full-at-most: 24h
    timeout: 30s
    connections: 4
    rate: { searches: 20, entries: 50000 }
    entries-at-most: 2000000
    canaries: ["uid=ada,ou=people,dc=acme,dc=example"]
    mapping: m.yaml
  - { name: partner, url: ldapi://%2Frun%2Fldapi, bind: { sasl: external }, mapping: m.yaml }
  - { name: export, ldif: people.ldif, read: full, mapping: m.yaml }
limits:
  creations: { percent: 20, max: 1000 }
  licenses-granted: { max: 1000 }
  group-joins: { percent: 20 }
  disabled: { percent: 5, max: 200 }
  portal-only-unmarks: { percent: 1, max: 50 }
  deactivations: { percent: 2, max: 50 }
  licenses-revoked: { percent: 5.5, max: 200 }
  portal-only-marks: { percent: .5 }
  conversions: { max: 0 }
  email-changes: {}
  group-removals: { percent: 100 }
  removals-per-group: { percent: 30, max: 200 }
  moved-out: { percent: 2, max: 50 }
  free-below: 5
  on-limit: hold-people
deadline: { run: 60m }
mapping-changes: review
schedule: { every: 15m, full: daily 03:00, jitter: 30s }
journal: { keep: 2y }
audit: { key: { env: AUDIT_KEY } }
"""] + each([
    "bind: { sasl: gssapi }", "bind: { dn: me@acme.example, password: { env: WORDS } }",
    "tls: { clear-text: \"true\" }",
    "connections: \"16\"", "rate: { searches: 1000000 }", "rate: {}", "tls: {}", "canaries:", "canaries: uid=ada",
    "timeout: 0s", "timeout: 1000000y", "read: delta",
], ldaps) + each([
    "10m", "60s", "1m", "7d", "daily 4:3", "daily 23:59", "\"*/5 7-19 * * mon-fri\"", "0 3 * * *", "5/30 * * * *",
    "\"0 0 1 jan,Jul *\"", "0 12 * * 7", "0 0 13 * fri", "0 0 30 2 *", "\"0,15-45/10 * 1,31 1-12 SUN\"",
], schedule) + [
    SITE + LDIF + f"journal: {{ keep: {keep} }}\n" for keep in ["2d", "1w", "1y", "48h", "2880m", "172800s", "0030d"]
] + [
    SITE.replace(" }", ", licenses: {}, protect: {} }") + LDIF + "limits: {}\nschedule: {}\njournal: {}\ndeadline: {}\n",
    SITE + LDIF + "deadline: { run: 1s }\n",
    SITE.replace("acme", "12") + LDIF.replace("people.ldif", "2026"),
]

# What the parser passes over, or takes as text, and a schema does not: why, its kind, and the text.
LAX = [
    ("`Null` is text to the parser", "mapping", rule("name: Null\nwhen: everyone\ngroups: [x]")),
    ("-0s is 0s", "mapping", HEAD + "leavers: { after: -0s }\n"),
    ("a number in C's notation", "configuration", SITE + LDIF + "limits: { conversions: { percent: 0x1p3 } }\n"),
    ("a search for groups without a base is not looked at", "mapping",
     "usher: 1\nextends: openldap\nsearch: { users: { base: dc=x }, groups: { filter: wrong } }\n"),
]

# The keys of the service.
HASH = "0123456789abcdef" * 4
SERVICE_VALID = [SITE + LDIF + text + "\n" for text in [
    "notify: { email: it@acme.example }",
    "notify: { email: [it@acme.example, b@acme.example], from: usher@acme.example, smtp: smtp://mail.acme.example:25,"
    " webhook: { url: https://hooks.example/a, secret: { file: hook }, format: slack } }",
    "notify: { webhook: { url: http://127.0.0.1:8080/, secret: { env: HOOK }, format: json } }",
    "notify: { email: [a@acme.example], smtp: smtp://mail }",
    "notify: {}",
    "console: { listen: 127.0.0.1:8480, url: https://usher.acme.example, viewers: support, operators: [ada, ben],"
    " approvers: [eve], second-approver: true, tls: { certificate: a.pem, key: a.key },"
    f" tokens: [{{ name: ci, role: viewer, sha256: {HASH} }}] }}",
    "console: { listen: \"[::1]:0\", second-approver: false, tokens: [] }",
    "console: { proxies: [127.0.0.1, 10.0.0.0/8], search: { directory: corporate, base: \"ou=admins,dc=x\","
    " filter: (uid=*) } }",
    "console: { proxies: 127.0.0.1, search: [(uid=*), { base: [\"dc=x\"] }] }",
    "console: { listen: 127.0.0.1:443, url: \"https://[2001:db8::1]/usher\" }",
    f"console: {{ listen: off, tokens: {{ name: ci, role: approver, sha256: {HASH.upper()} }} }}",
]]
SERVICE_SEMANTIC = [("which addresses are loopback", SITE + LDIF + "console: { listen: \"[::]:443\" }\n")]
SERVICE_FAULTS = [SITE + LDIF + text + "\n" for text in [
    "notify: { emails: it@acme.example }", "notify: { email: it }", "notify: { email: [a b@acme.example] }",
    "notify: { from: usher@acme.example }",
    "notify: { email: a@acme.example, smtp: smtp://mail:0 }", "notify: { email: -a@acme.example }",
    "notify: { email: a@acme.example, smtp: mail:25 }", "notify: { email: a@acme.example, smtp: smtp://me@mail }",
    "notify: { email: a@acme.example, smtp: smtp://mail/queue }", "notify: { webhook: https://a.example }",
    "notify: { webhook: { secret: { file: a } } }", "notify: { webhook: { url: a.example } }",
    "notify: { webhook: { url: https://a.example, secret: words } }",
    "notify: { webhook: { url: https://a.example, format: xml } }", "notify: [it@acme.example]",
    "console: 8480", "console: { listen: 127.0.0.1:65536 }", "console: { listen: \"::1:8480\" }",
    "console: { listen: 8480 }", "console: { listen: 127.0.0.1 }", "console: { port: 8480 }",
    "console: { search: { bases: dc=x } }",
    "console: { url: usher.acme.example }", "console: { viewers: { a: b } }", "console: { second-approver: maybe }",
    "console: { tls: { certificate: a.pem } }", "console: { tls: a.pem }", "console: { tokens: { name: a } }",
    "console: { tokens: [{ name: a, role: viewer }] }",
    f"console: {{ tokens: [{{ name: a, role: admin, sha256: {HASH} }}] }}",
    f"console: {{ tokens: [{{ name: a, role: viewer, sha256: {HASH[1:]} }}] }}",
    f"console: {{ tokens: [{{ name: a, role: viewer, token: {HASH} }}] }}",
]]
