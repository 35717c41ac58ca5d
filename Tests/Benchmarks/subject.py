"""A loaded server and an Usher that reads it, in one folder, and the commands that are run on them."""

import os
import pathlib
import shutil
import subprocess
import sys

import generate
import servers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

PAGE_SIZE = 1000

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


class Failure(Exception):
    """Something that makes the figures worthless: said in one sentence, exit status 1."""


class Subject:
    """What is measured. A program loads and starts it, configures Usher, and stops it whatever happened."""

    def __init__(self, folder, usher, people, layers=1, kind=servers.SLAPD):
        self.kind = kind
        self.people = people
        self.layers = layers
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
        words = [str(self.people), "--teams-per-person", str(self.layers)]
        if not self.kind.form.is_standard:
            words.append("--active-directory")
        with ldif.open("wb") as output:
            subprocess.run(
                [sys.executable, HERE / "generate.py", *words], stdout=output, check=True)
        # OpenLDAP's database grows no further.
        room = (1 << 30) + self.people * self.layers * 16_384
        self.server_script("init", ldif, MAXSIZE=str(room), **self.kind.settings)
        ldif.unlink()

    def start(self):
        self.server_script("start")
        lines = (self.server / "server.env").read_text().splitlines()
        self.server_env = dict(line.split("=", 1) for line in lines if "=" in line)
        if self.kind.changes:
            self.change(self.kind.changes)

    def stop(self):
        if self.server.exists():
            self.server_script(self.kind.end)

    def server_script(self, command, *more, **environment):
        self.run_tool(
            [servers.SCRIPTS / self.kind.script, command, self.server, *more], self.kind.needs,
            {**os.environ, **environment})

    def configure(self):
        self.password.touch(mode=0o600)
        reader, password = self.kind.reader
        self.password.write_text(password)
        mapping = self.kind.in_its_words((HERE / "mapping.yaml").read_text())
        (self.folder / "mapping.yaml").write_text(mapping)
        # Everybody gets something more by it.
        (self.folder / "trial.yaml").write_text(
            mapping + "  - name: trial\n    when: everyone\n    groups: [trial]\n")
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
    bind: {{ dn: "{reader}", password: {{ file: password }} }}
    tls: {{ clear-text: true }}
    read: {reads}
    mapping: mapping.yaml
# The trial gives everybody a group, which a limit would hold back.
limits: {{ free-below: 10000000 }}
""")

    # The commands

    @property
    def url(self):
        return self.server_env["LDAP_URL"]

    @property
    def searches(self):
        own = self.kind.in_its_words
        return [
            (own(base), own(filter), [own(attribute) for attribute in attributes])
            for base, filter, attributes in SEARCHES]

    def floor_command(self, *options):
        searches = [
            word for base, filter, attributes in self.searches
            for word in (base, filter, ",".join(attributes))]
        return [
            self.floor, *self.sign_in(), "-p", str(self.kind.page), *options, *searches]

    def ldapsearch_command(self, base, filter, attributes, scope="sub"):
        pages = ["-E", f"!pr={PAGE_SIZE}/noprompt"] if scope == "sub" else []
        return [
            "ldapsearch", "-x", "-LLL", *self.sign_in(), *pages, "-s", scope, "-b", base, filter,
            *attributes]

    def sign_in(self):
        return ["-H", self.url, "-D", self.kind.reader[0], "-y", self.password]

    def usher_command(self, *words, configuration="usher.yaml"):
        return [self.usher, *words, "--config", self.folder / configuration]

    def empty_store(self):
        shutil.rmtree(self.store, ignore_errors=True)
        self.store.mkdir(mode=0o700)

    def rename(self, indexes):
        """Gives people names that they never had."""
        self.changes += 1
        self.change("\n".join(
            f"dn: {self.kind.form.person_dn(index)}\nchangetype: modify\nreplace: displayName\n"
            f"displayName: Changed {index} {self.changes}\n" for index in indexes))

    def change(self, records):
        """Changes the server as its manager."""
        ldif = self.folder / "changes.ldif"
        ldif.write_text(records)
        manager, password = self.kind.manager
        self.run_tool(
            ["ldapmodify", "-x", "-H", self.url, "-D", manager, "-w", password, "-f", ldif],
            "needs ldap-utils")

    def run_tool(self, command, needs, environment=None):
        try:
            with self.log.open("wb") as log:
                subprocess.run(command, env=environment, stdout=log, stderr=log, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failure(f"{error} ({needs})\n{self.log_tail()}") from error

    def log_tail(self):
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""


def say(text):
    print(text, file=sys.stderr, flush=True)
