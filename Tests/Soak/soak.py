#!/usr/bin/env python3
"""`usher serve` under faults: a real slapd whose entries change all the time, a sync every few seconds, console and API requests.

  soak.py USHER [--minutes 10] [--people 400] [--seed 1]

Kills syncs, limits what they may write, stops and pauses slapd, takes the proxy before it down or lets it stall under a preview, hides
`mail` by an access rule and mends it, and lets the webhook fail or hang. Then all is mended, and it checks that the site of the delta
reads is what a new store gets from one complete read, that no ceiling was ever exceeded, that journal and database are whole, that memory
and descriptors of `serve` stayed level, and that no process was left behind.
"""
import argparse
import contextlib
import http.server
import json
import os
import random
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

SUFFIX = "dc=acme,dc=example"
CEILING = 60
KINDS = ["staff", "vendor", "service", "intern"]
TEAMS = ["build", "run", "sell"]
MAPPING = f"""
usher: 1
extends: openldap
search:
  users: {{ base: "ou=people,{SUFFIX}" }}
  groups: {{ base: "ou=groups,{SUFFIX}" }}
rules:
  - {{ name: staff, when: (employeeType=staff), licenses: [confluence] }}
  - {{ name: few seats, when: (title=lead), licenses: [jira] }}
  - {{ name: teams, each-group: (cn=team-*), groups: ["{{cn}}"] }}
  - {{ name: vendors, when: (employeeType=vendor), portal-only: true }}
conflicts: licensed
otherwise: unlicensed
leavers: {{ after: 0h, then: deactivate }}
"""


class Hook(http.server.BaseHTTPRequestHandler):
    answer, pause, got = 200, 0, 0

    def do_POST(self):
        time.sleep(Hook.pause)
        with contextlib.suppress(OSError):
            self.rfile.read(int(self.headers["Content-Length"]))
            Hook.got += Hook.answer == 200
            self.send_response(Hook.answer)
            self.end_headers()

    def log_message(self, *_):
        pass


class Proxy:
    """Before slapd: passes everything, closes each connection (`down`), or passes nothing on (`stall`)."""

    def __init__(self, port):
        self.port, self.mode = port, "pass"
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.url = f"ldap://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            try:
                if self.mode == "down":
                    raise OSError
                server = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                client.close()
                continue
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(source, target), daemon=True).start()

    def pump(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while self.mode == "stall":
                    time.sleep(0.05)
                if self.mode == "down":
                    break
                target.sendall(data)
        for side in (source, target):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


class Slapd:
    def __init__(self, folder, ldif):
        self.script = Path(__file__).resolve().parents[1] / "Servers/slapd.sh"
        self.folder = folder
        environment = os.environ | {"SUFFIX": SUFFIX, "SYNCPROV": "1", "MEMBEROF": "0"}
        subprocess.run([self.script, "init", folder, ldif], env=environment, check=True)
        self.start()

    def start(self):
        text = subprocess.run([self.script, "start", self.folder], check=True, capture_output=True, text=True).stdout
        self.values = dict(line.split("=", 1) for line in text.split())
        self.port = int(self.values["LDAP_URL"].rsplit(":", 1)[1])

    def stop(self):
        subprocess.run([self.script, "stop", self.folder], check=True)

    def modify(self, ldif):
        """- Returns: whether all of it was done."""
        done = subprocess.run(["ldapmodify", "-Q", "-c", "-Y", "EXTERNAL", "-H", self.values["LDAPI_URL"]], input=ldif, text=True,
                              capture_output=True, env=os.environ | {"LDAPNOINIT": "1"})
        return done.returncode == 0


    def ids(self, search):
        """The entryUUIDs of the people whom a filter finds."""
        text = subprocess.run(["ldapsearch", "-Q", "-LLL", "-Y", "EXTERNAL", "-H", self.values["LDAPI_URL"], "-b",
                               f"ou=people,{SUFFIX}", search, "entryUUID"], capture_output=True, text=True, check=True,
                              env=os.environ | {"LDAPNOINIT": "1"}).stdout
        return set(re.findall(r"^entryUUID: (\S+)$", text, re.M))


def person(number, chance):
    kind, title = chance.choice(KINDS), chance.choice(["lead", "member", "member"])
    return (f"dn: uid=p{number},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: p{number}\ncn: P {number}\nsn: {number}\n"
            f"mail: p{number}@acme.example\nemployeeType: {kind}\ntitle: {title}\n")


class Company:
    """Changes the directory. Only its own thread touches it."""

    def __init__(self, slapd, people, chance):
        self.slapd, self.chance = slapd, chance
        self.people, self.next, self.changes = list(range(people)), people, 0

    @staticmethod
    def ldif(people, chance):
        text = f"dn: {SUFFIX}\nobjectClass: domain\ndc: acme\n\n"
        for name in ("people", "groups"):
            text += f"dn: ou={name},{SUFFIX}\nobjectClass: organizationalUnit\nou: {name}\n\n"
        text += "".join(person(number, chance) + "\n" for number in range(people))
        for team in TEAMS:
            text += f"dn: cn=team-{team},ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: team-{team}\n"
            text += "".join(f"member: uid=p{number},ou=people,{SUFFIX}\n" for number in range(people) if chance.random() < 0.3)
            text += f"member: cn=nobody,{SUFFIX}\n\n"
        return text

    def change(self):
        chance = self.chance
        number = chance.choice(self.people)
        dn = f"uid=p{number},ou=people,{SUFFIX}"
        what = chance.choice(["sn", "kind", "kind", "title", "team", "team", "join", "leave", "mail"])
        if what == "join":
            number, self.next = self.next, self.next + 1
            if not self.slapd.modify(person(number, chance).replace("\nobjectClass", "\nchangetype: add\nobjectClass", 1)):
                return
            self.people.append(number)
        elif what == "leave" and len(self.people) > 200:
            if not self.slapd.modify(f"dn: {dn}\nchangetype: delete\n"):
                return
            self.people.remove(number)
        elif what == "team":
            group = f"cn=team-{chance.choice(TEAMS)},ou=groups,{SUFFIX}"
            self.slapd.modify(f"dn: {group}\nchangetype: modify\n{chance.choice(['add', 'delete'])}: member\nmember: {dn}\n")
        else:
            name, value = {"sn": ("sn", f"s{chance.random()}"), "kind": ("employeeType", chance.choice(KINDS)),
                           "title": ("title", chance.choice(["lead", "member"])),
                           "mail": ("mail", f"p{number}.{chance.randrange(1 << 30)}@acme.example")}.get(what, ("sn", "x"))
            self.slapd.modify(f"dn: {dn}\nchangetype: modify\nreplace: {name}\n{name}: {value}\n")
        self.changes += 1


class Site:
    """The service at work in a folder."""

    def __init__(self, usher, folder, proxy, hook):
        self.usher, self.folder, self.answers, self.bad = usher, folder, {}, []
        (folder / "acme.yaml").write_text(MAPPING)
        made = subprocess.run([usher, "token", "soak", "--role", "operator"], capture_output=True, text=True, check=True)
        self.token = made.stdout.strip()
        digest = re.search(r"sha256: (\w+)", made.stderr)[1]
        (folder / "usher.yaml").write_text(f"""
site: {{ name: acme, store: "sqlite:usher.db", licenses: {{ confluence: {{}}, jira: {{ seats: {CEILING} }} }} }}
directories: [{{ name: corporate, url: "{proxy.url}", tls: {{ clear-text: true }}, timeout: 5s, mapping: acme.yaml }}]
limits: {{ free-below: 1000000 }}
deadline: {{ run: 40s }}
notify: {{ webhook: {{ url: "http://127.0.0.1:{hook}/" }} }}
console: {{ listen: "127.0.0.1:0", tokens: [{{ name: soak, role: operator, sha256: {digest} }}] }}
""")
        with open(folder / "serve.log", "w") as log:
            self.process = subprocess.Popen([usher, "serve"], cwd=folder, stdout=subprocess.DEVNULL, stderr=log)
        while not (found := re.search(r"The console is at (http\S+)\.", (folder / "serve.log").read_text())):
            assert self.process.poll() is None, (folder / "serve.log").read_text()
            time.sleep(0.05)
        self.address = found[1]

    def ask(self, path, method="GET", allowed=(200, 201, 202, 204)):
        request = urllib.request.Request(self.address + path, method=method, headers={"Authorization": "Bearer " + self.token})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        key = (method, re.sub(r"[0-9a-f]{12,}|p\d+.*", "…", path))
        counts = self.answers.setdefault(key, {})
        counts[status] = counts.get(status, 0) + 1
        if status not in allowed:
            self.bad.append(f"{method} {path}: {status} {text[:300]}")
        return status, text

    def children(self):
        """Of `serve`: number, state and words."""
        found = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                for number in (task / "children").read_text().split():
                    state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
                    words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
                    found.append((int(number), state, [word.decode() for word in words]))
        return found

    def sync_child(self, seconds=10):
        """The process of a sync; nil where none begins in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, _, words in self.children():
                if "sync" in words:
                    return number
            time.sleep(0.002)
        return None

    def measure(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return (int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024, len(os.listdir(f"/proc/{self.process.pid}/fd")))

    def query(self, sql):
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/usher.db?mode=ro", uri=True, timeout=30)) as db:
            return db.execute(sql).fetchall()

    def seats(self):
        return self.query("""SELECT coalesce((SELECT taken FROM seats_v1 WHERE name = 'jira'), 0),
            (SELECT count(*) FROM rights_v1 WHERE name = 'jira' AND kind = 'license' AND NOT suspended)""")[0]


def faults(site, slapd, proxy, chance):
    """What may go wrong, each as a function that mends it again."""
    def kill_sync():
        if child := site.sync_child():
            time.sleep(chance.choice([0, 0.02, 0.1, 0.3]))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def full_disk():
        if child := site.sync_child():
            with contextlib.suppress(OSError, ProcessLookupError):
                resource.prlimit(child, resource.RLIMIT_FSIZE, (chance.choice([4096, 65536, 400_000]),) * 2)

    def stop_slapd():
        slapd.stop()
        time.sleep(chance.uniform(2, 8))
        slapd.start()

    def pause_slapd():
        number = int(slapd.values["PID"])
        os.kill(number, signal.SIGSTOP)
        time.sleep(chance.uniform(2, 12))
        os.kill(number, signal.SIGCONT)

    def proxy_down():
        proxy.mode = "down"
        time.sleep(chance.uniform(2, 8))
        proxy.mode = "pass"

    def preview_stalls():
        proxy.mode = "stall"
        asking = threading.Thread(target=site.ask, args=("/api/v1/preview", "POST", (200, 201, 202, 409, 503)))
        asking.start()
        time.sleep(2)
        proxy.mode = "pass"
        asking.join()

    def hide_mail():
        database = "dn: olcDatabase={2}mdb,cn=config\nchangetype: modify\n"
        assert slapd.modify(database + "add: olcAccess\nolcAccess: {0}to attrs=mail by * none\n")
        time.sleep(chance.uniform(5, 15))
        assert slapd.modify(database + "delete: olcAccess\nolcAccess: {0}\n")

    def webhook_fails():
        Hook.answer, Hook.pause = chance.choice([(500, 0), (200, 20)])
        time.sleep(chance.uniform(5, 20))
        Hook.answer, Hook.pause = 200, 0

    return [kill_sync, kill_sync, full_disk, stop_slapd, pause_slapd, proxy_down, preview_stalls, hide_mail, webhook_fails]


def accounts(usher, folder):
    text = subprocess.run([usher, "export", "--format", "json"], cwd=folder, capture_output=True, text=True, check=True).stdout
    return {account["email"].lower(): account for account in json.loads(text)["accounts"] if account["active"]}


def without_jira(account):
    return (account["kind"], account["portal_only"], account["name"], account["directory_id"],
            sorted(name for name in account["licenses"] if name != "jira"), sorted(account["groups"]))


def level(samples, most_growth):
    """The highest of the second quarter and of the last one, and whether that has not grown by more than so much."""
    quarter = max(1, len(samples) // 4)
    early, late = max(samples[quarter:2 * quarter] or samples), max(samples[-quarter:])
    return early, late, late <= early + most_growth


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("usher", type=Path)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--people", type=int, default=400)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    usher, chance = given.usher.resolve(), random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="usher-soak.") as name, contextlib.ExitStack() as ends:
        folder = Path(name)
        (folder / "data.ldif").write_text(Company.ldif(given.people, chance))
        slapd = Slapd(folder / "slapd", folder / "data.ldif")
        ends.callback(slapd.stop)
        proxy = Proxy(slapd.port)
        hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        (folder / "site").mkdir()
        site = Site(usher, folder / "site", proxy, hook.server_address[1])
        ends.callback(lambda: site.process.poll() is None and site.process.kill())
        soak(site, slapd, proxy, given, chance)


def soak(site, slapd, proxy, given, chance):
    company = Company(slapd, given.people, random.Random(given.seed + 1))
    done, problems, memory, descriptors, injected = threading.Event(), [], [], [], {}

    def repeat(pause, body):
        def loop():
            while not done.wait(pause()):
                try:
                    body()
                except Exception as error:  # What a thread finds is told at the end.
                    problems.append(f"{body.__name__}: {error!r}")
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        return thread

    def look():
        memory.append(site.measure()[0])
        descriptors.append(site.measure()[1])
        taken, held = site.seats()
        if taken > CEILING or held > CEILING or taken != held:
            problems.append(f"jira: {taken} seats counted, {held} held, {CEILING} there")

    def browse():
        site.ask(chance.choice(["/api/v1/site", "/api/v1/accounts?count=50", "/api/v1/holds", "/api/v1/approvals", "/api/v1/runs",
                                "/metrics", "/healthz"]))
        site.ask("/readyz", allowed=(200, 503))

    def preview():
        site.ask("/api/v1/preview", "POST", allowed=(200, 201, 202, 409, 503))

    while not site.folder.joinpath("usher.db").exists():
        time.sleep(0.1)
    time.sleep(5)
    threads = [
        repeat(lambda: 0.2, company.change), repeat(lambda: 3, lambda: site.ask("/api/v1/sync", "POST")), repeat(lambda: 1, look),
        repeat(lambda: 0.3, browse), repeat(lambda: 15, preview)]
    end = time.monotonic() + given.minutes * 60
    what_may = faults(site, slapd, proxy, chance)
    while time.monotonic() < end:
        time.sleep(chance.uniform(3, 8))
        fault = chance.choice(what_may)
        injected[fault.__name__] = injected.get(fault.__name__, 0) + 1
        fault()
    done.set()
    for thread in threads:
        thread.join()

    # All is mended: two syncs by what has changed, and one complete read into a new store.
    for _ in range(2):
        began = site.query("SELECT coalesce(max(id), 0) FROM run WHERE command = 'sync'")[0][0]
        limit = time.monotonic() + 120
        while site.query("SELECT coalesce(max(id), 0) FROM run WHERE command = 'sync'")[0][0] == began:
            assert time.monotonic() < limit, "no sync succeeds any more:\n" + (site.folder / "serve.log").read_text()[-3000:]
            site.ask("/api/v1/sync", "POST")
            time.sleep(2)
    time.sleep(3)
    if (ready := site.ask("/readyz")) != (200, "ready\n"):
        problems.append(f"not ready at the end: {ready}")
    zombies = [child for child in site.children() if child[1] == "Z"]
    metrics = site.ask("/metrics")[1]
    ends = dict(re.findall(r'usher_syncs_total\{site="acme",exit_code="(\d+)"\} (\d+)', metrics))
    began = time.monotonic()
    site.process.terminate()
    status = site.process.wait(timeout=30)
    stopped = time.monotonic() - began

    fresh = site.folder.parent / "fresh"
    fresh.mkdir()
    for file in ("usher.yaml", "acme.yaml"):
        (fresh / file).write_text(re.sub(r"notify: .*\n", "", (site.folder / file).read_text()))
    subprocess.run([site.usher, "sync", "--quiet"], cwd=fresh, check=True, stdout=subprocess.DEVNULL)
    here, there = accounts(site.usher, site.folder), accounts(site.usher, fresh)
    for email in sorted(here.keys() | there.keys()):
        one, other = here.get(email), there.get(email)
        if one is None or other is None or without_jira(one) != without_jira(other):
            problems.append(f"delta is not full: {email}: {one} and {other}")
    seats = [sum("jira" in account["licenses"] for account in all.values()) for all in (here, there)]
    if seats[0] != seats[1] or seats[0] > CEILING:
        problems.append(f"jira: {seats[0]} hold it, {seats[1]} in a new store, of {CEILING}")
    leads = slapd.ids("(title=lead)")
    holders = {account["directory_id"] for account in here.values() if "jira" in account["licenses"]}
    if holders - leads:
        problems.append(f"wrong rights: {holders - leads}")
    if len(holders) != min(CEILING, len(leads)):
        problems.append(f"jira: {len(holders)} of {len(leads)} hold it, {CEILING} seats are there")
    verified = subprocess.run([site.usher, "runs", "--verify"], cwd=site.folder, capture_output=True, text=True)
    integrity = site.query("PRAGMA integrity_check")
    left = [file.name for file in site.folder.iterdir() if re.search(r"\.db\.(plan|in|out|err)-", file.name)]
    for text, is_wrong in [
            (f"runs --verify: {verified.stdout} {verified.stderr}", verified.returncode != 0),
            (f"integrity_check: {integrity}", integrity != [("ok",)]), (f"zombies: {zombies}", zombies),
            (f"exit code of serve: {status}", status != 0), (f"files left: {left}", left),
            (f"serve took {stopped:.1f} s to stop", stopped > 5)]:
        if is_wrong:
            problems.append(text)
    problems += site.bad
    early, late, is_level = level(memory, 30)
    if not is_level:
        problems.append(f"memory of serve grew from {early:.0f} to {late:.0f} MB")
    few, many, stays = level(descriptors, 10)
    if not stays:
        problems.append(f"descriptors of serve grew from {few} to {many}")

    requests = sum(sum(counts.values()) for counts in site.answers.values())
    print(f"{given.minutes:g} minutes, seed {given.seed}: {company.changes} changes of the directory, {len(company.people)} people at the end")
    print(f"syncs by exit code: {json.dumps(ends)}; {requests} requests, {Hook.got} notices")
    print(f"faults: {json.dumps(injected)}")
    print(f"memory of serve: {early:.0f} MB in the second quarter, {late:.0f} MB in the last; descriptors: {few}, {many}; "
          f"stopped in {stopped:.2f} s")
    print(f"{len(here)} active accounts, {seats[0]} of {CEILING} seats")
    for problem in problems[:40]:
        print("WRONG:", problem)
    if problems:
        print((site.folder / "serve.log").read_text()[-4000:])
        sys.exit(1)
    print("ok: the site is what a new store gets, no ceiling was exceeded, journal and database are whole")


if __name__ == "__main__":
    main()
