#!/usr/bin/env python3
"""Kills syncs, breaks their writes and starts two at once; afterwards the site is as before or as planned.

After every fault: the store's integrity is whole, the export equals the one before or the one after, the next
sync finishes the job, and a preview finds nothing left to do. Needs strace. Prints its seed first.
"""

import argparse
import collections
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CALLS = ["pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "unlinkat", "rename", "write"]
CONFIGURATION = """site:
  name: acme
  store: sqlite:store/usher.db
  licenses: { confluence: {}, jira: { seats: 1000000 } }
directories:
  - { name: corporate, ldif: data.ldif, mapping: acme.yaml }
mapping-changes: apply
audit: { key: { file: audit-key } }
limits:
  free-below: 1000000
"""
MAPPING = """usher: 1
search:
  users: { base: "ou=people,dc=x", filter: (objectClass=person) }
  groups: { base: "ou=groups,dc=x", filter: (objectClass=group), id: entryUUID }
account: { id: entryUUID, email: mail, name: cn, username: uid, active: (!(locked=TRUE)) }
leavers: { after: 0h, then: deactivate }
rules:
  - { name: staff, when: (type=staff), licenses: [confluence] }
  - { name: engineers, member-of: engineers, licenses: [jira], groups: [developers] }
  - { name: vendors, when: (type=vendor), portal-only: true }
"""


def directory(people, later):
    """A company, and the same company later: joiners, leavers, and changes of every kind."""
    lines = ["dn: dc=x\ndc: x\n", "dn: ou=people,dc=x\nou: people\n", "dn: ou=groups,dc=x\nou: groups\n"]
    members = []
    for number in range(people + people // 10):
        step = number % 10
        if number >= people and not later or later and step == 0:
            continue
        kind = ["staff", "vendor", "staff", "staff", "other"][number % 5]
        if later and step == 3:
            kind = "vendor"
        name = f"Renamed {number}" if later and step == 4 else f"Person {number}"
        mail = f"new{number}@x" if later and step == 5 else f"p{number}@x"
        locked = "locked: TRUE\n" if later and step == 7 else ""
        lines.append(
            f"dn: uid=p{number},ou=people,dc=x\nobjectClass: person\nentryUUID: id-{number}\n"
            f"uid: p{number}\ncn: {name}\nmail: {mail}\ntype: {kind}\n{locked}")
        if kind == "staff" and (number % 3 == 0) != (later and step == 2):
            members.append(f"member: uid=p{number},ou=people,dc=x\n")
    lines.append(
        "dn: cn=engineers,ou=groups,dc=x\nobjectClass: group\nentryUUID: g1\ncn: engineers\n"
        + "".join(members))
    return "\n".join(lines)


class Failed(Exception):
    pass


class Place:
    """A folder in which usher runs, with the store before, empty or synced, and what is expected of it after."""

    def __init__(self, folder, usher, people, is_empty=False):
        self.folder, self.usher_path, self.people = folder, usher, people
        folder.mkdir(parents=True)
        (folder / "usher.yaml").write_text(CONFIGURATION)
        (folder / "acme.yaml").write_text(MAPPING)
        (folder / "audit-key").write_text("a key\n")
        (folder / "audit-key").chmod(0o600)
        (folder / "store").mkdir()
        if is_empty:
            # A plan without a mirror fails, and leaves the store that it made.
            self.usher("plan", "--offline", expect=5)
        else:
            self.show(later=False)
            self.usher("sync")
        self.before = self.export()
        shutil.copytree(folder / "store", folder / "saved")
        self.show(later=True)
        start = time.monotonic()
        self.usher("sync")
        self.seconds = time.monotonic() - start
        self.after = self.export()
        if self.before == self.after:
            raise Failed("the two directories give the same site")
        self.restore()
        self.runs = self.count_runs()

    def show(self, later):
        (self.folder / "data.ldif").write_text(directory(self.people, later))

    def restore(self):
        shutil.rmtree(self.folder / "store")
        shutil.copytree(self.folder / "saved", self.folder / "store")

    def command(self, *arguments):
        return [self.usher_path, *arguments]

    def usher(self, *arguments, expect=0):
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != expect:
            raise Failed(f"usher {' '.join(arguments)} ended with {done.returncode}, not {expect}: {done.stderr}")
        return done.stdout

    def export(self):
        return self.usher("export")

    def database(self):
        return sqlite3.connect(self.folder / "store" / "usher.db")

    def count_runs(self):
        with self.database() as database:
            return database.execute("SELECT count(*) FROM run").fetchone()[0]

    def check(self):
        """Whether the site is as before or as planned; then lets the next sync finish."""
        with self.database() as database:
            whole = database.execute("PRAGMA integrity_check").fetchone()[0]
        if whole != "ok":
            raise Failed(f"integrity_check: {whole}")
        export = self.export()
        if export not in (self.before, self.after):
            raise Failed("the site is neither as before nor as planned")
        state = "before" if export == self.before else "after"
        runs = self.count_runs()
        if runs != self.runs + (state == "after"):
            raise Failed(f"the site is as {state}, and the journal has {runs} runs, where there were {self.runs}")
        self.usher("sync")
        if self.export() != self.after:
            raise Failed("the next sync did not finish the job")
        self.usher("plan", "--detailed-exitcode")
        self.usher("runs", "--verify")
        return state


class Crash:
    def __init__(self, arguments):
        self.arguments = arguments
        self.random = random.Random(arguments.seed)
        self.passed = self.failed = 0
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="usher-crash-"))
        self.table = []

    def case(self, name, place, body):
        place.restore()
        try:
            result = body()
            self.passed += 1
            return result
        except Failed as failure:
            self.failed += 1
            print(f"FAILED {name}: {failure} (seed {self.arguments.seed}, {place.folder})", flush=True)
            return "failed"

    # Kills at random moments

    def kills(self, place):
        states = collections.Counter()
        number = killed = 0
        # A sync that ends before its kill is checked, too, but does not count.
        while killed < self.arguments.kills and number < 10 * self.arguments.kills:
            number += 1
            # Reading comes first and takes longer; the writes at the end are tried as often as all before them.
            span = (0, 1) if number % 2 else (0.6, 1)
            delay = self.random.uniform(*span) * place.seconds

            def kill():
                child = subprocess.Popen(
                    place.command("sync"), cwd=place.folder, stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    child.wait(delay)
                except subprocess.TimeoutExpired:
                    child.send_signal(signal.SIGKILL)
                child.wait()
                return ("ended, " if child.returncode == 0 else "killed, ") + place.check()

            state = self.case(f"kill {number} after {delay:.4f} s", place, kill)
            killed += state.startswith("killed")
            states[state] += 1
        self.table.append(("random kills", ", ".join(f"{count} {state}" for state, count in sorted(states.items()))))

    # Faults at every call

    def traced(self, place, *options):
        paths = [
            part for name in ["usher.db", "usher.db-wal", "usher.db-shm", "usher.db-journal", "usher.db.lock"]
            for part in ("-P", str(place.folder / "store" / name))]
        return subprocess.run(
            ["strace", "-f", "-qq", "-o", str(place.folder / "trace"), *paths, *options, *place.command("sync")],
            cwd=place.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def count_calls(self, place, calls):
        place.restore()
        done = self.traced(place, "-e", "trace=" + ",".join(calls))
        if done.returncode != 0:
            raise Failed(f"the traced sync ended with {done.returncode}: {done.stderr}")
        trace = (place.folder / "trace").read_text()
        return collections.Counter(re.findall(r"^\d+\s+(\w+)\(", trace, re.MULTILINE))

    def chosen(self, count):
        all_calls = list(range(1, count + 1))
        wanted = self.arguments.calls
        return all_calls if wanted == "all" or int(wanted) >= count else sorted(self.random.sample(all_calls, int(wanted)))

    def kill_at_calls(self, place):
        for call, count in sorted(self.count_calls(place, CALLS).items()):
            states = collections.Counter()
            for number in self.chosen(count):
                def kill():
                    self.traced(place, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
                    return place.check()

                states[self.case(f"kill at {call} {number}", place, kill)] += 1
            self.table.append((f"kill at {call} ({count} calls)", dict(states)))

    def errors_at_calls(self, place):
        calls = [call for call in CALLS if call != "write"] + ["openat", "pread64"]
        for call, count in sorted(self.count_calls(place, calls).items()):
            for error in ("EIO", "ENOSPC"):
                if error == "ENOSPC" and call == "pread64":
                    continue
                outcomes = collections.Counter()
                for number in self.chosen(count):
                    def fail():
                        done = self.traced(
                            place, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}+")
                        if done.returncode < 0 or done.returncode >= 128:
                            raise Failed(f"ended by a signal: {done.returncode}: {done.stderr[-300:]}")
                        if done.returncode != 0 and "usher:" not in done.stderr:
                            raise Failed(f"exit {done.returncode} without a word: {done.stderr[-300:]}")
                        said = f"exit {done.returncode}"
                        if error == "ENOSPC" and done.returncode != 0:
                            said += ", says full" if "full" in done.stderr else ", does not say full"
                        return f"{said}, {place.check()}"

                    outcomes[self.case(f"{error} from {call} {number} on", place, fail)] += 1
                self.table.append((f"{error} at {call} ({count} calls)", dict(outcomes)))

    # Two at once

    def two_at_once(self, place):
        outcomes = collections.Counter()
        for number in range(20):
            def both():
                children = [
                    subprocess.Popen(
                        place.command("sync"), cwd=place.folder, stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
                codes = sorted(child.wait() for child in children)
                if codes not in ([0, 0], [0, 75]):
                    raise Failed(f"they ended with {codes}")
                if place.export() != place.after:
                    raise Failed("the site is not as planned")
                return f"exit {codes[0]} and {codes[1]}"

            outcomes[self.case(f"two at once {number}", place, both)] += 1
        self.table.append(("two at once", dict(outcomes)))

        def lease():
            lock = place.folder / "store" / "usher.db.lock"
            lock.write_text("")
            # It stops itself as soon as it has written whose the lease is.
            child = subprocess.Popen(
                ["strace", "-f", "-qq", "-o", str(place.folder / "trace"), "-P", str(lock), "-e", "trace=pwrite64",
                 "-e", "inject=pwrite64:signal=STOP:when=1", *place.command("sync")], cwd=place.folder,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not (holder := re.fullmatch(r"process (\d+)", lock.read_text().strip())) and child.poll() is None:
                time.sleep(0.001)
            if not holder:
                raise Failed(f"the run that was to be killed ended with {child.returncode}")
            place.usher("sync", expect=75)
            os.kill(int(holder[1]), signal.SIGKILL)
            child.wait()
            return place.check()

        self.table.append(("lease of a killed run", self.case("lease", place, lease)))

    def run(self):
        large = Place(self.folder / "large", self.arguments.usher, self.arguments.people)
        small = Place(self.folder / "small", self.arguments.usher, 10)
        # An empty store is filled without a log.
        first = Place(self.folder / "first", self.arguments.usher, self.arguments.people, is_empty=True)
        first_small = Place(self.folder / "first-small", self.arguments.usher, 10, is_empty=True)
        start = time.monotonic()
        for name, place, few in [("", large, small), ("first sync: ", first, first_small)]:
            shown = len(self.table)
            self.kills(place)
            self.kill_at_calls(few)
            self.errors_at_calls(few)
            self.two_at_once(place)
            self.table[shown:] = [(name + row, result) for row, result in self.table[shown:]]
        for name, result in self.table:
            print(f"{name:44} {result}")
        print(f"{time.monotonic() - start:.0f} s; a clean sync of {self.arguments.people} people takes {large.seconds:.2f} s")
        print(f"{self.passed} passed, {self.failed} failed")
        if not self.failed:
            shutil.rmtree(self.folder)
        return 1 if self.failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--usher", default=str(ROOT / ".build/debug/usher"), help="the binary")
    parser.add_argument("--kills", type=int, default=300, help="how many kills at random moments")
    parser.add_argument("--people", type=int, default=2000, help="in the directory of the random kills")
    parser.add_argument("--calls", default="all", help="how many calls of each kind are tried, or all")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    if not shutil.which("strace"):
        print("strace is missing: apt-get install strace", file=sys.stderr)
        return 1
    os.environ["NO_COLOR"] = "1"
    return Crash(arguments).run()


if __name__ == "__main__":
    sys.exit(main())
