/// What version 9 of the schema added. Tables may be there already: some tests make an older store out of a new one.
extension Schema {
  static let addedInVersion9 = """
    -- Directories whose rules have given somebody something in a journalled sync: from then on the limits for what
    -- gives apply to them.
    CREATE TABLE IF NOT EXISTS giving_directory (
      directory TEXT PRIMARY KEY,
      since INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- How much of one kind may pass beyond its limit from one moment to another, in seconds since 1970.
    CREATE TABLE IF NOT EXISTS budget (
      kind TEXT PRIMARY KEY,
      up_to INTEGER NOT NULL CHECK (up_to > 0),
      since INTEGER NOT NULL,
      until INTEGER NOT NULL,
      reason TEXT NOT NULL CHECK (reason <> ''),
      by TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- What the clocks of the machine showed at the last sync.
    CREATE TABLE IF NOT EXISTS sync_clock (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      boot TEXT NOT NULL,
      boot_seconds INTEGER NOT NULL,
      wall_seconds INTEGER NOT NULL,
      time_put_off INTEGER NOT NULL CHECK (time_put_off IN (0, 1))
    ) STRICT;

    """

  /// A site whose rules have given something before is no new one.
  static let takenOverInVersion9 = """
    INSERT OR IGNORE INTO giving_directory (directory, since)
      SELECT directory, 0 FROM mapping
      WHERE EXISTS (SELECT 1 FROM giver WHERE rule IS NOT NULL)
        OR EXISTS (SELECT 1 FROM account WHERE mark_rule IS NOT NULL)
      GROUP BY directory;

    """
}
