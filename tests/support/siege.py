"""What a stranger does to a port, in a process of its own: ``siege.py how host port``."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections import deque

#: Connections that one who holds has open at the same time.
HELD = 500


def siege(how: str, address: tuple[str, int]) -> None:
    held: deque[socket.socket] = deque(maxlen=HELD)  # what falls out of it is closed
    print("at it", flush=True)
    while True:
        with contextlib.suppress(OSError):
            stranger = socket.create_connection(address, timeout=60)
            if how == "holds":
                held.append(stranger)
            elif how == "lies":
                stranger.sendall(b"x" * 64)
                stranger.close()
            else:
                while True:
                    stranger.sendall(b"x")
                    time.sleep(0.02)


if __name__ == "__main__":
    siege(sys.argv[1], (sys.argv[2], int(sys.argv[3])))
