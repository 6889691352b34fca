"""The remote end of a relay: starts the peer, relays what it writes, and ends it when it is alone.

It runs in the interpreter that a launcher has started, and forks it: the child becomes the peer,
with everything that the interpreter was started with, and the parent is this relay. It is small,
has one thread, and ends with the peer or with its connection, which is its stdin. Sent as source:
Python 3.8 and the standard library only.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` takes a millisecond of every boot
import io
import os
import sys
import time

from .. import procfs, session
from . import frames
from .frames import Writer, frame, read

#: As in `launch.command`: the link's descriptors in the peer.
LINK_NUMBERS = (7, 8)
#: Signals for the program that a launcher starts, which is the peer.
_PASSED_ON = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
#: Bytes that wait for the local end, beyond which the peer has to wait.
_BOUND = 1 << 18
#: Seconds for the local end to read everything after the peer's end.
_TAKEN_SECONDS = 2.0
#: Seconds for the peer to stop. It takes microseconds, unless a thread waits in the kernel.
_STOPPED_SECONDS = 1.0
_POLL_SECONDS = 0.002


def begin(reader: io.BufferedReader, writer: int, config: tuple[bytes, str, bool]) -> None:
    """Fork. The child runs what comes over its link, as the peer; the parent relays and exits.

    `config` has what the local end waits for, backwards: all before it is a banner; the directory
    in which the peer starts, empty for the present one; and whether a silent local end has ended.
    """
    magic, cwd, heartbeat = config
    # Above the numbers that the peer uses, and out of the way of what prints here.
    below = [os.dup(writer) for _ in range(10)]
    connection = os.dup(reader.fileno()), os.dup(writer)
    link_in, link_out, stdin, stdout, stderr = (os.pipe() for _ in range(5))
    theirs = (stdin[0], stdout[1], stderr[1], link_in[0], link_out[1])
    inputs = {frames.LINK: link_in[1], frames.STDIN: stdin[1]}
    outputs = {frames.LINK: link_out[0], frames.STDERR: stderr[0], frames.STDOUT: stdout[0]}
    for fd in below:
        os.close(fd)
    peer = RemoteChild()
    sys.stdout.flush()
    peer.child = os.fork()
    if peer.child == 0:
        for target, fd in zip((0, 1, 2, *LINK_NUMBERS), theirs):
            os.dup2(fd, target, inheritable=target <= 2)
        for fd in (*connection, *theirs, *inputs.values(), *outputs.values()):
            os.close(fd)
        session.begin(peer.parent)
        if cwd:
            try:
                os.chdir(cwd)
            except OSError as exc:
                os.write(2, ("cannot start in %r: %s\n" % (cwd, exc.strerror)).encode())
                os._exit(1)
        link = os.fdopen(LINK_NUMBERS[0], "rb")
        exec(link.read(int(link.readline())), {"f": link, "w": LINK_NUMBERS[1]})
        return
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(2, 1)
        for fd in (null, *theirs):
            os.close(fd)
        relay = Relay(connection, peer, inputs, outputs)
        os.write(connection[1], magic[::-1])
        os._exit(relay.run(cwd, frames.SILENT_SECONDS if heartbeat else None))
    except BaseException:
        peer.kill()
        raise


class Relay:
    """Relays bytes between connection and peer; `inputs` and `outputs` are our ends, by kind."""

    def __init__(
        self,
        connection: tuple[int, int],
        peer: RemoteChild,
        inputs: dict[bytes, int],
        outputs: dict[bytes, int],
    ) -> None:
        self._incoming, self._outgoing = connection
        self._unparsed = bytearray()
        self._out = Writer()
        self._peer = peer
        self._wake, woken = os.pipe()  # for signals
        self._inputs = {kind: (fd, Writer()) for kind, fd in inputs.items()}
        self._outputs = outputs
        for fd in (*connection, self._wake, woken, *inputs.values(), *outputs.values()):
            os.set_blocking(fd, False)
        _signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        for name in _PASSED_ON:
            number = getattr(_signal, name)
            _signal.signal(number, lambda number, _: peer.signal(number, group=False))

    def run(self, cwd: str, silence: float | None) -> int:
        """Relay until the peer has ended, or the connection is lost; return our exit status."""
        facts = {"pid": self._peer.child, "cwd": cwd or os.getcwd(), "machine": procfs.machine()}
        self._send(frames.BORN, repr(facts).encode("ascii", "backslashreplace"))
        heard = time.monotonic()
        while silence is None or time.monotonic() < heard + silence:
            readers = [self._wake, self._incoming]
            if self._out.size < _BOUND:
                readers += self._outputs.values()
            writers = [self._out, *(writer for _, writer in self._inputs.values())]
            ready = frames.wait(readers, writers, silence)
            if self._wake in ready:
                read(self._wake)
            if self._incoming in ready:
                heard = time.monotonic()
            if self._peer.ended():
                return self._end()
            if not self._carry(ready):
                break
        self._peer.kill()
        return 1

    def _carry(self, ready: set[int]) -> bool:
        """Deal with what is ready; return whether the connection is still there."""
        if self._incoming in ready:
            data = read(self._incoming)
            if data == b"":
                return False
            self._unparsed += data or b""
            while found := frames.parse(self._unparsed):
                self._received(*found)
        for _, writer in self._inputs.values():
            writer.write()
        if not ready.isdisjoint(self._outputs.values()):
            self._take()
        self._out.write()
        return self._outgoing not in self._out.lost

    def _received(self, kind: bytes, payload: bytes) -> None:
        if kind == frames.SIGNAL:
            number, group = payload[0] & ~frames.GROUP, bool(payload[0] & frames.GROUP)
            self._peer.signal(number, group=group)
            deadline = time.monotonic() + _STOPPED_SECONDS
            if group and number == _signal.SIGSTOP and self._peer.wait_stopped(deadline):
                self._send(frames.STOPPED)
        elif kind != frames.ALIVE:
            fd, writer = self._inputs[kind]
            writer.add(fd, payload)

    def _send(self, kind: bytes, data: bytes = b"") -> None:
        self._out.add(self._outgoing, frame(kind, data))

    def _take(self) -> None:
        """Take what the peer has written: its link first, and send its output before that."""
        found = [(kind, read(fd)) for kind, fd in self._outputs.items() if fd >= 0]
        for kind, data in reversed(found):
            if data == b"":
                os.close(self._outputs[kind])
                self._outputs[kind] = -1
            if data or (data == b"" and kind == frames.LINK):
                self._send(kind, data)

    def _end(self) -> int:
        """The peer has ended: kill what it has started, and send what all of them have written."""
        self._peer.kill()
        status = self._peer.reap()
        self._take()
        self._send(frames.EXIT, b"%d" % status)
        # Some launchers drop what is under way when this process ends, so the local end closes the
        # connection when it has read everything.
        ended = False
        while not ended and self._outgoing not in self._out.lost:
            self._out.write()
            ready = frames.wait([self._incoming], [self._out], _TAKEN_SECONDS)
            late = not ready and not self._out.size
            ended = late or (self._incoming in ready and read(self._incoming) == b"")
        return status if status >= 0 else 128 - status


class RemoteChild:
    """Made before the fork, whose result is `child`."""

    def __init__(self) -> None:
        #: The child's process id.
        self.child: int = -1
        self.parent: int = os.getpid()
        self._over = False
        #: Children of the launcher, which has executed this interpreter: not the peer's.
        self._launchers = procfs.children(self.parent)
        session.prctl(session.SUBREAPER, 1)

    def signal(self, number: int, *, group: bool) -> None:
        if self._over or (group and session.sent(os.killpg, self.child, number)):
            return
        session.sent(os.kill, self.child, number)  # it may not have made itself a group yet

    def ended(self) -> bool:
        """Reap orphans; return whether the peer has ended. Its number stays its own."""
        return session.reap_orphans(self.child)

    def reap(self) -> int:
        """Return the status of the peer, which has ended, or minus the signal that ended it."""
        _, status = os.waitpid(self.child, 0)
        return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def wait_stopped(self, deadline: float) -> bool:
        """Wait until SIGSTOP has stopped the peer, or it has ended; return whether that came."""
        while not session.has_changed(self.child, os.WSTOPPED | os.WEXITED | os.WNOHANG):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def kill(self) -> None:
        """Kill the peer and all that it started, and wait until that is gone."""
        self.signal(_signal.SIGKILL, group=False)
        session.kill_below(self._launchers, zombie=self.child)
        self.signal(_signal.SIGKILL, group=True)  # where nothing is found below
        self._over = True
