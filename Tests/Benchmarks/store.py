#!/usr/bin/env python3
"""Measures how the store grows by many small syncs, and prints a table in Markdown.

After a first sync of everybody, each small sync reads the changes (`read: delta`) of ten people who were given
new names; no two in a row are of the same people. The journal keeps every change and may grow for ever, all the
rest of the store may not: exits 1 when it has grown by a quarter, or when a sync fails or reads everything.
"""

import shutil
import sqlite3
import sys
from dataclasses import dataclass

import generate
import program
from subject import Failure, Subject, say

PEOPLE_A_SYNC = 10
MARKS = 4
MOST_GROWTH = 1.25

PAGES = """
SELECT coalesce(part.tbl_name, '') IN ('run', 'run_block', 'run_count', 'audit_anchor'), sum(pgsize)
FROM dbstat LEFT JOIN sqlite_schema AS part ON part.name = dbstat.name GROUP BY 1
"""


@dataclass
class Size:
    """What a store takes up after so many small syncs, in bytes."""

    syncs: int
    files: int
    journal: int
    rest: int
    free_pages: int
    full_read_at: int


class ChangingSite(Subject):
    """A site whose people change little by little."""

    def grow(self, syncs):
        """The store's size after the first sync, and after each quarter of the small ones."""
        self.empty_store()
        self.sync()
        sizes = [self.size(0)]
        say(f"{syncs} syncs")
        for number in range(syncs):
            apart = max(1, self.people // PEOPLE_A_SYNC)
            self.rename(range(number % apart, self.people, apart)[:PEOPLE_A_SYNC])
            self.sync()
            if (number + 1) * MARKS // syncs > number * MARKS // syncs:
                sizes.append(self.size(number + 1))
        if sizes[-1].full_read_at != sizes[0].full_read_at:
            raise Failure("a sync has read everything, not what changed")
        return sizes

    def sync(self):
        self.run_tool(self.usher_command("sync", "-q", configuration="changes.yaml"), "a sync")

    def size(self, syncs):
        copy = self.folder / "copy"
        shutil.copytree(self.store, copy)
        files = sum(file.stat().st_size for file in copy.glob("usher.db*"))
        connection = sqlite3.connect(copy / "usher.db")
        pages = dict(connection.execute(PAGES))
        [[free_pages]] = connection.execute("PRAGMA freelist_count")
        [[read_at]] = connection.execute("SELECT details ->> 'fullReadAt' FROM evidence")
        connection.close()
        shutil.rmtree(copy)
        return Size(syncs, files, pages[1], pages[0], free_pages, read_at)


def render(sizes, people):
    """The table, and whether the store stays within its bounds."""
    first, last = sizes[0], sizes[-1]
    rows = [
        "| small syncs | store | a change | of it the journal | a change | all the rest | free pages |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        changes = size.syncs * PEOPLE_A_SYNC
        rows.append("| " + " | ".join([
            f"{size.syncs:,}",
            kilobytes(size.files), growth(size.files - first.files, changes),
            kilobytes(size.journal), growth(size.journal - first.journal, changes),
            kilobytes(size.rest), f"{size.free_pages:,}",
        ]) + " |")
    ratio = last.rest / first.rest
    met = ratio <= MOST_GROWTH
    verdict = "met" if met else "**missed**"
    heading = f"{people:,} people, small syncs of {PEOPLE_A_SYNC} changes each"
    return (
        f"{heading}\n\n" + "\n".join(rows)
        + f"\n\nAll but the journal: × {ratio:.2f} (≤ {MOST_GROWTH:g}: {verdict})", met)


def kilobytes(size):
    return f"{size / 1024:,.0f} kB"


def growth(size, changes):
    return f"{size / changes:+,.0f} bytes" if changes else "–"


def main():
    parser = program.parser(__doc__, people=10_000)
    parser.add_argument("--syncs", type=generate.positive, default=1000, metavar="N")
    arguments = parser.parse_args()
    with program.folder(arguments.keep) as folder:
        subject = ChangingSite(folder, arguments.usher, arguments.people)
        with program.running(subject):
            sizes = subject.grow(arguments.syncs)
    table, met = render(sizes, arguments.people)
    print(table)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
