import GRDB

/// The tables of a store. `PRAGMA user_version` is the schema's version.
enum Schema {
  /// "Ushr".
  static let applicationID: Int32 = 0x5573_6872
  static let version = 1

  static func create(_ db: Database) throws {
    try db.execute(sql: tables)
    try db.execute(
      sql: "PRAGMA application_id = \(applicationID); PRAGMA user_version = \(version)")
    try db.execute(
      sql:
        "INSERT INTO site (id, lineage, generation, transition, hash_seed) VALUES (1, lower(hex(randomblob(16))), 0, 'before', random())"
    )
  }

  private static let tables = """
    -- The site itself. `lineage` is random and new with each generation, so that a restored copy which went
    -- another way is told from this one; `generation` counts changes
    -- to accounts and what they hold; `hash_seed` is the key of fingerprints.
    CREATE TABLE site (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      lineage TEXT NOT NULL,
      generation INTEGER NOT NULL,
      transition TEXT NOT NULL CHECK (transition IN ('before', 'after')),
      hash_seed INTEGER NOT NULL
    ) STRICT;

    -- One email, one account, without regard to letter case (R15). An account is marked portal-only
    -- while somebody is named who marked it; it is active while nobody is named who deactivated it.
    CREATE TABLE account (
      id INTEGER PRIMARY KEY,
      email TEXT NOT NULL,
      email_key TEXT NOT NULL UNIQUE,
      name TEXT NOT NULL,
      username TEXT,
      mark_rule TEXT,
      mark_hand TEXT,
      mark_import TEXT,
      deactivated_by TEXT CHECK (deactivated_by IN ('sync', 'hand', 'import')),
      email_verified INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1))
    ) STRICT;

    -- Licenses and groups by name; group names that differ in letter case only are one group. `taken`
    -- counts the holdings that are not suspended.
    CREATE TABLE rights (
      id INTEGER PRIMARY KEY,
      kind TEXT NOT NULL CHECK (kind IN ('license', 'group')),
      name TEXT NOT NULL,
      key TEXT NOT NULL,
      taken INTEGER NOT NULL DEFAULT 0,
      UNIQUE (kind, key)
    ) STRICT;

    -- Who holds what, and who gave it (R17). Suspended: given back while the person cannot sign in (R20).
    CREATE TABLE holding (
      account INTEGER NOT NULL,
      right_id INTEGER NOT NULL,
      by_rule TEXT,
      by_hand TEXT,
      by_import TEXT,
      suspended INTEGER NOT NULL DEFAULT 0 CHECK (suspended IN (0, 1)),
      PRIMARY KEY (account, right_id),
      CHECK (coalesce(by_rule, by_hand, by_import) IS NOT NULL)
    ) STRICT, WITHOUT ROWID;

    -- Nothing of the site is ever deleted (R18), so that no holding, person or run loses what it names.
    CREATE TRIGGER accounts_stay BEFORE DELETE ON account
    BEGIN SELECT raise(ABORT, 'accounts are deactivated, never deleted'); END;
    CREATE TRIGGER rights_stay BEFORE DELETE ON rights
    BEGIN SELECT raise(ABORT, 'rights are never deleted'); END;

    -- The people of the directory by immutable id (R16): whose account is whose, the fingerprint with
    -- which they were last settled (NULL: to do), and since when they are gone.
    CREATE TABLE person (
      id TEXT PRIMARY KEY,
      account INTEGER UNIQUE,
      settled INTEGER,
      absent_since INTEGER
    ) STRICT, WITHOUT ROWID;

    -- The journal: each run, its changes in packed blocks, and their counts.
    CREATE TABLE run (
      id INTEGER PRIMARY KEY,
      command TEXT NOT NULL,
      user TEXT NOT NULL,
      started_at INTEGER NOT NULL,
      plan_hash TEXT NOT NULL,
      generation INTEGER NOT NULL,
      rules TEXT NOT NULL
    ) STRICT;
    CREATE TABLE run_block (
      run INTEGER NOT NULL,
      number INTEGER NOT NULL,
      changes BLOB NOT NULL,
      PRIMARY KEY (run, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE run_count (
      run INTEGER NOT NULL,
      kind TEXT NOT NULL,
      group_key TEXT NOT NULL,
      count INTEGER NOT NULL,
      PRIMARY KEY (run, kind, group_key)
    ) STRICT, WITHOUT ROWID;

    -- What the last sync left open.
    CREATE TABLE hold (
      person TEXT PRIMARY KEY,
      details TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE waiting (
      product TEXT NOT NULL,
      person TEXT NOT NULL,
      since INTEGER NOT NULL,
      PRIMARY KEY (product, person)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE leaving (
      account INTEGER PRIMARY KEY,
      details TEXT NOT NULL
    ) STRICT;

    -- The mirror: the directory as last seen. A cache; its keys and fingerprints lie apart from the
    -- entries, so that comparing costs little. The index is made anew after the mirror is filled.
    CREATE TABLE mirror (
      directory TEXT PRIMARY KEY,
      person_search TEXT NOT NULL,
      group_search TEXT NOT NULL,
      person_attributes TEXT NOT NULL,
      group_attributes TEXT NOT NULL,
      read_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE mirror_key (
      entry INTEGER PRIMARY KEY,
      directory TEXT NOT NULL,
      kind INTEGER NOT NULL,
      key TEXT NOT NULL,
      fingerprint INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE mirror_entry (
      id INTEGER PRIMARY KEY,
      data BLOB NOT NULL
    ) STRICT;
    """ + mirrorIndex

  static let mirrorIndex =
    "CREATE UNIQUE INDEX mirror_by_key ON mirror_key (directory, kind, key);"
}
