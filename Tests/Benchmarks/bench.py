"""The cases, measuring them, and making sure that the right thing was measured."""

import os
import pathlib
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Callable, Optional

import generate
import servers
from expected import check_export
from report import (
    CHANGES_100, CHANGES_1000, EXPLAIN, FIRST, FLOOR, LDAPSEARCH, LDAPSEARCH_VERSION, NOTHING,
    ONE_ENTRY, SHOW, TRIAL, VERSION, Measurement, beside)
from subject import PEOPLE_ATTRIBUTES, Failure, Subject, say

TIMEOUT_SECONDS = 900


@dataclass
class Case:
    """Commands that are measured together, after a preparation that is not."""

    name: str
    commands: list
    prepare: Optional[Callable[[], None]] = None


class Bench(Subject):
    """Cases that take turns, round after round."""

    # What should cost little more, however many people there are.
    COMPARED = (CHANGES_1000, EXPLAIN, SHOW)

    def __init__(self, folder, usher, people, layers, runs, kind=servers.SLAPD):
        super().__init__(folder, usher, people, layers, kind)
        self.runs = runs
        # A second directory, loaded and started, in which the compared cases are measured in turn.
        self.beside = None

    # The cases

    def cases(self):
        yield from self.sync_cases()
        if self.kind is servers.SLAPD:
            yield from self.command_cases()

    def sync_cases(self):
        # Of the two the faster one, see README.md.
        window = ["-g", "8000", "-w", "131072"] if self.people > 50_000 else ["-g", "400"]
        yield Case(FLOOR, [self.floor_command("-r", "65536", *window)])
        yield Case(LDAPSEARCH, [self.ldapsearch_command(*search) for search in self.searches])
        yield Case(FIRST, [self.usher_command("sync")], prepare=self.empty_store)
        yield Case(NOTHING, [self.usher_command("sync")])
        for name, count in ((CHANGES_100, 100), (CHANGES_1000, 1000)):
            if count <= self.people:
                yield Case(
                    name, [self.usher_command("sync", configuration="changes.yaml")],
                    prepare=lambda count=count: self.change_people(count))

    def command_cases(self):
        yield Case(
            TRIAL,
            [self.usher_command("plan", "--offline", "--mapping", self.folder / "trial.yaml")])
        someone = self.people // 2
        yield Case(ONE_ENTRY, [self.ldapsearch_command(
            self.kind.form.person_dn(someone), "(objectClass=*)", PEOPLE_ATTRIBUTES, scope="base")])
        yield Case(EXPLAIN, [self.usher_command("explain", generate.email(someone))])
        yield Case(SHOW, [self.usher_command("show", generate.email(someone))])
        yield Case(LDAPSEARCH_VERSION, [["ldapsearch", "-VV"]])
        yield Case(VERSION, [[self.usher, "--version"]])

    def change_people(self, count):
        """Brings the site up to date, so that changes can be told from then on, and gives people new names."""
        self.run_tool(self.usher_command("sync", "-q", configuration="changes.yaml"), "a sync")
        self.rename(range(0, self.people, self.people // count)[:count])

    # Measuring

    def measure(self):
        cases = list(self.all_cases())
        results = {name: [] for name, _, _ in cases}
        self.verify_counts()
        if self.beside:
            self.beside.verify_counts()
            self.beside.empty_store()
        for number in range(self.runs + 1):
            say("warming up" if number == 0 else f"round {number} of {self.runs}")
            for name, bench, case in cases:
                measurement = bench.measure_case(case)
                if number > 0:
                    results[name].append(measurement)
            if number == 0:
                self.verify_site()
                self.verify_changes()
                if self.beside:
                    self.beside.verify_changes()
        return results

    def all_cases(self):
        """Each case with its name in the table and where it is measured."""
        others = {case.name: case for case in self.beside.cases()} if self.beside else {}
        for case in self.cases():
            yield case.name, self, case
            if case.name in others and case.name in self.COMPARED:
                yield beside(case.name), self.beside, others[case.name]

    def measure_case(self, case):
        if case.prepare:
            case.prepare()
        # What earlier cases wrote is on its way to the disk: not at this case's cost.
        os.sync()
        server_before = self.server_cpu_seconds()
        wall = cpu = peak = 0
        for command in case.commands:
            with self.log.open("wb") as log:
                seconds, status, usage = run_measured(command, log, self.is_quiet(command))
            if status != 0:
                raise Failure(f"{case.name}: exit status {status}\n{self.log_tail()}")
            wall += seconds
            cpu += usage.ru_utime + usage.ru_stime
            peak = max(peak, usage.ru_maxrss / 1024)
        return Measurement(wall, cpu, self.server_cpu_seconds() - server_before, peak)

    @staticmethod
    def is_quiet(command):
        """Whether a command's standard output is so large that it is thrown away."""
        return command[0] == "ldapsearch"

    def server_cpu_seconds(self):
        """User and system time of the server so far, in steps of a clock tick (10 ms)."""
        stat = pathlib.Path("/proc", self.server_env["PID"], "stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    # Making sure that the right thing was measured

    def verify_counts(self):
        """The floor receives every person and every group."""
        output = subprocess.run(
            self.floor_command("-r", "65536"), capture_output=True, text=True)
        found = [line.split()[0] for line in output.stdout.splitlines()]
        groups = generate.group_count(self.people, self.layers)
        if output.returncode != 0 or found != [f"entries={self.people}", f"entries={groups}"]:
            raise Failure(f"the floor receives {found}: {output.stderr}")
        say(output.stdout.strip())

    def verify_site(self):
        """After the first two syncs no change is pending, and everybody has what is due."""
        with self.log.open("wb") as log:
            command = self.usher_command("plan", "--detailed-exitcode")
            status = subprocess.run(command, stdout=log, stderr=log).returncode
        if status != 0:
            raise Failure(f"`usher plan` after two syncs: exit status {status}\n{self.log_tail()}")
        export = self.folder / "export.json"
        with export.open("wb") as output, self.log.open("wb") as log:
            command = self.usher_command("export", "--format", "json")
            status = subprocess.run(command, stdout=output, stderr=log).returncode
        if status != 0:
            raise Failure(f"`usher export`: exit status {status}\n{self.log_tail()}")
        difference = check_export(export, self.people, self.layers)
        if difference:
            raise Failure(difference)
        export.unlink()

    def verify_changes(self):
        """A sync of changes does not ask for everybody."""
        self.change_people(1)
        with self.log.open("wb") as log:
            command = self.usher_command("sync", "--verbose", configuration="changes.yaml")
            status = subprocess.run(command, stdout=log, stderr=log).returncode
        everybody = f"'{self.searches[0][1]}'"
        lines = self.log.read_text().splitlines()
        if status != 0 or any(everybody in line and "sync=" not in line for line in lines):
            raise Failure(f"a sync of one change has read everything\n{self.log_tail()}")


def run_measured(command, log, quiet):
    """Wall seconds, exit status and the kernel's account of one process."""
    environment = {**os.environ, "LDAPNOINIT": "1", "NO_COLOR": "1"}
    output = subprocess.DEVNULL if quiet else log
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=log, env=environment)
    watchdog = threading.Timer(TIMEOUT_SECONDS, os.kill, (process.pid, signal.SIGKILL))
    watchdog.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        watchdog.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return seconds, process.returncode, usage
