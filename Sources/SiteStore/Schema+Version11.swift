/// What version 11 of the schema added. Tables may be there already: some tests make an older store out of a new one.
extension Schema {
  static let addedInVersion11 = """
    -- By which `usher serve` finds the run that a sync of its own has committed, however the sync ended; of the last 100
    -- runs. Not part of the audit chain.
    CREATE TABLE IF NOT EXISTS run_token (
      token TEXT PRIMARY KEY,
      run INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- The last sync that read everybody held nothing but what runs have noted since this moment, in seconds since 1970.
    CREATE TABLE IF NOT EXISTS held_release (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      before INTEGER NOT NULL
    ) STRICT;

    """
}
