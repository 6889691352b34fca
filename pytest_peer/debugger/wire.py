"""The connection between a run and a terminal that has attached: a JSON object a line.

The run says ``text``, ``prompt``, ``matches``, ``over`` (the prompt ends by itself) and ``end``; the
terminal ``attach`` (a name), ``line``, ``complete`` and ``interrupt``.
"""

import contextlib
import glob
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

#: Of the directories of sockets, in that for temporary files.
PREFIX = "pytest-peer-debug-"
_NAME = "socket"
#: While it does not listen yet: a terminal would take it for that of a dead run.
_EARLY_NAME = "new"
#: Bytes of an address: 104 with a zero at the end on macOS, 108 on Linux.
_LONGEST = 103


@contextlib.contextmanager
def address(path: str) -> Iterator[str]:
    """Give an address of a socket: its path, or a shorter one, as addresses have a maximum length."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield path
        return
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{directory}/{os.path.basename(path)}"
    finally:
        os.close(directory)


def listen_in(directory: str) -> socket.socket:
    """Return a socket for terminals, which find it when it listens."""
    listener = socket.socket(socket.AF_UNIX)
    path = os.path.join(directory, _EARLY_NAME)
    with address(path) as place:
        listener.bind(place)
    os.chmod(path, 0o600)
    listener.listen()
    listener.setblocking(False)
    os.rename(path, os.path.join(directory, _NAME))
    return listener


def connected(connection: socket.socket, path: str) -> bool:
    """Connect to a run; return whether it lives. What a killed one has left is removed."""
    try:
        with address(path) as place:
            connection.connect(place)
    except ConnectionRefusedError:
        shutil.rmtree(os.path.dirname(path), ignore_errors=True)
        return False
    except OSError:  # it has just ended
        return False
    return True


def found() -> list[str]:
    """Return the sockets of this user's runs, the oldest first."""
    paths = glob.glob(os.path.join(tempfile.gettempdir(), f"{PREFIX}*", _NAME))
    times = {}
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:  # it has ended
            continue
        if status.st_uid == os.getuid():
            times[path] = status.st_mtime
    return sorted(times, key=times.__getitem__)


def is_ours(connection: socket.socket) -> bool:
    """Return whether the other end is a process of the same user."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the mode of the socket has to do
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(data[4:8], "little") == os.getuid()


class Wire:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""
        #: Whether the other end has gone.
        self.ended: bool = False

    def send(self, **message: Any) -> None:
        """Send a message; one that the other end cannot get is lost."""
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.ended = True

    def receive(self, timeout: float | None) -> dict[str, Any] | None:
        """Return the next message; ``None`` if none comes in time, or the other end has gone."""
        while b"\n" not in self._rest and not self.ended:
            self._connection.settimeout(timeout)
            try:
                data = self._connection.recv(1 << 16)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError:
                data = b""
            finally:
                self._connection.settimeout(None)
            self.ended = not data
            self._rest += data
        line, end, rest = self._rest.partition(b"\n")
        if not end:
            return None
        self._rest = rest
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        self._connection.close()
