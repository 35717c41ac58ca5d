#!/usr/bin/env python3
"""The JSON API against its own description: schemathesis makes requests of every kind, and looks for server errors and
for answers that the description does not have. Then what must hold beside.

  api.py USHER [--examples N]
"""
import argparse
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from company_site import PASSWORD, Site  # noqa: E402


def ask(site, path, method="GET", body=None, token=None, headers=None):
    """The status, and the answer as JSON."""
    request = urllib.request.Request(site.url + path, method=method, headers=headers or {},
                                     data=None if body is None else json.dumps(body).encode())
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request) as answer:
            text, status = answer.read(), answer.status
    except urllib.error.HTTPError as error:
        text, status = error.read(), error.code
    try:
        return status, json.loads(text or b"null")
    except ValueError:
        return status, text.decode()


def from_preview_to_run(site):
    """What a program does: an order, its plan, the plan applied, the run taken back."""
    def api(*words, **more):
        return ask(site, *words, token=site.token, **more)
    status, made = api("/api/v1/orders", "POST",
                       {"order": "grant", "accounts": ["eve@acme.example"], "rights": ["group=night shift"]})
    assert status == 201 and made["changes"] == 1, (status, made)
    status, plan = api(f"/api/v1/plans/{made['plan']}")
    assert plan["usher_plan"] == 1 and plan["changes"][0]["kind"] == "join-group", plan
    assert api("/api/v1/accounts/eve@acme.example")[1]["groups"] == []
    status, applied = api(f"/api/v1/plans/{made['plan']}/apply", "POST")
    assert status == 200 and applied["state"] == "done" and applied["changes"] == 1, applied
    assert api("/api/v1/accounts/eve@acme.example")[1]["groups"] == ["night shift"]
    assert api(f"/api/v1/plans/{made['plan']}/apply", "POST")[0] == 404
    status, run = api(f"/api/v1/runs/{applied['run']}")
    assert run["run"]["user"] == "fuzzer (console)" and run["changes"][0]["after"] == "night shift", run
    # A plan that was made before something else happened is stale.
    stale = api("/api/v1/orders", "POST", {"order": "deactivate", "accounts": ["eve@acme.example"]})[1]
    undo = api(f"/api/v1/runs/{applied['run']}/undo", "POST")[1]
    assert api(f"/api/v1/plans/{undo['plan']}/apply", "POST")[0] == 200
    status, answer = api(f"/api/v1/plans/{stale['plan']}/apply", "POST")
    assert status == 409 and "stale" in answer["title"], answer
    # Parts of a list come to the whole.
    names, after = [], ""
    while after is not None:
        part = api(f"/api/v1/accounts?count=500&after={urllib.request.quote(after)}")[1]
        names += [account["email"] for account in part["accounts"]]
        after = part.get("next")
    assert len(names) == part["total"] == len(set(names)), (len(names), part["total"])


def who_may_not(site):
    assert ask(site, "/api/v1/site")[0] == 401
    assert ask(site, "/api/v1/site", token="0" * 64)[0] == 401
    # A session's cookie is none for the API, and a token none for the pages.
    request = urllib.request.Request(site.url + "/users", headers={"Authorization": f"Bearer {site.token}"})
    with urllib.request.urlopen(request) as answer:
        assert answer.url.endswith("/sign-in?to=%2Fusers"), answer.url
    viewer, operator = site.more_tokens["viewer"], site.more_tokens["operator"]
    order = {"order": "deactivate", "accounts": ["eve@acme.example"]}
    assert ask(site, "/api/v1/orders", "POST", order, viewer)[0] == 403
    assert ask(site, "/api/v1/orders", "POST", order, operator)[0] == 201
    assert ask(site, "/api/v1/orders", "POST", {"order": "mark", "all": True}, operator)[0] == 403
    assert ask(site, "/api/v1/runs/1/undo", "POST", token=operator)[0] == 403
    assert ask(site, "/api/v1/approvals", "POST", {"hash": "0" * 12}, operator)[0] == 403
    assert ask(site, "/api/v1/approvals", "POST", {"hash": "0" * 12}, site.token)[0] == 404
    assert ask(site, "/api/v1/accounts", token=viewer)[0] == 200
    # Metrics are for those near, and for tokens.
    status, text = ask(site, "/metrics")
    assert status == 200 and 'usher_approvals_waiting{site="acme"}' in text, text
    assert ask(site, "/metrics", headers={"X-Forwarded-For": "192.0.2.1"})[0] == 401
    assert ask(site, "/metrics", headers={"X-Forwarded-For": "192.0.2.1"}, token=viewer)[0] == 200
    assert ask(site, "/healthz") == (200, "ok\n") and ask(site, "/readyz") == (200, "ready\n")


class Stay(urllib.request.HTTPRedirectHandler):
    """Hands on redirections as they are."""
    def redirect_request(self, *_):
        return None


def post(site, path, fields, **headers):
    request = urllib.request.Request(site.url + path, data=urllib.parse.urlencode(fields).encode(), headers=headers)
    context = ssl.create_default_context(cafile=site.folder / "cert.pem") if site.url.startswith("https") else None
    opener = urllib.request.build_opener(Stay, urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def forms_are_ours_alone(site):
    """A form from elsewhere changes nothing, whoever is signed in."""
    who = {"name": "anna.approver", "password": PASSWORD, "to": "//evil.example/"}
    assert post(site, "/sign-in", who, Origin="https://evil.example")[0] == 403
    status, headers = post(site, "/sign-in", who)
    assert status == 303 and headers["Location"] == "/", (status, headers["Location"])
    cookie = headers["Set-Cookie"].split(";")[0]
    assert "Secure; HttpOnly; SameSite=Strict" in headers["Set-Cookie"]
    request = urllib.request.Request(site.url + "/", headers={"Cookie": cookie})
    with urllib.request.urlopen(request) as answer:
        page, sent = answer.read().decode(), answer.headers
    assert "default-src 'none'" in sent["Content-Security-Policy"] and sent["X-Frame-Options"] == "DENY"
    assert "script" not in sent["Content-Security-Policy"] and sent["Cache-Control"] == "no-store"
    token = re.search(r'name="form_token" value="(\w+)"', page)[1]
    order = {"order": "deactivate", "who": "eve@acme.example"}
    assert post(site, "/orders", order, Cookie=cookie)[0] == 403, "without the form's token"
    assert post(site, "/orders", order | {"form_token": "0" * 64}, Cookie=cookie)[0] == 403
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert post(site, "/orders", order | {"form_token": token}, Cookie=cookie, **headers)[0] == 403, headers
    status, answer = post(site, "/orders", order | {"form_token": token}, Cookie=cookie, Origin=site.url)
    assert status == 303 and answer["Location"].startswith("/plans/"), (status, answer)
    assert post(site, "/sign-out", {"form_token": token}, Cookie=cookie)[0] == 303
    assert post(site, "/orders", order | {"form_token": token}, Cookie=cookie)[1]["Location"].startswith("/sign-in")
    codes = []
    while 429 not in codes and len(codes) < 30:  # after five, each failure makes the next one wait twice as long
        started = time.monotonic()
        codes.append(post(site, "/sign-in", {"name": "vera.viewer", "password": "wrong"})[0])
    assert codes[:5] == [401] * 5 and set(codes[5:-1]) <= {401} and codes[-1] == 429, codes
    status = post(site, "/sign-in", {"name": "vera.viewer", "password": PASSWORD})[0]
    assert status == 429 or time.monotonic() - started > 1, "the right password does not wait"
    assert post(site, "/sign-in", {"name": "anna.approver", "password": ""})[0] == 401, "no password lets somebody in"
    assert post(site, "/sign-in", {"name": "*", "password": PASSWORD})[0] == 401


def nothing_ends_the_service(site):
    """Whatever is sent, the next one is answered."""
    for path in ("/sign-in?%", "/sign-in?to=%zz", "/sign-in?q=[x]", "/users?q=%ff", "/holds?from=9223372036854775807",
                 "/plans/%ff", "/runs/99999999999999999999", "/%00", "/users/%2e%2e%2f"):
        ask(site, path)
        ask(site, "/api/v1" + path, token=site.token)
    request = urllib.request.Request(site.url + "/sign-in", data=b"name=%&password=%zz&&=")
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        assert error.code == 401, error
    cookie = post(site, "/sign-in", {"name": "otto.operator", "password": PASSWORD})[1]["Set-Cookie"].split(";")[0]
    for path in ("/holds?from=9223372036854775807", "/holds?from=-1", "/users?after=%ff", "/mapping?directory=x"):
        ask(site, path, headers={"Cookie": cookie})
    assert ask(site, "/healthz") == (200, "ok\n")


def of_process(read, gone):
    """What `read` finds in /proc; `gone` where the thread or descriptor asked for has ended since it was listed."""
    try:
        return read()
    except (FileNotFoundError, ProcessLookupError):
        return gone


def descriptors(pid):
    """What the process has open, by name. One that closes meanwhile counts as closed."""
    return {of_process(lambda: os.readlink(f), None) for f in Path(f"/proc/{pid}/fd").iterdir()} - {None}


def a_sync_has_none_of_our_sockets(site):
    """A sync that lives on keeps no port taken."""
    os.kill(site.slapd_pid(), signal.SIGSTOP)
    try:
        assert ask(site, "/api/v1/sync", "POST", token=site.token)[0] == 202
        child = None
        while not child:
            assert site.process.poll() is None
            child = next((word for task in Path(f"/proc/{site.process.pid}/task").iterdir()
                          for word in of_process(lambda: (task / "children").read_text().split(), [])), None)
        # Until it is a program of its own, it has what we have.
        while b"sync" not in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
            assert site.process.poll() is None
        mine = {name for name in descriptors(site.process.pid) if name.startswith("socket")}
        theirs = descriptors(child)
        assert mine and not mine & theirs, mine & theirs
    finally:
        os.kill(site.slapd_pid(), signal.SIGCONT)


def over_tls(site):
    site.stop()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", site.folder / "key.pem", "-out",
                    site.folder / "cert.pem"], check=True, capture_output=True)
    config = site.folder / "usher.yaml"
    config.write_text(config.read_text().replace(
        "  listen: 127.0.0.1:0", "  listen: 127.0.0.1:0\n  tls: { certificate: cert.pem, key: key.pem }"))
    assert site.serve().startswith("https://")
    status, headers = post(site, "/sign-in", {"name": "otto.operator", "password": PASSWORD}, Origin=site.url)
    assert status == 303 and headers["Strict-Transport-Security"].startswith("max-age="), (status, headers)
    (site.folder / "key.pem").write_text("nothing")
    site.stop()
    ended = subprocess.run([site.usher, "serve", "--config", config], capture_output=True, text=True)
    assert ended.returncode == 1 and "usher: the console's certificate or key cannot be used" in ended.stderr, ended


def of_people_who_are_there(site):
    """The API's description, whose orders are about accounts and rights that there are: so plans are made and applied."""
    description = ask(site, "/api/v1/openapi.json")[1]
    rights, changes, *_ = description["components"]["schemas"]["Order"]["oneOf"]
    for order in (rights, changes):
        order["properties"]["accounts"]["items"] = {"enum": ["eve@acme.example", "vera.viewer@acme.example"]}
    rights["properties"]["rights"]["items"] = {"enum": ["group=night shift", "group=tea", "license=confluence"]}
    description["components"]["schemas"]["Order"]["oneOf"] = [rights, changes]
    path = site.folder / "openapi.json"
    path.write_text(json.dumps(description))
    return path


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("usher")
    options.add_argument("--examples", type=int, default=20)
    given = options.parse_args()
    with Site(given.usher) as site:
        site.run("sync", codes=(0, 3))
        site.serve()
        who_may_not(site)
        from_preview_to_run(site)
        nothing_ends_the_service(site)
        a_sync_has_none_of_our_sockets(site)
        forms_are_ours_alone(site)
        print("ok: tokens, roles, orders, plans, runs, forms", flush=True)
        def applied():
            return sum(run["user"] == "fuzzer (console)" and run["changes"] > 0
                       for run in ask(site, "/api/v1/runs?last=1000", token=site.token)[1])
        before, codes = applied(), []
        for words in ([site.url + "/api/v1/openapi.json"],
                      [of_people_who_are_there(site), "--url", site.url, "--phases", "stateful"]):
            words += ["--header", f"Authorization: Bearer {site.token}", "--max-examples", str(given.examples),
                      "--checks", "all", "--workers", "2", "--seed", "1", "--suppress-health-check", "all",
                      "--continue-on-failure", "--warnings", "off"]
            fuzzer = Path(sys.executable).with_name("st")
            ended = subprocess.run([fuzzer, "run", *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            print(ended.stdout[ended.stdout.rfind("= SUMMARY ="):] if ended.returncode == 0 else ended.stdout)
            codes.append(ended.returncode)
        print(f"plans applied by the fuzzer: {applied() - before}", flush=True)
        assert any(codes) or applied() > before, "the fuzzer has applied no plan"
        site.run("runs", "--verify")
        over_tls(site)
        sys.exit(max(codes))


if __name__ == "__main__":
    main()
