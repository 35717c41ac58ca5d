#!/usr/bin/env python3
"""A directory server on loopback that no real one can be made to be. Prints its port, serves until it is ended.

fake.py CODE [ENTRIES]     lets everybody in, answers each search with so many entries (none where not said)
                           and the result CODE (RFC 4511), and never sends a control back.
fake.py lastpage           three entries and the code 4 (size limit) to who asks for no pages, and to who does the
                           first page without the control that says whether it was the last.
fake.py ranges SIZE FAULT  an Active Directory with three people and the group staff, which hands out members
                           SIZE at a time whatever is asked. FAULT: none; gap (the second part begins one
                           too late); lost (it never comes); loop (the first part comes again and again);
                           moving (the group changes while it is read).
fake.py anonymous          lets everybody in, and takes them for nobody (RFC 4532).
"""
import re
import socket
import sys
import threading

from ber import ber, message, read_message, result


def text(value):
    return ber(0x04, value if isinstance(value, bytes) else value.encode())


def entry(name, attributes):
    return text(name) + ber(0x30, b"".join(
        ber(0x30, text(key) + ber(0x31, b"".join(map(text, values))))
        for key, values in attributes))


class Answering:
    """The same answer to every search."""

    def __init__(self, code, entries="0"):
        self.code, self.entries = int(code), int(entries)

    def search(self, request):
        place = "groups" if b"ou=groups" in request else "people"
        found = [entry(f"uid=p{index},ou={place},dc=acme,dc=example",
                       [("entryUUID", [f"id-{index}"])]) for index in range(self.entries)]
        return found, self.code


class LastPage(Answering):
    """Says nothing of itself but that, and of pages not whether there are more."""

    def __init__(self):
        super().__init__(0, 3)

    def search(self, request):
        if b"supportedControl" in request:
            return [entry("", [("objectClass", ["top"])])], 0
        paged = b"1.2.840.113556.1.4.319" in request
        self.code = 0 if paged else 4
        return super().search(request)


class Ranges:
    """Members in parts ([MS-ADTS] 3.1.1.3.1.3.3)."""
    people = 3

    def __init__(self, size, fault):
        self.size, self.fault, self.version = int(size), fault, 0

    def members(self, first):
        last = min(first + self.size, self.people)
        if self.fault == "loop":
            first, last = 0, self.size
        if self.fault == "gap" and first > 0:
            first += 1
        if self.fault == "lost" and first > 0:
            return []
        if self.fault == "moving":
            self.version += 1
        end = "*" if last == self.people else last - 1
        return [(f"member;range={first}-{end}",
                 [f"CN=p{index},OU=people,DC=acme,DC=example" for index in range(first, last)])]

    def search(self, request):
        if b"supportedControl" in request:
            return [entry("", [("supportedCapabilities", ["1.2.840.113556.1.4.800"]),
                               ("supportedControl", ["1.2.840.113556.1.4.1338"])])], 0
        if b"highestCommittedUSN" in request or b"invocationId" in request:
            return [entry("", [])], 0
        asked = re.search(rb"member;range=(\d+)-\*", request)
        if asked or b"group" in request:
            group = [("objectGUID", [b"\x09" * 16]), ("cn", ["staff"]),
                     ("uSNChanged", [str(self.version)])]
            return [entry("CN=staff,OU=groups,DC=acme,DC=example",
                          group + self.members(int(asked[1]) if asked else 0))], 0
        one = re.search(rb"CN=p(\d+),OU=people", request)
        return [entry(f"CN=p{index},OU=people,DC=acme,DC=example",
                      [("objectGUID", [bytes([index + 1]) * 16]), ("cn", [f"p{index}"]),
                       ("mail", [f"p{index}@acme.example"])])
                for index in ([int(one[1])] if one else range(self.people))], 0


class Anonymous:
    def search(self, request):
        return [entry("", [("supportedExtension", ["1.3.6.1.4.1.4203.1.11.3"])])], 0


kinds = {"lastpage": LastPage, "ranges": Ranges, "anonymous": Anonymous}
server = kinds[sys.argv[1]](*sys.argv[2:]) if sys.argv[1] in kinds else Answering(*sys.argv[1:])


def serve(client):
    stream = client.makefile("rb")
    while found := read_message(stream):
        _, number, operation, request = found
        if operation == 0x60:
            client.sendall(message(number, 0x61, result(0)))
        elif operation == 0x77:
            client.sendall(message(number, 0x78, result(0) + ber(0x8B, b"")))
        elif operation == 0x63:
            entries, code = server.search(request)
            for found in entries:
                client.sendall(message(number, 0x64, found))
            client.sendall(message(number, 0x65, result(code)))
    client.close()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
