#!/usr/bin/env python3
"""Measures Usher against the floor where the server is far away, and prints a table in Markdown.

A proxy on loopback (Tests/Servers/proxy.py) stands before a private slapd and lets everything arrive later,
by default 10 ms each way: a round trip costs 20 ms, and the bandwidth stays. Once slapd answers in one stream,
and once it cuts answers after 500 entries, so that they have to be asked for in pages of 1,000; the floor then
asks for pages, too. Exits 1 when a run fails, does something else than it should, or misses a target.
"""

import subprocess
import sys

import program
import report
from bench import Bench, Case
from report import FIRST, FLOOR, NOTHING, Target
from servers import SCRIPTS
from subject import PAGE_SIZE, Failure

PROXY = SCRIPTS / "proxy.py"
CUT_AFTER = 500

FLOOR_PAGED = "floor, pages of 1,000"
FIRST_PAGED = f"{FIRST}, pages"
NOTHING_PAGED = f"{NOTHING}, pages"
FLOORS = {case: FLOOR_PAGED for case in (FLOOR_PAGED, FIRST_PAGED, NOTHING_PAGED)}
TARGETS = {NOTHING: [Target(1.3)], NOTHING_PAGED: [Target(1.3, FLOOR_PAGED)]}


class FarBench(Bench):
    """A server behind a proxy, which is made to cut its answers and to leave them whole again."""

    def __init__(self, folder, usher, people, runs, round_trip_milliseconds):
        super().__init__(folder, usher, people, 1, runs)
        self.one_way_milliseconds = round_trip_milliseconds / 2
        self.proxy = None

    def start(self):
        super().start()
        port = self.url.rpartition(":")[2]
        self.proxy = subprocess.Popen(
            [sys.executable, PROXY, port, f"{self.one_way_milliseconds:g}ms"],
            stdout=subprocess.PIPE, text=True)
        self.server_env["LDAP_URL"] = f"ldap://127.0.0.1:{int(self.proxy.stdout.readline())}"

    def stop(self):
        if self.proxy:
            self.proxy.kill()
            self.proxy.wait()
        super().stop()

    def cases(self):
        yield from self.group((FLOOR, FIRST, NOTHING), limit="unlimited")
        yield from self.group(
            (FLOOR_PAGED, FIRST_PAGED, NOTHING_PAGED), limit=CUT_AFTER, page=PAGE_SIZE)

    def group(self, names, limit, page=0):
        floor, first, nothing = names
        yield Case(
            floor, [self.floor_command("-r", "65536", "-g", "400", "-p", str(page))],
            prepare=lambda: self.cut_answers(limit))
        yield Case(first, [self.usher_command("sync")], prepare=self.empty_store)
        yield Case(nothing, [self.usher_command("sync")])

    def cut_answers(self, limit):
        """So many entries an answer from now on, and pages without end."""
        self.change(
            "dn: olcDatabase={2}mdb,cn=config\nchangetype: modify\nreplace: olcSizeLimit\n"
            f"olcSizeLimit: size.soft={limit} size.hard={limit} size.pr=unlimited"
            " size.prtotal=unlimited\n")

    def verify_site(self):
        """After the round's last cases slapd cuts answers: Usher has to ask for pages."""
        super().verify_site()
        plan = subprocess.run(
            self.usher_command("plan", "--verbose"), capture_output=True, text=True)
        if f"-E pr={PAGE_SIZE}/" not in plan.stderr:
            raise Failure(f"`usher plan` does not ask for pages:\n{plan.stderr}")


def main():
    parser = program.parser(__doc__, people=100_000)
    program.add_rounds(parser)
    parser.add_argument(
        "--round-trip", type=float, default=20, metavar="MS", help="in milliseconds; default 20")
    arguments = parser.parse_args()
    with program.folder(arguments.keep) as folder:
        subject = FarBench(
            folder, arguments.usher, arguments.people, arguments.runs, arguments.round_trip)
        with program.running(subject):
            results = subject.measure()
    table, met = report.render(results, arguments.people, 1, targets=TARGETS, floors=FLOORS)
    figures = report.raw_figures(results, arguments.people, 1)
    program.finish(
        f"A round trip of {arguments.round_trip:g} ms, {table}", met,
        {"round_trip_milliseconds": arguments.round_trip, **figures}, arguments.json)


if __name__ == "__main__":
    main()
