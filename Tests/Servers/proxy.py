#!/usr/bin/env python3
"""proxy.py PORT stall|BYTES|DELAYms: a TCP proxy on loopback before the server at PORT.

stall    lets the first answer (the bind's) pass and then swallows all others.
BYTES    cuts the connection once so many bytes of the server's answers have passed.
DELAYms  lets everything arrive so many milliseconds later, on either way, and no slower, in segments as a network has them.
Prints its own port and serves until it is ended.
"""
import contextlib
import queue
import socket
import sys
import threading
import time

server_port, mode = int(sys.argv[1]), sys.argv[2]
delay_seconds = float(mode[:-2]) / 1000 if mode.endswith("ms") else None
# What Ethernet leaves of 1,500 bytes. Loopback's segments hold 65,483: whether a server's small writes gather in them
# depends on what the connection carried before, and no server that is far away has them.
SEGMENT_BYTES = 1460


def shaped(new):
    """A socket before it connects or listens, which is when its segments are agreed upon."""
    if delay_seconds is not None:
        new.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
    return new


listener = shaped(socket.socket())
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)

# What may be on its way at a time: all that comes within 50 ms.
MOST_CHUNKS = 100
CHUNK_BYTES = 1 << 20
# After each chunk, so that a server that writes little by little does not make for many.
GATHER_SECONDS = 0.0005


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


def pump_late(source, target):
    """Like `pump`, with each chunk handed on once it is old enough."""
    chunks = queue.Queue(MOST_CHUNKS)
    threading.Thread(target=deliver, args=(chunks, target), daemon=True).start()
    data = None
    while data != b"":
        try:
            data = source.recv(CHUNK_BYTES)
        except OSError:
            data = b""
        chunks.put((time.monotonic() + delay_seconds, data))
        time.sleep(GATHER_SECONDS)


def deliver(chunks, target):
    """Hands chunks on when they are due; an empty one is the last."""
    data = None
    while data != b"":
        due, data = chunks.get()
        time.sleep(max(0, due - time.monotonic()))
        with contextlib.suppress(OSError):
            target.sendall(data) if data else target.shutdown(socket.SHUT_WR)


def serve(client):
    server = shaped(socket.socket())
    try:
        server.connect(("127.0.0.1", server_port))
    except OSError:
        # As a load balancer does it.
        client.close()
        return
    if delay_seconds is not None:
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=pump_late, args=(server, client), daemon=True).start()
        pump_late(client, server)
        return
    threading.Thread(target=answer, args=(server, client), daemon=True).start()
    try:
        pump(client, server)
    except OSError:
        pass


while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
