#!/usr/bin/env python3
"""Measures Usher against what the directory itself costs, and prints a table in Markdown.

Loads a made-up directory into a private slapd on loopback, then runs the cases in turn, round after
round: the floor (floor.c, which only receives), `ldapsearch`, syncs of everything and of changes, and
commands about one person. Every figure is the median of the rounds; a first round warms up and is not
counted. Exits 1 when a run fails, does something else than it should, or misses a target.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import bench
import generate
import report


def main():
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="usher-benchmark-"))
    try:
        results = measure(arguments, folder)
    except bench.Failure as failure:
        sys.exit(f"run.py: {failure}")
    finally:
        if arguments.keep:
            bench.say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    table, met = report.render(results, arguments.people, arguments.teams_per_person)
    print(table)
    if arguments.json:
        figures = report.raw_figures(results, arguments.people, arguments.teams_per_person)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    sys.exit(0 if met else 1)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=generate.positive, default=100_000, metavar="N")
    parser.add_argument("--runs", type=generate.positive, default=5, metavar="N")
    parser.add_argument(
        "--usher", type=pathlib.Path, default=bench.ROOT / ".build" / "release" / "usher",
        metavar="PATH", help="default: this package's release build")
    parser.add_argument(
        "--teams-per-person", type=generate.positive, default=1, metavar="K")
    parser.add_argument(
        "--json", type=pathlib.Path, metavar="FILE", help="also write every single measurement")
    parser.add_argument(
        "--keep", action="store_true", help="keep the temporary folder")
    arguments = parser.parse_args()
    arguments.usher = arguments.usher.resolve()
    if not os.access(arguments.usher, os.X_OK):
        parser.error(f"{arguments.usher} is no program: build it with `swift build -c release`")
    return arguments


def measure(arguments, folder):
    """Every measurement, by case."""
    subject = bench.Bench(
        folder, arguments.usher, arguments.people, arguments.teams_per_person,
        arguments.runs)
    subject.build_floor()
    subject.load()
    try:
        subject.start()
        subject.configure()
        return subject.measure()
    finally:
        subject.stop()


if __name__ == "__main__":
    main()
