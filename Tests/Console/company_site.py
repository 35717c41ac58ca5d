"""A site to look at: a directory server with a company of 2,000 people, its mapping, and `usher serve`."""
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "Tests/Servers/slapd.sh"
BASE = "dc=acme,dc=example"
PASSWORD = "a long pass phrase"
# uid -> the group that says what they may do in the console; None: none of them
VISITORS = ["anna.approver", "second.approver", "otto.operator", "vera.viewer", "nobody.special"]
HOSTILE = '<script>alert("x")</script> & "Eve"'


class Site:
    def __init__(self, usher, second_approver=False):
        self.usher, self.second_approver = Path(usher).resolve(), second_approver
        self.folder = Path(tempfile.mkdtemp(prefix="usher-console."))
        self.process = None

    def __enter__(self):
        self.make()
        return self

    def __exit__(self, *_):
        self.stop()
        subprocess.run([SERVER, "stop", self.folder / "server"], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.folder)

    def make(self):
        folder = self.folder
        (folder / "Mappings").mkdir()
        (folder / "bind-password").write_text(secrets.token_hex(16))
        (folder / "bind-password").chmod(0o600)
        ldif = subprocess.run(
            ["python3", ROOT / "Deploy/company.py", "--bind-password-file", folder / "bind-password"],
            check=True, capture_output=True, text=True).stdout
        (folder / "company.ldif").write_text(ldif + self.visitors())
        rights = (f'access to attrs=userPassword by anonymous auth by * none\n'
                  f'access to * by dn.exact="cn=usher,ou=system,{BASE}" read by * none')
        environment = os.environ | {"SUFFIX": BASE, "EXTRA_DB": rights}
        subprocess.run([SERVER, "init", folder / "server", folder / "company.ldif"], check=True,
                       env=environment, stdout=subprocess.DEVNULL)
        started = subprocess.run([SERVER, "start", folder / "server"], check=True, text=True,
                                 stdout=subprocess.PIPE).stdout
        self.server = dict(line.split("=", 1) for line in started.splitlines() if "=" in line)
        self.token, digest = self.make_token("approver")
        self.more_tokens, lines = {}, ""
        for role in ("viewer", "operator"):
            self.more_tokens[role], more = self.make_token(role)
            lines += f"\n    - {{ name: {role}, role: {role}, sha256: {more} }}"
        text = (ROOT / "Deploy/quickstart/usher.yaml").read_text().replace("@LDAPS_URL@", self.server["LDAPS_URL"])
        text = text.replace("seats: 130", "seats: 120").replace("site:\n", "site:\n  protect: { accounts: [ada.lindqvist@acme.example] }\n", 1)
        (folder / "usher.yaml").write_text(text + f"""
schedule: {{ every: 24h, full: 24h }}
limits: {{ deactivations: {{ percent: 0, max: 0 }}, free-below: 0 }}
console:
  listen: 127.0.0.1:0
  viewers: usher-viewers
  operators: "cn=usher-operators,ou=groups,{BASE}"
  approvers: [usher-approvers]
  second-approver: {str(self.second_approver).lower()}
  tokens:
    - {{ name: fuzzer, role: approver, sha256: {digest} }}{lines}
""")
        shutil.copy(ROOT / "Deploy/quickstart/acme.yaml", folder / "Mappings/acme.yaml")

    def visitors(self):
        """The people who sign in, and somebody with a hostile name."""
        entries = []
        for uid in VISITORS:
            entries.append(f"dn: uid={uid},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n"
                           f"mail: {uid}@acme.example\nemployeeType: staff\nuserPassword: {PASSWORD}\n")
        entries.append(f"dn: uid=eve,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: eve\nsn: Eve\ncn: {HOSTILE}\n"
                       f"displayName: {HOSTILE}\nmail: eve@acme.example\nemployeeType: staff\n")
        def group(name, *members):
            lines = "".join(f"member: {member}\n" for member in members)
            return f"dn: cn={name},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {name}\n{lines}"
        people = f"ou=people,{BASE}"
        entries.append(group("usher-viewers", f"uid=vera.viewer,{people}"))
        entries.append(group("usher-nested", f"uid=otto.operator,{people}"))
        entries.append(group("usher-operators", f"cn=usher-nested,ou=groups,{BASE}"))
        entries.append(group("usher-approvers", f"uid=anna.approver,{people}", f"uid=second.approver,{people}"))
        return "\n" + "\n".join(entries)

    def make_token(self, role):
        made = subprocess.run([self.usher, "token", "fuzzer", "--role", role], check=True,
                              capture_output=True, text=True)
        return made.stdout.strip(), re.search(r"sha256: ([0-9a-f]{64})", made.stderr)[1]

    def run(self, *words, codes=(0,), **more):
        ended = subprocess.run([self.usher, *words, "--config", self.folder / "usher.yaml"], text=True,
                               capture_output=True, **more)
        assert ended.returncode in codes, f"usher {words}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def modify(self, ldif):
        """Changes the directory as its manager."""
        subprocess.run(["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", self.server["LDAPI_URL"]], input=ldif,
                       text=True, check=True, stdout=subprocess.DEVNULL)

    def pause(self):
        os.kill(self.slapd_pid(), signal.SIGSTOP)

    def resume(self):
        os.kill(self.slapd_pid(), signal.SIGCONT)

    def slapd_pid(self):
        return int(re.search(r"^PID=(\d+)", (self.folder / "server/server.env").read_text(), re.M)[1])

    def serve(self):
        """Starts the service; returns the console's address."""
        self.log = open(self.folder / "serve.log", "w+")
        self.process = subprocess.Popen([self.usher, "serve", "--config", self.folder / "usher.yaml"],
                                        stdin=subprocess.DEVNULL, stderr=self.log, stdout=self.log)
        while True:
            text = (self.folder / "serve.log").read_text()
            found = re.search(r"The console is at (http\S+)\.", text)
            if found:
                self.url = found[1]
                return self.url
            assert self.process.poll() is None, text

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)
        self.process = None
