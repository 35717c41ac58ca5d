#!/usr/bin/env python3
"""fake.py CODE [ENTRIES]: a directory server on loopback that no real one can be made to be.

It lets everybody in, answers each search with so many entries (none where not said) and the result
CODE (RFC 4511), and never sends a control back. Prints its port and serves until it is ended.
"""
import socket
import sys
import threading

code = int(sys.argv[1])
entries = int(sys.argv[2]) if len(sys.argv) > 2 else 0


def ber(tag, body):
    length = len(body)
    if length < 128:
        return bytes([tag, length]) + body
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + body


def read(stream):
    head = stream.read(2)
    if len(head) < 2:
        return b""
    length = head[1]
    if length & 0x80:
        length = int.from_bytes(stream.read(length & 0x7F), "big")
    return stream.read(length)


def message(number, tag, body):
    return ber(0x30, number + ber(tag, body))


def result(value):
    return ber(0x0A, bytes([value])) + ber(0x04, b"") + ber(0x04, b"")


def entry(index):
    name = f"uid=p{index},ou=people,dc=acme,dc=example".encode()
    attribute = ber(0x30, ber(0x04, b"entryUUID") + ber(0x31, ber(0x04, f"id-{index}".encode())))
    return ber(0x04, name) + ber(0x30, attribute)


def serve(client):
    stream = client.makefile("rb")
    while request := read(stream):
        number, operation = request[:2 + request[1]], request[2 + request[1]]
        if operation == 0x60:
            client.sendall(message(number, 0x61, result(0)))
        elif operation == 0x63:
            for index in range(entries):
                client.sendall(message(number, 0x64, entry(index)))
            client.sendall(message(number, 0x65, result(code)))
    client.close()


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
