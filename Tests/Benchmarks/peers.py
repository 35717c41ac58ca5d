#!/usr/bin/env python3
"""Measures Usher beside its peers on the same server, and prints a table in Markdown.

The peers, with the same people, in the same rounds: `ldapsearch` in pages of 1,000 to a file;
ldap2pg, which gives roles to a private PostgreSQL; django-python3-ldap, which writes users into SQLite.
Both write once into an empty target and then have nothing to do. They run with their default output,
and after every run the target is counted: where somebody is missing there is no figure, and the exit
status is 1.

None of them does what Usher does. ldap2pg reads a uid of everybody and the members of groups, in one
answer each; django-python3-ldap reads every attribute of people, 30 at a time, and no groups. CPU and
peak memory are those of one process: what PostgreSQL's server does for ldap2pg is in the wall time alone,
and so is slapd's part in every case.

Installs, besides what run.py needs, Debian's packages that are missing (DEBIAN_NEEDS) and the peers from PyPI.
The system's own PostgreSQL cluster is left alone.
"""

import contextlib
import os
import pathlib
import resource
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from typing import Callable

import bench
import generate
import program
import report
from report import FIRST, FLOOR, LDAPSEARCH, NOTHING
from subject import ROOT

# Debian's, built with all optimizations: the first one in PATH may be slower.
PYTHON = "/usr/bin/python3"
PEERS = ["ldap2pg==5.9", "django-python3-ldap==0.16.0"]
THEIR_NEEDS = [
    "python-ldap==3.4.8", "psycopg2-binary==2.9.13", "PyYAML==6.0.4", "setuptools==80.10.2",
    "Django==5.2.19", "ldap3==2.9.1",
]

# PostgreSQL, and what builds python-ldap.
DEBIAN_NEEDS = [
    "postgresql", "python3-venv", "python3-dev", "gcc", "libldap2-dev", "libsasl2-dev"]

LDAP2PG_FIRST = "ldap2pg, empty PostgreSQL"
LDAP2PG_NOTHING = "ldap2pg, nothing to do, dry run"
DJANGO_FIRST = "django-python3-ldap, empty SQLite"
DJANGO_NOTHING = "django-python3-ldap, nothing to do"
SAME_CASE = {
    LDAPSEARCH: NOTHING,
    LDAP2PG_FIRST: FIRST, LDAP2PG_NOTHING: NOTHING,
    DJANGO_FIRST: FIRST, DJANGO_NOTHING: NOTHING,
}

# The group `big` is left out: Usher makes a license of it and no membership, and ldap2pg looks for each
# member in a list of all, which at 10,000 members costs as much CPU as all the rest.
LDAP2PG_CONFIGURATION = """\
postgres:
  dsn: host={socket} user=postgres dbname=postgres
ldap:
  uri: {url}
  binddn: {reader}
  password: {password}
sync_map:
- ldapsearch:
    base: {people}
    filter: (objectClass=inetOrgPerson)
  role:
    name: "{{uid}}"
    options: LOGIN
- ldapsearch:
    base: {groups}
    filter: (&(objectClass=groupOfNames)(cn=g*))
  role:
    name: "{{cn}}"
    options: NOLOGIN
    members: "{{member.uid}}"
- ldapsearch:
    base: {groups}
    filter: (&(objectClass=groupOfNames)(cn=nested))
  role:
    name: "{{cn}}"
    options: NOLOGIN
    members: "{{member.cn}}"
"""
COUNT_ROLES = """\
SELECT (SELECT count(*) FROM pg_roles WHERE rolname ~ '^u[0-9]+$'),
       (SELECT count(*) FROM pg_roles WHERE rolname ~ '^(g[0-9]+|nested)$'),
       (SELECT count(*) FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = roleid
         WHERE rolname ~ '^(g[0-9]+|nested)$')
"""

DJANGO_SETTINGS = """\
SECRET_KEY = "benchmark"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_python3_ldap"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{database}"}}}}
LDAP_AUTH_URL = ["{url}"]
LDAP_AUTH_SEARCH_BASE = "{people}"
LDAP_AUTH_CONNECTION_USERNAME = "{reader}"
LDAP_AUTH_CONNECTION_PASSWORD = "{password}"


def bind_name(fields):
    return fields["username"]


LDAP_AUTH_FORMAT_USERNAME = bind_name
"""
COUNT_USERS = "SELECT count(*) FROM auth_user WHERE email = username || '@example.com'"


@dataclass
class CheckedCase(bench.Case):
    """A case whose result is looked at after every run; `check` raises a `Failure`."""

    check: Callable[[], None] = None


class PeersBench(bench.Bench):
    """A loaded server, with Usher and its peers around it."""

    def __init__(self, folder, usher, people, runs):
        super().__init__(folder, usher, people, 1, runs)
        self.environment = folder / "environment"
        self.ldap2pg = Ldap2pg(self)
        self.django = Django(self)

    def install(self):
        self.run_tool(
            [ROOT / "Deploy" / "packages.sh", *DEBIAN_NEEDS], f"needs {', '.join(DEBIAN_NEEDS)}")
        bench.say("installing the peers from PyPI")
        self.run_tool([PYTHON, "-m", "venv", self.environment], "needs python3-venv")
        self.run_tool(
            [self.environment / "bin" / "pip", "install", "--no-input", *PEERS, *THEIR_NEEDS],
            "needs PyPI")

    def configure(self):
        super().configure()
        self.ldap2pg.configure()
        self.django.configure()

    def stop(self):
        try:
            self.ldap2pg.stop()
        finally:
            super().stop()

    def installed(self, name):
        return self.environment / "bin" / name

    def configuration(self, template, **more):
        """A peer's configuration, with where the directory is and who may read it filled in."""
        reader, password = self.kind.reader
        return template.format(
            url=self.url, reader=reader, password=password,
            people=generate.PEOPLE_BASE, groups=generate.GROUPS_BASE, **more)

    def cases(self):
        for case in self.sync_cases():
            if case.name in (FLOOR, FIRST, NOTHING):
                yield case
            elif case.name == LDAPSEARCH:
                # People last: the log holds the output of the last command.
                yield CheckedCase(LDAPSEARCH, case.commands[::-1], check=self.check_ldapsearch)
        yield from self.ldap2pg.cases()
        yield from self.django.cases()

    @staticmethod
    def is_quiet(command):
        """No output is thrown away here: it goes to the log, a file."""
        return False

    def measure_case(self, case):
        measurement = super().measure_case(case)
        if isinstance(case, CheckedCase):
            case.check()
        return measurement

    def check_ldapsearch(self):
        with self.log.open("rb") as output:
            expect("ldapsearch's people", sum(line.startswith(b"dn: ") for line in output), self.people)


class Ldap2pg:
    """ldap2pg: a role for everybody, every team and `nested`, with their members."""

    def __init__(self, subject):
        self.subject = subject
        self.configuration = subject.folder / "ldap2pg.yml"
        self.cluster = Cluster(subject)

    def configure(self):
        self.configuration.touch(mode=0o600)
        self.configuration.write_text(
            self.subject.configuration(LDAP2PG_CONFIGURATION, socket=self.cluster.folder))

    def cases(self):
        command = [self.subject.installed("ldap2pg"), "--config", self.configuration]
        yield CheckedCase(
            LDAP2PG_FIRST, [[*command, "--real"]], prepare=self.cluster.make,
            check=self.check_roles)
        yield CheckedCase(LDAP2PG_NOTHING, [command], check=self.check_nothing)

    def stop(self):
        self.cluster.stop()

    def check_roles(self):
        people, teams = self.subject.people, generate.team_count(self.subject.people)
        expect(
            "ldap2pg's people, groups and memberships", self.cluster.query(COUNT_ROLES),
            f"{people}|{teams + 1}|{people + min(teams, 2)}")

    def check_nothing(self):
        if "Nothing to do." not in self.subject.log_tail():
            raise bench.Failure(f"ldap2pg finds something to do:\n{self.subject.log_tail()}")
        self.check_roles()


class Cluster:
    """A private PostgreSQL with its default settings, reached through a socket in its folder alone.

    It refuses to run as root, so that root lends it Debian's user `postgres`.
    """

    USER = "postgres"

    def __init__(self, subject):
        self.subject = subject
        self.folder = subject.folder / "postgresql"
        self.data = self.folder / "data"
        self.log = self.folder / "log"

    def make(self):
        """An empty cluster, in place of the one that was there."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.USER, self.USER)
        self.run(
            "initdb", "-D", self.data, "-U", self.USER, "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8")
        self.start()

    def start(self):
        options = f"-c listen_addresses='' -k {self.folder}"
        try:
            self.run("pg_ctl", "start", "-D", self.data, "-l", self.log, "-o", options)
        except bench.Failure as failure:
            log = self.log.read_text(errors="replace") if self.log.exists() else ""
            raise bench.Failure(f"{failure}{log[-2000:]}") from failure

    def stop(self):
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "stop", "-D", self.data, "-m", "immediate")

    def query(self, text):
        """Its one row, in psql's unaligned form."""
        answer = subprocess.run(
            [self.tool("psql"), "-XAt", "-h", self.folder, "-U", self.USER, "-c", text],
            capture_output=True, text=True)
        if answer.returncode != 0:
            raise bench.Failure(f"psql: {answer.stderr}")
        return answer.stdout.strip()

    def run(self, name, *words):
        as_user = []
        if os.geteuid() == 0:
            as_user = ["setpriv", f"--reuid={self.USER}", f"--regid={self.USER}", "--init-groups"]
        # It wants a working folder that its user may enter.
        self.subject.run_tool(
            [*as_user, "env", f"--chdir={self.folder}", self.tool(name), *words],
            "needs postgresql")

    @staticmethod
    def tool(name):
        """A program of the newest PostgreSQL: Debian has most of them outside PATH."""
        found = pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
        newest = max(found, key=lambda path: int(path.parts[-3]), default=None)
        if not newest:
            raise bench.Failure(f"{name} is missing: needs postgresql")
        return newest


class Django:
    """django-python3-ldap: a user for everybody, of name, given name, surname and email."""

    def __init__(self, subject):
        self.subject = subject
        self.folder = subject.folder / "django"
        self.database = self.folder / "users.sqlite3"
        self.empty_database = self.folder / "empty.sqlite3"

    def configure(self):
        self.folder.mkdir(mode=0o700)
        (self.folder / "peer_settings.py").write_text(
            self.subject.configuration(DJANGO_SETTINGS, database=self.database))
        self.subject.run_tool(self.command("migrate"), "Django's tables")
        self.database.rename(self.empty_database)

    def cases(self):
        command = self.command("ldap_sync_users")
        yield CheckedCase(
            DJANGO_FIRST, [command], prepare=self.empty, check=self.check_users)
        yield CheckedCase(DJANGO_NOTHING, [command], check=self.check_users)

    def command(self, name):
        return [
            self.subject.installed("django-admin"), name, "--settings", "peer_settings",
            "--pythonpath", self.folder]

    def empty(self):
        shutil.copy(self.empty_database, self.database)

    def check_users(self):
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            (found,), = database.execute(COUNT_USERS)
        expect("django-python3-ldap's users", found, self.subject.people)


def expect(name, found, expected):
    if found != expected:
        raise bench.Failure(f"{name}: {found}, not {expected}")


def render(results, people, runs):
    """The table: every case beside the floor, and a peer's beside Usher's that does the like."""
    own_megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [
        "| case | wall (min–max) | × floor | × Usher's same case | CPU | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    for name, measurements in results.items():
        median = report.summary(measurements)
        walls = [measurement.wall_seconds for measurement in measurements]
        small = median.peak_megabytes <= own_megabytes
        rows.append("| " + " | ".join([
            name,
            f"{report.seconds(median.wall_seconds)}"
            f" ({report.seconds(min(walls))}–{report.seconds(max(walls))})",
            ratio(results, name, FLOOR),
            ratio(results, name, SAME_CASE[name]) if name in SAME_CASE else "–",
            report.seconds(median.cpu_seconds),
            f"{'< ' if small else ''}{median.peak_megabytes:.0f} MB",
        ]) + " |")
    heading = (
        f"{people:,} people, medians of {runs} on {os.cpu_count()} cores;"
        f" {' and '.join(PEERS).replace('==', ' ')}")
    return f"{heading}\n\n" + "\n".join(rows)


def ratio(results, name, other):
    return f"{report.ratio(results, name, other, 'wall_seconds'):.2f}"


def main():
    parser = program.parser(__doc__, people=10_000)
    program.add_rounds(parser)
    parser.set_defaults(runs=3)
    arguments = parser.parse_args()
    with program.folder(arguments.keep) as folder:
        subject = PeersBench(folder, arguments.usher, arguments.people, arguments.runs)
        subject.install()
        with program.running(subject):
            results = subject.measure()
    figures = report.raw_figures(results, arguments.people, 1)
    program.finish(
        render(results, arguments.people, arguments.runs), True,
        {"packages": [*PEERS, *THEIR_NEEDS], **figures}, arguments.json)


if __name__ == "__main__":
    main()
