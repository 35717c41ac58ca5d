"""The server, the cases and their measuring: everything but the arguments and the table."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Callable, Optional

import generate
from expected import check_export
from report import (
    CHANGES_100, CHANGES_1000, EXPLAIN, FIRST, FLOOR, LDAPSEARCH, LDAPSEARCH_VERSION, NOTHING,
    ONE_ENTRY, SHOW, TRIAL, VERSION, Measurement)

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SLAPD = ROOT / "Tests" / "Servers" / "slapd.sh"

PAGE_SIZE = 1000
TIMEOUT_SECONDS = 900

# The 12 attributes that mapping.yaml names, and what Usher asks for besides, to resolve groups.
MAPPED = [
    "entryUUID", "mail", "uid", "displayName", "cn", "employeeType", "ou", "departmentNumber",
    "l", "preferredLanguage", "title", "employeeNumber",
]
PEOPLE_ATTRIBUTES = [*MAPPED, "memberOf", "primaryGroupID"]
GROUP_ATTRIBUTES = ["entryUUID", "cn", "member", "uniqueMember", "memberUid", "objectSid"]
SEARCHES = [
    (generate.PEOPLE_BASE, "(objectClass=inetOrgPerson)", PEOPLE_ATTRIBUTES),
    (generate.GROUPS_BASE, "(objectClass=groupOfNames)", GROUP_ATTRIBUTES),
]


@dataclass
class Case:
    """Commands that are measured together, after a preparation that is not."""

    name: str
    commands: list
    prepare: Optional[Callable[[], None]] = None


class Failure(Exception):
    """Something that makes the figures worthless: said in one sentence, exit status 1."""


class Bench:
    """A loaded server and an Usher that reads it, both in one folder."""

    def __init__(self, folder, usher, people, layers, runs):
        self.people = people
        self.layers = layers
        self.runs = runs
        self.usher = usher
        self.folder = folder
        self.server = folder / "server"
        self.store = folder / "store"
        self.floor = folder / "floor"
        self.password = folder / "password"
        self.log = folder / "log"
        self.server_env = {}
        self.changes = 0

    # Making ready

    def build_floor(self):
        self.run_tool(
            ["cc", "-O2", "-o", self.floor, HERE / "floor.c", "-lldap", "-llber"],
            "needs a C compiler and libldap2-dev")

    def load(self):
        say(f"generating and loading {self.people:,} people")
        ldif = self.folder / "people.ldif"
        with ldif.open("wb") as output:
            subprocess.run(
                [sys.executable, HERE / "generate.py", str(self.people),
                 "--teams-per-person", str(self.layers)],
                stdout=output, check=True)
        room = (1 << 30) + self.people * self.layers * 16_384
        self.slapd("init", ldif, MAXSIZE=str(room), MEMBEROF="0", SYNCPROV="1", SUFFIX=generate.SUFFIX)
        ldif.unlink()

    def start(self):
        self.slapd("start")
        lines = (self.server / "server.env").read_text().splitlines()
        self.server_env = dict(line.split("=", 1) for line in lines if "=" in line)

    def stop(self):
        if (self.server / "server.env").exists():
            self.slapd("stop")

    def slapd(self, command, *more, **environment):
        self.run_tool(
            [SLAPD, command, self.server, *more], "needs slapd and ldap-utils",
            {**os.environ, **environment})

    def run_tool(self, command, needs, environment=None):
        try:
            with self.log.open("wb") as log:
                subprocess.run(command, env=environment, stdout=log, stderr=log, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failure(f"{error} ({needs})\n{self.log_tail()}") from error

    def configure(self):
        self.password.touch(mode=0o600)
        self.password.write_text(generate.READER_PASSWORD)
        shutil.copy(HERE / "mapping.yaml", self.folder)
        # Everybody gets something more by it.
        (self.folder / "trial.yaml").write_text(
            (HERE / "mapping.yaml").read_text() + "  - name: trial\n    when: everyone\n    groups: [trial]\n")
        for name, reads in (("usher.yaml", "full"), ("changes.yaml", "delta")):
            (self.folder / name).write_text(f"""\
site:
  name: benchmark
  store: sqlite:store/usher.db
  licenses:
    jira-software: {{}}
    jira-servicemanagement: {{}}
    confluence: {{}}
    bitbucket: {{}}
directories:
  - name: corporate
    url: {self.url}
    bind: {{ dn: "{generate.READER_DN}", password: {{ file: password }} }}
    tls: {{ clear-text: true }}
    read: {reads}
    mapping: mapping.yaml
""")

    @property
    def url(self):
        return self.server_env["LDAP_URL"]

    # The cases

    def cases(self):
        yield Case(FLOOR, [self.floor_command("-r", "65536", "-g", "400")])
        yield Case(LDAPSEARCH, [self.ldapsearch_command(*search) for search in SEARCHES])
        yield Case(FIRST, [self.usher_command("sync")], prepare=self.empty_store)
        yield Case(NOTHING, [self.usher_command("sync")])
        for name, count in ((CHANGES_100, 100), (CHANGES_1000, 1000)):
            if count <= self.people:
                yield Case(
                    name, [self.usher_command("sync", configuration="changes.yaml")],
                    prepare=lambda count=count: self.change_people(count))
        yield Case(
            TRIAL,
            [self.usher_command("plan", "--offline", "--mapping", self.folder / "trial.yaml")])
        who = generate.email(self.people // 2)
        yield Case(ONE_ENTRY, [self.ldapsearch_command(
            generate.person_dn(self.people // 2), "(objectClass=*)", PEOPLE_ATTRIBUTES, scope="base")])
        yield Case(EXPLAIN, [self.usher_command("explain", who)])
        yield Case(SHOW, [self.usher_command("show", who)])
        yield Case(LDAPSEARCH_VERSION, [["ldapsearch", "-VV"]])
        yield Case(VERSION, [[self.usher, "--version"]])

    def floor_command(self, *options):
        searches = [
            word for base, filter, attributes in SEARCHES
            for word in (base, filter, ",".join(attributes))]
        return [
            self.floor, "-H", self.url, "-D", generate.READER_DN, "-y", self.password, *options,
            *searches]

    def ldapsearch_command(self, base, filter, attributes, scope="sub"):
        pages = ["-E", f"!pr={PAGE_SIZE}/noprompt"] if scope == "sub" else []
        return [
            "ldapsearch", "-x", "-LLL", "-H", self.url, "-D", generate.READER_DN,
            "-y", self.password, *pages, "-s", scope, "-b", base, filter, *attributes]

    def usher_command(self, *words, configuration="usher.yaml"):
        return [self.usher, *words, "--config", self.folder / configuration]

    def empty_store(self):
        shutil.rmtree(self.store, ignore_errors=True)
        self.store.mkdir(mode=0o700)

    def change_people(self, count):
        """Brings the site up to date, so that changes can be told from then on, and gives people new names."""
        self.run_tool(self.usher_command("sync", "-q", configuration="changes.yaml"), "a sync")
        self.changes += 1
        ldif = self.folder / "changes.ldif"
        ldif.write_text("\n".join(
            f"dn: {generate.person_dn(index)}\nchangetype: modify\nreplace: displayName\n"
            f"displayName: Changed {index} {self.changes}\n"
            for index in range(0, self.people, self.people // count)))
        self.run_tool(
            ["ldapmodify", "-x", "-H", self.url, "-D", f"cn=admin,{generate.SUFFIX}", "-w", "secret",
             "-f", ldif], "ldap-utils")

    # Measuring

    def measure(self):
        cases = list(self.cases())
        results = {case.name: [] for case in cases}
        self.verify_counts()
        for number in range(self.runs + 1):
            say("warming up" if number == 0 else f"round {number} of {self.runs}")
            for case in cases:
                measurement = self.measure_case(case)
                if number > 0:
                    results[case.name].append(measurement)
            if number == 0:
                self.verify_site()
        return results

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
        """User and system time of slapd so far, in steps of a clock tick (10 ms)."""
        stat = pathlib.Path("/proc", self.server_env["PID"], "stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def log_tail(self):
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    # Making sure that the right thing was measured

    def verify_counts(self):
        """The floor receives every person and every group, in one stream as in pages."""
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


def run_measured(command, log, quiet):
    """Wall seconds, exit status and the kernel's account of one process."""
    environment = {**os.environ, "LDAPNOINIT": "1", "NO_COLOR": "1"}
    output = subprocess.DEVNULL if quiet else log
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=log, env=environment)
    watchdog = threading.Timer(TIMEOUT_SECONDS, os.kill, (process.pid, signal.SIGKILL))
    watchdog.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    watchdog.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return seconds, process.returncode, usage


def say(text):
    print(text, file=sys.stderr, flush=True)
