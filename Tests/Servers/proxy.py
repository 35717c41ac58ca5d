#!/usr/bin/env python3
"""proxy.py PORT stall|BYTES: a TCP proxy on loopback before the server at PORT.

stall  lets the first answer (the bind's) pass and then swallows all others.
BYTES  cuts the connection once so many bytes of the server's answers have passed.
Prints its own port and serves until it is ended.
"""
import socket
import sys
import threading

server_port, mode = int(sys.argv[1]), sys.argv[2]
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)


def pump(source, target):
    while data := source.recv(65536):
        target.sendall(data)


def answer(server, client):
    passed = 0
    while data := server.recv(65536):
        if mode == "stall":
            if passed == 0:
                client.sendall(data)
        else:
            room = int(mode) - passed
            client.sendall(data[:max(room, 0)])
            if len(data) > room:
                client.shutdown(socket.SHUT_RDWR)
                return
        passed += len(data)


def serve(client):
    server = socket.create_connection(("127.0.0.1", server_port))
    threading.Thread(target=answer, args=(server, client), daemon=True).start()
    try:
        pump(client, server)
    except OSError:
        pass


while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
