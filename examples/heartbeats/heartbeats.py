"""The code under test: two hosts tell each other by datagrams that they live, and what they hear."""

from __future__ import annotations

import socket
import time

PORT = 7000
INTERVAL, LIMIT = 0.05, 1.0  # seconds

HEARD, NOT_HEARD = b"I hear you", b"I do not hear you"

hears = False  # the other host, lately
is_heard = False  # by the other host, as that says


def watch(other: str) -> None:
    """Send heartbeats to another host, and note its own."""
    global hears, is_heard
    address = (socket.gethostbyname(other), PORT)
    heard_at = -LIMIT
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("", PORT))
        sock.setblocking(False)
        while True:
            for message in received(sock):
                heard_at = time.monotonic()
                is_heard = message == HEARD
            hears = time.monotonic() < heard_at + LIMIT
            sock.sendto(HEARD if hears else NOT_HEARD, address)
            time.sleep(INTERVAL)


def received(sock: socket.socket) -> list[bytes]:
    """Return what has come meanwhile."""
    found = []
    while True:
        try:
            found.append(sock.recv(100))
        except BlockingIOError:
            return found


def is_up() -> bool:
    """Whether the other host and both ways to it are up."""
    return hears and is_heard


def is_up_by_hearsay() -> bool:
    """Whether the other host is up, for one who only listens: a naive detector."""
    return hears
