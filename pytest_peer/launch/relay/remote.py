"""The remote end of a relay: starts the peer, relays what it writes, and ends it when it is alone.

It runs in the interpreter that a launcher has started, and forks it: the child becomes the peer,
with everything that the interpreter was started with, and the parent is this relay. It is small,
has one thread, and ends with the peer or with its connection, which is its stdin. Sent as source:
Python 3.8 and the standard library only.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` takes a millisecond of every boot
import fcntl
import os
import select
import sys
import termios
import time

from . import frames
from .frames import read
from .remote_child import RemoteChild

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing `typing` would slow down every boot
    from typing import BinaryIO

#: As in `launch.command`: the link's descriptors in the peer.
LINK_NUMBERS = (7, 8)
#: Signals for the program that a launcher starts, which is the peer.
_PASSED_ON = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
#: Bytes that wait for the local end, beyond which the peer has to wait.
_BOUND = 1 << 18
#: Seconds after the peer's end: for its descendants to be gone, and then for the local end to
#: have read everything.
_GONE_SECONDS = 2.0
_TAKEN_SECONDS = 2.0
#: Milliseconds between checks whether the peer has stopped.
_STOPPING_MS = 5


def begin(magic: bytes, cwd: str, heartbeat: bool) -> tuple[BinaryIO, int]:
    """Fork; return the link's reader and writer in the peer. In the relay, this does not return.

    :param magic: what the local end waits for. Everything before it is a banner.
    :param cwd: where the peer starts; empty for the present directory.
    :param heartbeat: whether a local end that is silent has ended.
    """
    # Above the numbers that the peer uses, and out of the way of what prints here.
    incoming, outgoing = _above(0), _above(1)
    link_in, link_out, stdin, stdout, stderr = (_pipe() for _ in range(5))
    wake = _pipe()
    peer = RemoteChild()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        for target, fd in enumerate((stdin[0], stdout[1], stderr[1])):
            os.dup2(fd, target)
        for target, fd in zip(LINK_NUMBERS, (link_in[0], link_out[1])):
            os.dup2(fd, target, inheritable=False)
        for fd in (incoming, outgoing, *link_in, *link_out, *stdin, *stdout, *stderr, *wake):
            os.close(fd)
        peer.become()
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
        peer.child = child
        inputs = {frames.LINK: link_in[1], frames.STDIN: stdin[1]}
        outputs = {frames.STDOUT: stdout[0], frames.STDERR: stderr[0]}
        relay = Relay(incoming, outgoing, wake, peer, inputs, outputs, link_out[0])
        os.write(outgoing, magic)
        os._exit(relay.run(cwd, frames.SILENT_SECONDS if heartbeat else None))
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        peer.kill()
        os._exit(1)


def _above(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    above = _above(ends[0]), _above(ends[1])
    for fd in ends:
        os.close(fd)
    return above


class Relay:
    """Relays bytes between the connection and the peer.

    :param incoming: a descriptor of the connection, as is `outgoing`.
    :param wake: both ends of a pipe, for signals.
    :param inputs: the descriptors that the peer reads the other ends of, by kind.
    :param outputs: those that it writes to, except its link.
    :param link: the descriptor for what it writes to its link.
    """

    def __init__(
        self,
        incoming: int,
        outgoing: int,
        wake: tuple[int, int],
        peer: RemoteChild,
        inputs: dict[bytes, int],
        outputs: dict[bytes, int],
        link: int,
    ) -> None:
        self._incoming = incoming
        self._parser = frames.Incoming()
        self._out = frames.Outgoing(outgoing)
        self._peer = peer
        self._wake, woken = wake
        self._inputs = {kind: frames.BufferedPipe(fd) for kind, fd in inputs.items()}
        self._taken = dict.fromkeys(inputs, 0)  # not acknowledged yet
        self._outputs = outputs
        self._link = link
        self._signals: list[int] = []
        self._stopping: bytes | None = None  # the payload of STOPPED, when it has
        for fd in (incoming, outgoing, *wake, *inputs.values(), *outputs.values(), link):
            os.set_blocking(fd, False)
        _signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        for name in ("SIGCHLD", *_PASSED_ON):
            _signal.signal(getattr(_signal, name), self._signalled)

    def _signalled(self, number: int, _frame: object) -> None:
        if number != _signal.SIGCHLD:
            self._signals.append(number)

    def run(self, cwd: str, silence: float | None) -> int:
        """Relay until the peer has ended, or the connection; return this process's exit status.

        :param silence: seconds after which a silent local end has ended; ``None`` for no limit.
        """
        self._out.add(frames.BORN, repr(self._peer.facts(cwd)).encode("ascii", "backslashreplace"))
        heard = time.monotonic()
        while silence is None or time.monotonic() < heard + silence:
            ready = self._ready(
                _STOPPING_MS if self._stopping is not None else silence and 1000 * silence
            )
            if silence is not None and self._incoming in ready:
                heard = time.monotonic()
            while self._signals:
                self._peer.signal(self._signals.pop(0), group=False)
            if self._peer.ended():
                return self._end()
            if self._stopping is not None and self._peer.stopped():
                self._out.add(frames.STOPPED, self._stopping, urgent=True)
                self._stopping = None
            if not self._carry(ready):
                break
        self._peer.kill(time.monotonic() + _GONE_SECONDS)
        return 1

    def _ready(self, milliseconds: float | None) -> set[int]:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(self._incoming, select.POLLIN)
        if self._out.size:
            poll.register(self._out.fd, select.POLLOUT)
        for pipe in self._inputs.values():
            if pipe.waits:
                poll.register(pipe.fd, select.POLLOUT)
        if self._out.size < _BOUND:
            for fd in (self._link, *self._outputs.values()):
                if fd >= 0:
                    poll.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(milliseconds)}
        if self._wake in ready:
            read(self._wake)
        return ready

    def _carry(self, ready: set[int]) -> bool:
        """Deal with what is ready; return whether the connection is still there."""
        if self._incoming in ready:
            data = read(self._incoming)
            if data == b"":
                return False
            for kind, payload in self._parser.feed(data or b""):
                self._received(kind, payload)
        for kind, pipe in self._inputs.items():
            if pipe.waits:
                self._taken[kind] += pipe.write()
                if self._taken[kind] >= frames.WINDOWS[kind] // 4:  # not after each write
                    taken, self._taken[kind] = self._taken[kind], 0
                    self._out.add(frames.TAKEN, kind + frames.packed(taken), urgent=True)
        if self._link in ready:
            self._take_link()
        for kind, fd in self._outputs.items():
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
            self._peer.signal(number, group=bool(group))
            if group and number == _signal.SIGSTOP:
                self._stopping = frames.packed(ticket)
        elif kind != frames.ALIVE:
            self._inputs[kind].add(payload)

    def _take_link(self) -> None:
        data = read(self._link)
        # First the output that was written before it.
        for kind, fd in self._outputs.items():
            if fd >= 0:
                self._take(kind, _waiting(fd))
        if data:
            self._out.add(frames.LINK, data)
        elif data == b"":
            os.close(self._link)
            self._link = -1
            self._out.add(frames.LINK)

    def _take(self, kind: bytes, size: float) -> None:
        while size > 0 and self._outputs[kind] >= 0:
            data = read(self._outputs[kind])
            if data is None:
                return
            if not data:
                os.close(self._outputs[kind])
                self._outputs[kind] = -1
                return
            self._out.add(kind, data)
            size -= len(data)

    def _end(self) -> int:
        """The peer has ended: kill what it has started, and send what all of them have written."""
        status = self._peer.status()
        self._peer.kill(time.monotonic() + _GONE_SECONDS)
        if self._link >= 0:
            self._take_link()
        for kind in self._outputs:
            self._take(kind, float("inf"))
        while self._link >= 0 and (data := read(self._link)):
            self._out.add(frames.LINK, data)
        self._out.add(frames.EXIT, b"%d" % status)
        self._wait_taken()
        return status if status >= 0 else 128 - status

    def _wait_taken(self) -> None:
        """Wait until the local end has read everything and closed the connection.

        Some launchers drop what is under way when this process ends.
        """
        deadline = None
        while deadline is None or time.monotonic() < deadline:
            poll = select.poll()
            poll.register(self._incoming, select.POLLIN)
            if self._out.size:
                poll.register(self._out.fd, select.POLLOUT)
            elif deadline is None:
                deadline = time.monotonic() + _TAKEN_SECONDS
            ready = dict(poll.poll(1000 * _TAKEN_SECONDS))
            if self._incoming in ready and read(self._incoming) == b"":
                return
            try:
                self._out.write()
            except OSError:
                return


def _waiting(fd: int) -> int:
    """Return how many bytes can be read."""
    try:
        size = fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0")
    except OSError:
        return frames.MOST
    return int.from_bytes(size, sys.byteorder)
