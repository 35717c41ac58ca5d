#!/usr/bin/env python3
"""lenient.py PORT DN whoami|silent: a proxy on loopback before the directory server at PORT that lets everybody in.

Binds as DN reach the server, all others are answered with success and go no further, so that the server takes whoever made
them for nobody. whoami: the server is asked who we are (RFC 4532); silent: the proxy does not know that question.
Prints its own port and serves until it is ended.
"""
import contextlib
import socket
import sys
import threading

from ber import message, read_message, result

server_port, reader, mode = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3]
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
BIND, BOUND, EXTENDED, DONE = 0x60, 0x61, 0x77, 0x78
PROTOCOL_ERROR = 2


def pump(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


def serve(client):
    server = socket.create_connection(("127.0.0.1", server_port))
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    stream = client.makefile("rb")
    while found := read_message(stream):
        raw, number, operation, body = found
        if operation == BIND and reader not in body:
            client.sendall(message(number, BOUND, result(0)))
        elif operation == EXTENDED and mode == "silent":
            client.sendall(message(number, DONE, result(PROTOCOL_ERROR)))
        else:
            server.sendall(raw)
    server.close()


while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
