"""Finds the peer among all who connect to a port: the one that says a secret which nobody else has been told.

Everybody on the machine, or on the network, may connect. None of them gets more than a few bytes and a few seconds, all are listened
to at the same time, and of those who say nothing there are never many: so the peer finds its way in whatever they do.
"""

from __future__ import annotations

import hmac
import select
import socket

from ..core.clock import monotonic
from ..core.sync import Event

#: One who connects speaks at once. A peer that was stopped between the two, or runs on a busy machine, may take longer.
_PATIENCE = 10.0
#: So many may wait at the same time: each has a descriptor, of which a process often has no more than 1024.
_MOST = 256
#: When there are that many, the oldest makes room for the next, but not before it has had so long: the peer is one of them, perhaps.
_GRACE = 0.1
#: Between two looks at who waits, no more than so many are let in.
_AT_ONCE = 64
#: How often it is looked whether there is still somebody to wait for.
_LOOK = 0.05


class _Stranger:
    def __init__(self, connected: socket.socket, now: float) -> None:
        self.socket = connected
        self.said = b""
        self.since = now


class Authenticator:
    """Listens to all who connect until one has said `secret`.

    :param listener: a socket that listens; stays the caller's.
    """

    def __init__(self, listener: socket.socket, secret: bytes) -> None:
        self._listener = listener
        self._secret = secret
        self._strangers: dict[int, _Stranger] = {}  # by descriptor, the oldest first
        self._poll = select.poll()
        self._full_until = 0.0
        listener.setblocking(False)

    def wait(self, gone: Event) -> socket.socket | None:
        """Return the connection of the one who has said it; ``None`` if nobody has until `gone` was set.

        All others are closed. Of what comes after the secret nothing is read.
        """
        self._poll.register(self._listener, select.POLLIN)
        try:
            while True:
                last = gone.is_set()
                for fd, _ in self._poll.poll(_LOOK * 1000):
                    right = self._let_in() if fd == self._listener.fileno() else self._hear(fd)
                    if right is not None:
                        return right
                if last:
                    return None
                self._dismiss_late(monotonic())
        finally:
            for fd in list(self._strangers):
                self._dismiss(fd)

    def _let_in(self) -> socket.socket | None:
        for _ in range(_AT_ONCE):
            now = monotonic()
            if len(self._strangers) >= _MOST and not self._make_room(now):
                return None
            try:
                connected, _ = self._listener.accept()
            except BlockingIOError:
                return None
            except ConnectionError:
                continue  # it has left already
            except OSError:  # there are no more descriptors
                if not self._make_room(now):
                    return None
                continue
            connected.setblocking(False)
            fd = connected.fileno()
            self._strangers[fd] = _Stranger(connected, now)
            self._poll.register(fd, select.POLLIN)
            right = self._hear(fd)  # nearly always it has spoken by now
            if right is not None:
                return right
        return None

    def _make_room(self, now: float) -> bool:
        """Dismiss the oldest, or let nobody in for a while."""
        oldest = next(iter(self._strangers), None)
        if oldest is not None and now - self._strangers[oldest].since >= _GRACE:
            self._dismiss(oldest)
            return True
        self._poll.modify(self._listener, 0)
        self._full_until = now + _GRACE
        return False

    def _hear(self, fd: int) -> socket.socket | None:
        stranger = self._strangers.get(fd)
        if stranger is None:
            return None  # it was dismissed a moment ago
        try:
            said = stranger.socket.recv(len(self._secret) - len(stranger.said))
        except BlockingIOError:
            return None
        except OSError:
            said = b""
        stranger.said += said
        if said and len(stranger.said) < len(self._secret):
            return None
        if not hmac.compare_digest(stranger.said, self._secret):
            self._dismiss(fd)
            return None
        del self._strangers[fd]
        return stranger.socket

    def _dismiss(self, fd: int) -> None:
        self._poll.unregister(fd)
        self._strangers.pop(fd).socket.close()

    def _dismiss_late(self, now: float) -> None:
        for fd, stranger in list(self._strangers.items()):
            if now - stranger.since < _PATIENCE:
                break
            self._dismiss(fd)
        if self._full_until and now >= self._full_until:
            self._full_until = 0.0
            self._poll.modify(self._listener, select.POLLIN)
