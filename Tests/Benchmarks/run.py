#!/usr/bin/env python3
"""Measures Usher against what the directory itself costs, and prints a table in Markdown.

Loads a made-up directory into a private server on loopback, then runs the cases in turn, round after
round: the floor (floor.c, which only receives), `ldapsearch`, syncs of everything and of changes, and
commands about one person. Every figure is the median of the rounds; a first round warms up and is not
counted. Exits 1 when a run fails, does something else than it should, or misses a target.
"""

import contextlib

import bench
import generate
import program
import report
import servers


def main():
    parser = program.parser(__doc__, people=100_000)
    program.add_rounds(parser)
    parser.add_argument(
        "--teams-per-person", type=generate.positive, default=1, metavar="K")
    parser.add_argument(
        "--server", choices=servers.BY_NAME, default="slapd", help="default: slapd")
    parser.add_argument(
        "--beside", type=generate.positive, metavar="N",
        help="measure what should not depend on the size in a directory of N people, too")
    arguments = parser.parse_args()
    kind = servers.BY_NAME[arguments.server]
    people, layers = arguments.people, arguments.teams_per_person
    with program.folder(arguments.keep) as folder:
        subject = bench.Bench(folder, arguments.usher, people, layers, arguments.runs, kind)
        with program.running(subject), contextlib.ExitStack() as others:
            if arguments.beside:
                (folder / "beside").mkdir()
                subject.beside = others.enter_context(program.running(bench.Bench(
                    folder / "beside", arguments.usher, arguments.beside, layers, arguments.runs, kind)))
            results = subject.measure()
    # Elsewhere the server's own pace says more than ours.
    targets = None if kind is servers.SLAPD else {}
    table, met = report.render(results, people, layers, targets)
    figures = {"server": kind.name, **report.raw_figures(results, people, layers)}
    program.finish(f"{kind.name}, {table}", met, figures, arguments.json)


if __name__ == "__main__":
    main()
