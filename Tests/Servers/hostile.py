"""A directory server on loopback with 50 people and three groups, and what is needed to make it misbehave. `Tests/Faults/hostile.py`
says in which ways.

A kind is "plain" (nobody knows whose server it is), "sync" (OpenLDAP with content synchronization, RFC 4533) or "ad" (Active
Directory with DirSync). A behaviour is a `Server` with some methods of its own.
"""
import re
import socket
import threading
import time
import uuid

from ber import ber

PEOPLE, GROUPS, TOP = "ou=people,dc=acme,dc=example", "ou=groups,dc=acme,dc=example", "dc=acme,dc=example"
PAGES, SYNC, SYNC_STATE, SYNC_DONE, SYNC_INFO, DIRSYNC = (
    "1.2.840.113556.1.4.319", "1.3.6.1.4.1.4203.1.9.1.1", "1.3.6.1.4.1.4203.1.9.1.2",
    "1.3.6.1.4.1.4203.1.9.1.3", "1.3.6.1.4.1.4203.1.9.1.4", "1.2.840.113556.1.4.841")
BIND, ENTRY, DONE, REFERENCE, EXTENDED, INTERMEDIATE = 0x61, 0x64, 0x65, 0x73, 0x78, 0x79


def text(value, tag=0x04):
    return ber(tag, value if isinstance(value, bytes) else value.encode())


def number(value, tag=0x02):
    return ber(tag, value.to_bytes(max(1, (value.bit_length() + 8) // 8), "big"))


def elements(data):
    """The tag and the contents of each element."""
    at = 0
    while at < len(data):
        length, size = data[at + 1], 2
        if length & 0x80:
            size += length & 0x7F
            length = int.from_bytes(data[at + 2:at + size], "big")
        yield data[at], data[at + size:at + size + length]
        at += size + length


def control(name, value):
    return ber(0x30, text(name) + text(value))


def guid(index):
    return uuid.UUID(int=0x5eed0000 + index)


class Request:
    """An operation of the client: number, tag, and of a search its parts."""

    def __init__(self, body):
        parts = list(elements(body))
        self.number = int.from_bytes(parts[0][1], "big")
        self.tag, self.body = parts[1]
        self.controls = {}
        for _, one in (elements(parts[2][1]) if len(parts) > 2 else ()):
            values = list(elements(one))
            self.controls[values[0][1].decode()] = values[-1][1] if len(values) > 1 else b""
        if self.tag == 0x63:
            values = list(elements(self.body))
            self.base, self.scope = values[0][1].decode(), values[1][1][0]
            self.filter = ber(*values[6])
            self.attributes = [value.decode() for _, value in elements(values[7][1])]


class Closed(Exception):
    """The behaviour has ended the connection."""


class Server:
    """Well-behaved. Serves each connection in a thread of its own."""
    kind = "plain"
    people = 50

    def listen(self, port):
        listener = socket.create_server(("127.0.0.1", port))
        print("ready", flush=True)
        while True:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        stream = client.makefile("rb")
        try:
            while head := stream.read(2):
                length = head[1]
                if length & 0x80:
                    length = int.from_bytes(stream.read(length & 0x7F), "big")
                self.answer(client, Request(stream.read(length)))
        except (OSError, Closed, ValueError, IndexError):
            pass
        finally:
            client.close()

    # What is sent

    def message(self, request, tag, body, controls=b""):
        return ber(0x30, number(request.number) + ber(tag, body) + (ber(0xA0, controls) if controls else b""))

    def result(self, code=0, words="", more=b""):
        return ber(0x0A, bytes([code])) + text("") + text(words) + more

    def entry(self, request, name, attributes, controls=b""):
        body = text(name) + ber(0x30, b"".join(
            ber(0x30, text(key) + ber(0x31, b"".join(map(text, values)))) for key, values in attributes))
        return self.message(request, ENTRY, body, controls)

    def done(self, request, code=0, words=""):
        controls = b""
        if PAGES in request.controls:
            controls = control(PAGES, ber(0x30, number(0) + text("")))
        return self.message(request, DONE, self.result(code, words), controls)

    # What there is

    def ids(self, index):
        if self.kind == "ad":
            return [("objectGUID", [guid(index).bytes_le]), ("uSNChanged", ["7"])]
        return [("entryUUID", [str(guid(index))]), ("entryCSN", ["20260101000000.000000Z#000000#000#000000"])]

    def person(self, index, **changed):
        values = {"uid": f"p{index}", "mail": f"p{index}@acme.example", "displayName": f"Person {index}", **changed}
        return (f"uid=p{index},{PEOPLE}",
                self.ids(index) + [(key, value if isinstance(value, list) else [value])
                                   for key, value in values.items()])

    def group(self, index):
        members = [f"uid=p{one},{PEOPLE}" for one in range(0, self.people, index + 1)]
        name = ["staff", "engineers", "others"][index]
        return f"cn={name},{GROUPS}", self.ids(1000 + index) + [("cn", [name]), ("member", members)]

    def everybody(self):
        return [self.person(index) for index in range(self.people)]

    def all_groups(self):
        return [self.group(index) for index in range(3)]

    def root(self):
        known = {"plain": [], "sync": [SYNC], "ad": [DIRSYNC]}[self.kind]
        about = [("supportedControl", [PAGES, *known]), ("namingContexts", [TOP]),
                 ("supportedExtension", ["1.3.6.1.4.1.4203.1.11.3"])]
        if self.kind == "sync":
            about.append(("objectClass", ["top", "OpenLDAProotDSE"]))
        if self.kind == "ad":
            about += [("supportedCapabilities", ["1.2.840.113556.1.4.800"]), ("highestCommittedUSN", ["7"]),
                      ("dsServiceName", [f"cn=settings,{TOP}"])]
        return about

    # What is answered

    def answer(self, client, request):
        if request.tag == 0x60:
            self.bind(client, request)
        elif request.tag == 0x77:
            self.extended(client, request)
        elif request.tag == 0x63:
            self.search(client, request)
        elif request.tag == 0x42:
            raise Closed

    def bind(self, client, request):
        client.sendall(self.message(request, BIND, self.result()))

    def extended(self, client, request):
        client.sendall(self.message(request, EXTENDED, self.result(more=text("dn:cn=reader", 0x8B))))

    def search(self, client, request):
        if SYNC in request.controls:
            self.changes(client, request)
        elif DIRSYNC in request.controls:
            self.parts(client, request)
        elif request.base == "" and request.scope == 0:
            self.look(client, request)
        elif request.scope == 0:
            self.one(client, request)
        elif b"organizationalUnit" in request.filter:
            client.sendall(self.entry(request, request.base, self.ids(2000)) + self.done(request))
        elif b"inetOrgPerson" in request.filter and request.base == PEOPLE and b"entryUUID" not in request.filter:
            self.tell_people(client, request)
        elif b"groupOfNames" in request.filter and request.base == GROUPS and b"member" not in request.filter:
            self.tell_groups(client, request)
        else:
            client.sendall(self.done(request))

    def look(self, client, request):
        asked = [one for one in self.root() if one[0] in request.attributes]
        client.sendall(self.entry(request, "", asked) + self.done(request))

    def one(self, client, request):
        found = [entry for entry in self.everybody() + self.all_groups() if entry[0] == request.base]
        if request.base == f"cn=settings,{TOP}":
            found = [(request.base, [("invocationId", [guid(3000).bytes_le])])]
        ranged = [name for name in request.attributes if ";range=" in name]
        if found and ranged:
            self.values(client, request, found[0][0], int(re.search(r"range=(\d+)-", ranged[0])[1]))
        elif found:
            client.sendall(self.entry(request, *found[0]) + self.done(request))
        else:
            client.sendall(self.done(request, 32))

    def values(self, client, request, name, first):
        """Values of `member` from a number on."""
        client.sendall(self.done(request))

    def tell(self, client, request, entries):
        client.sendall(b"".join(self.entry(request, *one) for one in entries) + self.done(request))

    def tell_people(self, client, request):
        self.tell(client, request, self.everybody())

    def tell_groups(self, client, request):
        self.tell(client, request, self.all_groups())

    def changes(self, client, request, before=b"", deletes=True, cookie="c1"):
        """By content synchronization: none, after what is said before."""
        value = ber(0x30, (text(cookie) if cookie is not None else b"") + (b"\x01\x01\xff" if deletes else b""))
        client.sendall(before + self.message(request, DONE, self.result(), control(SYNC_DONE, value)))

    def parts(self, client, request, before=b"", more=0, cookie="c1"):
        """By DirSync: none, after what is said before."""
        value = ber(0x30, number(more) + number(0) + text(cookie))
        client.sendall(before + self.message(request, DONE, self.result(), control(DIRSYNC, value)))

    def forever(self, client, chunk, pause=0.0):
        """The same bytes until the client hangs up; `chunk` may be a function of a running number."""
        count = 0
        while True:
            client.sendall(chunk(count) if callable(chunk) else chunk)
            count += 1
            if pause:
                time.sleep(pause)
