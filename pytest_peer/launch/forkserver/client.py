"""The client of a fork server: starts it, asks it for peers, and hears of their ends.

There is one server for each set of preloaded modules. It is started when first wanted, and ends
with the origin. When it dies, the peers that it has forked die too, and the next peer gets
another server. A message is one marshalled tuple on a socket that keeps their boundaries.
"""

import contextlib
import itertools
import marshal
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ...core.clock import monotonic, sleep
from ...core.down_reason import ExitStatus
from ...core.locks import Lock
from ...core.loop import loop
from ...core.sync import Event
from ...core.worker import worker
from .. import bootstrap, coverage, lifeline
from ..command import Command, boot_words, interpreter_options
from ..process import STATUS_LOST, Child, execute, reap
from .inheritance import Inheritance
from .preload import OURS

#: The last word of its command line. A peer writes its own name over it.
_TITLE = "pytest-peer-forkserver".ljust(100)
#: The longest message of a server.
_MOST_BYTES = 1 << 16
#: Seconds before a message for which the server has no room is sent again.
_AGAIN_SECONDS = 0.01
#: Seconds for the server to end after the connection has, before it is killed.
_END_SECONDS = 2.0
#: The part of the server's output that is kept. It writes nothing unless something is wrong.
_KEPT_BYTES = 1 << 16


class ForkError(Exception):
    """The text says why there is no peer: no time was left (`late`); the server died (`lost`)."""

    def __init__(self, text: str, *, late: bool = False, lost: bool = False) -> None:
        super().__init__(text)
        self.late = late
        self.lost = lost


class ForkedChild(Child):
    """A child of a reaper, and then the fork server's. It changes on the event loop."""

    has_reaper = True

    def __init__(self, release: Callable[[], object]) -> None:
        self._release = release
        self._on_end: Callable[[], object] | None = None
        self._status: ExitStatus | None = None
        self._ended = False
        self._replied = Event()
        #: Set when the server has reaped it.
        self.reaped: Event = Event()
        self._refusal = ""
        self.pid: int = -1

    def wait_started(self, deadline: float) -> None:
        """Wait until there is a process. One that comes too late is killed when it starts."""
        if not self._replied.wait(max(0.0, deadline - monotonic())):
            loop.call_soon(self._abandon)
            raise ForkError("the fork server did not answer in time", late=True)
        if self._refusal:
            raise ForkError(self._refusal, lost=bool(self.status_lost))

    def _abandon(self) -> None:
        self._watch(self._release)
        if self.pid > 0 and not self._ended:
            with contextlib.suppress(OSError):  # this process has dropped the right to do it
                os.kill(self.pid, signal.SIGKILL)  # not reaped, so the number is its own

    def watch(self, ended: Callable[[], object]) -> None:
        loop.call_soon(partial(self._watch, ended))

    def _watch(self, ended: Callable[[], object]) -> None:
        self._on_end = ended
        if self._ended:
            ended()

    def remember_descendants(self) -> None:
        return  # its reaper finds them

    def reap(self) -> ExitStatus | None:
        self._release()
        return self._status

    def wait_gone(self, seconds: float) -> None:
        self.reaped.wait(seconds)

    def replied(self, pid: int, refusal: str) -> None:
        self.pid, self._refusal = pid, refusal
        self._replied.set()
        if self._on_end == self._release:
            self._abandon()

    def end(self, status: ExitStatus | None, status_lost: str = "") -> None:
        if self._ended:
            return
        self._ended, self._status = True, status
        self.status_lost: str = status_lost
        if self._on_end is not None:
            self._on_end()


class ForkServer:
    """A template process that has imported `preload`, and the connection with it."""

    def __init__(self, preload: Sequence[str]) -> None:
        #: What the server has, and so a peer for which nothing is changed.
        self.inheritance: Inheritance = Inheritance.now(coverage.without_variables())
        #: Its first line, which says what interpreter it is.
        self.hello: bytes = b""
        #: Why it is of no use any more; empty while it is.
        self.dead: str = ""
        #: The module of the user's that could not be imported there.
        self.bad_preload: str = ""
        self._numbers = itertools.count(1)
        self._children: dict[int, ForkedChild] = {}  # those that are not reaped
        self._lock = Lock()  # held only for a moment
        self._ready = Event()
        self._was_ready = False
        self._watched = False
        self._buried = False
        self._output = bytearray()
        self._socket, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        # In a file, which it can read while nobody writes.
        code = os.fdopen(os.memfd_create("pytest-peer-code"), "w+b")
        with theirs, code, lifeline.opened() as end:
            libraries = (coverage.LIBRARY,) if coverage.current() is not None else ()
            settings = {"preload": (*libraries, *preload), "path": list(sys.path), "lifeline": end}
            code.write(bootstrap.loader() + bootstrap.template(settings))
            code.seek(0)
            words = boot_words(code.fileno(), theirs.fileno())
            #: Its command line without the last word, which a peer replaces by its name.
            self.argv: list[str] = [sys.executable, *interpreter_options(), *words]
            line = Command([*self.argv, _TITLE], self.inheritance.environ, None)
            standard = (subprocess.PIPE, subprocess.PIPE, subprocess.STDOUT)  # pipes, as a peer's
            popen = execute(line, standard, [code.fileno(), theirs.fileno(), end])
            self._pid = popen.pid
            lifeline.tie(end, -self._pid)  # until it serves: an import sees no end of the origin
        assert popen.stdin is not None and popen.stdout is not None
        popen.stdin.close()
        self._pipe = popen.stdout
        os.set_blocking(self._pipe.fileno(), False)
        self._socket.setblocking(False)

    def _watch(self) -> None:
        """Listen to it from now on, while there are peers: only then does the event loop run."""
        with self._lock:
            watched, self._watched = self._watched, True
        try:
            if not watched:
                loop.add(self._pipe.fileno(), self._read_output)
                loop.add(self._socket.fileno(), self._readable)
        except Exception as exc:  # no more descriptors
            self.dead = f"the fork server cannot be watched: {exc}"
            self._was_ready = True  # nothing is wrong with it, and another one may do
            self.bury()

    def wait_ready(self, limit: float) -> None:
        """Wait until it has started, at most `limit` seconds; `ForkError` if it has not."""
        self._watch()
        try:
            loop.start()
            ready = self._ready.wait(limit)
        finally:
            loop.leave()
        if not ready:
            raise ForkError("the fork server is still starting" + self._quoted(), late=True)
        if self.dead:
            raise ForkError(self.dead, lost=self._was_ready)

    @property
    def unusable(self) -> bool:
        """Whether it could not start, and another one could not either."""
        return bool(self.dead) and not self._was_ready

    def fork(
        self, request: dict[str, Any], descriptors: Sequence[int], deadline: float, kind: str
    ) -> ForkedChild:
        """Make a peer in time, or raise ForkError; see the agent's module `forkserver.server`.

        `kind` is one of those in `session`.
        """
        number = next(self._numbers)
        child = ForkedChild(partial(self._reap, number))
        # A file, because a message has a longest size.
        with os.fdopen(os.memfd_create("pytest-peer-request"), "wb") as file:
            marshal.dump(request, file)
            file.flush()
            sent = [file.fileno(), *descriptors]
            loop.start()  # until it is reaped, which nobody may wait for
            with self._lock:
                self._children[number] = child
                dead = self.dead
            if dead:
                self._forget(number)
                raise ForkError(dead, lost=True)
            while not self._sent(("fork", number, len(sent), kind), sent):
                if monotonic() > deadline:
                    self._forget(number)
                    raise ForkError("the fork server does not read", late=True)
                sleep(_AGAIN_SECONDS)
        child.wait_started(deadline)
        return child

    def prepare(self, kind: str) -> None:
        """Have a spare of this kind made when there is time."""
        self._sent(("prepare", 0, kind))

    def _forget(self, number: int) -> None:
        if self._children.pop(number, None) is not None:
            loop.leave()

    def _reap(self, number: int) -> None:
        """On the event loop, have the server reap a child that has ended."""
        if not self._sent(("reap", number)):
            loop.call_later(_AGAIN_SECONDS, partial(self._reap, number))

    def _sent(self, message: tuple[Any, ...], descriptors: Sequence[int] = ()) -> bool:
        """Send a message whole; return whether there was room for it."""
        try:
            with self._lock:  # else `bury` could close the socket in between
                flags = socket.MSG_NOSIGNAL
                socket.send_fds(self._socket, [marshal.dumps(message)], descriptors, flags)
        except BlockingIOError:
            return False
        except OSError:
            pass  # the server is dying: `bury` ends its children, and init reaps them
        return True

    # On the event loop's thread

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_MOST_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            loop.remove(self._socket.fileno())
            worker.run(self.bury)
        elif not self.hello:
            self.hello = data
        else:
            self._reported(*marshal.loads(data))

    def _read_output(self) -> None:
        try:
            data = os.read(self._pipe.fileno(), _KEPT_BYTES)
        except OSError:  # nothing is there
            return
        if not data:
            loop.remove(self._pipe.fileno())
        self._output = (self._output + data)[-_KEPT_BYTES:]

    def _quoted(self) -> str:
        text = self._output.decode("utf-8", "backslashreplace").strip()
        return f"; its output:\n{text}" if text else ""

    def _reported(self, what: str, *rest: Any) -> None:
        if what == "ready":
            self._was_ready = True
            self._ready.set()
        elif what == "failed":  # it ends now
            self.dead = f"the fork server did not start: {rest[0]}"
            self.bad_preload = rest[1] if rest[1] not in OURS else ""
        elif (child := self._children.get(rest[0])) is None:
            pass  # no one waits for it any more
        elif what == "forked":
            child.replied(rest[1], "")
        elif what == "refused":
            self._forget(rest[0])
            child.replied(-1, f"the fork server: {rest[1]}")
        elif what == "ended":
            child.end(ExitStatus.from_returncode(rest[1]))
        else:
            self._forget(rest[0])
            child.reaped.set()

    # Its end

    def bury(self) -> None:
        """End it and let go of it, unless that was done; also when the origin exits."""
        with self._lock:
            if self._buried:
                return
            self._buried = True
        how = self.close() or STATUS_LOST
        loop.remove(self._socket.fileno())
        loop.remove(self._pipe.fileno())
        self._read_output()
        self._pipe.close()
        with self._lock:
            self.dead = (self.dead or f"the fork server died ({how})") + self._quoted()
            self._ready.set()
            children = dict(self._children)
            self._socket.close()
        for number, child in children.items():
            child.reaped.set()  # init does it
            loop.call_soon(partial(child.end, None, self.dead))
            loop.call_soon(partial(child.replied, child.pid, self.dead))
            self._forget(number)

    def close(self) -> ExitStatus | None:
        """End it; return how it has ended, if that is known."""
        with contextlib.suppress(OSError):  # it has ended
            self._socket.shutdown(socket.SHUT_RDWR)
        for _ in range(2):
            try:
                return reap(self._pid, _END_SECONDS)
            except TimeoutError:
                os.kill(self._pid, signal.SIGKILL)
        return None

    def disown(self) -> None:
        """In a forked child, close the connection: left open, it would keep the server alive."""
        self.dead = "the fork server belongs to the process that this one was forked from"
        self._socket.close()
        self._pipe.close()
