"""The client of a fork server: starts it, asks it for peers, and hears of their ends.

There is one server for each set of preloaded modules. It is started when first wanted, and ends
with the origin. When it dies, the peers that it has forked die too, and the next peer gets
another server.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ...core.clock import monotonic
from ...core.loop import loop
from ...core.states import ExitStatus
from ...core.sync import Event
from ...core.worker import start_thread, worker
from .. import lifeline
from ..child import STATUS_LOST, pid_of, reap
from .child import ForkedChild, ForkError
from .inheritance import Inheritance
from .messages import Broken, send, whole

#: The last word of its command line. A peer writes its own name over it.
_TITLE = "pytest-peer-forkserver".ljust(100)
#: Seconds before a message for which no one waits is sent again.
_AGAIN_SECONDS = 0.01
#: Seconds for the server to end after the connection has, before it is killed.
_END_SECONDS = 2.0
#: The part of the server's output that is kept. It writes nothing unless something is wrong.
_KEPT_BYTES = 1 << 16


class ForkServer:
    """A template process and the connection with it.

    :param program: returns the command line, given the number of the descriptor it inherits.
    :param code: returns what that program reads first, given the number of the lifeline.
    """

    def __init__(
        self, program: Callable[[int], Sequence[str]], code: Callable[[int], bytes]
    ) -> None:
        self._code = code
        #: What the server has, and so a peer for which nothing is changed.
        self.inheritance: Inheritance = Inheritance.now()
        #: Its first line, which says what interpreter it is.
        self.hello: bytes = b""
        #: Why it is of no use any more; empty while it is.
        self.dead: str = ""
        self._numbers = itertools.count(1)
        self._children: dict[int, ForkedChild] = {}  # those that are not reaped
        self._lock = threading.Lock()  # held only for a moment
        self._sending = threading.Lock()
        self._outgoing: deque[tuple[Any, ...]] = deque()  # messages for which no one waits
        self._ready = Event()
        self._was_ready = False
        self._reaping = False
        self._received = bytearray()
        self._lifeline = lifeline.open_end()
        self._output = bytearray()
        self._socket, theirs = socket.socketpair()
        with theirs, lifeline.closing(self._lifeline):
            #: Its command line without the last word, which a peer replaces by its name.
            self.argv: list[str] = list(program(theirs.fileno()))
            popen = subprocess.Popen(
                [*self.argv, _TITLE],
                bufsize=0,
                stdin=subprocess.PIPE,  # all three are pipes, as a peer's
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[fd for fd in (theirs.fileno(), self._lifeline) if fd >= 0],
                start_new_session=True,  # Ctrl-C in the terminal is for the origin
            )
        self._pid = pid_of(popen)
        assert popen.stdin is not None and popen.stdout is not None
        popen.stdin.close()
        self._pipe = popen.stdout
        os.set_blocking(self._pipe.fileno(), False)
        try:
            start_thread(self._begin, "pytest-peer-forkserver")
        except BaseException:  # a signal's handler has raised, and this server stays unknown
            self.kill()
            raise

    def _begin(self) -> None:
        """On a thread, because the server may have to read before all of the code fits."""
        try:
            code = self._code(self._lifeline)
            loop.start()
            with contextlib.suppress(OSError):  # it has ended, which the event loop notices
                self._socket.sendall(code)
            self._socket.setblocking(False)
            loop.add(self._pipe.fileno(), self._read_output)
            loop.add(self._socket.fileno(), self._readable)
        except Exception as exc:  # no more threads or descriptors; then an import is ImportError
            self.dead = f"the fork server cannot be watched: {exc}"
            self._was_ready = True  # nothing is wrong with it, and another one may do
            self.kill()
            self._bury()

    def wait_ready(self, limit: float) -> None:
        """Wait until it has started, at most `limit` seconds.

        :raises ForkError: it has not, or it has died.
        """
        if not self._ready.wait(limit):
            raise ForkError("the fork server is still starting" + self._quoted(), late=True)
        if self.dead:
            raise ForkError(self.dead, lost=self._was_ready)

    @property
    def unusable(self) -> bool:
        """Whether it could not start, and another one could not either."""
        return bool(self.dead) and not self._was_ready

    def fork(
        self, request: dict[str, Any], descriptors: Sequence[int], limit: float
    ) -> ForkedChild:
        """Make a peer.

        :param request: see the agent's module `forkserver.server`.
        :param descriptors: those that the peer gets, beginning with stdin, stdout and stderr.
        :param limit: seconds.
        :raises ForkError: it was not possible, or not in time.
        """
        deadline = monotonic() + limit
        with self._lock:
            if self.dead:
                raise ForkError(self.dead, lost=True)
            number = next(self._numbers)
            child = self._children[number] = ForkedChild(self, number)
        try:
            if not self._sending.acquire(timeout=max(0.0, limit)):
                raise TimeoutError
            try:
                self._send(("fork", number, len(descriptors), request), descriptors, deadline)
            finally:
                self._sending.release()
        except TimeoutError:
            with self._lock:
                self._children.pop(number, None)
            raise ForkError("the fork server does not read", late=True) from None
        except OSError:
            pass  # the server is dying, and `_bury` ends the child
        self._send_outgoing()
        child.wait_started(deadline)
        return child

    def reap(self, number: int) -> None:
        """Have the server reap a child that has ended."""
        self._outgoing.append(("reap", number))
        self._send_outgoing()

    def signal(self, number: int, signal_number: int) -> None:
        """Have the server send a signal to the group of a child."""
        self._outgoing.append(("signal", number, int(signal_number)))
        # Not here, perhaps on the main thread, where an interrupt could come while we hold
        # `_sending`.
        loop.call_later(0, self._send_outgoing)

    def _send_outgoing(self) -> None:
        # The server may be waiting for the event loop, which runs this: so it never waits.
        while self._outgoing and self._sending.acquire(blocking=False):
            try:
                while self._outgoing:
                    # So short that it goes whole or not at all.
                    self._send(self._outgoing[0], (), monotonic())
                    self._outgoing.popleft()
            except TimeoutError:
                loop.call_later(_AGAIN_SECONDS, self._send_outgoing)
                return
            except OSError:
                self._outgoing.clear()  # the server is dying, and init reaps its children
            finally:
                self._sending.release()

    def _send(self, message: tuple[Any, ...], descriptors: Sequence[int], deadline: float) -> None:
        try:
            send(self._socket, message, descriptors, deadline)
        except Broken:
            self.kill()
            raise

    # On the event loop's thread

    def _readable(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            loop.remove(self._socket.fileno())
            worker.run(self._bury)
            return
        self._received += data
        if not self.hello:
            line, found, rest = bytes(self._received).partition(b"\n")
            if not found:
                return
            self.hello, self._received = line, bytearray(rest)
        for message in whole(self._received):
            self._reported(*message)

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
            return
        if what == "failed":
            self.dead = f"the fork server did not start: {rest[0]}"
            return  # it ends now
        child = self._children.get(rest[0])
        if child is None:
            return
        if what == "forked":
            child.replied(rest[1], "")
        elif what == "refused":
            del self._children[rest[0]]
            child.replied(-1, f"the fork server: {rest[1]}")
        elif what == "ended":
            child.end(ExitStatus.from_returncode(rest[1]))
        else:
            del self._children[rest[0]]
            child.released()

    def _bury(self) -> None:
        how = self._wait() or STATUS_LOST
        loop.remove(self._pipe.fileno())
        self._read_output()
        self._pipe.close()
        with self._lock:
            self.dead = (self.dead or f"the fork server died ({how})") + self._quoted()
            self._ready.set()
            children, self._children = list(self._children.values()), {}
        with self._sending:
            self._socket.close()
        for child in children:
            loop.call_soon(partial(child.end, None, self.dead))
            loop.call_soon(partial(child.replied, child.pid, self.dead))

    # Its end

    def _wait(self) -> ExitStatus | None:
        """Wait for its end, and kill it if that does not come soon; ``None`` if it is unknown."""
        with self._lock:
            self._reaping = True
        for _ in range(2):
            try:
                return reap(self._pid, _END_SECONDS)
            except TimeoutError:
                os.kill(self._pid, signal.SIGKILL)
        return None

    def kill(self) -> None:
        """Kill the server, and with it its peers. The next peer gets another server."""
        with self._lock:
            self.dead = self.dead or "the fork server was killed: it did not read a whole request"
            if not self._reaping:
                with contextlib.suppress(ProcessLookupError):  # something else has reaped it
                    os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """End it at the end of the origin, when it has no peers any more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._wait()

    def disown(self) -> None:
        """In a forked child, close the connection: left open, it would keep the server alive."""
        self.dead = "the fork server belongs to the process that this one was forked from"
        self._socket.close()
        self._pipe.close()
