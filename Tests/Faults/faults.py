#!/usr/bin/env python3
"""Syncs from a real slapd through a proxy that breaks the conversation at random; afterwards the site is as before
or as planned, whether everything is read or what changed.

The proxy cuts at any byte or message, stalls, sends rubbish, refuses, takes controls away, and answers any result
code of RFC 4511 in place of a bind's, a page's or an entry's answer. An answer that is not complete must end with
exit 5 and an untouched site; a fault that does no harm, with exit 0 and the site exactly as planned. Every tenth
time a clean sync afterwards has to finish the job. Prints its seed first.
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
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CODES = [*range(1, 9), *range(10, 15), *range(16, 22), *range(32, 35), 36, *range(48, 55),
         *range(64, 70), 71, 80, 4096]
CONFIGURATION = """site:
  name: acme
  store: sqlite:store/usher.db
  licenses: {{ confluence: {{}}, jira: {{}} }}
directories:
  - name: corporate
    url: ldap://127.0.0.1:{port}
    bind: {{ dn: "cn=reader,dc=acme,dc=example", password: {{ file: bind-password }} }}
    tls: {{ clear-text: true }}
    timeout: {timeout}
    read: {reads}
    mapping: acme.yaml
limits: {{ free-below: 1000000 }}
"""
MAPPING = """usher: 1
extends: openldap
search:
  users: { base: "ou=people,dc=acme,dc=example" }
  groups: { base: "ou=groups,dc=acme,dc=example" }
leavers: { after: 0h, then: deactivate }
rules:
  - { name: staff, when: everyone, licenses: [confluence] }
  - { name: engineers, member-of: engineers, licenses: [jira] }
"""


def company(people):
    yield "dn: dc=acme,dc=example\nobjectClass: domain\ndc: acme\n"
    for unit in ("people", "groups"):
        yield f"dn: ou={unit},dc=acme,dc=example\nobjectClass: organizationalUnit\nou: {unit}\n"
    yield ("dn: cn=reader,dc=acme,dc=example\nobjectClass: person\ncn: reader\nsn: reader\n"
           "userPassword: secret words\n")
    for n in range(people):
        yield (f"dn: uid=p{n},ou=people,dc=acme,dc=example\nobjectClass: inetOrgPerson\nuid: p{n}\n"
               f"cn: Person {n}\nsn: {n}\nmail: p{n}@acme.example\n")
    members = "".join(f"member: uid=p{n},ou=people,dc=acme,dc=example\n" for n in range(0, people, 3))
    yield f"dn: cn=engineers,ou=groups,dc=acme,dc=example\nobjectClass: groupOfNames\ncn: engineers\n{members}"


def later(people):
    """What changes between the site as it was and as it is planned."""
    for n in range(0, people, 10):
        yield f"dn: uid=p{n},ou=people,dc=acme,dc=example\nchangetype: delete\n"
        yield (f"dn: uid=p{n + 1},ou=people,dc=acme,dc=example\nchangetype: modify\nreplace: mail\n"
               f"mail: new{n}@acme.example\n")
    yield ("dn: cn=engineers,ou=groups,dc=acme,dc=example\nchangetype: modify\nadd: member\n"
           "member: uid=p1,ou=people,dc=acme,dc=example\n-\ndelete: member\n"
           "member: uid=p3,ou=people,dc=acme,dc=example\n")


def ber(tag, body):
    length = len(body)
    if length < 128:
        return bytes([tag, length]) + body
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + body


def header(data, at=0):
    """The length of a BER element's header and of its body; nothing where more bytes are needed."""
    if len(data) < at + 2:
        return None
    length, size = data[at + 1], 2
    if length & 0x80:
        size += length & 0x7F
        if len(data) < at + size:
            return None
        length = int.from_bytes(data[at + 2:at + size], "big")
    return size, length


class Message:
    """An LDAPMessage (RFC 4511 section 4.1.1) as it passes."""

    def __init__(self, data):
        self.data = data
        at = header(data)[0]
        size, length = header(data, at)
        self.number = data[at:at + size + length]
        at += size + length
        size, length = header(data, at)
        self.operation = data[at]
        self.body = data[at:at + size + length]

    def answering(self, operation, code):
        value = code.to_bytes(2 if code > 127 else 1, "big")
        return ber(0x30, self.number + ber(operation, ber(0x0A, value) + b"\x04\x00\x04\x05fault"))

    def without_controls(self):
        return ber(0x30, self.number + self.body)


BIND, ENTRY, DONE = 0x61, 0x64, 0x65


class Proxy:
    """Stands before the server; `fault` is a kind and its numbers."""

    def __init__(self, port):
        self.port, self.fault, self.counts = port, ("none",), collections.Counter()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.own_port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            client, _ = self.listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.fault[0] == "refuse":
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self.ask, args=(client, server), daemon=True).start()
            threading.Thread(target=self.answer, args=(client, server), daemon=True).start()

    @staticmethod
    def ask(client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def answer(self, client, server):
        counts, pending = collections.Counter(), b""
        try:
            while data := server.recv(65536):
                pending += data
                while (head := header(pending)) and len(pending) >= sum(head):
                    message, pending = Message(pending[:sum(head)]), pending[sum(head):]
                    counts["messages"] += 1
                    counts[message.operation] += 1
                    counts["bytes"] += len(message.data)
                    out = self.changed(message, counts)
                    if out is not None:
                        client.sendall(out)
                    if out is None or counts["over"]:
                        if self.fault[0] != "stall":
                            client.shutdown(socket.SHUT_RDWR)
                            return
        except OSError:
            pass
        finally:
            self.counts = counts

    def changed(self, message, counts):
        """The bytes that pass in a message's place; None, or counts["over"]: nothing more."""
        kind, at, code = (*self.fault, 0, 0)[:3]
        operation = message.operation
        if counts["swallowing"] == int.from_bytes(message.number, "big"):
            return b""
        if kind == "cut" and counts["bytes"] > at:
            counts["over"] = 1
            return message.data[:len(message.data) - (counts["bytes"] - at)]
        if kind in ("cut-message", "stall") and counts["messages"] >= at:
            return None
        if kind == "garbage" and counts["messages"] == at:
            return b"\xFF" * 64
        if kind == "bind" and operation == BIND:
            return message.answering(BIND, code)
        if kind == "result" and operation == DONE and counts[DONE] == at:
            return message.answering(DONE, code)
        if kind == "no-control" and operation == DONE and counts[DONE] == at:
            return message.without_controls()
        if kind == "early" and operation == ENTRY and counts[ENTRY] == at:
            counts["swallowing"] = int.from_bytes(message.number, "big")
            return message.answering(DONE, code)
        return message.data


class Faults:
    def __init__(self, arguments):
        self.arguments, self.random = arguments, random.Random(arguments.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="usher-faults-"))
        self.outcomes, self.failed = collections.defaultdict(collections.Counter), 0

    def script(self, *words, **environment):
        return subprocess.run([ROOT / "Tests/Servers/slapd.sh", *words], check=True, text=True,
                              capture_output=True, env={"PATH": "/usr/bin:/bin:/usr/sbin", "PAGELIMIT": "100", "SYNCPROV": "1",
                                                        "SUFFIX": "dc=acme,dc=example", **environment}).stdout

    def usher(self, *words):
        return subprocess.run([self.arguments.usher, *words], cwd=self.folder, text=True, capture_output=True)

    def export(self):
        return self.usher("export").stdout

    def prepare(self):
        people = self.arguments.people
        (self.folder / "data.ldif").write_text("\n".join(company(people)))
        server = self.folder / "server"
        self.script("init", str(server), str(self.folder / "data.ldif"))
        values = dict(line.split("=", 1) for line in self.script("start", str(server)).split())
        self.proxy = Proxy(int(values["LDAP_URL"].rsplit(":", 1)[1]))
        (self.folder / "bind-password").write_text("secret words")
        (self.folder / "bind-password").chmod(0o600)
        (self.folder / "acme.yaml").write_text(MAPPING)
        self.configure("delta")
        (self.folder / "store").mkdir()
        first = self.usher("sync", "-q")
        if first.returncode != 0:
            sys.exit(f"the first sync failed: {first.stderr}")
        shutil.copytree(self.folder / "store", self.folder / "store-before")
        self.before = self.export()
        (self.folder / "change.ldif").write_text("\n".join(later(people)))
        subprocess.run(["ldapmodify", "-x", "-H", values["LDAP_URL"], "-D", "cn=admin,dc=acme,dc=example",
                        "-w", "secret", "-f", self.folder / "change.ldif"], check=True, capture_output=True)
        self.length = {}
        for reads in ("delta", "full"):
            self.restore()
            self.configure(reads)
            if self.usher("sync", "-q").returncode != 0:
                sys.exit(f"a sync without faults failed reading {reads}")
            self.after = self.export()
            self.length[reads] = self.proxy.counts
        if self.before == self.after:
            sys.exit("nothing changed, so that nothing would be seen")
        self.restore()

    def configure(self, reads, timeout="60s"):
        """Everything is read, or what changed."""
        self.reads = reads
        (self.folder / "usher.yaml").write_text(
            CONFIGURATION.format(port=self.proxy.own_port, reads=reads, timeout=timeout))

    def restore(self):
        shutil.rmtree(self.folder / "store")
        shutil.copytree(self.folder / "store-before", self.folder / "store")

    def choose(self):
        pick, length = self.random, self.length[self.reads]
        kind = pick.choices(
            ["cut", "cut-message", "garbage", "result", "early", "no-control", "bind", "refuse", "stall"],
            [20, 10, 8, 25, 20, 6, 8, 1, 2])[0]
        if kind == "cut":
            return kind, pick.randrange(length["bytes"])
        if kind in ("cut-message", "garbage", "stall"):
            return kind, pick.randint(1, length["messages"])
        if kind in ("result", "no-control"):
            return kind, pick.randint(1, length[DONE]), pick.choice(CODES)
        if kind == "early":
            return kind, pick.randint(1, length[ENTRY]), pick.choice(CODES)
        return (kind, 0, pick.choice(CODES))

    def one(self, number):
        self.configure(self.random.choice(["delta", "full"]), timeout="1s")
        fault = self.proxy.fault = self.choose()
        sync = self.usher("sync", "-q")
        self.proxy.fault = ("none",)
        site = self.export()
        good = (sync.returncode == 0 and site == self.after) or (
            sync.returncode == 5 and site == self.before and "Nothing was changed" in sync.stderr)
        outcome = f"exit {sync.returncode}"
        if good and number % 10 == 0:
            self.configure(self.reads)
            again = self.usher("sync", "-q")
            good = again.returncode == 0 and self.export() == self.after
            if not good:
                outcome = f"clean sync afterwards: exit {again.returncode}"
        self.outcomes[f"{fault[0]}, {self.reads}"][outcome] += 1
        if not good:
            self.failed += 1
            print(f"FAILED {fault} reading {self.reads}: {outcome}\n{sync.stderr}", flush=True)
        if sync.returncode == 0 or number % 10 == 0:
            self.restore()

    def run(self):
        print(f"seed {self.arguments.seed}", flush=True)
        start = time.monotonic()
        try:
            self.prepare()
            for number in range(1, self.arguments.faults + 1):
                self.one(number)
        finally:
            self.script("stop", str(self.folder / "server"))
            shutil.rmtree(self.folder)
        for kind, outcomes in sorted(self.outcomes.items()):
            print(f"{kind:20} " + ", ".join(f"{count} {what}" for what, count in sorted(outcomes.items())))
        print(f"{self.arguments.faults} faults, {self.failed} failed, {time.monotonic() - start:.0f} s")
        return 1 if self.failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--usher", default=str(ROOT / ".build/debug/usher"), help="the binary")
    parser.add_argument("--faults", type=int, default=2000, help="how many")
    parser.add_argument("--people", type=int, default=300, help="in the directory")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    sys.exit(Faults(parser.parse_args()).run())


if __name__ == "__main__":
    main()
