#!/usr/bin/env python3
"""Who gets into the console and who does not, and that nobody keeps the others out.

  sign_in.py USHER
"""
import argparse
import http.client
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from api import ask, post  # noqa: E402
from company_site import BASE, PASSWORD, ROOT, SERVER, Site  # noqa: E402

ADMINS = f"ou=admins,{BASE}"


def entries():
    """Administrators outside of what the mapping reads, one of them disabled, one in a group of a group."""
    def person(uid, more=""):
        return (f"dn: uid={uid},{ADMINS}\nobjectClass: inetOrgPerson\nobjectClass: shadowAccount\nuid: {uid}\ncn: {uid}\n"
                f"sn: {uid}\nmail: {uid}@acme.example\n{more}userPassword: {PASSWORD}\n")
    return "\n".join([
        f"dn: {ADMINS}\nobjectClass: organizationalUnit\nou: admins\n", person("root.admin"),
        person("gone.admin", "shadowExpire: 1\n"), person("twin.a").replace("cn: twin.a", "cn: twin"),
        person("twin.b").replace("uid: twin.b\n", "uid: twin.b\nuid: twin.a\n")])


class AdminSite(Site):
    def visitors(self):
        text = super().visitors()
        members = "".join(f"member: uid={uid},{ADMINS}\n" for uid in ("root.admin", "gone.admin", "twin.a", "twin.b"))
        approvers = f"member: uid=second.approver,ou=people,{BASE}\n"
        assert approvers in text
        return text.replace(approvers, approvers + members + f"member: uid=left.long.ago,{ADMINS}\n") + "\n" + entries()


def sign_in(site, name, password=PASSWORD, **headers):
    status, answer = post(site, "/sign-in", {"name": name, "password": password}, **headers)
    return status, (answer["Set-Cookie"] or "").split(";")[0]


def page(site, path, cookie):
    request = urllib.request.Request(site.url + path, headers={"Cookie": cookie})
    with urllib.request.urlopen(request) as answer:
        return answer.url.removeprefix(site.url), answer.read().decode()


def log(site):
    return (site.folder / "serve.log").read_text()


def who_may(site):
    assert sign_in(site, "root.admin")[0] == 303, "an administrator outside of the mapping"
    assert sign_in(site, "corporate\\root.admin")[0] == 303, "a name with its directory"
    assert sign_in(site, "gone.admin")[0] == 401, "somebody who is disabled in the directory"
    assert sign_in(site, "twin.a")[0] == 401, "a name that two entries have"
    assert sign_in(site, "nobody.special")[0] == 403, "somebody in no group"
    assert sign_in(site, f"uid=root.admin,{ADMINS}")[0] == 401
    text = log(site)
    assert 'sign-in as "root.admin" from 127.0.0.1: let in as approver' in text, text
    assert 'sign-in as "gone.admin" from 127.0.0.1: refused: disabled or expired in the directory' in text, text
    assert 'sign-in as "twin.a" from 127.0.0.1: refused: 2 entries have this name' in text, text
    assert PASSWORD not in text
    sign_in(site, "evil\x1b[2J\nsign-in as \"root\"")
    assert "\x1b" not in log(site) and not re.search('^sign-in as "root"', log(site), re.M), log(site)
    assert 'usher_sign_in_failures_total{site="acme"} 5' in ask(site, "/metrics")[1], ask(site, "/metrics")[1]
    check = subprocess.run([site.usher, "check", "--connect", "--config", site.folder / "usher.yaml"], text=True,
                           capture_output=True)
    assert check.returncode == 0, check
    assert f"uid=gone.admin,{ADMINS} could not sign in as approver: disabled or expired" in check.stderr, check.stderr
    assert f"uid=left.long.ago,{ADMINS} could not sign in as approver: there is no such entry" in check.stderr, check.stderr
    assert "root.admin" not in check.stderr and "anna" not in check.stderr, check.stderr


def roles_are_looked_up_again(site):
    """Who loses the role that lets them approve loses it at once; reading goes on where the directory cannot be asked."""
    def change(kind):
        site.modify(f"dn: cn=usher-approvers,ou=groups,{BASE}\nchangetype: modify\n{kind}: member\n"
                    f"member: uid=root.admin,{ADMINS}\n")
    cookie = sign_in(site, "root.admin")[1]
    token = re.search(r'name="form_token" value="(\w+)"', page(site, "/", cookie)[1])[1]
    form = {"form_token": token, "hash": "0" * 64}
    assert post(site, "/approvals", form, Cookie=cookie)[0] == 404, "there is no such hash"
    change("delete")
    status, answer = post(site, "/approvals", form, Cookie=cookie)
    assert status == 303 and answer["Location"].startswith("/sign-in"), (status, answer["Location"])
    assert page(site, "/", cookie)[0].startswith("/sign-in")
    change("add")
    cookie = sign_in(site, "root.admin")[1]
    token = re.search(r'name="form_token" value="(\w+)"', page(site, "/", cookie)[1])[1]
    subprocess.run([SERVER, "stop", site.folder / "server"], check=True, stdout=subprocess.DEVNULL)
    assert post(site, "/approvals", form | {"form_token": token}, Cookie=cookie)[0] == 503
    assert page(site, "/users", cookie)[0] == "/users"
    status, answer = post(site, "/pins", {"form_token": token}, Cookie=cookie)
    assert status in (404, 422), (status, "other changes go on for a quarter of an hour")
    assert sign_in(site, "anna.approver")[0] == 503
    subprocess.run([SERVER, "start", site.folder / "server"], check=True, stdout=subprocess.DEVNULL)
    assert post(site, "/approvals", form | {"form_token": token}, Cookie=cookie)[0] == 404


def a_server_that_lets_everybody_in_proves_nothing(site):
    port = site.server["LDAP_URL"].rsplit(":", 1)[1].strip("/")
    config = site.folder / "usher.yaml"
    kept = config.read_text()
    for mode, reason in (("whoami", "takes us for an anonymous user"), ("silent", "lets people in who do not exist")):
        proxy = subprocess.Popen([sys.executable, ROOT / "Tests/Servers/lenient.py", port, f"cn=usher,ou=system,{BASE}",
                                  mode], stdout=subprocess.PIPE, text=True)
        url = f"ldap://127.0.0.1:{proxy.stdout.readline().strip()}"
        site.stop()
        text = re.sub(r"ldaps://[^\"]+", url, kept)
        config.write_text(re.sub(r"tls: \{ ca: [^}]*\}", "tls: { clear-text: true }", text))
        site.serve()
        for name, password in (("anna.approver", "wrong"), ("anna.approver", PASSWORD)):
            assert sign_in(site, name, password)[0] == 503, (mode, log(site))
        assert reason in log(site), log(site)
        proxy.terminate()
        proxy.wait()
    site.stop()
    config.write_text(kept)
    site.serve()


def guessing_gets_slow(site):
    """Whatever is typed, the same person is meant; what a stranger says of their address does not count."""
    spellings = ["anna.approver", "ANNA.approver", "anna.approver@acme.example", "Anna.Approver@ACME.example",
                 "corporate\\anna.approver", "CORPORATE\\anna.approver", "anna.Approver", "anna.approver@Acme.example"]
    codes = [sign_in(site, name, "wrong", **{"X-Forwarded-For": f"192.0.2.{number}"})[0]
             for number, name in enumerate(spellings * 2)]
    assert 429 in codes[5:8], codes
    assert "throttled for" in log(site) and "192.0.2." not in log(site), log(site)
    site.stop()
    config = site.folder / "usher.yaml"
    config.write_text(config.read_text().replace("  listen: 127.0.0.1:0", "  listen: 127.0.0.1:0\n  proxies: 127.0.0.1"))
    site.serve()
    codes = [sign_in(site, f"stranger{number}", "wrong", **{"X-Forwarded-For": "192.0.2.7, 198.51.100.9"})[0]
             for number in range(52)]
    assert codes[:50] == [401] * 50 and codes[51] == 429, codes
    assert sign_in(site, "stranger", "wrong", **{"X-Forwarded-For": "198.51.100.8"})[0] == 401
    assert "from 198.51.100.9: refused" in log(site) and "192.0.2.7" not in log(site)


def nobody_shuts_out_the_others(site):
    host, port = site.url.removeprefix("http://").split(":")
    sockets = []
    for _ in range(300):
        sockets.append(socket.create_connection((host, int(port))))
        sockets[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
    started = time.monotonic()
    assert ask(site, "/healthz") == (200, "ok\n")
    assert time.monotonic() - started < 5, "connections that ask nothing hold up the others"
    for one in sockets:
        one.close()
    # Nothing is read of what a stranger sends.
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.request("POST", "/orders", headers={"Content-Length": str(1 << 30)})
    answer = connection.getresponse()
    assert answer.status == 303 and answer.headers["Location"] == "/sign-in", answer.status
    connection.close()
    for path, wanted in (("/", 303), ("/healthz", 200), ("/api/v1/site", 401), ("/nowhere", 404), ("/assets/usher.css", 200)):
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.request("HEAD", path)
        answer = connection.getresponse()
        assert answer.status == wanted and answer.read() == b"", (path, answer.status)
        connection.close()
    status, text = ask(site, "/nowhere")
    assert status == 404 and "There is no such page." in text, text
    status, body = ask(site, "/api/v1/nowhere")
    assert status == 404 and body["title"] == "there is no such path", body
    # A directory that hangs keeps those waiting who sign in, and nobody else.
    cookie = sign_in(site, "otto.operator", **{"X-Forwarded-For": "198.51.100.1"})[1]
    site.pause()
    codes, threads = [], []
    for number in range(36):
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        thread = threading.Thread(target=lambda n=number, h=headers: codes.append(sign_in(site, f"name{n}", "x", **h)[0]))
        thread.start()
        threads.append(thread)
    while len(codes) < 32:  # no more than four wait for the directory
        assert any(thread.is_alive() for thread in threads), codes
        time.sleep(0.05)
    for path in ("/readyz", "/healthz"):
        assert ask(site, path)[0] == 200, path
    assert ask(site, "/api/v1/site", token=site.token)[0] == 200
    assert page(site, "/users", cookie)[0] == "/users"
    site.resume()
    for thread in threads:
        thread.join()
    assert codes.count(503) >= 32, codes


def four_eyes(site):
    """A token is no second person, and what is protected takes an approver."""
    operator = site.more_tokens["operator"]
    order = {"order": "grant", "accounts": ["eve@acme.example"], "rights": ["group=Site-Admins"]}
    for token, wanted in ((operator, 403), (site.token, 403)):
        plan = ask(site, "/api/v1/orders", "POST", order, token)[1]["plan"]
        status, answer = ask(site, f"/api/v1/plans/{plan}/apply", "POST", token=token)
        assert status == wanted, (status, answer)
    assert "a token is none" in answer["title"], answer
    account = {"order": "grant", "accounts": ["ada.lindqvist@acme.example"], "rights": ["group=tea"]}
    plan = ask(site, "/api/v1/orders", "POST", account, operator)[1]["plan"]
    assert ask(site, f"/api/v1/plans/{plan}/apply", "POST", token=operator)[0] == 403
    pin = {"who": "ada.lindqvist@acme.example", "pin": "ignore", "until": "2099-01-01", "reason": "x"}
    assert ask(site, "/api/v1/pins", "POST", pin, operator)[0] == 403
    # An order for somebody else does not take one.
    account["accounts"] = ["eve@acme.example"]
    plan = ask(site, "/api/v1/orders", "POST", account, operator)[1]["plan"]
    assert ask(site, f"/api/v1/plans/{plan}/apply", "POST", token=operator)[0] == 200
    # Many orders push out nobody else's plan, and the newest is always there.
    plans = [ask(site, "/api/v1/orders", "POST", account | {"rights": [f"group=g{number}"]}, operator)[1]["plan"]
             for number in range(20)]
    assert ask(site, f"/api/v1/plans/{plans[-1]}", token=operator)[0] == 200
    assert ask(site, f"/api/v1/plans/{plans[0]}", token=operator)[0] == 404
    first, second = (sign_in(site, name, **{"X-Forwarded-For": "198.51.100.3"})[1]
                     for name in ("anna.approver", "root.admin"))
    tokens = [re.search(r'name="form_token" value="(\w+)"', page(site, "/", cookie)[1])[1] for cookie in (first, second)]
    made = post(site, "/orders", {"form_token": tokens[0], "order": "grant", "who": "eve@acme.example",
                                  "right": "group=Site-Admins"}, Cookie=first)
    place = made[1]["Location"]
    assert place.startswith("/plans/"), made
    assert post(site, f"{place}/apply", {"form_token": tokens[0]}, Cookie=first)[1]["Location"] == place
    for number in range(20):
        ask(site, "/api/v1/orders", "POST", account | {"rights": [f"group=h{number}"]}, site.token)
    assert page(site, place, second)[0] == place, "half approved, and gone"
    assert post(site, f"{place}/apply", {"form_token": tokens[1]}, Cookie=second)[1]["Location"].startswith("/runs/")
    run = ask(site, "/api/v1/runs?last=1", token=site.token)[1][0]
    assert run["user"] == "root.admin (console), after anna.approver", run
    # Whoever is in a protected group is protected, too.
    plan = ask(site, "/api/v1/orders", "POST", account | {"rights": ["group=more tea"]}, operator)[1]["plan"]
    assert ask(site, f"/api/v1/plans/{plan}/apply", "POST", token=operator)[0] == 403
    pin["who"] = "eve@acme.example"
    assert ask(site, "/api/v1/pins", "POST", pin, operator)[0] == 403


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("usher")
    with AdminSite(options.parse_args().usher, second_approver=True) as site:
        config = site.folder / "usher.yaml"
        config.write_text(config.read_text().replace("protect: {", "protect: { groups: [Site-Admins],"))
        site.run("sync", codes=(0, 3))
        site.serve()
        for test in (who_may, roles_are_looked_up_again, a_server_that_lets_everybody_in_proves_nothing, guessing_gets_slow,
                     nobody_shuts_out_the_others, four_eyes):
            test(site)
            print(f"ok: {test.__name__}", flush=True)
        site.run("runs", "--verify")


if __name__ == "__main__":
    main()
