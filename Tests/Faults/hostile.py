#!/usr/bin/env python3
"""Syncs a site of 50 people with directory servers that lie, stall, repeat themselves and never end. Whatever a server does, no
account changes, the command ends in time with the right exit code and a message that names server and reason, and it takes little
memory. Prints a table: hostile server, result, peak memory, time."""
import argparse
import dataclasses
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Servers"))
from hostile import (  # noqa: E402
    BIND, DONE, ENTRY, EXTENDED, GROUPS, INTERMEDIATE, PEOPLE, REFERENCE, SYNC_INFO, SYNC_STATE, TOP, PAGES,
    Closed, Server, ber, control, guid, number, text)

CONFIGURATION = """site:
  name: acme
  store: sqlite:store/usher.db
  licenses: {{ confluence: {{}}, jira: {{}} }}
directories:
  - name: corporate
    url: [{urls}]
    bind: {{ dn: "cn=reader,dc=acme,dc=example", password: {{ file: bind-password }} }}
    tls: {{ {tls} }}
    timeout: {timeout}
    entries-at-most: 11000
    read: {reads}
    mapping: acme.yaml
deadline: {{ run: {run} }}
limits: {{ free-below: 1000000 }}
"""
MAPPING = """usher: 1
search:
  users: {{ base: "ou=people,dc=acme,dc=example", filter: (objectClass=inetOrgPerson) }}
  groups: {{ base: "ou=groups,dc=acme,dc=example", filter: (objectClass=groupOfNames), id: {id}, nested: true }}
account: {{ id: {id}, email: mail, name: displayName, username: uid }}
leavers: {{ after: 0h, then: deactivate }}
rules:
  - {{ name: staff, member-of: staff, licenses: [confluence] }}
  - {{ name: engineers, member-of: engineers, licenses: [jira] }}
"""
BEHAVIOURS = []


@dataclasses.dataclass
class Behaviour:
    name: str
    server: type
    words: str
    exit: int = 5
    megabytes: int = 300
    seconds: float = 12
    run: str = "30s"
    timeout: str = "1s"
    tls: str = "clear-text: true"
    explains: bool = False
    full: bool = False
    second: bool = False


def hostile(name, words="", kind="plain", **more):
    """A behaviour: a class with what it does otherwise, what the message must say, and what else is expected."""
    def add(methods):
        server = type(methods.__name__, (methods, Server), {"kind": kind})
        BEHAVIOURS.append(Behaviour(name, server, words, **more))
        return methods
    return add


def answering(name, words="", where="tell_people", **more):
    """A behaviour that is one function of server, client and request."""
    def add(function):
        hostile(name, words, **more)(type(function.__name__, (), {where: function}))
        return function
    return add


def some(server, request, count=5):
    return b"".join(server.entry(request, *server.person(index)) for index in range(count))


# Lengths and encodings

@answering("a message of 2 GB is announced", "more than 256 MB")
def _(self, client, request):
    client.sendall(b"\x30\x84\x7f\xff\xff\xff" + b"\x02\x01\x02" * 9)


@answering("a message of 5 MB before the first search", "more than 4 MB", where="look")
def _(self, client, request):
    client.sendall(b"\x30\x84\x00\x50\x00\x00" + b"\x02\x01\x02" * 9)


@answering("a length of eight bytes", "no sense")
def _(self, client, request):
    client.sendall(b"\x30\x89" + b"\xff" * 9)


@answering("a negative length", "more than 256 MB")
def _(self, client, request):
    client.sendall(b"\x30\x84\xff\xff\xff\xff")


@answering("an indefinite length", "")
def _(self, client, request):
    client.sendall(b"\x30\x80\x02\x01\x02\x00\x00")


@answering("messages without contents", "")
def _(self, client, request):
    client.sendall(b"\x30\x00" * 100)


@answering("random bytes", "")
def _(self, client, request):
    client.sendall(bytes(range(255, 0, -1)) * 20)


@answering("an entry that is longer than its message", "cannot be read")
def _(self, client, request):
    body = text(f"uid=p0,{PEOPLE}") + b"\x30\x30" + b"\x30\x04\x04\x02cn"
    client.sendall(self.message(request, ENTRY, body) + self.done(request))


@answering("an attribute that is longer than its entry", "cannot be read")
def _(self, client, request):
    body = text(f"uid=p0,{PEOPLE}") + ber(0x30, b"\x30\x7f\x04\x02cn")
    client.sendall(self.message(request, ENTRY, body) + self.done(request))


@answering("a message of 200 MB that stops half-way", "did not answer within 1 s")
def _(self, client, request):
    client.sendall(b"\x30\x84\x0c\x00\x00\x00\x02\x01" + bytes([request.number]) + b"\x64" + bytes(50_000_000))
    time.sleep(20)


@answering("a byte every tenth of a second", "did not answer within 1 s")
def _(self, client, request):
    for byte in some(self, request, 50) + self.done(request):
        client.sendall(bytes([byte]))
        time.sleep(0.1)


# Order and end

@answering("answers to questions that nobody asked", "did not answer within 1 s")
def _(self, client, request):
    own, request.number = request.number, request.number + 1000
    for _ in range(100):
        client.sendall(some(self, request, 50))
    request.number = own
    time.sleep(3)


@answering("a search ends with the result of a bind", "")
def _(self, client, request):
    client.sendall(some(self, request) + self.message(request, BIND, self.result()))


@answering("the connection is closed after five people", "was lost")
def _(self, client, request):
    client.sendall(some(self, request))
    raise Closed


@answering("the connection is closed inside an entry", "was lost")
def _(self, client, request):
    client.sendall(some(self, request)[:-20])
    raise Closed


@answering("no end after the last person", "did not answer within 1 s")
def _(self, client, request):
    client.sendall(some(self, request, 50))
    time.sleep(5)


@answering("the answer comes twice", "", exit=0)
def _(self, client, request):
    self.tell(client, request, self.everybody())
    self.tell(client, request, self.everybody())


@answering("an error after 50 people", "the search failed (Other (e.g., implementation specific) error: broken)")
def _(self, client, request):
    client.sendall(some(self, request, 50) + self.done(request, 80, "broken"))


@answering("a size limit in the middle of pages", "cut short")
def _(self, client, request):
    client.sendall(some(self, request) + self.done(request, 4))


@answering("success with no people", "shows no people")
def _(self, client, request):
    client.sendall(self.done(request))


@answering("success with 30 of 50 people", "shows 30 people where there were 50")
def _(self, client, request):
    client.sendall(some(self, request, 30) + self.done(request))


@answering("success with no groups", "shows no groups", where="tell_groups")
def _(self, client, request):
    client.sendall(self.done(request))


@answering("a result that refers to another server", "refers to another one")
def _(self, client, request):
    client.sendall(self.done(request, 10))


@answering("endless references", "no entry for 2 s")
def _(self, client, request):
    self.forever(client, self.message(request, REFERENCE, text("ldap://elsewhere/")) * 100)


@answering("a reference every tenth of a second", "no entry for 2 s")
def _(self, client, request):
    self.forever(client, self.message(request, REFERENCE, text("ldap://elsewhere/")), pause=0.1)


@answering("endless intermediate messages", "no entry for 2 s")
def _(self, client, request):
    self.forever(client, self.message(request, INTERMEDIATE, text("1.2.3", 0x80)) * 100)


def notice(server, name):
    class Nobody:
        number = 0
    return server.message(Nobody, EXTENDED, server.result(52, "going home", text(name, 0x8A)))


@answering("a notice of disconnection", "ended the connection")
def _(self, client, request):
    client.sendall(some(self, request) + notice(self, "1.3.6.1.4.1.1466.20036"))
    time.sleep(5)


@answering("endless notices of other kinds", "did not answer within 1 s")
def _(self, client, request):
    self.forever(client, notice(self, "1.2.3.4") * 100)


# Endless

@answering("endless people", "more than 11000 entries")
def _(self, client, request):
    self.forever(client, lambda chunk: b"".join(
        self.entry(request, *self.person(chunk * 500 + index)) for index in range(500)))


@answering("endless groups", "more than 11000 entries", where="tell_groups")
def _(self, client, request):
    def groups(chunk):
        return b"".join(self.entry(request, f"cn=g{chunk}-{index},{GROUPS}",
                                   [*self.ids(5000 + chunk * 500 + index), ("cn", ["g"])]) for index in range(500))
    self.forever(client, groups)


@answering("one person without end", "more than 11000 entries")
def _(self, client, request):
    self.forever(client, self.entry(request, *self.person(1)) * 500)


@answering("a person every tenth of a second", "run may take", run="4s")
def _(self, client, request):
    self.forever(client, lambda count: self.entry(request, *self.person(count)), pause=0.1)


@hostile("pages without end, each with the same cookie and people", "sent the same page again")
class _:
    def done(self, request, code=0, words=""):
        if PAGES not in request.controls or b"inetOrgPerson" not in request.filter:
            return super().done(request, 4 if b"inetOrgPerson" in request.filter else code, words)
        return self.message(request, DONE, self.result(), control(PAGES, ber(0x30, number(0) + text("again"))))


class Pages:
    """Has the search for people done in pages."""
    pages = 0

    def tell_people(self, client, request):
        if PAGES not in request.controls:
            return client.sendall(self.done(request, 4))
        self.pages += 1
        self.page(client, request)

    def more(self, request, cookie):
        return self.message(request, DONE, self.result(), control(PAGES, ber(0x30, number(0) + text(cookie))))


@hostile("empty pages without end, each with a cookie of its own", "100 pages one after another without an entry")
class _(Pages):
    def page(self, client, request):
        client.sendall(Pages.more(self, request, f"page {self.pages}"))


@hostile("a page that is larger than asked for, without end", "more than 11000 entries")
class _(Pages):
    def page(self, client, request):
        self.forever(client, lambda chunk: b"".join(
            self.entry(request, *self.person(chunk * 500 + index)) for index in range(500)))


@hostile("a page without the control that says whether it is the last", "without saying whether")
class _(Pages):
    def page(self, client, request):
        client.sendall(some(self, request, 50) + self.message(request, DONE, self.result()))


# Entries

@answering("a person three times", exit=0)
def _(self, client, request):
    self.tell(client, request, self.everybody() + [self.person(3)] * 2)


@answering("a person twice, and not the same", "twice in one answer")
def _(self, client, request):
    self.tell(client, request, self.everybody() + [self.person(3, mail="other@acme.example")])


@answering("a group three times", exit=0, where="tell_groups")
def _(self, client, request):
    self.tell(client, request, self.all_groups() + [self.group(1)] * 2)


@answering("a group twice, and not the same", "twice in one answer", where="tell_groups")
def _(self, client, request):
    name, attributes = self.group(1)
    self.tell(client, request, self.all_groups() + [(name, attributes[:-1] + [("member", [])])])


@answering("a display name of 2 MB", "displayName")
def _(self, client, request):
    self.tell(client, request, [self.person(0, displayName="x" * 2_000_000)] + self.everybody()[1:])


@answering("a display name of 100 MB", "displayName", megabytes=400, timeout="5s")
def _(self, client, request):
    client.sendall(self.entry(request, *self.person(0, displayName=b"x" * 100_000_000)))
    self.tell(client, request, self.everybody()[1:])


@answering("2 MB of what nobody asked for", exit=0)
def _(self, client, request):
    self.tell(client, request, [self.person(0, jpegPhoto="x" * 2_000_000)] + self.everybody()[1:])


@answering("a display name of 1,000 characters", "", exit=0)
def _(self, client, request):
    self.tell(client, request, [self.person(0, displayName="x" * 1000)] + self.everybody()[1:])


@answering("a name (DN) of 1 MB", "a name of")
def _(self, client, request):
    self.tell(client, request, [("cn=" + "x" * 1_000_000 + "," + PEOPLE, self.ids(0))] + self.everybody()[1:])


@answering("a message of 250 MB of empty values", "values", megabytes=800, timeout="10s", seconds=20)
def _(self, client, request):
    name, attributes = self.person(0)
    values = ber(0x30, text("mail") + ber(0x31, b"\x04\x00" * 120_000_000))
    body = text(name) + ber(0x30, values)
    client.sendall(self.message(request, ENTRY, body) + self.done(request))


@answering("a million attributes", "attributes")
def _(self, client, request):
    body = text(f"uid=p0,{PEOPLE}") + ber(0x30, ber(0x30, text("mail") + ber(0x31, b"")) * 1_000_000)
    client.sendall(self.message(request, ENTRY, body) + self.done(request))


@answering("the same attribute twice in an entry", exit=0)
def _(self, client, request):
    name, attributes = self.person(0)
    self.tell(client, request, [(name, attributes + [("mail", ["p0@acme.example"])])] + self.everybody()[1:])


@answering("what was not asked for", exit=0)
def _(self, client, request):
    self.tell(client, request, [self.person(index, userPassword="secret", cn="x") for index in range(50)])


@answering("empty values", exit=0)
def _(self, client, request):
    self.tell(client, request, [self.person(0, mail="")] + self.everybody()[1:])


@answering("an email that is no UTF-8", exit=0)
def _(self, client, request):
    self.tell(client, request, [self.person(0, mail=b"\xff\xfe@acme.example")] + self.everybody()[1:])


@answering("NUL in an email and in a name", exit=0)
def _(self, client, request):
    self.tell(client, request, [self.person(0, mail=b"p0\0@acme.example")] + self.everybody()[1:])


@answering("people without attributes", "")
def _(self, client, request):
    self.tell(client, request, [(name, []) for name, _ in self.everybody()])


@answering("people without email", "mail")
def _(self, client, request):
    self.tell(client, request, [self.person(index, mail=[]) for index in range(50)])


@answering("people from outside the base", "outside")
def _(self, client, request):
    stranger = f"uid=stranger,ou=elsewhere,{TOP}", self.person(99)[1]
    self.tell(client, request, self.everybody() + [stranger])


@answering("everybody under ids of others", "")
def _(self, client, request):
    self.tell(client, request, [(self.person(index)[0], self.person(index + 100)[1]) for index in range(50)])


class Cycle:
    """Ten thousand groups, each in the next one, and a person in all of them."""

    def tell_groups(self, client, request):
        count = 10_000
        self.tell(client, request, self.all_groups() + [
            (f"cn=g{index},{GROUPS}", [*self.ids(5000 + index), ("cn", [f"g{index}"]), (
                "member", [f"cn=g{(index + 1) % count},{GROUPS}", *self.members(index)])])
            for index in range(count)])


@hostile("a cycle of 10,000 groups, and a person in all of them", exit=0, explains=True, timeout="10s", seconds=40)
class _(Cycle):
    def members(self, index):
        return [f"uid=p0,{PEOPLE}"]


@hostile("a cycle of 10,000 groups, and a person in one of them", exit=0, explains=True, timeout="10s", seconds=40)
class _(Cycle):
    def members(self, index):
        return [f"uid=p0,{PEOPLE}"] if index == 0 else []


@answering("a group of 300,000 members in one message", exit=0, where="tell_groups", timeout="10s", seconds=30)
def _(self, client, request):
    members = [f"uid=stranger{index},ou=elsewhere,{TOP}" for index in range(300_000)]
    crowd = f"cn=crowd,{GROUPS}", [*self.ids(5000), ("cn", ["crowd"]), ("member", members)]
    self.tell(client, request, self.all_groups() + [crowd])


# Signing in, and what the server says of itself

@answering("TLS garbage after StartTLS", "no TLS connection", where="extended", tls="clear-text: false")
def _(self, client, request):
    client.sendall(self.message(request, EXTENDED, self.result()) + bytes(range(256)) * 10)
    time.sleep(3)


@answering("no StartTLS", "refuses StartTLS", where="extended", tls="clear-text: false")
def _(self, client, request):
    client.sendall(self.message(request, EXTENDED, self.result(2)))


@answering("a bind that is answered with an entry", "", where="bind")
def _(self, client, request):
    client.sendall(self.entry(request, *self.person(0)))


@answering("a bind that is never answered", "did not answer within 1 s", where="bind")
def _(self, client, request):
    time.sleep(5)


@answering("a password that is refused", "does not accept the password", where="bind")
def _(self, client, request):
    client.sendall(self.message(request, BIND, self.result(49)))


@answering("everybody is taken for nobody", "takes us for an anonymous user", where="extended")
def _(self, client, request):
    client.sendall(self.message(request, EXTENDED, self.result(more=text("", 0x8B))))


@answering("a rootDSE of garbage", exit=0, where="root")
def _(self):
    return [("supportedControl", [bytes(range(256))]), ("namingContexts", [b"\xff"]), ("vendorName", [b"\0"]),
            ("supportedExtension", [])]


@answering("no rootDSE", "does not say what it is", where="look")
def _(self, client, request):
    client.sendall(self.done(request))


@answering("a rootDSE without end", "", where="look")
def _(self, client, request):
    self.forever(client, self.entry(request, "", self.root()) * 100)


@answering("who we are, without end", "did not answer within 1 s", where="extended")
def _(self, client, request):
    self.forever(client, self.message(request, EXTENDED, self.result(more=text("dn:x", 0x8B))) * 100)


@answering("two servers, each with a fault of its own", "ou=people,dc=acme,dc=example; the connection to ldap://127.0.0.1:", second=True)
def _(self, client, request):
    client.sendall(self.done(request, 80, "broken"))


# Parts of values (Active Directory)

class Ranges:
    def all_groups(self):
        name, attributes = self.group(0)
        return [(name, attributes[:-1] + [("member;range=0-1", attributes[-1][1][:2])]), self.group(1), self.group(2)]

    def part(self, client, request, name, first, last, values):
        end = "*" if last is None else last
        client.sendall(self.entry(request, name, [(f"member;range={first}-{end}", values), ("uSNChanged", ["7"])])
                       + self.done(request))


@hostile("values in parts without end", "that a run may take", kind="ad", full=True, run="6s", seconds=10)
class _(Ranges):
    def values(self, client, request, name, first):
        self.part(client, request, name, first, first + 999, [f"cn={first + index}" for index in range(1000)])


@hostile("values in parts of 2 MB each, without end", "more than 256 MB", kind="ad", full=True, megabytes=700, seconds=30)
class _(Ranges):
    def values(self, client, request, name, first):
        self.part(client, request, name, first, first + 19, [b"cn=" + b"x" * 1_000_000] * 20)


@hostile("values in parts that go backwards", "some values are missing", kind="ad", full=True)
class _(Ranges):
    def values(self, client, request, name, first):
        self.part(client, request, name, max(0, first - 2), max(0, first - 2) + 1, ["cn=a", "cn=b"])


@hostile("values in parts that overlap", "some values are missing", kind="ad", full=True)
class _(Ranges):
    def values(self, client, request, name, first):
        start = max(0, first - 1)
        self.part(client, request, name, start, start + 4, [f"cn={start + index}" for index in range(5)])


@hostile("fewer values in a part than it says", "some values are missing", kind="ad", full=True)
class _(Ranges):
    def values(self, client, request, name, first):
        self.part(client, request, name, first, first + 9, ["cn=a"])


@hostile("an entry that changes while its parts are fetched", "changed each time", kind="ad", full=True)
class _(Ranges):
    count = 0

    def values(self, client, request, name, first):
        self.count += 1
        client.sendall(self.entry(request, name, [
            (f"member;range={first}-{first}", ["cn=a"]), ("uSNChanged", [str(self.count)])]) + self.done(request))


# Changes

def state(kind, index):
    return control(SYNC_STATE, ber(0x30, ber(0x0A, bytes([kind])) + text(guid(index).bytes)))


def id_set(server, request, indexes, deletes=True):
    ids = ber(0x31, b"".join(text(guid(index).bytes) for index in indexes))
    value = ber(0xA3, (b"\x01\x01\xff" if deletes else b"") + ids)
    return server.message(request, INTERMEDIATE, text(SYNC_INFO, 0x80) + text(value, 0x81))


def changing(name, words="", **more):
    def add(function):
        def changes(self, client, request):
            if b"inetOrgPerson" in request.filter:
                function(self, client, request)
            else:
                Server.changes(self, client, request)
        hostile(name, words, kind="sync", **more)(type(function.__name__, (), {"changes": changes}))
        return function
    return add


@changing("endless changed people", "did not answer within 1 s")
def _(self, client, request):
    self.forever(client, lambda chunk: b"".join(
        self.entry(request, *self.person(index + chunk * 500), state(1, index + chunk * 500)) for index in range(500)))


@changing("endless sets of ids", "did not answer within 1 s")
def _(self, client, request):
    self.forever(client, lambda chunk: id_set(self, request, range(chunk * 5000, chunk * 5000 + 5000)))


@changing("endless messages without news", "no entry for 2 s")
def _(self, client, request):
    self.forever(client, self.message(request, INTERMEDIATE, text(SYNC_INFO, 0x80) + text(text("c2", 0x80), 0x81)) * 100)


@changing("a changed person without a state", "an entry without a state")
def _(self, client, request):
    Server.changes(self, client, request, self.entry(request, *self.person(0)))


@changing("a state that cannot be read", "a state that cannot be read")
def _(self, client, request):
    Server.changes(self, client, request, self.entry(
        request, *self.person(0), control(SYNC_STATE, b"\x30\x50\x0a")))


@changing("an empty cookie; everything is read", exit=0)
def _(self, client, request):
    Server.changes(self, client, request, cookie="")


@changing("no control at the end; everything is read", exit=0)
def _(self, client, request):
    client.sendall(self.done(request))


@changing("nobody stays; everything is read", exit=0)
def _(self, client, request):
    Server.changes(self, client, request, deletes=False)


@changing("people are deleted whom nobody knows", exit=0)
def _(self, client, request):
    Server.changes(self, client, request, id_set(self, request, range(9000, 9100)))


@changing("40 of 50 people are deleted", "shows 10 people where there were 50")
def _(self, client, request):
    Server.changes(self, client, request, id_set(self, request, range(40)))


@changing("a display name of 2 MB among changes", "displayName")
def _(self, client, request):
    Server.changes(self, client, request, self.entry(
        request, *self.person(0, displayName="x" * 2_000_000), state(2, 0)))


class Replicated:
    """An Active Directory that tells changes by DirSync."""

    def parts(self, client, request):
        if b"\xa2" == request.filter[:1]:
            return Server.parts(self, client, request)
        self.told(client, request)


@hostile("DirSync: parts without an entry, without end", "100 parts without an entry", kind="ad")
class _(Replicated):
    def told(self, client, request):
        Server.parts(self, client, request, more=1)


@hostile("DirSync: endless objects", "did not answer within 1 s", kind="ad")
class _(Replicated):
    def told(self, client, request):
        self.forever(client, lambda chunk: b"".join(
            self.entry(request, f"cn=x,{TOP}", [("objectGUID", [guid(9000 + chunk * 500 + index).bytes_le])])
            for index in range(500)))


@hostile("DirSync: an object without an id", "an object without an id", kind="ad")
class _(Replicated):
    def told(self, client, request):
        Server.parts(self, client, request, self.entry(request, f"cn=x,{TOP}", []))


@hostile("DirSync: an end that cannot be read", "an end that cannot be read", kind="ad")
class _(Replicated):
    def told(self, client, request):
        client.sendall(self.message(request, DONE, self.result(), control("1.2.840.113556.1.4.841", b"\x30\x7f")))


class Closes(Server):
    """The second server of two."""

    def tell_people(self, client, request):
        raise Closed


def result(code, errors):
    """What the command says, in short."""
    said = next((line for line in errors.splitlines() if line.startswith("usher: ")), "")
    words = said.removeprefix("usher: ").removesuffix(". Nothing was changed.")
    return f"{code}: {words[:110] + ('…' if len(words) > 110 else '')}" if words else f"{code}"


class Process:
    """A server in a process of its own, so that its memory is not taken for the program's."""

    def __init__(self, number, port):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(number), str(port)], stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.url = f"ldap://127.0.0.1:{port}"

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


GOOD = [type("Good", (Server,), {"kind": kind}) for kind in ("plain", "sync", "ad")]
SERVERS = [*GOOD, Closes, *(one.server for one in BEHAVIOURS)]


class Run:
    def __init__(self, arguments):
        self.usher, self.only = arguments.usher, arguments.only
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="usher-hostile-"))
        # A bookmark is of one URL.
        self.ports = [free_port(), free_port()]
        self.rows, self.failed = [], 0

    def configure(self, kind, *urls, run="30s", timeout="1s", tls="clear-text: true"):
        (self.folder / "usher.yaml").write_text(CONFIGURATION.format(
            urls=", ".join(urls), run=run, timeout=timeout, tls=tls,
            reads="full" if kind == "plain" else "delta"))
        (self.folder / "acme.yaml").write_text(
            MAPPING.format(id="objectGUID" if kind == "ad" else "entryUUID"))

    def command(self, *words):
        """Runs a command: its exit code, output, errors, peak memory in MB, and seconds."""
        start = time.monotonic()
        with open(self.folder / "output", "w+b") as output, open(self.folder / "errors", "w+b") as errors:
            child = subprocess.Popen([self.usher, *words], cwd=self.folder, stdout=output, stderr=errors)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        return (child.returncode, (self.folder / "output").read_bytes(),
                (self.folder / "errors").read_text(errors="replace"), usage.ru_maxrss // 1024, time.monotonic() - start)

    def export(self):
        return self.command("export")[1]

    def prepare(self):
        """A store for each kind of server, once synced."""
        (self.folder / "bind-password").write_text("secret words")
        (self.folder / "bind-password").chmod(0o600)
        self.before = {}
        for kind in ("plain", "sync", "ad"):
            server = Process(["plain", "sync", "ad"].index(kind), self.ports[0])
            self.configure(kind, server.url)
            shutil.rmtree(self.folder / "store", ignore_errors=True)
            (self.folder / "store").mkdir()
            for words in (["sync", "-q"], ["sync", "-q"], ["sync", "-q", "--full"]):
                code, _, errors, _, _ = self.command(*words)
                if code != 0:
                    sys.exit(f"the {kind} server itself: exit {code}\n{errors}")
            shutil.copytree(self.folder / "store", self.folder / f"store-{kind}")
            self.before[kind] = self.export()
            if self.before[kind].count(b"@acme.example") < 50:
                sys.exit(f"the {kind} server itself: not 50 accounts")
            server.end()

    def one(self, behaviour):
        kind = behaviour.server.kind
        shutil.rmtree(self.folder / "store")
        shutil.copytree(self.folder / f"store-{kind}", self.folder / "store")
        numbers = [SERVERS.index(behaviour.server)] + ([SERVERS.index(Closes)] if behaviour.second else [])
        servers = [Process(number, port) for number, port in zip(numbers, self.ports)]
        self.configure(kind, *(server.url for server in servers), run=behaviour.run,
                       timeout=behaviour.timeout, tls=behaviour.tls)
        code, _, errors, megabytes, seconds = self.command(
            "sync", "-q", *(["--full"] if behaviour.full else []))
        for server in servers:
            server.end()
        faults = []
        if code != behaviour.exit:
            faults.append(f"exit {code} instead of {behaviour.exit}")
        if behaviour.words not in errors:
            faults.append(f"does not say {behaviour.words!r}")
        if code == 5 and ("Nothing was changed" not in errors or
                          not any(name in errors for name in ("127.0.0.1", "corporate"))):
            faults.append("does not name the server, or that nothing was changed")
        if megabytes > behaviour.megabytes:
            faults.append(f"{megabytes} MB instead of {behaviour.megabytes}")
        if seconds > behaviour.seconds:
            faults.append(f"{seconds:.1f} s instead of {behaviour.seconds}")
        if self.export() != self.before[kind]:
            faults.append("accounts changed")
        if behaviour.explains:
            explained, output, _, most, took = self.command("explain", "p0@acme.example")
            megabytes, seconds = max(megabytes, most), max(seconds, took)
            if explained != 0 or len(output) > 4_000_000 or most > behaviour.megabytes:
                faults.append(f"explain: exit {explained}, {len(output)} bytes, {most} MB")
        self.rows.append((behaviour.name, result(code, errors), f"{megabytes} MB", f"{seconds:.1f} s"))
        if faults:
            self.failed += 1
            print(f"FAILED {behaviour.name}: {'; '.join(faults)}\n{errors[:2000]}", flush=True)

    def run(self, markdown):
        start = time.monotonic()
        try:
            self.prepare()
            chosen = [one for one in BEHAVIOURS if self.only in one.name]
            for behaviour in chosen:
                self.one(behaviour)
        finally:
            shutil.rmtree(self.folder)
        self.table(markdown)
        print(f"\n{len(chosen)} hostile servers, {self.failed} failed, {time.monotonic() - start:.0f} s")
        return 1 if self.failed else 0

    def table(self, markdown):
        head = ("hostile server", "result", "peak memory", "time")
        if markdown:
            print("| " + " | ".join(head) + " |\n|---|---|---:|---:|")
            for row in self.rows:
                print("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
            return
        widths = [max(len(row[column]) for row in [head, *self.rows]) for column in range(4)]
        for row in [head, *self.rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--usher", default=str(ROOT / ".build/debug/usher"), help="the binary")
    parser.add_argument("--only", default="", help="servers whose name holds this")
    parser.add_argument("--markdown", action="store_true", help="the table as Markdown")
    parser.add_argument("--serve", nargs=2, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        SERVERS[arguments.serve[0]]().listen(arguments.serve[1])
    sys.exit(Run(arguments).run(arguments.markdown))


if __name__ == "__main__":
    main()
