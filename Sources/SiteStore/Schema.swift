import DirectoryModel
import GRDB
import Ports

/// The tables of a store. `PRAGMA user_version` is the schema's version.
enum Schema {
  /// "Ushr".
  static let applicationID: Int32 = 0x5573_6872
  static let version = 11

  static func create(_ db: Database) throws {
    try createTables(db)
    try db.execute(
      sql:
        "INSERT INTO site (id, lineage, generation, transition, hash_seed) VALUES (1, lower(hex(randomblob(16))), 0, 'before', random())"
    )
  }

  /// Brings an older store up to date. Of version 1 the site is taken over, and the journal, which could not be read
  /// back then, begins anew; up to version 3 the mirror is read anew.
  static func migrate(_ db: Database, from version: Int) throws {
    if version == 1 {
      try migrateFirst(db)
      return try uniteRights(db)
    }
    if version < 8 { try migrateToVersion8(db, from: version) }
    if version < 9 { try db.execute(sql: addedInVersion9 + takenOverInVersion9) }
    if version < 10 { try uniteRights(db) }
    try db.execute(sql: addedInVersion11)
    try db.execute(sql: "PRAGMA user_version = \(Self.version)")
  }

  private static func migrateToVersion8(_ db: Database, from version: Int) throws {
    if version > 5 { return try findByKey(db) }
    if version < 4 {
      try db.execute(
        sql: "DROP TABLE mirror; DROP TABLE mirror_key; DROP TABLE mirror_entry;"
          + "DROP TABLE IF EXISTS evidence;" + mirror + indexes)
    }
    if version < 5 {
      // A bookmark has another form by now; the next read takes one anew.
      try db.execute(
        sql: """
          UPDATE evidence SET details = json_remove(details, '$.bookmark');
          ALTER TABLE person ADD COLUMN directory TEXT;
          ALTER TABLE person ADD COLUMN match_key TEXT;
          ALTER TABLE person ADD COLUMN joined TEXT;
          ALTER TABLE run_block ADD COLUMN first_account INTEGER;
          ALTER TABLE run_block ADD COLUMN last_account INTEGER;
          \(familyIndexes)
          """)
    }
    try db.execute(
      sql: """
        DROP VIEW rights_v1;
        DROP TRIGGER portal_only_is_given_nothing; DROP TRIGGER portal_only_gets_nothing_back;
        DROP TRIGGER holders_are_not_marked; DROP TRIGGER new_holders_are_not_marked;
        ALTER TABLE holding RENAME TO old_holding;
        ALTER TABLE account ADD COLUMN \(rightsColumn);
        ALTER TABLE account ADD COLUMN \(suspendedColumn);
        ALTER TABLE site ADD COLUMN \(activeColumn);
        \(countingActive) DROP INDEX IF EXISTS account_active;
        \(giver) \(packingHoldings) DROP TABLE old_holding; \(rightsViews)
        \(version < 4 ? "" : movingMembers)
        """)
    try findByKey(db)
  }

  /// From version 8 on the mirror's entries are found by their keys in blocks, too.
  private static func findByKey(_ db: Database) throws {
    try db.execute(
      sql: "DROP INDEX IF EXISTS mirror_by_key; DROP INDEX IF EXISTS mirror_groups; \(groupIndex)")
    let hash = try SiteDatabase.hash(db)
    for directory in try String.fetchAll(db, sql: "SELECT DISTINCT directory FROM mirror_key") {
      for kind in [MirrorKind.person, .group] {
        let blocks = MirrorBlocks(db, directory: directory, keysOf: kind)
        let rows = try Row.fetchCursor(
          db, sql: "SELECT key, entry FROM mirror_key WHERE directory = ? AND kind = ?",
          arguments: [directory, kind.rawValue])
        while let row = try rows.next() {
          try blocks.note(added: [hash.wide(row.value(0) as String)], row.value(1))
        }
        try blocks.make()
      }
    }
  }

  private static let countingActive =
    "UPDATE site SET active_accounts = (SELECT count(*) FROM account WHERE deactivated_by IS NULL);"

  /// Up to version 5 they lay in the groups' entries.
  private static let movingMembers = """
    \(members)
    INSERT INTO mirror_members SELECT id, hashes FROM mirror_entry JOIN mirror_key ON entry = id WHERE kind = 1;
    UPDATE mirror_entry SET hashes = x'' WHERE id IN (SELECT id FROM mirror_members);
    """

  /// Up to version 5 each right of each account had a row.
  private static let packingHoldings = """
    INSERT INTO giver (rule, hand, import)
      SELECT DISTINCT by_rule, by_hand, by_import FROM old_holding ORDER BY 1, 2, 3;
    UPDATE account SET rights = \(packed(suspended: 0)), suspended = \(packed(suspended: 1));

    """

  private static func packed(suspended: Int) -> String {
    """
    (SELECT nullif(json_group_object(right_id, giver.id), '{}') FROM old_holding
      JOIN giver ON rule IS by_rule AND hand IS by_hand AND import IS by_import
      WHERE account = account.id AND old_holding.suspended = \(suspended))
    """
  }

  private static func migrateFirst(_ db: Database) throws {
    let kept = ["site", "account", "rights", "holding", "person"]
    try db.execute(
      sql: """
        DROP TRIGGER accounts_stay;
        DROP TRIGGER rights_stay;
        \(kept.map { "ALTER TABLE \($0) RENAME TO old_\($0);" }.joined())
        DROP TABLE run; DROP TABLE run_block; DROP TABLE run_count; DROP TABLE hold;
        DROP TABLE waiting; DROP TABLE leaving; DROP TABLE mirror; DROP TABLE mirror_key;
        DROP TABLE mirror_entry;
        """)
    try createTables(db)
    try db.execute(
      sql: """
        INSERT INTO site (id, lineage, generation, transition, hash_seed) SELECT * FROM old_site;
        INSERT INTO account (id, email, email_key, name, username, mark_rule, mark_hand, mark_import,
          deactivated_by, email_verified) SELECT * FROM old_account;
        INSERT INTO rights (id, kind, name, key, taken) SELECT * FROM old_rights;
        INSERT INTO person (id, account, absent_since) SELECT id, account, absent_since FROM old_person;
        \(countingActive) \(packingHoldings)
        \(kept.map { "DROP TABLE old_\($0);" }.joined())
        """)
  }

  private static func createTables(_ db: Database) throws {
    try db.execute(sql: tables + addedInVersion9 + addedInVersion11 + views)
    try db.execute(
      sql: "PRAGMA application_id = \(applicationID); PRAGMA user_version = \(version)")
  }

  private static let activeColumn = "active_accounts INTEGER NOT NULL DEFAULT 0"

  private static let rightsColumn = """
    rights TEXT CHECK (rights <> '{}')
      CONSTRAINT "a portal-only account holds no license and no group (R6)"
      CHECK (rights IS NULL OR coalesce(mark_rule, mark_hand, mark_import) IS NULL)
    """

  private static let suspendedColumn = "suspended TEXT CHECK (suspended <> '{}')"

  private static let giver = """
    -- Rules, administrators and imports that gave something, each combination once.
    CREATE TABLE giver (
      id INTEGER PRIMARY KEY,
      rule TEXT, hand TEXT, import TEXT,
      CHECK (coalesce(rule, hand, import) IS NOT NULL)
    ) STRICT;
    CREATE INDEX giver_by_names ON giver (rule, hand, import);

    """

  private static let tables = """
    -- The site itself. `lineage` is random and new with each generation, so that a restored copy which went
    -- another way is told from this one; `generation` counts changes
    -- to accounts and what they hold; `hash_seed` is the key of fingerprints; `active_accounts` counts what a sync would
    -- otherwise have to count.
    CREATE TABLE site (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      lineage TEXT NOT NULL,
      generation INTEGER NOT NULL,
      transition TEXT NOT NULL CHECK (transition IN ('before', 'after')),
      hash_seed INTEGER NOT NULL,
      \(activeColumn)
    ) STRICT;

    -- One email, one account, without regard to letter case (R15). An account is marked portal-only
    -- while somebody is named who marked it; it is active while nobody is named who deactivated it.
    CREATE TABLE account (
      id INTEGER PRIMARY KEY,
      email TEXT NOT NULL CHECK (email <> ''),
      email_key TEXT NOT NULL UNIQUE,
      name TEXT NOT NULL,
      username TEXT,
      mark_rule TEXT,
      mark_hand TEXT,
      mark_import TEXT,
      -- One by one, for SQLite makes a table of such a list, which takes a third of the time of a new row.
      deactivated_by TEXT CHECK (deactivated_by = 'sync' OR deactivated_by = 'hand' OR deactivated_by = 'import'),
      email_verified INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1)),
      -- Who holds what, and who gave it (R17), see the view `holding`: {"right": giver, …}, by their numbers; NULL for
      -- nothing. Suspended: given back while the person cannot sign in (R20). One row a right would be most of a store.
      \(rightsColumn),
      \(suspendedColumn),
      -- The key is the email in small letters. SQLite folds ASCII only; a key that begins with a space is an
      -- email given up within a transaction.
      CHECK (email_key = lower(email) OR email GLOB '*[^ -~]*' OR email_key GLOB ' *')
    ) STRICT;

    -- Licenses and groups by name; group names that differ in letter case only are one group. `taken`
    -- counts the accounts that hold a right, suspended ones aside.
    CREATE TABLE rights (
      id INTEGER PRIMARY KEY,
      kind TEXT NOT NULL CHECK (kind IN ('license', 'group')),
      name TEXT NOT NULL,
      key TEXT NOT NULL,
      taken INTEGER NOT NULL DEFAULT 0,
      UNIQUE (kind, key)
    ) STRICT;

    \(giver)
    -- Nothing of the site is ever deleted (R18), so that no account, person or run loses what it names.
    CREATE TRIGGER accounts_stay BEFORE DELETE ON account
    BEGIN SELECT raise(ABORT, 'accounts are deactivated, never deleted'); END;
    CREATE TRIGGER rights_stay BEFORE DELETE ON rights
    BEGIN SELECT raise(ABORT, 'rights are never deleted'); END;

    -- After the transition an Atlassian account stays one, and the transition is final (R13).
    CREATE TRIGGER atlassian_accounts_stay BEFORE UPDATE OF mark_rule, mark_hand, mark_import ON account
    WHEN coalesce(OLD.mark_rule, OLD.mark_hand, OLD.mark_import) IS NULL
      AND coalesce(NEW.mark_rule, NEW.mark_hand, NEW.mark_import) IS NOT NULL
      AND (SELECT transition FROM site) = 'after'
    BEGIN SELECT raise(ABORT, 'an Atlassian account cannot be made portal-only again (R13)'); END;
    CREATE TRIGGER transition_is_final BEFORE UPDATE OF transition ON site
    WHEN OLD.transition = 'after' AND NEW.transition <> 'after'
    BEGIN SELECT raise(ABORT, 'the transition cannot be taken back (R13)'); END;

    -- The people of the directory by immutable id (R16): whose account is whose, the fingerprint with
    -- which they were last settled (NULL: to do), since when they are gone, and when a condition on a moment
    -- answers differently for them. Of a site with several directories also: which one shows the person, the
    -- folded value of `account.match`, and, for a further entry of a person, the id by which the account is linked.
    CREATE TABLE person (
      id TEXT PRIMARY KEY,
      account INTEGER,
      settled INTEGER,
      absent_since INTEGER,
      due INTEGER,
      directory TEXT,
      match_key TEXT,
      joined TEXT
    ) STRICT, WITHOUT ROWID;

    -- An administrator's exceptions, each until a moment in seconds since 1970.
    CREATE TABLE pin (
      id INTEGER PRIMARY KEY,
      account INTEGER NOT NULL,
      kind TEXT NOT NULL,
      until INTEGER NOT NULL,
      reason TEXT NOT NULL CHECK (reason <> ''),
      by TEXT NOT NULL,
      since INTEGER NOT NULL,
      UNIQUE (account, kind)
    ) STRICT;

    -- The journal: each run, its changes in packed blocks, and what of them counts against the limits. `link`
    -- chains the runs: a keyed hash over the link before, the run, and its blocks. What is a person's in
    -- a block lies apart in `personal`; the block holds salted digests of it, so that it can be blanked.
    CREATE TABLE run (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      command TEXT NOT NULL,
      user TEXT NOT NULL,
      started_at INTEGER NOT NULL,
      plan_hash TEXT NOT NULL,
      generation INTEGER NOT NULL,
      people_read INTEGER NOT NULL,
      groups_read INTEGER NOT NULL,
      changes INTEGER NOT NULL,
      undoes INTEGER,
      rules TEXT NOT NULL,
      texts TEXT NOT NULL,
      key_id TEXT NOT NULL,
      link BLOB NOT NULL
    ) STRICT;
    CREATE INDEX run_by_time ON run (started_at);
    CREATE INDEX run_by_undone ON run (undoes) WHERE undoes IS NOT NULL;
    CREATE TABLE run_block (
      run INTEGER NOT NULL,
      number INTEGER NOT NULL,
      changes BLOB NOT NULL,
      personal BLOB NOT NULL,
      -- The numbers of the block's accounts lie in this range; NULL: not known, of version 4 and before.
      first_account INTEGER,
      last_account INTEGER,
      PRIMARY KEY (run, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE run_count (
      run INTEGER NOT NULL,
      kind TEXT NOT NULL,
      group_key TEXT NOT NULL,
      count INTEGER NOT NULL,
      PRIMARY KEY (run, kind, group_key)
    ) STRICT, WITHOUT ROWID;
    -- The last run that `journal.keep` let go, with its link, sealed.
    CREATE TABLE audit_anchor (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      run INTEGER NOT NULL,
      link BLOB NOT NULL,
      key_id TEXT NOT NULL,
      seal BLOB NOT NULL
    ) STRICT;

    -- What runs held back and may be approved, and what was approved until when.
    CREATE TABLE held (
      hash TEXT PRIMARY KEY,
      details TEXT NOT NULL,
      held_at INTEGER NOT NULL,
      approved_at INTEGER,
      approved_by TEXT
    ) STRICT, WITHOUT ROWID;

    -- The mappings by which each directory's people have what they have, the last one in force, with the run that
    -- accepted it; and the directory groups that its rules name, by immutable id (R22).
    CREATE TABLE mapping (
      id INTEGER PRIMARY KEY,
      directory TEXT NOT NULL,
      digest TEXT NOT NULL,
      details TEXT NOT NULL,
      groups TEXT NOT NULL,
      run INTEGER NOT NULL
    ) STRICT;

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

    """ + indexes + personIndex + familyIndexes + mirror

  /// People to look at again are few, and found without asking all.
  private static let indexes = """
    CREATE INDEX person_to_do ON person (id) WHERE settled IS NULL;
    CREATE INDEX person_due ON person (due) WHERE due IS NOT NULL;

    """

  /// One account, one person. Made anew after a first sync has filled the table. Up to version 5 it stands within the table.
  static let personIndex = "CREATE UNIQUE INDEX person_by_account ON person (account);"

  private static let familyIndexes = """
    CREATE INDEX run_block_accounts ON run_block (first_account, last_account);
    CREATE INDEX person_directory ON person (directory) WHERE directory IS NOT NULL;
    CREATE INDEX person_by_match ON person (match_key) WHERE match_key IS NOT NULL;
    CREATE INDEX person_joined ON person (joined) WHERE joined IS NOT NULL;

    """

  private static let mirror = """

    -- The mirror: the directory as last seen. A cache; its keys and fingerprints lie apart from the
    -- entries, so that comparing costs little.
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
      search INTEGER NOT NULL,
      fingerprint INTEGER NOT NULL
    ) STRICT;
    \(groupIndex)
    -- `hashes`: of a person the keys by which groups know them.
    CREATE TABLE mirror_entry (
      id INTEGER PRIMARY KEY,
      data BLOB NOT NULL,
      hashes BLOB NOT NULL
    ) STRICT;
    \(members)
    -- Entries by their hashes, and (kinds 2 and 3) by the hashes of their keys: sorted pairs in blocks of a page, each from
    -- its first pair on.
    CREATE TABLE mirror_block (
      id INTEGER PRIMARY KEY,
      directory TEXT NOT NULL,
      kind INTEGER NOT NULL,
      first BLOB NOT NULL,
      pairs BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX mirror_block_by_first ON mirror_block (directory, kind, first);

    -- What the last complete read of each directory looked like.
    CREATE TABLE evidence (
      directory TEXT PRIMARY KEY,
      details TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- What changes have touched since everybody was looked at: people by key (text), and whoever is known by a hash or is
    -- in a group so known (blob).
    CREATE TABLE touched (
      directory TEXT NOT NULL,
      what ANY NOT NULL,
      version INTEGER NOT NULL,
      PRIMARY KEY (directory, what)
    ) STRICT, WITHOUT ROWID;
    -- The version of the mirror at which everybody was looked at, and what stood for mapping and rules' groups then.
    CREATE TABLE looked_at (
      directory TEXT PRIMARY KEY,
      version INTEGER NOT NULL,
      salt INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    """

  private static let members = """
    -- The keys of each group's members, whose names are not kept otherwise. They lie apart, so that all groups are read
    -- from few pages.
    CREATE TABLE mirror_members (
      id INTEGER PRIMARY KEY,
      hashes BLOB NOT NULL
    ) STRICT;
    """

  /// Made when the first plan is saved, see `SiteDatabase.planKey`.
  static let planKey = """
    -- The secret that authenticates saved plans.
    CREATE TABLE IF NOT EXISTS plan_key (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      secret BLOB NOT NULL CHECK (length(secret) = 32)
    ) STRICT;
    """

  /// Groups are few, and first in the mirror.
  private static let groupIndex =
    "CREATE INDEX mirror_groups ON mirror_key (directory, kind) WHERE kind = 1;"

  /// For other programs. Their names end in a version; columns are never taken away or given another meaning.
  private static let views = """
    CREATE VIEW accounts_v1 AS
    SELECT account.id AS account_id, email, name, username,
      CASE WHEN coalesce(mark_rule, mark_hand, mark_import) IS NOT NULL THEN 'portal-only'
        WHEN transition = 'before' THEN 'site-user' ELSE 'atlassian' END AS kind,
      coalesce(mark_rule, mark_hand, mark_import) IS NOT NULL AS portal_only,
      deactivated_by IS NULL AS active, deactivated_by, email_verified, person.id AS directory_id
    FROM account JOIN site LEFT JOIN person ON person.account = account.id;

    CREATE VIEW seats_v1 AS
    SELECT kind, name, taken FROM rights WHERE taken > 0;

    CREATE VIEW pins_v1 AS
    SELECT account AS account_id, email, kind AS pin, datetime(until, 'unixepoch') AS until, reason, by
    FROM pin JOIN account ON account.id = pin.account;

    CREATE VIEW runs_v1 AS
    SELECT id AS run, command, user, datetime(started_at, 'unixepoch') AS started_at, plan_hash,
      generation, people_read, groups_read, changes, undoes, lower(hex(link)) AS link
    FROM run;

    """ + rightsViews

  private static let rightsViews = """
    -- Of each account each right.
    CREATE VIEW holding AS
    SELECT account.id AS account, CAST(held.key AS INTEGER) AS right_id, rule AS by_rule,
      hand AS by_hand, import AS by_import, 0 AS suspended
    FROM account JOIN json_each(account.rights) AS held JOIN giver ON giver.id = held.value
    UNION ALL
    SELECT account.id, CAST(held.key AS INTEGER), rule, hand, import, 1
    FROM account JOIN json_each(account.suspended) AS held JOIN giver ON giver.id = held.value;

    CREATE VIEW rights_v1 AS
    SELECT holding.account AS account_id, email, kind, rights.name AS name, by_rule, by_hand, by_import,
      holding.suspended
    FROM holding JOIN rights ON rights.id = right_id JOIN account ON account.id = holding.account;

    """
}
