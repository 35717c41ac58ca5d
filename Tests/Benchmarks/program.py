"""What the programs here share: their arguments, a folder for as long as they run, and a server in it."""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import generate
from subject import ROOT, Failure, say


def parser(description, people):
    """Arguments of every program, with the number of people that it takes by default."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--people", type=generate.positive, default=people, metavar="N")
    parser.add_argument(
        "--usher", type=program, default=str(ROOT / ".build" / "release" / "usher"),
        metavar="PATH", help="default: this package's release build")
    parser.add_argument(
        "--keep", action="store_true", help="keep the temporary folder")
    return parser


def add_rounds(parser):
    """Arguments of the programs that measure cases round after round."""
    parser.add_argument("--runs", type=generate.positive, default=5, metavar="N")
    parser.add_argument(
        "--json", type=pathlib.Path, metavar="FILE", help="also write every single measurement")


def program(path):
    usher = pathlib.Path(path).resolve()
    if not os.access(usher, os.X_OK):
        raise argparse.ArgumentTypeError(
            f"{usher} is no program: build it with `swift build -c release --static-swift-stdlib`")
    return usher


@contextlib.contextmanager
def folder(keep):
    """A new folder; whatever fails while it is in use ends the program with a sentence and exit status 1."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    path = pathlib.Path(tempfile.mkdtemp(prefix="usher-benchmark-"))
    # Servers that give up their rights have to reach their files.
    path.chmod(0o755)
    try:
        yield path
    except Failure as failure:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {failure}")
    finally:
        if keep:
            say(f"kept: {path}")
        else:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def running(subject):
    """A subject, loaded, started and configured."""
    try:
        subject.build_floor()
        subject.load()
        subject.start()
        subject.configure()
        yield subject
    finally:
        subject.stop()


def finish(table, met, figures, path):
    """Prints the table, writes the figures where that is asked for, and ends."""
    print(table)
    if path:
        path.write_text(json.dumps(figures, indent=1) + "\n")
    sys.exit(0 if met else 1)
