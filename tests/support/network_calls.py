"""What peers do in a network."""

from __future__ import annotations

import socket
import time

LONG = 30.0


def serve(port):
    with socket.create_server(("", port)) as server:
        print("listening", flush=True)
        while True:
            client, _ = server.accept()
            client.sendall(socket.gethostname().encode())
            client.close()


def ask(host, port=80, limit=LONG):
    with socket.create_connection((host, port), limit) as client:
        return client.recv(100).decode()


def seconds_to_connect(host, port=80):
    begun = time.monotonic()
    with socket.create_connection((host, port), LONG):
        return time.monotonic() - begun


def start_server(peer, port=80):
    peer.cast(serve, port)
    peer.stdout.expect("listening")


def collect_datagrams(port=53):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)  # they may come all at once
        sock.bind(("", port))
        print("bound", flush=True)
        while True:
            print(sock.recv(2000).decode(), flush=True)


def send_datagram(host, payload, port=53):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(payload, (host, port))


def send_datagrams(host, payloads, port=53):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for payload in payloads:
            sock.sendto(payload, (host, port))


def collect_times(port=53):
    """Print each datagram, with the time of the machine at which it came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)  # they may come all at once
        sock.bind(("", port))
        print("bound", flush=True)
        while True:
            payload = sock.recv(2000)
            print(payload.rstrip(b"\0").decode(), repr(time.monotonic()), flush=True)


def send_at(host, payloads, port=53):
    """Send datagrams; return the time of the machine before the first."""
    begun = time.monotonic()
    send_datagrams(host, payloads, port)
    return begun


def echo(port=7):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)  # they may come all at once
        sock.bind(("", port))
        print("bound", flush=True)
        while True:
            payload, source = sock.recvfrom(2000)
            sock.sendto(payload, source)


def round_trips(host, count, port=7):
    """Return the seconds of round trips, one after the other."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(LONG)
        for number in range(count):
            begun = time.monotonic()
            sock.sendto(b"%d" % number, (host, port))
            sock.recv(2000)
            found.append(time.monotonic() - begun)
    return found


def cast_and_bind(peer, function, *args):
    peer.cast(function, *args)
    peer.stdout.wait_for("bound")


_kept = []


def connect_and_keep(host, port):
    """Open a connection that stays open."""
    _kept.append(socket.create_connection((host, port), LONG))
