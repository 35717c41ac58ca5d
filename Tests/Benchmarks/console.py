#!/usr/bin/env python3
"""How long the console's pages take on a large site: medians of some requests each, on one connection after the other.

  console.py [--people 100000] [--usher PATH]
"""
import re
import statistics
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import program
from subject import Subject

PAGES = ["/", "/users", "/users?q=user99", "/users?q=nobody-at-all", "/users?license=confluence&state=active",
         "/unassigned", "/customers", "/holds", "/users/77777", "/mapping", "/runs", "/runs/1"]
TARGET = 0.3


class Console:
    def __init__(self, subject):
        config = subject.folder / "usher.yaml"
        text = config.read_text()
        config.write_text(text + "\nconsole: { listen: 127.0.0.1:0 }\nschedule: { every: 24h }\n")
        self.log = open(subject.folder / "serve.log", "w")
        self.process = subprocess.Popen([subject.usher, "serve", "--config", config], stderr=self.log, stdout=self.log)
        found = None
        while not found:
            found = re.search(r"The console is at (http\S+)\.", Path(self.log.name).read_text())
            assert self.process.poll() is None, Path(self.log.name).read_text()
            time.sleep(0.02)
        self.url = found[1]
        token = (subject.store / "usher.db.token").read_text().strip()
        request = urllib.request.Request(self.url + "/sign-in", data=urllib.parse.urlencode({"password": token}).encode())
        opener = urllib.request.build_opener(KeepCookie)
        answer = opener.open(request)
        self.cookie = answer.headers["Set-Cookie"].split(";")[0]

    def get(self, path, form=None):
        request = urllib.request.Request(self.url + path, headers={"Cookie": self.cookie},
                                         data=form and urllib.parse.urlencode(form).encode())
        with urllib.request.urlopen(request) as answer:
            return answer.url, answer.read().decode()

    def peak(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) // 1024


class KeepCookie(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None

    def http_error_303(self, _request, answer, *_):
        return answer


def main():
    options = program.parser(__doc__, 100_000)
    options.add_argument("--runs", type=int, default=5, metavar="N")
    given = options.parse_args()
    late = []
    with program.folder(given.keep) as folder:
        subject = Subject(folder, given.usher, given.people)
        try:
            subject.load()
            subject.start()
            subject.configure()
            subject.store.mkdir(exist_ok=True)
            subprocess.run([given.usher, "sync", "--config", subject.folder / "usher.yaml", "--quiet"], check=True)
            console = Console(subject)
            print(f"{given.people:,} accounts, medians of {given.runs}:\n\n| page | time | size |\n|---|---|---|")
            for page in PAGES:
                times = []
                for _ in range(given.runs):
                    start = time.perf_counter()
                    text = console.get(page)[1]
                    times.append(time.perf_counter() - start)
                median = statistics.median(times)
                print(f"| `{page}` | {median * 1000:.0f} ms | {len(text) // 1024} kB |", flush=True)
                if median > TARGET:
                    late.append(page)
            token = re.search(r'name="form_token" value="(\w+)"', console.get("/")[1])[1]
            start = time.perf_counter()
            place, _ = console.get("/preview", {"form_token": token})
            while "/plans/" not in place:
                time.sleep(0.05)
                place, _ = console.get("/preview")
            print(f"| a preview, from the click to its plan | {time.perf_counter() - start:.1f} s | |")
            print(f"\nThe service took {console.peak()} MB at most.")
            console.process.terminate()
            console.process.wait(10)
        finally:
            subject.stop()
    if late:
        print(f"slower than {TARGET * 1000:.0f} ms: {', '.join(late)}")
    sys.exit(1 if late else 0)


if __name__ == "__main__":
    main()
