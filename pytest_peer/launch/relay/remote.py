"""The far end of a relay: starts a peer over there, carries what it says, and ends it with the connection.

Runs in the interpreter that a launcher has started, before it is the peer's; sent as source, for Python 3.8 and the standard library.
The interpreter forks: the child is the peer, so that everything it was started with holds, and the parent is this. It is small,
has one thread, and no end before the peer's but that of the connection: its stdin.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` itself costs a millisecond of every boot
import fcntl
import os
import select
import sys
import termios
import time

from . import frames
from .descendants import RemoteChild

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` would be in every peer for it
    from typing import BinaryIO

#: As in the origin's `launch.command`: what a peer has as its link.
LINK_NUMBERS = (7, 8)
#: Signals that are meant for the program that a launcher starts, which is the peer.
_PASSED_ON = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
#: Bytes on their way to the near end, beyond which the peer has to wait.
_BOUND = 1 << 18
#: After its end: for what it has started to be gone, and then for the near end to have taken everything.
_GONE_SECONDS = 2.0
_TAKEN_SECONDS = 2.0
#: How often it is looked whether a peer has stopped.
_STOPPING_MS = 5


def begin(magic: bytes, cwd: str, pulse: bool) -> tuple[BinaryIO, int]:
    """Fork; returned are the link's reader and writer in the peer. In the other process, which is the relay, this does not return.

    :param magic: what the near end waits for: everything before it is somebody else's.
    :param cwd: where the peer starts; empty for where this is.
    :param pulse: whether a near end from which nothing is heard is one that has ended.
    """
    # Out of the way of what the peer has, and of what prints here.
    incoming, outgoing = _high(0), _high(1)
    link_in, link_out, stdin, stdout, stderr = (_pipe() for _ in range(5))
    wake = _pipe()
    offspring = RemoteChild()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        for target, fd in enumerate((stdin[0], stdout[1], stderr[1])):
            os.dup2(fd, target)
        for target, fd in zip(LINK_NUMBERS, (link_in[0], link_out[1])):
            os.dup2(fd, target, inheritable=False)
        for fd in (incoming, outgoing, *link_in, *link_out, *stdin, *stdout, *stderr, *wake):
            os.close(fd)
        offspring.become()
        if cwd:
            try:
                os.chdir(cwd)
            except OSError as exc:
                os.write(2, ("cannot start in %r: %s\n" % (cwd, exc.strerror)).encode())
                os._exit(1)
        return open(LINK_NUMBERS[0], "rb"), LINK_NUMBERS[1]
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(2, 1)
        for fd in (null, link_in[0], link_out[1], stdin[0], stdout[1], stderr[1]):
            os.close(fd)
        offspring.child = child
        inlets = {frames.LINK: link_in[1], frames.STDIN: stdin[1]}
        outlets = {frames.STDOUT: stdout[0], frames.STDERR: stderr[0]}
        relay = Relay(incoming, outgoing, wake, offspring, inlets, outlets, link_out[0])
        os.write(outgoing, magic)
        os._exit(relay.run(cwd, frames.SILENT_SECONDS if pulse else None))
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        offspring.kill()
        os._exit(1)


def _high(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    high = _high(read), _high(write)
    os.close(read)
    os.close(write)
    return high


class Relay:
    """Carries bytes between the connection and the peer.

    :param incoming: a descriptor of the connection, as is `outgoing`.
    :param wake: both ends of a pipe, for signals.
    :param inlets: what of the peer is written to, by kind; `outlets` what is read, but for its link.
    :param link: what it says on that.
    """

    def __init__(
        self,
        incoming: int,
        outgoing: int,
        wake: tuple[int, int],
        offspring: RemoteChild,
        inlets: dict[bytes, int],
        outlets: dict[bytes, int],
        link: int,
    ) -> None:
        self._incoming = incoming
        self._parser = frames.Incoming()
        self._out = frames.Outgoing(outgoing)
        self._offspring = offspring
        self._wake, woken = wake
        self._inlets = {kind: frames.BufferedPipe(fd) for kind, fd in inlets.items()}
        self._taken = dict.fromkeys(inlets, 0)  # and not told yet
        self._outlets = outlets
        self._link = link
        self._signals: list[int] = []
        self._stopping: bytes | None = None  # what to say when the peer has stopped
        for fd in (incoming, outgoing, *wake, *inlets.values(), *outlets.values(), link):
            os.set_blocking(fd, False)
        _signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        for name in ("SIGCHLD", *_PASSED_ON):
            _signal.signal(getattr(_signal, name), self._signalled)

    def _signalled(self, number: int, _frame: object) -> None:
        if number != _signal.SIGCHLD:
            self._signals.append(number)

    def run(self, cwd: str, patience: float | None) -> int:
        """Until the peer has ended, or the connection; returned is a status for the end of this process."""
        self._out.add(
            frames.BORN, repr(self._offspring.facts(cwd)).encode("ascii", "backslashreplace")
        )
        heard = time.monotonic()
        while patience is None or time.monotonic() < heard + patience:
            ready = self._ready(
                _STOPPING_MS if self._stopping is not None else patience and 1000 * patience
            )
            if patience is not None and self._incoming in ready:
                heard = time.monotonic()
            while self._signals:
                self._offspring.signal(self._signals.pop(0), group=False)
            if self._offspring.ended():
                return self._end()
            if self._stopping is not None and self._offspring.stopped():
                self._out.add(frames.STOPPED, self._stopping, urgent=True)
                self._stopping = None
            if not self._carry(ready):
                break
        return self._lost()

    def _ready(self, milliseconds: float | None) -> set[int]:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(self._incoming, select.POLLIN)
        if self._out.size:
            poll.register(self._out.fd, select.POLLOUT)
        for inlet in self._inlets.values():
            if inlet.waits:
                poll.register(inlet.fd, select.POLLOUT)
        if self._out.size < _BOUND:
            for fd in (self._link, *self._outlets.values()):
                if fd >= 0:
                    poll.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(milliseconds)}
        if self._wake in ready:
            _read(self._wake)
        return ready

    def _carry(self, ready: set[int]) -> bool:
        """What is ready; returned is whether the connection is still there."""
        if self._incoming in ready:
            data = _read(self._incoming)
            if data == b"":
                return False
            for kind, payload in self._parser.feed(data or b""):
                self._received(kind, payload)
        for kind, inlet in self._inlets.items():
            if inlet.waits:
                self._taken[kind] += inlet.write()
                if self._taken[kind] >= frames.WINDOWS[kind] // 4:  # not for every call
                    taken, self._taken[kind] = self._taken[kind], 0
                    self._out.add(frames.TAKEN, kind + frames.packed(taken), urgent=True)
        if self._link in ready:
            self._take_link()
        for kind, fd in self._outlets.items():
            if fd >= 0 and fd in ready:
                self._take(kind, frames.MOST)
        try:
            self._out.write()
        except OSError:
            return False
        return True

    def _received(self, kind: bytes, payload: bytes) -> None:
        if kind == frames.SIGNAL:
            number, group, ticket = (frames.number(payload[at : at + 4]) for at in (0, 4, 8))
            self._offspring.signal(number, group=bool(group))
            if group and number == _signal.SIGSTOP:
                self._stopping = frames.packed(ticket)
        elif kind != frames.ALIVE:
            self._inlets[kind].add(payload)

    def _take_link(self) -> None:
        data = _read(self._link)
        # What was written before it is there before it.
        for kind, fd in self._outlets.items():
            if fd >= 0:
                self._take(kind, _waiting(fd))
        if data:
            self._out.add(frames.LINK, data)
        elif data == b"":
            os.close(self._link)
            self._link = -1
            self._out.add(frames.LINK)

    def _take(self, kind: bytes, size: float) -> None:
        while size > 0 and self._outlets[kind] >= 0:
            data = _read(self._outlets[kind])
            if data is None:
                return
            if not data:
                os.close(self._outlets[kind])
                self._outlets[kind] = -1
                return
            self._out.add(kind, data)
            size -= len(data)

    def _end(self) -> int:
        """The peer has ended: what it has started goes too, and what all of them have written is told."""
        status = self._offspring.status()
        self._offspring.kill(time.monotonic() + _GONE_SECONDS)
        if self._link >= 0:
            self._take_link()
        for kind in self._outlets:
            self._take(kind, float("inf"))
        while self._link >= 0 and (data := _read(self._link)):
            self._out.add(frames.LINK, data)
        self._out.add(frames.EXIT, b"%d" % status)
        self._say_farewell()
        return status if status >= 0 else 128 - status

    def _say_farewell(self) -> None:
        """Until the near end has closed, having everything: some launchers drop what is on its way when this ends."""
        deadline = None
        while deadline is None or time.monotonic() < deadline:
            poll = select.poll()
            poll.register(self._incoming, select.POLLIN)
            if self._out.size:
                poll.register(self._out.fd, select.POLLOUT)
            elif deadline is None:
                deadline = time.monotonic() + _TAKEN_SECONDS
            ready = dict(poll.poll(1000 * _TAKEN_SECONDS))
            if self._incoming in ready and _read(self._incoming) == b"":
                return
            try:
                self._out.write()
            except OSError:
                return

    def _lost(self) -> int:
        self._offspring.kill(time.monotonic() + _GONE_SECONDS)
        return 1


def _read(fd: int) -> bytes | None:
    """What is there; ``None`` for nothing, empty at the end."""
    try:
        return os.read(fd, frames.MOST)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _waiting(fd: int) -> int:
    """How many bytes can be read."""
    try:
        size = fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0")
    except OSError:
        return frames.MOST
    return int.from_bytes(size, sys.byteorder)
