"""What a mail server that only writes files would do: one plain file for each message.

Forks a server, which forks a process for each connection, and as many clients, each of which sends the
next message when the last one is acknowledged. Prints JSON: messages a second, and the CPU time of
each side for one message, milliseconds.

    python3 plain_files.py FOLDER CONNECTIONS MESSAGES SIZE sync|no-sync

Nobody's mail, no encryption, no accounts: only the floor that bench/run.ts shows deliveries beside.
"""

import json
import os
import socket
import struct
import sys
import time

SECONDS = 15


def receive(connection, size):
    """Exactly `size` bytes; None where the other side has ended."""
    parts = []
    while size > 0:
        part = connection.recv(size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def keep(connection, folder, sync):
    """Writes every message that comes to a file of its own, then acknowledges it."""
    number = 0
    while True:
        head = receive(connection, 4)
        if head is None:
            return
        message = receive(connection, struct.unpack(">I", head)[0])
        if message is None:
            return
        path = os.path.join(folder, "%d-%d" % (os.getpid(), number))
        number += 1
        with open(path, "xb") as file:
            file.write(message)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        connection.sendall(b"+")


def serve(listener, folder, connections, sync):
    children = []
    for _ in range(connections):
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        child = os.fork()
        if child == 0:
            keep(connection, folder, sync)
            os._exit(0)
        connection.close()
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def send(address, message, count, report):
    """Sends `count` messages, or as many as there is time for; writes how many to `report`."""
    with socket.create_connection(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.monotonic() + SECONDS
        sent = 0
        while sent < count and time.monotonic() < end:
            connection.sendall(message)
            if receive(connection, 1) is None:
                break
            sent += 1
    os.write(report, struct.pack(">I", sent))


def cpu(usage):
    return usage.ru_utime + usage.ru_stime


def main():
    folder, connections, count, size = sys.argv[1], *map(int, sys.argv[2:5])
    sync = sys.argv[5] == "sync"
    text = os.urandom(size // 2).hex().encode()
    message = struct.pack(">I", len(text)) + text
    listener = socket.create_server(("127.0.0.1", 0), backlog=connections)
    address = listener.getsockname()
    server = os.fork()
    if server == 0:
        serve(listener, folder, connections, sync)
        os._exit(0)
    listener.close()
    reading, writing = os.pipe()
    began = time.monotonic()
    clients = []
    for _ in range(connections):
        client = os.fork()
        if client == 0:
            send(address, message, count // connections, writing)
            os._exit(0)
        clients.append(client)
    client_cpu = sum(cpu(os.wait4(client, 0)[2]) for client in clients)
    took = time.monotonic() - began
    os.close(writing)
    _, status, usage = os.wait4(server, 0)
    sent = 0
    while True:
        four = os.read(reading, 4)
        if not four:
            break
        sent += struct.unpack(">I", four)[0]
    if status != 0 or sent == 0:
        sys.exit("the server of plain files failed")
    print(json.dumps({
        "perSecond": sent / took,
        "serverCpuMs": cpu(usage) * 1000 / sent,
        "clientCpuMs": client_cpu * 1000 / sent,
    }))


main()
