#!/usr/bin/env python3
"""Damages a store at seeded random places and looks at what usher says.

A store is made by a sync and a few orders by hand. Each round flips some bytes of a copy or blanks a page, and then runs
`runs --verify`, `list`, `show`, `export`, `sync`, and asks a service for its accounts. Nothing may end by a signal; where `export`
says something else than before, `--verify` must not say that all is well; and what fails because of the damage names the way
back to a backup. Prints its seed first.
"""

import argparse
import collections
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "Crash"))
import crash  # noqa: E402  The company is the same.

PAGE = 4096
# What an administrator is told to do.
WAY_BACK = "put a backup in its place"
# Where the version that the file names was damaged.
NOT_OURS = ["written by a newer usher"]


class Failed(Exception):
    pass


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Place:
    def __init__(self, folder, usher, people):
        self.folder, self.usher_path = folder, usher
        self.port = free_port()
        (folder / "store").mkdir(parents=True)
        (folder / "acme.yaml").write_text(crash.MAPPING)
        (folder / "audit-key").write_text("a key\n")
        (folder / "audit-key").chmod(0o600)
        (folder / "data.ldif").write_text(crash.directory(people, later=False))
        self.configure()
        token, digest = self.token()
        self.token_text = token
        self.configure(digest)
        self.expect("sync")
        self.expect("grant", "p0@x", "p3@x", "--group", "Own group", "--yes")
        self.expect("deactivate", "p6@x", "--yes")
        self.expect("pin", "p5@x", "--ignore", "--until", "2030-01-01", "--reason", "test")
        (folder / "data.ldif").write_text(crash.directory(people, later=True))
        self.expect("sync")
        self.whole = self.run("export", "--format", "json").stdout
        self.expect("runs", "--verify")
        # Everything is in one file.
        self.expect("backup", "saved.db")
        shutil.rmtree(folder / "store")
        self.bytes = (folder / "saved.db").read_bytes()

    def configure(self, digest=None):
        tokens = f", tokens: [{{ name: test, role: viewer, sha256: {digest} }}]" if digest else ""
        console = f'console: {{ listen: "127.0.0.1:{self.port}"{tokens} }}\nschedule: {{ every: 7d, full: daily 03:00 }}\n'
        (self.folder / "usher.yaml").write_text(crash.CONFIGURATION + console)

    def token(self):
        done = self.expect("token", "test")
        return done.stdout.strip(), done.stderr.split("sha256: ")[1].split(" ")[0].strip()

    def run(self, *words, seconds=120):
        return subprocess.run(
            [self.usher_path, *words], cwd=self.folder, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=seconds)

    def expect(self, *words):
        done = self.run(*words)
        if done.returncode != 0:
            raise Failed(f"usher {' '.join(words)}: {done.returncode}: {done.stderr}")
        return done

    def put(self, data):
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        (self.folder / "store").mkdir()
        (self.folder / "store" / "usher.db").write_bytes(data)
        (self.folder / "store" / "usher.db").chmod(0o600)

    def ask(self):
        """Asks a service for all accounts and their rights, page by page."""
        service = subprocess.Popen(
            [self.usher_path, "serve"], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, text=True, errors="replace")
        answers = collections.Counter()
        try:
            for _ in range(200):
                if service.poll() is not None:
                    break
                try:
                    self.get("/healthz")
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.05)
            for path in ["/api/v1/accounts?count=1000", "/users", "/api/v1/site", "/api/v1/holds", "/api/v1/runs",
                         "/api/v1/runs/1", "/api/v1/pins"]:
                if service.poll() is not None:
                    break
                try:
                    answers[self.get(path)] += 1
                except urllib.error.HTTPError as error:
                    answers[error.code] += 1
                except (urllib.error.URLError, OSError):
                    answers["none"] += 1
            if service.poll() is not None and service.returncode < 0:
                raise Failed(f"serve ended by signal {-service.returncode}: {service.stdout.read()[-2000:]}")
        finally:
            service.terminate()
            try:
                service.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                service.kill()
                raise Failed("serve does not end")
        return answers

    def get(self, path):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {self.token_text}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
            return answer.status


def damage(data, choice):
    """The bytes with some flipped, or a page blanked; and what was done."""
    data = bytearray(data)
    pages = len(data) // PAGE
    kind = choice.choice(["bit", "bit", "byte", "byte", "bytes", "page", "half"])
    place = choice.randrange(len(data))
    if kind == "bit":
        data[place] ^= 1 << choice.randrange(8)
    elif kind == "byte":
        data[place] = choice.randrange(256)
    elif kind == "bytes":
        for offset in range(choice.randrange(2, 64)):
            if place + offset < len(data):
                data[place + offset] = choice.randrange(256)
    else:
        start = choice.randrange(pages) * PAGE
        data[start:start + (PAGE if kind == "page" else PAGE // 2)] = bytes(PAGE if kind == "page" else PAGE // 2)
        place = start
    return bytes(data), f"{kind} at {place}, page {place // PAGE + 1} of {pages}"


def check(place, data, asks):
    """What became of one damaged store: a few words."""
    words = []
    faulty = []
    place.put(data)
    verify = place.run("runs", "--verify")
    for command in [("export", "--format", "json"), ("list", "users"), ("list", "groups"), ("show", "p4@x"),
                    ("runs", "1"), ("plan", "--offline"), ("sync", "--full")]:
        done = verify if command[0] == "runs" and command[1] == "--verify" else place.run(*command)
        if done.returncode < 0:
            raise Failed(f"{' '.join(command)} ended by signal {-done.returncode}: {done.stderr[-2000:]}")
        if command[0] == "export":
            export = done
        text = done.stdout + done.stderr
        if "is damaged" in text:
            faulty.append(command[0])
            if WAY_BACK not in text:
                raise Failed(f"{' '.join(command)} does not name the way back: {text[-2000:]}")
    if verify.returncode < 0:
        raise Failed(f"runs --verify ended by signal {-verify.returncode}: {verify.stderr[-2000:]}")
    if verify.returncode != 0 and WAY_BACK not in verify.stdout + verify.stderr:
        if not any(word in verify.stderr for word in NOT_OURS):
            raise Failed(f"runs --verify does not name the way back: {verify.stdout}{verify.stderr}")
    isRight = export.returncode == 0 and export.stdout == place.whole
    if not isRight and verify.returncode == 0:
        raise Failed(f"export says something else, and runs --verify that all is well: {verify.stdout}")
    words.append("verify finds it" if verify.returncode else "verify finds nothing")
    words.append("export as before" if isRight else "export fails" if export.returncode else "export differs")
    if asks:
        place.put(data)
        answers = place.ask()
        words.append("serve: " + " ".join(f"{status}×{count}" for status, count in sorted(answers.items(), key=str)))
    return ", ".join(words), faulty


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--usher", default=None, help="the program; by default the debug build")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, default=None, help="one round, as a failure names it")
    options = parser.parse_args()
    usher = pathlib.Path(options.usher or ROOT / ".build" / "debug" / "usher").resolve()
    print(f"seed {options.seed}, {options.rounds} rounds, {options.people} people", flush=True)
    results = collections.Counter()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(pathlib.Path(folder) / "site", str(usher), options.people)
        print(f"the store has {len(place.bytes) // PAGE} pages", flush=True)
        for number in range(options.rounds) if options.only is None else [options.only]:
            data, what = damage(place.bytes, random.Random(options.seed * 1_000_003 + number))
            try:
                words, _ = check(place, data, asks=True)
                results[words.split(", serve")[0]] += 1
            except (Failed, subprocess.TimeoutExpired) as failure:
                failures += 1
                print(f"round {number} ({what}): {failure}", flush=True)
    for words, count in sorted(results.items()):
        print(f"{count:5} {words}")
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
