#!/usr/bin/env python3
"""Who is told what after a sync, by mail and by webhook.

  notices.py USHER
"""
import argparse
import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import socketserver
import subprocess
import tempfile
import threading
import time
import urllib.request
from email import message_from_bytes, policy
from pathlib import Path

SECRET = "a hook's secret"
MAPPING = """
usher: 1
search: { users: { base: "dc=x", filter: (objectClass=person) } }
account: { id: employeeNumber, email: mail, name: cn }
rules: [{ name: all, when: everyone, licenses: [wiki] }]
leavers: { after: 0h, then: deactivate }
"""


class Hook(http.server.BaseHTTPRequestHandler):
    got, answer, pause = [], 200, 0

    def do_POST(self):
        time.sleep(Hook.pause)
        Hook.got.append((self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(Hook.answer)
        self.end_headers()

    def log_message(self, *_):
        pass


class Mail(socketserver.StreamRequestHandler):
    got = []

    def handle(self):
        def say(line):
            self.wfile.write(line.encode() + b"\r\n")
        say("220 test")
        to = []
        while line := self.rfile.readline():
            word = line.strip()
            if word.upper().startswith(b"EHLO"):
                say("250-test")
                say("250 8BITMIME")
            elif word.upper().startswith(b"RCPT"):
                to.append(word.split(b":", 1)[1].strip(b"<>").decode())
                say("250 ok")
            elif word == b"DATA":
                say("354 go on")
                lines = []
                while (part := self.rfile.readline()) != b".\r\n":
                    lines.append(part)
                Mail.got.append((to, message_from_bytes(b"".join(lines), policy=policy.default)))
                say("250 taken")
            elif word == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


def people(*numbers):
    return "".join(f"dn: cn=p{n},dc=x\nobjectClass: person\nemployeeNumber: {n}\nmail: p{n}@x.example\ncn: Jürgen {n}\n\n"
                   for n in numbers)


def start(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("usher", type=Path)
    usher = options.parse_args().usher.resolve()
    hook = start(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook))
    mail = start(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail))
    with tempfile.TemporaryDirectory(prefix="usher-notices.") as name:
        folder = Path(name)
        (folder / "secret").write_text(SECRET)
        (folder / "secret").chmod(0o600)
        (folder / "m.yaml").write_text(MAPPING)

        def configure(notify):
            (folder / "usher.yaml").write_text(f"""
site: {{ name: acme, store: "sqlite:usher.db", licenses: {{ wiki: {{}} }} }}
directories: [{{ name: corporate, ldif: people.ldif, mapping: m.yaml }}]
limits: {{ deactivations: {{ percent: 0, max: 0 }}, free-below: 1 }}
schedule: {{ every: 24h, full: 24h }}
console: {{ url: https://usher.acme.example }}
notify: {notify}
""")

        def sync(code, *words):
            ended = subprocess.run([usher, "sync", *words], cwd=folder, capture_output=True, text=True)
            assert ended.returncode == code, (ended.returncode, ended.stdout, ended.stderr)
            told, mails = Hook.got[:], Mail.got[:]
            Hook.got.clear(), Mail.got.clear()
            return [json.loads(body) for _, _, body in told], mails, told, ended.stderr

        both = (f'{{ email: [it@acme.example, ops@acme.example], from: usher@acme.example, smtp: "smtp://127.0.0.1:{mail}", '
                f'webhook: {{ url: "http://127.0.0.1:{hook}/hook", secret: {{ file: secret }} }} }}')
        configure(both)
        (folder / "people.ldif").write_text(people(*range(1, 21)))
        told, mails, raw, _ = sync(0)
        assert told[0]["usher_notice"] == 1 and told[0]["changes"] == {"create-account": 20, "grant-license": 20}, told
        assert told[0]["run"] == 1 and told[0]["link"] == "https://usher.acme.example" and told[0]["exit_code"] == 0
        signed = "sha256=" + hmac.new(SECRET.encode(), raw[0][2], hashlib.sha256).hexdigest()
        assert raw[0][1]["X-Usher-Signature"] == signed
        (to, message), = mails
        assert to == ["it@acme.example", "ops@acme.example"] and message["From"] == "usher@acme.example"
        assert message["Subject"] == "[usher acme] 40 changes applied", message["Subject"]
        text = message.get_content()
        assert "create-account  20" in text and "https://usher.acme.example/runs/1" in text and "Jürgen" not in text, text

        assert sync(0)[:2] == ([], []), "nothing happened, and somebody was told"

        # Two leavers, of whom one may go: the other is held, and told once.
        (folder / "people.ldif").write_text(people(*range(1, 18)))
        told, mails, _, _ = sync(3)
        held, = told[0]["held"]
        assert held["changes"] >= 1 and "approval needed" in told[0]["subject"], told
        assert f"usher approve {held['hash'][:12]}" in mails[0][1].get_content()
        assert sync(3)[:2] == ([], []), "the same hash was told twice"

        # A failure is told once, however often it comes and goes, and its end once nothing has failed for ten minutes.
        queue = folder / "usher.db.notices"

        def hide():
            (folder / "people.ldif").rename(folder / "away.ldif")

        def show():
            (folder / "away.ldif").rename(folder / "people.ldif")

        hide()
        told, mails, _, _ = sync(5)
        assert told[0]["exit_code"] == 5 and told[0]["failure"]["message"], told
        assert "failed" in mails[0][1]["Subject"]
        assert sync(5)[:2] == ([], []), "the same failure was told twice"
        for _ in range(3):
            show()
            assert sync(3)[:2] == ([], []), "the end of an outage was told before ten quiet minutes"
            hide()
            assert sync(5)[:2] == ([], []), "an outage that comes and goes was told twice"
        show()
        assert sync(3)[:2] == ([], [])
        waiting = sorted(queue.glob("*.json"))
        assert len(waiting) == 2, waiting
        for file in waiting:
            entry = json.loads(file.read_text())
            assert SECRET not in file.read_text() and file.stat().st_mode & 0o777 == 0o600
            assert 500 <= entry["notBefore"] - entry["madeAt"] <= 600, entry
            file.write_text(json.dumps(entry | {"notBefore": entry["madeAt"] - 1}))
        told, mails, _, _ = sync(3)
        assert [t["recovered"] for t in told] == [True] and "syncs work again" in mails[0][1]["Subject"], told
        assert len(mails) == 1 and not list(queue.glob("*.json"))
        assert sync(3)[:2] == ([], [])

        # What reaches nobody is a warning, no failure, and is sent after the next sync.
        Hook.answer = 500
        configure(f'{{ webhook: {{ url: "http://127.0.0.1:{hook}/hook" }} }}')
        (folder / "people.ldif").write_text(people(*range(1, 18), 30))
        assert "the webhook answers 500" in sync(3)[3]
        Hook.answer = 200
        configure(f'{{ webhook: {{ url: "http://127.0.0.1:{hook}/hook", format: slack }}, email: it@acme.example, smtp: "smtp://127.0.0.1:9" }}')
        (folder / "people.ldif").write_text(people(*range(1, 18), 30, 31))
        told, _, raw, errors = sync(3)
        assert told[0]["usher_notice"] == 1 and told[0]["changes"]["create-account"] == 1, told
        assert "nobody could be told by mail" in errors and told[1]["text"].startswith("*[usher acme] "), (errors, told)
        assert "X-Usher-Signature" not in raw[0][1]
        assert raw[0][1]["X-Usher-Delivery"] != raw[1][1]["X-Usher-Delivery"]

        # At most 200 wait: the oldest are removed. What is a week old is not sent.
        for file in queue.glob("*.json"):
            for number in range(250):
                (queue / f"{file.name[:-5]}-{number:03}.json").write_text(file.read_text())
        (folder / "people.ldif").write_text(people(*range(1, 18), 30, 31, 29))
        assert "more than 200 wait" in sync(3)[3]
        assert len(list(queue.glob("*.json"))) <= 200
        for file in queue.glob("*.json"):
            file.write_text(json.dumps(json.loads(file.read_text()) | {"madeAt": int(time.time()) - 8 * 86_400}))
        assert "could not be sent within 7 days" in sync(3)[3] and not list(queue.glob("*.json"))

        # No other run waits for a webhook that hangs.
        configure(f'{{ webhook: {{ url: "http://127.0.0.1:{hook}/hook" }} }}')
        Hook.pause = 5
        (folder / "people.ldif").write_text(people(*range(1, 18), 30, 31))
        slow = subprocess.Popen([usher, "sync", "--quiet"], cwd=folder, stdout=subprocess.DEVNULL)
        while not list(queue.glob("*.json")):
            time.sleep(0.02)
        begun = time.monotonic()
        sync(3)
        assert time.monotonic() - begun < 4, "a sync waited for another one's webhook"
        assert slow.wait(timeout=60) == 3
        Hook.pause = 0
        Hook.got.clear()

        # The system's sendmail: here one of our own.
        fake = folder / "sendmail"
        fake.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {folder}/words\ncat > {folder}/mail\n")
        fake.chmod(0o755)
        configure("{ email: it@acme.example, from: usher@acme.example }")
        (folder / "people.ldif").write_text(people(*range(1, 18), 30, 31, 32))
        os.environ["SENDMAIL"] = str(fake)
        sync(3)
        assert (folder / "words").read_text().split() == ["-oi", "-f", "usher@acme.example", "--", "it@acme.example"]
        message = message_from_bytes((folder / "mail").read_bytes(), policy=policy.default)
        assert "changes applied" in message["Subject"] and base64.b64decode(message.get_payload()).decode()
        # The service tells of a configuration that cannot be read, by the one that it had.
        os.environ.pop("SENDMAIL")
        configure(f'{{ webhook: {{ url: "http://127.0.0.1:{hook}/hook" }} }}')
        made = subprocess.run([usher, "token", "test", "--role", "operator"], capture_output=True, text=True, check=True)
        digest = re.search(r"sha256: (\w+)", made.stderr)[1]
        text = (folder / "usher.yaml").read_text().replace(
            "console: {", f"console: {{ listen: 127.0.0.1:0, tokens: [{{ name: test, role: operator, sha256: {digest} }}],")
        (folder / "usher.yaml").write_text(text)
        sync(3)
        Hook.got.clear()
        service = subprocess.Popen([usher, "serve"], cwd=folder, stderr=subprocess.PIPE, text=True)
        try:
            for line in service.stderr:
                if found := re.search(r"The console is at (http\S+)\.", line):
                    address = found[1]
                if "The next sync begins" in line:
                    break
            (folder / "usher.yaml").write_text(text + "limts: {}\n")
            urllib.request.urlopen(urllib.request.Request(
                address + "/api/v1/sync", method="POST", headers={"Authorization": "Bearer " + made.stdout.strip()}))
            for line in service.stderr:
                if "The sync ended with exit code 65" in line:
                    break
            def await_notices(count):
                deadline = time.monotonic() + 60
                # Each once, also where an answer came too late.
                while len(told := {head["X-Usher-Delivery"]: json.loads(body) for _, head, body in Hook.got}) < count:
                    assert time.monotonic() < deadline, told
                    time.sleep(0.05)
                assert len(told) == count, told
                Hook.got.clear()
                return list(told.values())

            told = await_notices(1)
            assert [t["exit_code"] for t in told] == [65] and "faults" in told[0]["failure"]["message"], told

            # A webhook that hangs delays no sync of the service, which tries again by itself.
            (folder / "usher.yaml").write_text(text)
            Hook.pause, Hook.answer = 20, 500
            begun = time.monotonic()
            for number in (40, 41):
                (folder / "people.ldif").write_text(people(*range(1, 18), 30, 31, number))
                urllib.request.urlopen(urllib.request.Request(
                    address + "/api/v1/sync", method="POST", headers={"Authorization": "Bearer " + made.stdout.strip()}))
                for line in service.stderr:
                    if "The sync ended with exit code 3" in line:
                        break
            assert time.monotonic() - begun < 15, "syncs waited for the webhook"
            Hook.pause, Hook.answer = 0, 200
            Hook.got.clear()
            told = await_notices(2)
            assert told[0]["changes"]["create-account"] == 1 and told[1]["held"], told
        finally:
            service.terminate()
            service.communicate(timeout=60)
    print("ok: told once, by mail and webhook; silent when nothing happens; told of failures and their end")


if __name__ == "__main__":
    main()
